"""``server.eio``: what programs ask of python-engineio's server below python-socketio's."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Callable
from typing import Any


class _Below:
    """What servers and clients have below in the same way. `_above` is the server or client."""

    def __init__(self, above: Any) -> None:
        self._above = above

    def start_background_task(self, target: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """As the server's or client's."""
        return self._above.start_background_task(target, *args, **kwargs)


class _OfLoop(_Below):
    """Where asyncio is below."""

    async def sleep(self, seconds: float = 0) -> None:
        """As the server's or client's."""
        await self._above.sleep(seconds)

    def create_event(self) -> asyncio.Event:
        """An `asyncio.Event`."""
        return asyncio.Event()

    def create_queue(self, *args: Any, **kwargs: Any) -> asyncio.Queue[Any]:
        """An `asyncio.Queue`."""
        return asyncio.Queue(*args, **kwargs)

    def get_queue_empty_exception(self) -> type[Exception]:
        """What such a queue raises when it is empty."""
        return asyncio.QueueEmpty


class _OfThreads(_Below):
    """Where threads or greenlets are below."""

    def sleep(self, seconds: float = 0) -> None:
        """As the server's or client's."""
        self._above.sleep(seconds)

    def create_event(self) -> Any:
        """As `threading.Event`, for threads or greenlets."""
        return self._above._mode.event()

    def create_queue(self, *args: Any, **kwargs: Any) -> Any:
        """As `queue.Queue`, for threads or greenlets."""
        return self._above._mode.queue(*args, **kwargs)

    def get_queue_empty_exception(self) -> type[Exception]:
        """What such a queue raises when it is empty."""
        return queue.Empty


class BaseEio(_Below):
    """What both kinds of servers have below."""

    #: python-engineio's own switch. Here a server's `async_handlers` decides alone.
    async_handlers = False

    @property
    def async_mode(self) -> str:
        """As the server's."""
        mode: str = self._above.async_mode
        return mode

    @property
    def ping_interval(self) -> float:
        """Seconds between heartbeats."""
        return float(self._above._options["pingInterval"] / 1000)

    @property
    def ping_timeout(self) -> float:
        """Seconds that a heartbeat may go unanswered."""
        return float(self._above._options["pingTimeout"] / 1000)

    @property
    def max_http_buffer_size(self) -> int:
        """Bytes of the largest message."""
        return int(self._above._options["maxHttpBufferSize"])

    @property
    def sockets(self) -> list[str]:
        """The Engine.IO ids of the sessions."""
        sids: list[str] = self._above._eio_sids()
        return sids

    def transport(self, sid: str) -> str:
        """``"polling"`` or ``"websocket"``, of a session that has joined a namespace, by its Engine.IO id. Or `KeyError`."""
        for namespace in self._above._namespaces():
            own = self._above._sid(sid, namespace)
            if own is not None:
                transport: str = self._above._transport(own, namespace)
                return transport
        raise KeyError("Session not found")

    def _send(self, sid: str, data: Any) -> None:
        self._above._write(sid, bytes(data) if isinstance(data, (bytes, bytearray)) else str(data))

    def _disconnect(self, sid: str | None) -> None:
        for each in list(self._above._eio_sids()) if sid is None else [sid]:
            self._above._close_session(each)


class AsyncEio(BaseEio, _OfLoop):
    """The Engine.IO side of an `AsyncServer`."""

    async def send(self, sid: str, data: Any) -> None:
        """Sends a raw Engine.IO message to a session, by its Engine.IO id. Nothing happens if it is not there."""
        self._send(sid, data)

    async def disconnect(self, sid: str | None = None) -> None:
        """Closes a session, by its Engine.IO id, or all."""
        self._disconnect(sid)


class Eio(BaseEio, _OfThreads):
    """The Engine.IO side of a `Server`."""

    def send(self, sid: str, data: Any) -> None:
        """Sends a raw Engine.IO message to a session, by its Engine.IO id. Nothing happens if it is not there."""
        self._send(sid, data)

    def disconnect(self, sid: str | None = None) -> None:
        """Closes a session, by its Engine.IO id, or all."""
        self._disconnect(sid)


class BaseClientEio(_Below):
    """What programs ask of python-engineio's client below python-socketio's."""

    def __init__(self, client: Any) -> None:
        super().__init__(client)
        #: What the server said last: transports to move to, seconds between its heartbeats, and beyond which one is missed.
        self.upgrades: list[str] | None = None
        self.ping_interval: float | None = None
        self.ping_timeout: float | None = None

    def _opened(self, upgrades: list[str], ping_interval: float, ping_timeout: float) -> None:
        self.upgrades, self.ping_interval, self.ping_timeout = upgrades, ping_interval, ping_timeout

    @property
    def state(self) -> str:
        """``"disconnected"``, ``"connected"`` or ``"disconnecting"``."""
        state: str = self._above._state
        return "disconnected" if state == "connecting" else state

    @property
    def sid(self) -> str | None:
        """The session's id."""
        sid: str | None = self._above.sid
        return sid

    @property
    def current_transport(self) -> str | None:
        """As `transport`."""
        return self.transport()

    @property
    def http(self) -> Any:
        """The `http_session` that the client was given."""
        return self._above._dialling.http_session

    def transport(self) -> str | None:
        """As the client's."""
        transport: str | None = self._above.transport()
        return transport


class AsyncClientEio(BaseClientEio, _OfLoop):
    """The Engine.IO side of an `AsyncClient`."""

    async def disconnect(self, abort: bool = False, reason: str | None = None) -> None:
        """As the client's."""
        await self._above.disconnect()


class ClientEio(BaseClientEio, _OfThreads):
    """The Engine.IO side of a `Client`."""

    def disconnect(self, abort: bool = False, reason: str | None = None) -> None:
        """As the client's."""
        self._above.disconnect()
