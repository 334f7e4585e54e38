"""The exceptions of python-socketio. None of them is the builtin of the same name."""

from __future__ import annotations

from typing import Any


class SocketIOError(Exception):
    """The base of all."""


class ConnectionError(SocketIOError):
    """A connection failed."""


class ConnectionRefusedError(ConnectionError):
    """Raise it in a connect handler to refuse the client.

    The client is sent ``{"message": str(args[0])}``; a second argument becomes ``data``, several become a list there.
    """

    error_args: dict[str, Any]

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.error_args = {"message": str(args[0]) if args else "Connection rejected by server"}
        if len(args) > 1:
            self.error_args["data"] = args[1] if len(args) == 2 else args[1:]


class TimeoutError(SocketIOError):
    """No answer came in time."""

    #: Of `emit_with_acks`: the answers that did come.
    responses: list[Any]

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.responses = []


class BadNamespaceError(SocketIOError):
    """The namespace is not connected."""


class DisconnectedError(SocketIOError):
    """The other side is gone."""
