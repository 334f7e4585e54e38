"""Requests and WebSockets of an ASGI server, handed to the engine."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from . import _polls, _takeover
from ._link import Link

if TYPE_CHECKING:
    from .async_server import AsyncServer

#: Seconds after which a request that is not answered is watched for its client's departure. Most are answered long before,
#: and a watcher is a Task.
WATCH_AFTER = 0.05


def take_over_enabled() -> bool:
    """``FERRIO_NO_TAKEOVER=1`` leaves every WebSocket to the host's server."""
    return os.environ.get("FERRIO_NO_TAKEOVER", "") in ("", "0")


async def serve(server: AsyncServer, scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        await serve_http(server, scope, receive, send)
    else:
        await serve_websocket(server, scope, receive, send)


def target_of(server: AsyncServer, scope: Any) -> str:
    return server._target(scope["path"], scope.get("query_string", b"").decode("latin-1"))


def remote_of(scope: Any) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""


# ---- polling


async def serve_http(server: AsyncServer, scope: Any, receive: Any, send: Any) -> None:
    event = await receive()
    if event["type"] != "http.request":
        return
    if server._take_over:
        _takeover.hear_of_shutdown(server, send)
        _polls.intercept_uvicorn(server, scope, send)
    more = event.get("more_body", False)
    source = None if b"sid=" in scope.get("query_string", b"") else (scope, receive, send)
    number, answer = server._request(
        scope["method"],
        target_of(server, scope),
        scope["headers"],
        remote_of(scope),
        scope.get("scheme") == "https",
        source,
        event.get("body", b""),
        not more,
    )
    try:
        while more and not answer.done():
            event = await receive()
            if event["type"] != "http.request":
                return
            more = event.get("more_body", False)
            server._body(number, event.get("body", b""), not more)
        response = await answered(answer, receive)
    finally:
        if not answer.done():
            server._abort(number)
    if response is None:
        server._abort(number)
        return
    status, headers, body = response
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def answered(answer: asyncio.Future[Any], receive: Any) -> Any:
    """The engine's answer; ``None`` if the client does not wait for it."""
    loop = asyncio.get_running_loop()
    watcher: asyncio.Task[None] | None = None

    def watch() -> None:
        nonlocal watcher
        watcher = loop.create_task(watch_departure(answer, receive))

    timer = loop.call_later(WATCH_AFTER, watch)
    try:
        return await answer
    finally:
        timer.cancel()
        if watcher is not None:
            watcher.cancel()


async def watch_departure(answer: asyncio.Future[Any], receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    if not answer.done():
        answer.set_result(None)


# ---- WebSockets


async def serve_websocket(server: AsyncServer, scope: Any, receive: Any, send: Any) -> None:
    event = await receive()
    if event["type"] != "websocket.connect":
        return
    target, remote = target_of(server, scope), remote_of(scope)
    if server._take_over and _takeover.take_over(server, scope, send, target, remote):
        return
    link = AsgiLink(server, send)
    session = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("sid")
    if session is not None:
        # An upgrade: the client speaks first, and it does so once it has been accepted.
        if not server._has_session(session[0]):
            await link.refuse(f'"Invalid session {session[0]}"')
            return
        await link.accept()
    secure = scope.get("scheme") == "wss"
    link.number = server._open_link(link, target, scope["headers"], remote, secure, (scope, receive, send))
    await link.read(receive)


class AsgiLink(Link):
    __slots__ = ("_send",)

    def __init__(self, server: AsyncServer, send: Any) -> None:
        super().__init__(server)
        self._send = send

    async def accept(self) -> None:
        self.accepted = True
        await self._send({"type": "websocket.accept"})

    async def send(self, frame: str | bytes) -> None:
        if isinstance(frame, str):
            await self._send({"type": "websocket.send", "text": frame})
        else:
            await self._send({"type": "websocket.send", "bytes": frame})

    async def close(self) -> None:
        await self._send({"type": "websocket.close"})

    async def refuse(self, reason: str) -> None:
        """Before it was accepted: the client gets 403."""
        await self._send({"type": "websocket.close", "reason": reason})

    async def read(self, receive: Any) -> None:
        """Feeds the engine until the client has gone, or the host's server has closed for the engine."""
        try:
            while True:
                event = await receive()
                if event["type"] != "websocket.receive":
                    return
                text = event.get("text")
                await self.feed(event["bytes"] if text is None else text)
        finally:
            self.server._link_closed(self.number, False)
