"""Long-polling past the host's server.

Before and after the application uvicorn spends 30 us on a request, aiohttp more, and an echo by polling is two requests. Once a
connection has brought a poll through the application, the next ones are looked at before the host's server sees them: a whole
request of a session that is there goes straight to the engine. Everything else, also on the same connection, is the host's
server's as before.

It is done where nothing in between could want to see them: in aiohttp applications without middlewares and signals for answers,
and under uvicorn with httptools if nothing wraps `send`.
"""

from __future__ import annotations

import asyncio
import sys
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .async_server import AsyncServer

#: Bytes that may wait behind a request of ours; nobody sends any who is not up to something.
HELD = 64 << 10


class Polls(asyncio.Protocol):
    """Stands between a connection and its protocol in the host's server."""

    __slots__ = ("held", "number", "own_path", "path", "protocol", "server", "transport")

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

    @abstractmethod
    def is_between_requests(self) -> bool:
        """The protocol has seen every request to its end, answered it, and seen no byte of another."""

    @abstractmethod
    def begun(self, data: bytes) -> None:
        """A request is the engine's: the protocol must not take its connection for idle."""

    @abstractmethod
    def ended(self, status: int) -> None:
        """It was answered."""

    @abstractmethod
    def defaults(self) -> bytes:
        """The headers that the host's server puts on every answer."""

    def data_received(self, data: bytes) -> None:
        if self.number:
            self.held += data
            if len(self.held) > HELD:
                self.transport.close()
            return
        if self.is_between_requests():
            self.number = self.server._poll(self, data, self.path, self.own_path)
            if self.number:
                self.begun(data)
                return
        self.protocol.data_received(data)

    def answer(self, status: int, head: bytes, body: bytes) -> None:
        """Called by the engine."""
        self.number = 0
        if self.transport.is_closing():
            return
        self.transport.write(b"".join((head, self.defaults(), b"\r\n", body)))
        self.ended(status)
        if self.held and not self.transport.is_closing():
            held, self.held = self.held, b""
            self.data_received(held)

    def forsake(self) -> None:
        """Called by the engine when it stops: there will be no answer."""
        self.number = 0
        self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if self.number:
            self.server._abort(self.number)
        self.protocol.connection_lost(error)

    def eof_received(self) -> bool | None:
        return self.protocol.eof_received()  # type: ignore[no-any-return]

    def pause_writing(self) -> None:
        self.protocol.pause_writing()

    def resume_writing(self) -> None:
        self.protocol.resume_writing()


# ---- uvicorn

HTTPTOOLS = "uvicorn.protocols.http.httptools_impl"


def intercept_uvicorn(server: AsyncServer, scope: Any, send: Any) -> None:
    """Looks first at what comes on the connection of this request from now on, if that can be done."""
    protocol: Any = getattr(getattr(getattr(send, "__self__", None), "on_response", None), "__self__", None)
    if type(protocol).__module__ != HTTPTOOLS or protocol.limit_concurrency is not None:
        return
    transport = protocol.transport
    raw_path = scope.get("raw_path")
    if transport is None or raw_path is None or transport.get_protocol() is not protocol:
        return
    transport.set_protocol(UvicornPolls(server, protocol, transport, raw_path))


class UvicornPolls(Polls):
    __slots__ = ("closing", "known", "started")

    def __init__(self, server: AsyncServer, protocol: Any, transport: Any, path: bytes) -> None:
        super().__init__(server, protocol, transport, path)
        #: uvicorn shuts down.
        self.closing = False
        #: uvicorn's own headers, which change with the second, and their bytes.
        self.known: tuple[Any, bytes] = (None, b"")
        self.started = b""
        protocol.shutdown = self.shutdown

    def is_between_requests(self) -> bool:
        protocol = self.protocol
        cycle = protocol.cycle
        return (
            cycle.response_complete
            and not cycle.more_body
            # A new one with the first byte of a request.
            and protocol.scope is cycle.scope
            and not protocol.pipeline
            and not protocol.flow.write_paused
        )

    def begun(self, data: bytes) -> None:
        self.started = data
        self.protocol._unset_keepalive_if_required()

    def ended(self, status: int) -> None:
        if self.protocol.access_log:
            self.log(status)
        if self.closing:
            self.transport.close()
        else:
            self.protocol.on_response_complete()

    def defaults(self) -> bytes:
        given, text = self.known
        if given is not self.protocol.server_state.default_headers:
            given = self.protocol.server_state.default_headers
            text = b"".join([b"%b: %b\r\n" % header for header in given])
            self.known = given, text
        return text

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
        del self.protocol.shutdown
        super().connection_lost(error)


# ---- aiohttp


def intercept_aiohttp(server: AsyncServer, request: Any) -> None:
    """As for uvicorn. The body of the request has been read."""
    protocol, transport = request.protocol, request.transport
    match = getattr(request, "match_info", None)
    if match is None or any(app.middlewares or app.on_response_prepare for app in match.apps):
        return
    # The line for the access log is made of aiohttp's own request and response.
    if transport is None or protocol._logging_enabled or protocol._messages:
        return
    current = transport.get_protocol()
    if isinstance(current, AiohttpPolls):
        current.clean = True
    elif current is protocol:
        transport.set_protocol(AiohttpPolls(server, protocol, transport, request.rel_url.raw_path.encode("latin-1")))


class AiohttpPolls(Polls):
    __slots__ = ("clean",)

    #: A time at which no connection is closed for being idle: seconds from now.
    LATER = 86_400.0

    def __init__(self, server: AsyncServer, protocol: Any, transport: Any, path: bytes) -> None:
        super().__init__(server, protocol, transport, path)
        #: aiohttp's parser does not tell what it holds. It holds nothing until it is given something, and nothing again when
        #: a request of ours has come through it to its end.
        self.clean = True

    def is_between_requests(self) -> bool:
        protocol = self.protocol
        return (
            self.clean
            and protocol._waiter is not None
            and not protocol._waiter.done()
            and not protocol._force_close
            and not protocol._close
            and not protocol._paused
        )

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self.number:
            self.clean = False

    def begun(self, data: bytes) -> None:
        self.protocol._manager.requests_count += 1
        self.protocol._next_keepalive_close_time = self.protocol._loop.time() + self.LATER

    def ended(self, status: int) -> None:
        protocol = self.protocol
        close_time = protocol._loop.time() + protocol._keepalive_timeout
        protocol._next_keepalive_close_time = close_time
        # It may have been put off meanwhile.
        if protocol._keepalive_handle is not None:
            protocol._keepalive_handle.cancel()
        protocol._keepalive_handle = protocol._loop.call_at(close_time, protocol._process_keepalive)

    def defaults(self) -> bytes:
        # aiohttp is there, for this is a connection of its.
        helpers, http = sys.modules["aiohttp.helpers"], sys.modules["aiohttp.http"]
        return f"Date: {helpers.rfc822_formatted_time()}\r\nServer: {http.SERVER_SOFTWARE}\r\n".encode()
