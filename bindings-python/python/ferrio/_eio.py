"""``server.eio``: what programs ask of python-engineio's server below python-socketio's."""

from __future__ import annotations

import queue
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .server import Server


class Eio:
    """The Engine.IO side of a `Server`."""

    #: python-engineio's own switch. Here a server's `async_handlers` decides alone.
    async_handlers = False

    def __init__(self, server: Server) -> None:
        self._server = server

    @property
    def async_mode(self) -> str:
        """As the server's."""
        return self._server.async_mode

    def start_background_task(self, target: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """As the server's."""
        return self._server.start_background_task(target, *args, **kwargs)

    def sleep(self, seconds: float = 0) -> None:
        """As the server's."""
        self._server.sleep(seconds)

    def create_event(self) -> Any:
        """As `threading.Event`, for the threads or greenlets of the server's mode."""
        return self._server._mode.event()

    def create_queue(self, *args: Any, **kwargs: Any) -> Any:
        """As `queue.Queue`, for the threads or greenlets of the server's mode."""
        return self._server._mode.queue(*args, **kwargs)

    def get_queue_empty_exception(self) -> type[Exception]:
        """What such a queue raises when it is empty."""
        return queue.Empty

    def send(self, sid: str, data: Any) -> None:
        """Sends a raw Engine.IO message to a session, by its Engine.IO id. Nothing happens if it is not there."""
        self._server._write(sid, bytes(data) if isinstance(data, (bytes, bytearray)) else str(data))

    def disconnect(self, sid: str | None = None) -> None:
        """Closes a session, by its Engine.IO id, or all."""
        for each in list(self._server._eio_sids()) if sid is None else [sid]:
            self._server._close_session(each)
