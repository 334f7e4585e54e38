"""``server.eio``: what programs ask of python-engineio's server below python-socketio's."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .async_server import AsyncServer
    from .server import Server


class BaseEio:
    """What both kinds of servers have below."""

    #: python-engineio's own switch. Here a server's `async_handlers` decides alone.
    async_handlers = False
    _server: Any

    @property
    def async_mode(self) -> str:
        """As the server's."""
        mode: str = self._server.async_mode
        return mode

    @property
    def ping_interval(self) -> float:
        """Seconds between heartbeats."""
        return float(self._server._options["pingInterval"] / 1000)

    @property
    def ping_timeout(self) -> float:
        """Seconds that a heartbeat may go unanswered."""
        return float(self._server._options["pingTimeout"] / 1000)

    @property
    def max_http_buffer_size(self) -> int:
        """Bytes of the largest message."""
        return int(self._server._options["maxHttpBufferSize"])

    @property
    def sockets(self) -> list[str]:
        """The Engine.IO ids of the sessions."""
        sids: list[str] = self._server._eio_sids()
        return sids

    def transport(self, sid: str) -> str:
        """``"polling"`` or ``"websocket"``, of a session that has joined a namespace, by its Engine.IO id. Or `KeyError`."""
        for namespace in self._server._namespaces():
            own = self._server._sid(sid, namespace)
            if own is not None:
                transport: str = self._server._transport(own, namespace)
                return transport
        raise KeyError("Session not found")

    def _send(self, sid: str, data: Any) -> None:
        self._server._write(sid, bytes(data) if isinstance(data, (bytes, bytearray)) else str(data))

    def _disconnect(self, sid: str | None) -> None:
        for each in list(self._server._eio_sids()) if sid is None else [sid]:
            self._server._close_session(each)


class AsyncEio(BaseEio):
    """The Engine.IO side of an `AsyncServer`."""

    def __init__(self, server: AsyncServer) -> None:
        self._server = server

    def start_background_task(self, target: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """As the server's."""
        return self._server.start_background_task(target, *args, **kwargs)

    async def sleep(self, seconds: float = 0) -> None:
        """As the server's."""
        await self._server.sleep(seconds)

    def create_event(self) -> asyncio.Event:
        """An `asyncio.Event`."""
        return asyncio.Event()

    def create_queue(self, *args: Any, **kwargs: Any) -> asyncio.Queue[Any]:
        """An `asyncio.Queue`."""
        return asyncio.Queue(*args, **kwargs)

    def get_queue_empty_exception(self) -> type[Exception]:
        """What such a queue raises when it is empty."""
        return asyncio.QueueEmpty

    async def send(self, sid: str, data: Any) -> None:
        """Sends a raw Engine.IO message to a session, by its Engine.IO id. Nothing happens if it is not there."""
        self._send(sid, data)

    async def disconnect(self, sid: str | None = None) -> None:
        """Closes a session, by its Engine.IO id, or all."""
        self._disconnect(sid)


class Eio(BaseEio):
    """The Engine.IO side of a `Server`."""

    def __init__(self, server: Server) -> None:
        self._server = server

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
        self._send(sid, data)

    def disconnect(self, sid: str | None = None) -> None:
        """Closes a session, by its Engine.IO id, or all."""
        self._disconnect(sid)


class BaseClientEio:
    """What programs ask of python-engineio's client below python-socketio's."""

    _client: Any

    def __init__(self, client: Any) -> None:
        self._client = client
        #: What the server said last: transports to move to, seconds between its heartbeats, and beyond which one is missed.
        self.upgrades: list[str] | None = None
        self.ping_interval: float | None = None
        self.ping_timeout: float | None = None

    def _opened(self, upgrades: list[str], ping_interval: float, ping_timeout: float) -> None:
        self.upgrades, self.ping_interval, self.ping_timeout = upgrades, ping_interval, ping_timeout

    @property
    def state(self) -> str:
        """``"disconnected"``, ``"connected"`` or ``"disconnecting"``."""
        state: str = self._client._state
        return "disconnected" if state == "connecting" else state

    @property
    def sid(self) -> str | None:
        """The session's id."""
        sid: str | None = self._client.sid
        return sid

    @property
    def current_transport(self) -> str | None:
        """As `transport`."""
        return self.transport()

    @property
    def http(self) -> Any:
        """The `http_session` that the client was given."""
        return self._client._dialling.http_session

    def transport(self) -> str | None:
        """As the client's."""
        transport: str | None = self._client.transport()
        return transport


class AsyncClientEio(BaseClientEio):
    """The Engine.IO side of an `AsyncClient`."""

    def start_background_task(self, target: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """As the client's."""
        return self._client.start_background_task(target, *args, **kwargs)

    async def sleep(self, seconds: float = 0) -> None:
        """As the client's."""
        await self._client.sleep(seconds)

    def create_event(self) -> asyncio.Event:
        """An `asyncio.Event`."""
        return asyncio.Event()

    def create_queue(self, *args: Any, **kwargs: Any) -> asyncio.Queue[Any]:
        """An `asyncio.Queue`."""
        return asyncio.Queue(*args, **kwargs)

    def get_queue_empty_exception(self) -> type[Exception]:
        """What such a queue raises when it is empty."""
        return asyncio.QueueEmpty

    async def disconnect(self, abort: bool = False, reason: str | None = None) -> None:
        """As the client's."""
        await self._client.disconnect()


class ClientEio(BaseClientEio):
    """The Engine.IO side of a `Client`."""

    def start_background_task(self, target: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """As the client's."""
        return self._client.start_background_task(target, *args, **kwargs)

    def sleep(self, seconds: float = 0) -> None:
        """As the client's."""
        self._client.sleep(seconds)

    def create_event(self) -> Any:
        """As `threading.Event`, for threads or greenlets."""
        return self._client._mode.event()

    def create_queue(self, *args: Any, **kwargs: Any) -> Any:
        """As `queue.Queue`, for threads or greenlets."""
        return self._client._mode.queue(*args, **kwargs)

    def get_queue_empty_exception(self) -> type[Exception]:
        """What such a queue raises when it is empty."""
        return queue.Empty

    def disconnect(self, abort: bool = False, reason: str | None = None) -> None:
        """As the client's."""
        self._client.disconnect()
