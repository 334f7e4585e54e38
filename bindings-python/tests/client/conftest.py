"""A client of each kind, a server of each module, and what handlers tell the test.

`FERRIO_TEST_MODULE=socketio` runs these tests with python-socketio's clients.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
import uvicorn

from peers import patiently, until

ORIGINAL = os.environ.get("FERRIO_TEST_MODULE", "ferrio") == "socketio"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "kind" in metafunc.fixturenames:
        metafunc.parametrize("kind", ["asyncio", "threads"])
    if "by" in metafunc.fixturenames:
        every = metafunc.definition.get_closest_marker("every_server")
        metafunc.parametrize("by", ["socketio", "ferrio"] if every else ["socketio"])


class Face:
    """Clients of one kind, called alike: those for threads from a thread."""

    def __init__(self, socketio: Any, kind: str) -> None:
        self.socketio = socketio
        self.threads = kind == "threads"
        self.Client = socketio.Client if self.threads else socketio.AsyncClient
        self.SimpleClient = socketio.SimpleClient if self.threads else socketio.AsyncSimpleClient
        self.ClientNamespace = socketio.ClientNamespace if self.threads else socketio.AsyncClientNamespace
        self.made: list[Any] = []
        self._loop = asyncio.get_running_loop()
        self._heard: asyncio.Queue[Any] = asyncio.Queue()

    def client(self, **options: Any) -> Any:
        client = self.Client(**{"reconnection": False, "handle_sigint": False} | options)
        self.made.append(client)
        return client

    async def do(self, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Calls a method of the client as a program would."""
        if self.threads:
            return await asyncio.to_thread(function, *args, **options)
        result = function(*args, **options)
        return await result if inspect.isawaitable(result) else result

    def start(self, function: Callable[..., Any], *args: Any, **options: Any) -> asyncio.Task[Any]:
        """As `do`, beside the test."""
        return asyncio.create_task(self.do(function, *args, **options))

    def put(self, *thing: Any) -> None:
        """From a handler, in whatever thread."""
        self._loop.call_soon_threadsafe(self._heard.put_nowait, thing[0] if len(thing) == 1 else thing)

    async def get(self) -> Any:
        """What a handler has put."""
        return await patiently(self._heard.get())

    async def silent(self) -> bool:
        """Whether handlers have put nothing (more)."""
        await asyncio.sleep(0)
        return self._heard.empty()

    def tells(self, name: str) -> Callable[..., None]:
        """A handler that puts its arguments behind a name."""
        return lambda *args: self.put(name, *args)


@pytest_asyncio.fixture
async def face(socketio: Any, kind: str) -> AsyncIterator[Face]:
    face = Face(socketio, kind)
    yield face
    for client in face.made:
        await patiently(face.do(client.shutdown))
        await patiently(face.do(client.disconnect))


class Site:
    """A server, which may end and come back at the same port."""

    def __init__(self, module: str) -> None:
        self.module = importlib.import_module(module)
        self.sio: Any = None
        self.port = 0
        self._server: uvicorn.Server | None = None
        self._task: asyncio.Task[None] | None = None
        #: What the server's handlers have heard.
        self.heard: asyncio.Queue[Any] = asyncio.Queue()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def new_server(self, **options: Any) -> Any:
        settings = {"async_mode": "asgi", "cors_allowed_origins": "*", "namespaces": "*"} | options
        self.sio = self.module.AsyncServer(**settings)
        return self.sio

    async def open(self) -> None:
        if self.module.__name__ == "ferrio":
            _, self.port = await self.sio.listen("127.0.0.1", self.port)
            return
        app = self.module.ASGIApp(self.sio)
        config = uvicorn.Config(app, port=self.port, log_level="critical", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._task = asyncio.create_task(self._server.serve())
        await until(lambda: self._server.started)
        self.port = self._server.servers[0].sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Connections break, without a goodbye, where the server is the original."""
        if self._server is not None and self._task is not None:
            self._server.should_exit = True
            await self._task
            self._server = None
        elif self.module.__name__ == "ferrio":
            await self.sio.shutdown()

    async def get(self) -> Any:
        return await patiently(self.heard.get())


@pytest_asyncio.fixture
async def site(by: str) -> AsyncIterator[Site]:
    """A server that is open, with a few handlers."""
    site = Site(by)
    handlers(site, site.new_server())
    await site.open()
    yield site
    await site.close()


def handlers(site: Site, sio: Any) -> None:
    @sio.event
    async def connect(sid: str, environ: dict[str, Any], auth: Any) -> None:
        site.heard.put_nowait(("connect", sid, environ, auth))

    @sio.event
    async def disconnect(sid: str, reason: str) -> None:
        site.heard.put_nowait(("disconnect", sid, reason))

    @sio.event
    async def echo(sid: str, *args: Any) -> tuple[Any, ...]:
        await sio.emit("echo", args, to=sid)
        return args

    @sio.event
    async def ask(sid: str, event: str, *args: Any) -> None:
        """Asks back, and tells what the client has answered."""
        sio.start_background_task(answered, event, args, sid)

    async def answered(event: str, args: Any, sid: str) -> None:
        site.heard.put_nowait(await sio.call(event, args, to=sid))

    @sio.event
    async def leave(sid: str) -> None:
        await sio.disconnect(sid)

    @sio.on("connect", namespace="/refused")
    async def refuse(sid: str, environ: dict[str, Any], auth: Any) -> None:
        raise site.module.exceptions.ConnectionRefusedError("no entry", {"code": 7})

    @sio.on("echo", namespace="/other")
    async def echo_elsewhere(sid: str, *args: Any) -> tuple[Any, ...]:
        await sio.emit("echo", args, to=sid, namespace="/other")
        return args

    @sio.on("leave", namespace="/other")
    async def leave_elsewhere(sid: str) -> None:
        await sio.disconnect(sid, namespace="/other")


@pytest_asyncio.fixture
async def answering() -> AsyncIterator[Callable[[str, bytes], Awaitable[str]]]:
    """A server that gives every request the same answer; gives its URL."""
    servers: list[asyncio.Server] = []

    async def start(status: str, body: bytes, headers: str = "") -> str:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{headers}\r\n"
            writer.write(head.encode() + body)
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        servers.append(server)
        return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    yield start
    for server in servers:
        server.close()
        await server.wait_closed()
