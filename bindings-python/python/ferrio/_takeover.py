"""Taking a WebSocket's TCP connection over from the host's server.

Through ASGI a message costs two turns through the host's server (30 to 50 us). Where its TCP socket can be reached the
engine gets a duplicate of the descriptor and answers the upgrade itself; the host's server believes that the connection was
lost. It cannot be done through TLS, HTTP/2, test clients, or an application in between that wraps `send`: those stay with
the host's server.
"""

from __future__ import annotations

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
