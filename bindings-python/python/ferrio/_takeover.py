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
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .async_server import AsyncServer


def take_over(server: AsyncServer, scope: Any, send: Any, target: str, remote: str) -> bool:
    """Hands the connection to the engine, if it can be done. Then the ASGI application has nothing left to do."""
    protocol = getattr(send, "__self__", None)
    leave = LEAVE.get(f"{type(protocol).__module__}.{type(protocol).__name__}")
    if leave is None or not hasattr(server, "_take_over_socket"):
        return False
    transport = getattr(protocol, "transport", None)
    if transport is None or not is_plain_tcp(transport):
        return False
    transport.pause_reading()
    descriptor = os.dup(transport.get_extra_info("socket").fileno())
    leave(protocol)
    Herald.stand_in(server, getattr(protocol, "connections", None))
    # Closes the host's descriptor without a word on the wire: ours keeps the connection.
    transport.abort()
    server._take_over_socket(descriptor, target, scope["headers"], remote, (scope, gone, gone), b"", [])
    return True


def is_plain_tcp(transport: Any) -> bool:
    if transport.is_closing() or transport.get_extra_info("sslcontext") is not None:
        return False
    if transport.get_write_buffer_size():
        return False
    connection = transport.get_extra_info("socket")
    return connection is not None and connection.family in (socket.AF_INET, socket.AF_INET6)


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


# ---- what each protocol class of uvicorn needs to take the end of its transport calmly


def leave_sans_io(protocol: Any) -> None:
    """`WebSocketsSansIOProtocol`, `WSProtocol`: the handshake counts as done, so that no error answer is written."""
    protocol.handshake_complete = True
    protocol.close_sent = True


def leave_legacy(protocol: Any) -> None:
    """`WebSocketProtocol`: a Task of its own waits for our answer to the handshake."""
    protocol.handler_task.cancel()
    protocol.handshake_started_event.set()
    protocol.closed_event.set()


LEAVE = {
    "uvicorn.protocols.websockets.websockets_sansio_impl.WebSocketsSansIOProtocol": leave_sans_io,
    "uvicorn.protocols.websockets.wsproto_impl.WSProtocol": leave_sans_io,
    "uvicorn.protocols.websockets.websockets_impl.WebSocketProtocol": leave_legacy,
}
