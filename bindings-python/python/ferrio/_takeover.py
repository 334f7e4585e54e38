"""Taking a WebSocket's TCP connection over from the host's server.

Through ASGI a message costs two turns through the host's server (30 to 50 us). Where its TCP socket can be reached the
engine gets a duplicate of the descriptor and answers the upgrade itself; the host's server believes that the connection was
lost. It cannot be done through TLS, HTTP/2, test clients, or an application in between that wraps `send`: those stay with
the host's server.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from .async_server import AsyncServer


def take_over(server: AsyncServer, scope: Any, send: Any, target: str, remote: str) -> bool:
    """Hands the connection of an ASGI WebSocket to the engine, if it can be done: then the application is done."""
    protocol = getattr(send, "__self__", None)
    reach = REACH.get(f"{type(protocol).__module__}.{type(protocol).__name__}")
    if reach is None or not hasattr(server, "_take_over_socket"):
        return False
    reached = reach(protocol)
    if reached is None or not is_plain_tcp(reached.transport):
        return False
    descriptor = duplicate(reached.transport)
    reached.leave()
    if reached.connections is not None:
        Herald.stand_in(server, reached.connections)
    # Closes the host's descriptor without a word on the wire: ours keeps the connection.
    reached.transport.abort()
    server._take_over_socket(descriptor, target, scope["headers"], remote, (scope, gone, gone), b"", [])
    return True


def is_plain_tcp(transport: Any) -> bool:
    """The connection of an asyncio transport can be taken over, now."""
    if transport is None or transport.is_closing() or transport.get_extra_info("sslcontext") is not None:
        return False
    return not transport.get_write_buffer_size() and is_tcp(transport.get_extra_info("socket"))


def is_tcp(connection: Any) -> bool:
    return (
        connection is not None
        and connection.family in (socket.AF_INET, socket.AF_INET6)
        # The engine takes descriptors where there are descriptors.
        and os.name == "posix"
    )


def duplicate(transport: Any) -> int:
    """A descriptor of an asyncio transport's connection, from which the transport reads no more."""
    transport.pause_reading()
    return os.dup(transport.get_extra_info("socket").fileno())


async def gone(*args: Any) -> Any:
    """What `receive` and `send` of a connection are once it has been taken over."""
    raise RuntimeError("the connection was taken over from the ASGI server")


# ---- uvicorn's shutdown


class Herald:
    """Stands among uvicorn's connections for those that were taken over, and for polls that wait.

    When uvicorn shuts down it tells each connection, and waits until all are gone. So the server closes and disconnect
    handlers run, also where no lifespan tells of the end (mounted in another application, ``--lifespan off``).
    """

    def __init__(self, server: AsyncServer, connections: set[Any]) -> None:
        self.server = server
        self.connections = connections

    @staticmethod
    def stand_in(server: AsyncServer, connections: Any) -> None:
        if isinstance(connections, set) and not any(known is connections for known in server._heralded):
            server._heralded.append(connections)
            connections.add(Herald(server, connections))

    def shutdown(self) -> None:
        """Called by uvicorn."""
        closing = asyncio.ensure_future(self.server.shutdown())
        closing.add_done_callback(self.leave)

    def leave(self, closing: asyncio.Future[None]) -> None:
        self.connections.discard(self)
        self.server._heralded = [known for known in self.server._heralded if known is not self.connections]


def hear_of_shutdown(server: AsyncServer, send: Any) -> None:
    """For an HTTP request: uvicorn would wait for its polls until they time out."""
    cycle = getattr(send, "__self__", None)
    if type(cycle).__module__.startswith("uvicorn.protocols.http."):
        protocol = getattr(getattr(cycle, "on_response", None), "__self__", None)
        Herald.stand_in(server, getattr(protocol, "connections", None))


# ---- how each server is reached, and what it needs to take the end of its transport calmly


class Reached(NamedTuple):
    transport: Any
    #: To be called before the transport is aborted.
    leave: Callable[[], None]
    #: uvicorn's connections, see `Herald`.
    connections: set[Any] | None = None


def reach_sans_io(protocol: Any) -> Reached:
    """uvicorn's `WebSocketsSansIOProtocol`, `WSProtocol`: the handshake counts as done, so that no error answer is written."""

    def leave() -> None:
        protocol.handshake_complete = True
        protocol.close_sent = True

    return Reached(protocol.transport, leave, protocol.connections)


def reach_legacy(protocol: Any) -> Reached:
    """uvicorn's `WebSocketProtocol`: a Task of its own waits for our answer to the handshake."""

    def leave() -> None:
        protocol.handler_task.cancel()
        protocol.handshake_started_event.set()
        protocol.closed_event.set()

    return Reached(protocol.transport, leave, protocol.connections)


def reach_hypercorn(stream: Any) -> Reached | None:
    """hypercorn's `WSStream`, through the HTTP/1.1 protocol that holds it to the server of its connection."""
    protocol: Any = getattr(stream.send, "__self__", None)
    if type(protocol).__name__ != "H11Protocol":
        return None
    server = getattr(protocol.send, "__self__", None)
    writer = getattr(server, "writer", None)
    if not isinstance(writer, asyncio.StreamWriter):
        return None

    def leave() -> None:
        stream.closed = True

    return Reached(writer.transport, leave)


REACH: dict[str, Callable[[Any], Reached | None]] = {
    "uvicorn.protocols.websockets.websockets_sansio_impl.WebSocketsSansIOProtocol": reach_sans_io,
    "uvicorn.protocols.websockets.wsproto_impl.WSProtocol": reach_sans_io,
    "uvicorn.protocols.websockets.websockets_impl.WebSocketProtocol": reach_legacy,
    "hypercorn.protocol.ws_stream.WSStream": reach_hypercorn,
}
