"""Clients as `fetch_sockets` finds them."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .async_server import AsyncServer
    from .server import Server


class BaseRemoteSocket:
    """One client in a namespace: what was known of it when it was fetched."""

    #: Its id in the namespace.
    sid: str
    #: The id of its Engine.IO session: a secret of the client's.
    eio_sid: str
    namespace: str
    #: The rooms it was in, its own among them.
    rooms: list[Any]

    def __init__(self, server: Any, sid: str, eio_sid: str, namespace: str) -> None:
        self._server = server
        self.sid = sid
        self.eio_sid = eio_sid
        self.namespace = namespace
        self.rooms = server.rooms(sid, namespace)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.sid} in {self.namespace}>"

    @property
    def environ(self) -> dict[str, Any] | None:
        """The `environ` of its connection; ``None`` once it is gone."""
        environ: dict[str, Any] | None = self._server.get_environ(self.sid, self.namespace)
        return environ

    @property
    def transport(self) -> str:
        """``"polling"`` or ``"websocket"``. `KeyError` once it is gone."""
        transport: str = self._server.transport(self.sid, self.namespace)
        return transport


class AsyncRemoteSocket(BaseRemoteSocket):
    """One client of an `AsyncServer`."""

    _server: AsyncServer

    def emit(self, event: str, data: Any = None, *, volatile: bool = False, compress: bool = True) -> Awaitable[None]:
        """Emits an event to it. See `AsyncServer.emit`."""
        return self._server.emit(
            event, data, to=self.sid, namespace=self.namespace, volatile=volatile, compress=compress
        )

    async def call(self, event: str, data: Any = None, timeout: float | None = 60) -> Any:
        """Emits an event to it and waits for the answer. See `AsyncServer.call`."""
        return await self._server.call(event, data, to=self.sid, namespace=self.namespace, timeout=timeout)

    def join(self, rooms: Any) -> Awaitable[None]:
        """Lets it enter a room, or each of a list."""
        return self._server.sockets_join(rooms, to=self.sid, namespace=self.namespace)

    def leave(self, rooms: Any) -> Awaitable[None]:
        """Lets it leave a room, or each of a list."""
        return self._server.sockets_leave(rooms, to=self.sid, namespace=self.namespace)

    async def disconnect(self, close: bool = False) -> None:
        """Disconnects it from the namespace, or (`close`) its whole connection."""
        await self._server.disconnect_sockets(close, to=self.sid, namespace=self.namespace)

    async def get_session(self) -> Any:
        """Its session. See `AsyncServer.get_session`."""
        return await self._server.get_session(self.sid, self.namespace)

    async def save_session(self, session: Any) -> None:
        """Replaces its session. See `AsyncServer.save_session`."""
        await self._server.save_session(self.sid, session, self.namespace)


class RemoteSocket(BaseRemoteSocket):
    """One client of a `Server`."""

    _server: Server

    def emit(self, event: str, data: Any = None, *, volatile: bool = False, compress: bool = True) -> None:
        """Emits an event to it. See `Server.emit`."""
        self._server.emit(event, data, to=self.sid, namespace=self.namespace, volatile=volatile, compress=compress)

    def call(self, event: str, data: Any = None, timeout: float | None = 60) -> Any:
        """Emits an event to it and waits for the answer. See `Server.call`."""
        return self._server.call(event, data, to=self.sid, namespace=self.namespace, timeout=timeout)

    def join(self, rooms: Any) -> None:
        """Lets it enter a room, or each of a list."""
        self._server.sockets_join(rooms, to=self.sid, namespace=self.namespace)

    def leave(self, rooms: Any) -> None:
        """Lets it leave a room, or each of a list."""
        self._server.sockets_leave(rooms, to=self.sid, namespace=self.namespace)

    def disconnect(self, close: bool = False) -> None:
        """Disconnects it from the namespace, or (`close`) its whole connection."""
        self._server.disconnect_sockets(close, to=self.sid, namespace=self.namespace)

    def get_session(self) -> Any:
        """Its session. See `Server.get_session`."""
        return self._server.get_session(self.sid, self.namespace)

    def save_session(self, session: Any) -> None:
        """Replaces its session. See `Server.save_session`."""
        self._server.save_session(self.sid, session, self.namespace)
