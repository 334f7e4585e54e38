"""Who is where: the questions that python-socketio's client managers answer, asked of the engine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


class BaseManager:
    """``server.manager``. The engine keeps the rooms; this asks it."""

    server: Any

    def set_server(self, server: Any) -> None:
        """Called by the server it is given to."""
        self.server = server

    def initialize(self) -> None:
        """Nothing to do: the server starts at its first request."""

    def get_namespaces(self) -> list[str]:
        """Namespaces that have clients."""
        namespaces: list[str] = self.server._namespaces()
        return namespaces

    def get_participants(self, namespace: str, room: Any) -> Iterator[tuple[str, str]]:
        """``(sid, eio_sid)`` of the clients in a room, or in any room of a list. ``None`` is everybody."""
        yield from self.server._members(namespace, room)

    def get_rooms(self, sid: str, namespace: str) -> list[Any]:
        """The rooms a client is in, its own sid among them."""
        rooms: list[Any] = self.server.rooms(sid, namespace)
        return rooms

    def is_connected(self, sid: str, namespace: str) -> bool:
        """False while the connect handler runs, and from the moment of the disconnect on."""
        return isinstance(sid, str) and bool(self.server._phase(sid, namespace) == "connected")

    def _can_disconnect(self, sid: Any, namespace: str) -> bool:
        return self.is_connected(sid, namespace)

    def is_pre_connected(self, sid: str, namespace: str) -> bool:
        """The connect handler is running."""
        return bool(self.server._phase(sid, namespace) == "connecting")

    def is_sid_room(self, namespace: str, room: Any) -> bool:
        """The room is a client's own."""
        return isinstance(room, str) and self.server._phase(room, namespace) is not None

    def sid_from_eio_sid(self, eio_sid: str, namespace: str) -> str | None:
        """The client of an Engine.IO session in a namespace."""
        sid: str | None = self.server._sid(eio_sid, namespace)
        return sid

    def eio_sid_from_sid(self, sid: str, namespace: str) -> str | None:
        """The Engine.IO session of a client."""
        eio_sid: str | None = self.server._eio_sid(sid, namespace)
        return eio_sid
