"""The client manager of a `Server`."""

from __future__ import annotations

from typing import Any

from .base_manager import ORDINARY, BaseManager


class Manager(BaseManager):
    """The one that a server makes for itself. What a subclass may override, see `BaseManager`."""

    _is_asyncio_based = False

    def can_disconnect(self, sid: str, namespace: str) -> bool:
        """Whether `disconnect` finds the client."""
        return self.is_connected(sid, namespace)

    def pre_connect(self, eio_sid: str, namespace: str) -> str | None:
        """A client asks to join: the connect handler runs next. Gives its sid, which is the engine's; ``None`` refuses it."""
        return self._pre_connect(eio_sid, namespace)

    def connect(self, sid: str, namespace: str) -> str | None:
        """A client has joined."""
        return sid

    def disconnect(self, sid: str, namespace: str, **kwargs: Any) -> None:
        """A client has left, and its disconnect handler has run."""
        self.basic_disconnect(sid, namespace, **kwargs)

    def enter_room(self, sid: str, namespace: str, room: Any, eio_sid: str | None = None) -> None:
        """Adds a client to a room."""
        self.basic_enter_room(sid, namespace, room, eio_sid=eio_sid)

    def leave_room(self, sid: str, namespace: str, room: Any) -> None:
        """Takes a client out of a room."""
        self.basic_leave_room(sid, namespace, room)

    def close_room(self, room: Any, namespace: str) -> None:
        """Takes every client out of a room."""
        self.basic_close_room(room, namespace)

    def emit(
        self,
        event: str,
        data: Any,
        namespace: str,
        room: Any = None,
        skip_sid: Any = None,
        callback: Any = None,
        to: Any = None,
        **kwargs: Any,
    ) -> None:
        """Emits an event: see `Server.emit`."""
        for call in self._calls(event, data, to or room, skip_sid, callback, {**kwargs, "namespace": namespace}):
            self._engine("emit", **call)

    def trigger_callback(self, sid: str, id: int, data: list[Any]) -> None:
        """A client has answered: calls the function that waits for it."""
        callback = self._taken(sid, id)
        if callback is not None:
            callback(*data)


ORDINARY.append(Manager)
