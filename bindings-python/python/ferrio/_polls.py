"""Long-polling past the host's server.

Before and after the application uvicorn spends 30 us on a request, and an echo by polling is two requests. Once a connection
has brought a poll through the application, the next ones are looked at before uvicorn sees them: a whole request of a session
that is there goes straight to the engine. Everything else, also on the same connection, is uvicorn's as before.

It is done where WebSockets would be taken over: by uvicorn with httptools, if nothing in between wraps `send`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .async_server import AsyncServer

PROTOCOL = "uvicorn.protocols.http.httptools_impl"
#: Bytes that may wait behind a request of ours; nobody sends any who is not up to something.
HELD = 64 << 10


def intercept(server: AsyncServer, scope: Any, send: Any) -> None:
    """Looks first at what comes on the connection of this request from now on, if that can be done."""
    protocol: Any = getattr(getattr(getattr(send, "__self__", None), "on_response", None), "__self__", None)
    if type(protocol).__module__ != PROTOCOL or protocol.limit_concurrency is not None:
        return
    transport = protocol.transport
    raw_path = scope.get("raw_path")
    if transport is None or raw_path is None or transport.get_protocol() is not protocol:
        return
    transport.set_protocol(Polls(server, protocol, transport, raw_path))


class Polls(asyncio.Protocol):
    """Stands between a connection and uvicorn's protocol for it."""

    __slots__ = (
        "closing",
        "defaults",
        "held",
        "number",
        "own_path",
        "path",
        "protocol",
        "server",
        "started",
        "transport",
    )

    def __init__(self, server: AsyncServer, protocol: Any, transport: Any, path: bytes) -> None:
        self.server = server
        self.protocol = protocol
        self.transport = transport
        self.path = path
        self.own_path = f"/{server._path}/?"
        #: The request that the engine is to answer; 0 for none.
        self.number = 0
        #: What came behind it.
        self.held = b""
        #: uvicorn shuts down.
        self.closing = False
        #: uvicorn's own headers, which change with the second, and their bytes.
        self.defaults: tuple[Any, bytes] = (None, b"")
        protocol.shutdown = self.shutdown

    def data_received(self, data: bytes) -> None:
        if self.number:
            self.held += data
            if len(self.held) > HELD:
                self.transport.close()
            return
        protocol = self.protocol
        if is_between_requests(protocol):
            self.number = self.server._poll(self, data, self.path, self.own_path)
            if self.number:
                self.started = data
                protocol._unset_keepalive_if_required()
                return
        protocol.data_received(data)

    def answer(self, status: int, head: bytes, body: bytes) -> None:
        """Called by the engine."""
        self.number = 0
        protocol, transport = self.protocol, self.transport
        if transport.is_closing():
            return
        given, defaults = self.defaults
        if given is not protocol.server_state.default_headers:
            given = protocol.server_state.default_headers
            defaults = b"".join([b"%b: %b\r\n" % header for header in given])
            self.defaults = given, defaults
        transport.write(b"".join((head, defaults, b"\r\n", body)))
        if protocol.access_log:
            self.log(status)
        if self.closing:
            transport.close()
            return
        protocol.on_response_complete()
        if self.held:
            held, self.held = self.held, b""
            self.data_received(held)

    def log(self, status: int) -> None:
        """The line that uvicorn would write."""
        method, target, _ = self.started.split(b" ", 2)
        client = self.protocol.client
        self.protocol.access_logger.info(
            '%s - "%s %s HTTP/%s" %d',
            f"{client[0]}:{client[1]}" if client else "",
            method.decode(),
            target.decode("latin-1"),
            "1.1",
            status,
        )

    def shutdown(self) -> None:
        """Called by uvicorn, which tells its server of it too: the answer is on its way."""
        if self.number:
            self.closing = True
        else:
            type(self.protocol).shutdown(self.protocol)

    def connection_lost(self, error: Exception | None) -> None:
        if self.number:
            self.server._abort(self.number)
        del self.protocol.shutdown
        self.protocol.connection_lost(error)

    def eof_received(self) -> bool | None:
        return self.protocol.eof_received()  # type: ignore[no-any-return]

    def pause_writing(self) -> None:
        self.protocol.pause_writing()

    def resume_writing(self) -> None:
        self.protocol.resume_writing()


def is_between_requests(protocol: Any) -> bool:
    """uvicorn has seen one request to its end, answered it, and seen no byte of another."""
    cycle = protocol.cycle
    return (
        cycle.response_complete
        and not cycle.more_body
        and protocol.scope is cycle.scope
        and not protocol.pipeline
        and not protocol.flow.write_paused
    )
