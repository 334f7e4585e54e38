"""Requests and WebSockets of an aiohttp application, handed to the engine."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from aiohttp import WSMsgType, web

from . import _environ, _options, _polls, _takeover
from ._link import Link
from ._waiting import wait_for

if TYPE_CHECKING:
    from .async_server import AsyncServer


def attach(server: AsyncServer, app: web.Application, path: str) -> None:
    """The routes of python-engineio. The server closes when the application begins to shut down."""

    async def shutdown(app: web.Application) -> None:
        await server.shutdown()

    for method in ("GET", "POST", "OPTIONS"):
        app.router.add_route(method, path, server.handle_request)
    if server._has_client_files:
        for name in _options.CLIENT_FILES:
            app.router.add_route("GET", path + name, server.handle_request)
    app.on_shutdown.append(shutdown)


async def serve(server: AsyncServer, request: web.BaseRequest) -> web.StreamResponse:
    if request.headers.get("Upgrade", "").lower() == "websocket" and request.method == "GET":
        return await serve_websocket(server, request)
    return await serve_http(server, request)


def target_of(server: AsyncServer, request: web.BaseRequest) -> str:
    return server._target(request.path, request.rel_url.raw_query_string)


# ---- polling


async def serve_http(server: AsyncServer, request: web.BaseRequest) -> web.StreamResponse:
    whole = not request.can_read_body
    number, answer = server._request(
        request.method,
        target_of(server, request),
        request.raw_headers,
        request.remote or "",
        request.secure,
        None if "sid=" in request.rel_url.raw_query_string else (_environ.from_aiohttp, request),
        b"",
        whole,
    )
    try:
        while not whole and not answer.done():
            chunk = await request.content.readany()
            whole = request.content.at_eof()
            server._body(number, chunk, whole)
        if whole and server._take_over:
            _polls.intercept_aiohttp(server, request)
        await wait_for(answer, lambda: request.transport is None)
    finally:
        if not answer.done():
            server._abort(number)
    status, headers, body = answer.result()
    return web.Response(status=status, headers=[(name.decode(), value.decode()) for name, value in headers], body=body)


# ---- WebSockets


async def serve_websocket(server: AsyncServer, request: web.BaseRequest) -> web.StreamResponse:
    source = (_environ.from_aiohttp, request)
    target, remote = target_of(server, request), request.remote or ""
    if server._take_over and _takeover.is_plain_tcp(request.transport) and not request.protocol._message_tail:
        descriptor = _takeover.duplicate(request.transport)
        request.protocol.force_close()
        server._take_over_socket(descriptor, target, request.raw_headers, remote, source, b"", [])
        return Taken(status=101)
    link = AiohttpLink(server, request)
    if (sid := request.query.get("sid")) is not None:
        # An upgrade: the client speaks first, and it does so once it has been accepted.
        if not server._has_session(sid):
            return web.Response(status=400, text=f'"Invalid session {sid}"')
        await link.accept()
    link.number = server._open_link(link, target, request.raw_headers, remote, request.secure, source)
    return await link.read()


class Taken(web.Response):
    """The answer that aiohttp believes in: the engine gives it."""

    async def prepare(self, request: web.BaseRequest) -> None:
        return None

    async def write_eof(self, data: Any = b"") -> None:
        return None


class AiohttpLink(Link):
    __slots__ = ("decided", "request", "socket")

    def __init__(self, server: AsyncServer, request: web.BaseRequest) -> None:
        super().__init__(server)
        self.request = request
        # Its own heartbeat and limits are the engine's affair.
        self.socket = web.WebSocketResponse(max_msg_size=0, autoping=True, compress=False)
        #: Accepted or refused.
        self.decided = asyncio.Event()

    async def accept(self) -> None:
        self.accepted = True
        await self.socket.prepare(self.request)
        self.decided.set()

    async def send(self, frame: str | bytes) -> None:
        if isinstance(frame, str):
            await self.socket.send_str(frame)
        else:
            await self.socket.send_bytes(frame)

    async def close(self) -> None:
        self.decided.set()
        if self.accepted:
            await self.socket.close()

    async def read(self) -> web.StreamResponse:
        """Feeds the engine until the WebSocket is closed by either side; gives what aiohttp is to be told."""
        try:
            await self.decided.wait()
            if not self.accepted:
                return web.Response(status=400, text='"Bad Request"')
            async for message in self.socket:
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    await self.feed(message.data)
            return self.socket
        finally:
            self.server._link_closed(self.number, False)
