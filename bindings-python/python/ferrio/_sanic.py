"""Requests and WebSockets of a Sanic application, handed to the engine."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from sanic import Request, Sanic
from sanic.response import HTTPResponse

from . import _environ, _options, _takeover
from ._link import Link
from ._waiting import wait_for

if TYPE_CHECKING:
    from .async_server import AsyncServer


def attach(server: AsyncServer, app: Sanic[Any, Any], path: str) -> None:
    """The route of python-engineio. The server closes before the application stops."""

    async def shutdown(app: Sanic[Any, Any]) -> None:
        await server.shutdown()

    async def socketio(request: Request) -> HTTPResponse:
        response: HTTPResponse = await server.handle_request(request)
        return response

    app.add_route(socketio, path, methods=["GET", "POST", "OPTIONS"], name=f"socketio-{path.strip('/')}")
    if server._has_client_files:
        for file in _options.CLIENT_FILES:
            app.add_route(socketio, path + file, methods=["GET"], name=f"socketio-{path.strip('/')}-{file}")
    app.register_listener(shutdown, "before_server_stop")
    app.enable_websocket()


async def serve(server: AsyncServer, request: Request) -> HTTPResponse:
    if request.headers.get("upgrade", "").lower() == "websocket" and request.method == "GET":
        return await serve_websocket(server, request)
    return await serve_http(server, request)


def head_of(request: Request) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in request.headers.items()]


def target_of(server: AsyncServer, request: Request) -> str:
    return server._target(request.path, request.query_string)


async def serve_http(server: AsyncServer, request: Request) -> HTTPResponse:
    number, answer = server._request(
        request.method,
        target_of(server, request),
        head_of(request),
        request.ip or "",
        request.scheme == "https",
        None if "sid=" in request.query_string else (_environ.from_sanic, request),
        request.body,
        True,
    )
    try:
        await wait_for(answer, lambda: request.transport is None or request.transport.is_closing())
    finally:
        if not answer.done():
            server._abort(number)
    status, headers, body = answer.result()
    pairs = {name.decode(): value.decode() for name, value in headers}
    content_type = pairs.pop("content-type", None)
    return HTTPResponse(body=body, status=status, headers=pairs, content_type=content_type)


async def serve_websocket(server: AsyncServer, request: Request) -> HTTPResponse:
    source = (_environ.from_sanic, request)
    target, remote = target_of(server, request), request.ip or ""
    transport: Any = request.transport
    if server._take_over and _takeover.is_plain_tcp(transport):
        descriptor = _takeover.duplicate(transport)
        # Sanic cancels this handler when it hears that the connection is lost.
        transport.abort()
        server._take_over_socket(descriptor, target, head_of(request), remote, source, b"", [])
        return HTTPResponse()
    sid = request.args.get("sid")
    if sid is not None and not server._has_session(sid):
        return HTTPResponse(f'"Invalid session {sid}"', status=400)
    link = SanicLink(server, await request.protocol.websocket_handshake(request))  # type: ignore[attr-defined]
    link.number = server._open_link(link, target, head_of(request), remote, request.scheme == "https", source)
    try:
        while (message := await link.socket.recv()) is not None:
            await link.feed(message)
    except asyncio.CancelledError:
        # Sanic says so too when the client has closed it. It would write an answer to what this raises or returns.
        transport.abort()
    finally:
        server._link_closed(link.number, False)
    return HTTPResponse()


class SanicLink(Link):
    __slots__ = ("socket",)

    def __init__(self, server: AsyncServer, socket: Any) -> None:
        super().__init__(server)
        self.socket = socket
        self.accepted = True

    async def accept(self) -> None:
        """Done."""

    async def send(self, frame: str | bytes) -> None:
        await self.socket.send(frame)

    async def close(self) -> None:
        await self.socket.close()
