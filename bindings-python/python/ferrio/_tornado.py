"""Requests and WebSockets of a Tornado application, handed to the engine."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import tornado.web
import tornado.websocket

from . import _environ, _takeover
from ._link import Link

if TYPE_CHECKING:
    from .async_server import AsyncServer


def handler_for(server: AsyncServer) -> type[tornado.web.RequestHandler]:
    return type("Handler", (TornadoHandler,), {"server": server})


class TornadoHandler(tornado.websocket.WebSocketHandler):
    server: AsyncServer
    answer: asyncio.Future[Any] | None = None
    link: TornadoLink | None = None

    async def get(self, *args: Any, **kwargs: Any) -> None:
        if self.request.headers.get("Upgrade", "").lower() != "websocket":
            await self.server.handle_request(self)
        elif not await self.server.handle_request(self):
            await super().get(*args, **kwargs)

    async def post(self, *args: Any, **kwargs: Any) -> None:
        await self.server.handle_request(self)

    async def options(self, *args: Any, **kwargs: Any) -> None:
        await self.server.handle_request(self)

    def on_connection_close(self) -> None:
        super().on_connection_close()
        if self.answer is not None and not self.answer.done():
            self.answer.set_result(None)

    # ---- a WebSocket that Tornado frames

    def open(self, *args: str, **kwargs: str) -> None:
        self.link = TornadoLink(self.server, self)
        head = head_of(self)
        self.link.number = self.server._open_link(
            self.link, target_of(self), head, self.request.remote_ip or "", is_secure(self), source_of(self)
        )

    async def on_message(self, message: str | bytes) -> None:
        if self.link is not None:
            await self.link.feed(message)

    def on_close(self) -> None:
        if self.link is not None:
            self.server._link_closed(self.link.number, False)

    def check_origin(self, origin: str) -> bool:
        """The engine looks at it."""
        return True


def target_of(handler: TornadoHandler) -> str:
    return handler.server._target(handler.request.path, handler.request.query)


def head_of(handler: TornadoHandler) -> list[tuple[bytes, bytes]]:
    pairs = handler.request.headers.get_all()
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in pairs]


def is_secure(handler: TornadoHandler) -> bool:
    return handler.request.protocol == "https"


def source_of(handler: TornadoHandler) -> tuple[Any, ...]:
    return _environ.from_tornado, handler


async def serve(server: AsyncServer, handler: TornadoHandler) -> bool:
    """False: a WebSocket that Tornado must frame."""
    if handler.request.headers.get("Upgrade", "").lower() == "websocket" and handler.request.method == "GET":
        if take_over(server, handler):
            return True
        sid = handler.get_query_argument("sid", None)
        if sid is None or server._has_session(sid):
            return False
        handler.set_status(400)
        await handler.finish(f'"Invalid session {sid}"')
        return True
    await serve_http(server, handler)
    return True


async def serve_http(server: AsyncServer, handler: TornadoHandler) -> None:
    number, answer = server._request(
        handler.request.method or "",
        target_of(handler),
        head_of(handler),
        handler.request.remote_ip or "",
        is_secure(handler),
        None if "sid=" in handler.request.query else source_of(handler),
        handler.request.body,
        True,
    )
    handler.answer = answer
    try:
        response = await answer
    finally:
        if answer.cancelled() or not answer.done():
            server._abort(number)
    if response is None:
        server._abort(number)
        return
    status, headers, body = response
    handler.set_status(status)
    handler.clear_header("Content-Type")
    for name, value in headers:
        handler.add_header(name.decode(), value.decode())
    if status not in (204, 304):
        handler.write(body)
    await handler.finish()


def take_over(server: AsyncServer, handler: TornadoHandler) -> bool:
    stream = getattr(handler.request.connection, "stream", None)
    if not server._take_over or stream is None or is_secure(handler) or stream._read_buffer:
        return False
    if not _takeover.is_tcp(stream.socket) or stream.writing():
        return False
    descriptor = os.dup(stream.socket.fileno())
    # It closes its own descriptor without a word on the wire.
    handler.detach().close()
    server._take_over_socket(
        descriptor, target_of(handler), head_of(handler), handler.request.remote_ip or "", source_of(handler), b"", []
    )
    return True


class TornadoLink(Link):
    __slots__ = ("handler",)

    def __init__(self, server: AsyncServer, handler: TornadoHandler) -> None:
        super().__init__(server)
        self.handler = handler
        # Tornado has answered the handshake before it tells of it.
        self.accepted = True

    async def accept(self) -> None:
        """Done."""

    async def send(self, frame: str | bytes) -> None:
        await self.handler.write_message(frame, binary=isinstance(frame, bytes))

    async def close(self) -> None:
        self.handler.close()
