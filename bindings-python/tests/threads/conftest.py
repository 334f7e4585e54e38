"""A `Server` in each of the ways it can be reached. The clients are those of the other tests, in the test's event loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from werkzeug.serving import make_server

MODULE = os.environ.get("FERRIO_TEST_MODULE", "ferrio")
ORIGINAL = MODULE == "socketio"
PROGRAMS = pathlib.Path(__file__).parent / "programs"

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


class Program:
    """A server in a process of its own."""

    def __init__(self, command: list[str], environment: dict[str, str], port: str) -> None:
        self.output: list[str] = []
        # Its process group, so that a server's workers end with it.
        self.process = subprocess.Popen(
            command,
            cwd=PROGRAMS,
            env=os.environ | {"FERRIO_TEST_MODULE": MODULE} | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.url = ""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output.append(line)
            if found := re.search(port, line):
                self.url = f"http://127.0.0.1:{found[1]}"
                break
        else:
            raise RuntimeError("the server did not start:\n" + "".join(self.output))
        self.reader = threading.Thread(target=lambda: self.output.extend(self.process.stdout), daemon=True)
        self.reader.start()

    def stop(self) -> str:
        """Ends it; gives what it printed."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        self.reader.join()
        return "".join(self.output)


@pytest.fixture
def start() -> Iterator[Callable[..., Program]]:
    """Starts a program of `programs/` that tells its port."""
    running: list[Program] = []

    def run(*arguments: str, port: str = r"^(\d+)$", **environment: str) -> Program:
        program = Program([sys.executable, *arguments], environment, port)
        running.append(program)
        return program

    yield run
    for program in running:
        program.stop()
