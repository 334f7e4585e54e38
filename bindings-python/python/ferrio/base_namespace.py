"""What classes of handlers have in common."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from re import Pattern
from typing import Any, Generic, TypeVar

#: A name, ``"*"`` for all, a pattern that the whole name matches, or a predicate ``(name, environ, auth) -> bool``.
NamespaceKey = str | Pattern[str] | Callable[..., Any]

#: What a method returns that has done everything already: something to await, or nothing.
Done = TypeVar("Done")


class BaseNamespace:
    """Not to be used itself: see `AsyncNamespace` and `AsyncClientNamespace`."""

    #: What it was made with: a name, mostly.
    namespace: Any

    def __init__(self, namespace: NamespaceKey | None = None) -> None:
        self.namespace = namespace or "/"

    def is_asyncio_based(self) -> bool:
        """Whether handlers may be coroutine functions."""
        return False

    def trigger_event(self, event: str, *args: Any) -> Any:
        """Calls the method of an event and returns its result."""
        raise NotImplementedError("a namespace class is Namespace or AsyncNamespace, or a subclass of one")


class Methods(BaseNamespace):
    """Handlers that are plain functions."""

    def trigger_event(self, event: str, *args: Any) -> Any:
        """Calls the method of an event and returns its result; ``None`` where there is no method.

        Override it to dispatch in another way.
        """
        handler = getattr(self, "on_" + (event or ""), None)
        if handler is None:
            return None
        try:
            return handler(*args)
        except TypeError:
            if event != "disconnect":
                raise
            # Written before the handler was given a reason.
            return handler(*args[:-1])


class AsyncMethods(BaseNamespace):
    """Handlers, plain or ``async``."""

    def is_asyncio_based(self) -> bool:
        return True

    async def trigger_event(self, event: str, *args: Any) -> Any:
        """Calls the method of an event and returns its result; ``None`` where there is no method.

        Override it to dispatch in another way.
        """
        handler = getattr(self, "on_" + (event or ""), None)
        if handler is None:
            return None
        try:
            try:
                return await finished(handler, *args)
            except TypeError:
                if event != "disconnect":
                    raise
                # Written before the handler was given a reason.
                return await finished(handler, *args[:-1])
        except asyncio.CancelledError:
            return None


async def finished(handler: Callable[..., Any], *args: Any) -> Any:
    """The result of a handler, plain or ``async``."""
    result = handler(*args)
    return await result if inspect.iscoroutine(result) else result


class BaseServerNamespace(BaseNamespace, Generic[Done]):
    """Of a server."""

    #: Set by `register_namespace`.
    server: Any = None

    def _set_server(self, server: Any) -> None:
        self.server = server

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


class BaseClientNamespace(BaseNamespace, Generic[Done]):
    """Of a client."""

    #: Set by `register_namespace`.
    client: Any = None

    def _set_client(self, client: Any) -> None:
        self.client = client

    # ---- the client's methods, in this namespace

    def emit(
        self,
        event: str,
        data: Any = None,
        namespace: str | None = None,
        callback: Callable[..., Any] | None = None,
        **flags: Any,
    ) -> Done:
        """See the client's `emit`."""
        done: Done = self.client.emit(event, data, namespace or self.namespace, callback, **flags)
        return done

    def send(
        self,
        data: Any,
        namespace: str | None = None,
        callback: Callable[..., Any] | None = None,
        **flags: Any,
    ) -> Done:
        """See the client's `send`."""
        done: Done = self.client.send(data, namespace or self.namespace, callback, **flags)
        return done
