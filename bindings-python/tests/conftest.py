"""What every test needs: the module under test, a server in each of the ways it can be reached, and clients.

`FERRIO_TEST_MODULE=socketio` runs the tests of behaviour against python-socketio itself: they say what the original does,
so they must pass there too. What only ferrio has is marked `ferrio_only`.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
import uvicorn

from peers import Client, Polling, Raw

MODULE = os.environ.get("FERRIO_TEST_MODULE", "ferrio")
ORIGINAL = MODULE == "socketio"

#: How a server is reached: under uvicorn with WebSockets framed by uvicorn, or taken over from it; by its own listener.
WAYS = ["asgi"] if ORIGINAL else ["asgi", "takeover", "native"]
#: For tests of what happens after a connection is open, which is the same in all ways.
ONE_WAY = ["asgi"] if ORIGINAL else ["native"]

Serve = Callable[..., Awaitable[str]]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "ferrio_only: not a behaviour of python-socketio's")
    config.addinivalue_line("markers", "every_way: run for every way of serving")
    config.addinivalue_line("markers", "every_server: run against the server of either module")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "way" in metafunc.fixturenames:
        ways = WAYS if metafunc.definition.get_closest_marker("every_way") else ONE_WAY
        metafunc.parametrize("way", ways)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if ORIGINAL and item.get_closest_marker("ferrio_only"):
            item.add_marker(pytest.mark.skip(reason="only ferrio has this"))


@pytest.fixture
def socketio() -> Any:
    """The module under test."""
    return importlib.import_module(MODULE)


@pytest.fixture
def new_server(socketio: Any) -> Callable[..., Any]:
    """Makes a server that any origin may use. `async_mode` is for the original, which would choose aiohttp."""

    def make(**options: Any) -> Any:
        return socketio.AsyncServer(**{"async_mode": "asgi", "cors_allowed_origins": "*"} | options)

    return make


@pytest.fixture
def sio(new_server: Callable[..., Any]) -> Any:
    return new_server()


@pytest_asyncio.fixture
async def under_uvicorn() -> AsyncIterator[Serve]:
    """Serves an ASGI application under uvicorn, in this loop; gives its URL."""
    running: list[tuple[uvicorn.Server, asyncio.Task[None]]] = []

    async def start(app: Any, **config: Any) -> str:
        settings = {"port": 0, "log_level": "critical", "timeout_graceful_shutdown": 1} | config
        server = uvicorn.Server(uvicorn.Config(app, **settings))
        task = asyncio.create_task(server.serve())
        while not server.started:
            if task.done():
                task.result()
                raise RuntimeError("uvicorn did not start")
            await asyncio.sleep(0.005)
        running.append((server, task))
        scheme = "https" if "ssl_certfile" in config else "http"
        return f"{scheme}://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"

    yield start
    for server, task in running:
        server.should_exit = True
        await task


@pytest_asyncio.fixture
async def serve(way: str, under_uvicorn: Serve, socketio: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Serve]:
    """Serves a server in the way of this test; gives its URL."""
    native: list[Any] = []

    async def start(sio: Any) -> str:
        if way == "native":
            host, port = await sio.listen("127.0.0.1", 0)
            native.append(sio)
            return f"http://{host}:{port}"
        if not ORIGINAL:
            sio._take_over = way == "takeover"
        return await under_uvicorn(socketio.ASGIApp(sio))

    yield start
    for sio in native:
        await sio.shutdown()


@pytest_asyncio.fixture
async def connect() -> AsyncIterator[Callable[..., Awaitable[Client]]]:
    """Connects python-socketio's client, over a WebSocket unless told otherwise."""
    clients: list[Client] = []

    async def make(url: str, **options: Any) -> Client:
        client = Client(ssl_verify=False)
        clients.append(client)
        await client.connect(url, **{"transports": ["websocket"], "wait_timeout": 10} | options)
        return client

    yield make
    for client in clients:
        await client.disconnect()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Files of a self-signed certificate and its key."""
    folder = tmp_path_factory.mktemp("tls")
    certfile, keyfile = str(folder / "cert.pem"), str(folder / "key.pem")
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*make, "-keyout", keyfile, "-out", certfile], check=True, capture_output=True)
    return certfile, keyfile


@pytest_asyncio.fixture
async def raw() -> AsyncIterator[Callable[..., Awaitable[Raw]]]:
    """Opens a WebSocket and speaks the protocol by hand."""
    sockets: list[Raw] = []

    async def make(url: str, **options: Any) -> Raw:
        socket = await Raw.open(url, **options)
        sockets.append(socket)
        return socket

    yield make
    for socket in sockets:
        await socket.close()


@pytest_asyncio.fixture
async def polling() -> AsyncIterator[Callable[..., Polling]]:
    """Speaks long-polling by hand."""
    pollers: list[Polling] = []

    def make(url: str) -> Polling:
        poller = Polling(url)
        pollers.append(poller)
        return poller

    yield make
    for poller in pollers:
        await poller.close()
