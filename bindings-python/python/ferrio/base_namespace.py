"""What classes of handlers have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from .listeners import NamespaceKey

#: What a method returns that has done everything already: something to await, or nothing.
Done = TypeVar("Done")


class BaseNamespace(Generic[Done]):
    """Not to be used itself: see `AsyncNamespace`."""

    #: What it was made with: a name, mostly.
    namespace: Any
    #: Set by `register_namespace`.
    server: Any = None

    def __init__(self, namespace: NamespaceKey | None = None) -> None:
        self.namespace = namespace or "/"

    def is_asyncio_based(self) -> bool:
        """Whether handlers may be coroutine functions."""
        return False

    def _set_server(self, server: Any) -> None:
        self.server = server

    def trigger_event(self, event: str, *args: Any) -> Any:
        """Calls the method of an event and returns its result."""
        raise NotImplementedError("a namespace class is Namespace or AsyncNamespace, or a subclass of one")

    # ---- the server's methods, in this namespace

    def emit(
        self,
        event: str,
        data: Any = None,
        to: Any = None,
        room: Any = None,
        skip_sid: str | list[str] | None = None,
        namespace: str | None = None,
        callback: Callable[..., Any] | None = None,
        ignore_queue: bool = False,
    ) -> Done:
        """See the server's `emit`."""
        namespace = namespace or self.namespace
        done: Done = self.server.emit(event, data, to, room, skip_sid, namespace, callback, ignore_queue)
        return done

    def send(
        self,
        data: Any,
        to: Any = None,
        room: Any = None,
        skip_sid: str | list[str] | None = None,
        namespace: str | None = None,
        callback: Callable[..., Any] | None = None,
        ignore_queue: bool = False,
    ) -> Done:
        """See the server's `send`."""
        namespace = namespace or self.namespace
        done: Done = self.server.send(data, to, room, skip_sid, namespace, callback, ignore_queue)
        return done

    def enter_room(self, sid: str, room: Any, namespace: str | None = None) -> Done:
        """See the server's `enter_room`."""
        done: Done = self.server.enter_room(sid, room, namespace or self.namespace)
        return done

    def leave_room(self, sid: str, room: Any, namespace: str | None = None) -> Done:
        """See the server's `leave_room`."""
        done: Done = self.server.leave_room(sid, room, namespace or self.namespace)
        return done

    def close_room(self, room: Any, namespace: str | None = None) -> Done:
        """See the server's `close_room`."""
        done: Done = self.server.close_room(room, namespace or self.namespace)
        return done

    def rooms(self, sid: str, namespace: str | None = None) -> list[Any]:
        """See the server's `rooms`."""
        rooms: list[Any] = self.server.rooms(sid, namespace or self.namespace)
        return rooms
