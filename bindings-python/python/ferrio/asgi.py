"""An ASGI application for Socket.IO, beside another application and static files."""

from __future__ import annotations

import inspect
import os
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from . import _static
from .async_server import AsyncServer

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[Any]]
Hook = Callable[[], Any]


class ASGIApp:
    """Serves `socketio_server` under `socketio_path`, and passes everything else on.

    `other_asgi_app`: gets every other request; without it they are answered with 404. `static_files`: URL path to a file
    name, a directory (``/`` at its end), or ``{"filename", "content_type"}``; the key ``""`` names the file of a directory.
    `socketio_path`: ``socket.io`` by default; ``None`` takes every request. `on_startup`, `on_shutdown`: functions or
    coroutine functions for the lifespan of the application; without either, `other_asgi_app` handles the lifespan itself.

    At the end of the lifespan the server closes its connections.
    """

    def __init__(
        self,
        socketio_server: AsyncServer,
        other_asgi_app: Application | None = None,
        static_files: Mapping[str, Any] | None = None,
        socketio_path: str | None = "socket.io",
        on_startup: Hook | None = None,
        on_shutdown: Hook | None = None,
    ) -> None:
        self.engineio_server = socketio_server
        self.other_asgi_app = other_asgi_app
        self.engineio_path = None if socketio_path is None else with_slash("/" + socketio_path.lstrip("/"))
        self.static_files = static_files or {}
        self.on_startup = on_startup
        self.on_shutdown = on_shutdown

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "lifespan":
            await self.lifespan(scope, receive, send)
        elif kind in ("http", "websocket") and (
            self.engineio_path is None or with_slash(scope["path"]).startswith(self.engineio_path)
        ):
            await self.engineio_server.handle_request(scope, receive, send)
        elif (file := self._static_file(scope)) is not None:
            await self.serve_static_file(file, receive, send)
        elif self.other_asgi_app is not None:
            await self.other_asgi_app(scope, receive, send)
        else:
            await self.not_found(scope, send)

    def _static_file(self, scope: Scope) -> dict[str, str] | None:
        if scope["type"] != "http" or not self.static_files:
            return None
        file = _static.find(scope["path"], self.static_files)
        return file if file is not None and os.path.exists(file["filename"]) else None

    async def serve_static_file(self, static_file: Mapping[str, str], receive: Receive, send: Send) -> None:
        """Answers with a file."""
        event = await receive()
        if event["type"] != "http.request":
            return
        with open(static_file["filename"], "rb") as file:  # noqa: ASYNC230 - small files, as the original serves them
            body = file.read()
        await respond(send, 200, static_file["content_type"], body)

    async def lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Runs the hooks, or lets the other application do so; then closes the server."""
        if self.other_asgi_app is not None and self.on_startup is None and self.on_shutdown is None:

            async def receive_and_close() -> Message:
                event = await receive()
                if event["type"] == "lifespan.shutdown":
                    await self.engineio_server.shutdown()
                return event

            await self.other_asgi_app(scope, receive_and_close, send)
            return
        while True:
            event = await receive()
            if event["type"] == "lifespan.startup":
                if not await run(self.on_startup):
                    await send({"type": "lifespan.startup.failed"})
                    return
                await send({"type": "lifespan.startup.complete"})
            elif event["type"] == "lifespan.shutdown":
                await self.engineio_server.shutdown()
                ended = "complete" if await run(self.on_shutdown) else "failed"
                await send({"type": f"lifespan.shutdown.{ended}"})
                return

    async def not_found(self, scope: Scope, send: Send) -> None:
        """Answers 404. A WebSocket is refused, which web servers do with 403."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
            return
        await respond(send, 404, "text/plain", b"Not Found")


async def run(hook: Hook | None) -> bool:
    """False if the hook raised: the server that hosts the application says what follows."""
    try:
        result = hook() if hook is not None else None
        if inspect.isawaitable(result):
            await result
    except Exception:
        return False
    return True


async def respond(send: Send, status: int, content_type: str, body: bytes) -> None:
    headers = [(b"Content-Type", content_type.encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def with_slash(path: str) -> str:
    return path if path.endswith("/") else path + "/"
