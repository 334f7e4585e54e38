"""A `Server` in each of the ways it can be reached. The clients are those of the other tests, in the test's event loop."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from werkzeug.serving import make_server

MODULE = os.environ.get("FERRIO_TEST_MODULE", "ferrio")
ORIGINAL = MODULE == "socketio"

#: Under werkzeug with WebSockets taken over from it, or framed by simple-websocket; by the engine's own listener.
ROUTES = ["werkzeug"] if ORIGINAL else ["takeover", "framed", "native"]
ONE_ROUTE = ["werkzeug"] if ORIGINAL else ["native"]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "every_route: run for every way of serving")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "route" in metafunc.fixturenames:
        every = metafunc.definition.get_closest_marker("every_route")
        metafunc.parametrize("route", ROUTES if every else ONE_ROUTE)


@pytest.fixture
def new_server(socketio: Any) -> Iterator[Callable[..., Any]]:
    """Makes a threaded server that any origin may use."""
    made: list[Any] = []

    def make(**options: Any) -> Any:
        server = socketio.Server(**{"async_mode": "threading", "cors_allowed_origins": "*"} | options)
        made.append(server)
        return server

    yield make
    for server in made:
        server.shutdown()


@pytest.fixture
def sio(new_server: Callable[..., Any]) -> Any:
    return new_server()


@pytest.fixture
def under_werkzeug() -> Iterator[Callable[..., str]]:
    """Serves a WSGI application, a thread for each request; gives its URL."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    running: list[tuple[Any, threading.Thread]] = []

    def start(app: Any, **options: Any) -> str:
        server = make_server("127.0.0.1", 0, app, threaded=True, **options)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        running.append((server, thread))
        return f"{'https' if 'ssl_context' in options else 'http'}://127.0.0.1:{server.server_port}"

    yield start
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def serve(route: str, under_werkzeug: Callable[..., str], socketio: Any) -> Callable[[Any], str]:
    """Serves a server in the way of this test; gives its URL."""

    def start(sio: Any) -> str:
        if route == "native":
            host, port = sio.listen("127.0.0.1", 0)
            return f"http://{host}:{port}"
        if not ORIGINAL:
            sio._take_over = route == "takeover"
        return under_werkzeug(socketio.WSGIApp(sio))

    return start


@pytest.fixture
def heard() -> Any:
    """A queue of the test's that handlers in threads may put to."""
    return Heard(asyncio.Queue())


class Heard:
    def __init__(self, queue: asyncio.Queue[Any]) -> None:
        self.queue = queue
        self.loop: asyncio.AbstractEventLoop | None = None

    def put(self, item: Any) -> None:
        """From any thread."""
        assert self.loop is not None
        self.loop.call_soon_threadsafe(self.queue.put_nowait, item)

    async def get(self) -> Any:
        return await asyncio.wait_for(self.queue.get(), 20)


@pytest.fixture(autouse=True)
async def _listening(heard: Heard) -> None:
    heard.loop = asyncio.get_running_loop()
