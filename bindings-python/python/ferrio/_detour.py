"""A client manager of the program's own, and what a server does by way of it.

The ordinary managers only answer questions, and the server's methods are the engine's. One that overrides something is asked
where python-socketio would ask it: the methods below take the place of the server's.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, cast

from . import _options
from .base_manager import BaseManager
from .listeners import NOT_HANDLED

if TYPE_CHECKING:
    from .base_server import BaseServer

#: The methods of a server that lead to a manager.
METHODS = ("emit", "enter_room", "leave_room", "close_room", "sockets_join", "sockets_leave")


def manager_of(server: BaseServer, given: Any, ordinary: type[BaseManager]) -> Any:
    """The manager that a program brings, or the ordinary one. `TypeError` for what is none for this kind of server."""
    if given is None:
        return ordinary()
    if not isinstance(given, BaseManager) or given._is_asyncio_based not in (None, server.is_asyncio_based()):
        article = "an" if server.is_asyncio_based() else "a"
        raise TypeError(f"the client_manager of this server is {article} {ordinary.__name__}, not {given!r}")
    return given


def follow(server: BaseServer) -> None:
    """Lets a server ask its manager, if that overrides anything."""
    if server._detours or not server.manager._overridden:
        return
    ours = next(kind for kind in type(server).__mro__ if kind.__module__.partition(".")[0] == __package__)
    for method in (*METHODS, "rooms"):
        if getattr(type(server), method) is not getattr(ours, method):
            what = f"a server class that overrides {method}() together with a client manager of your own"
            raise _options.unsupported(what)
    detour = Detour(server)
    server._detours = True
    vars(server).update({method: detour.taken(method) for method in METHODS})
    vars(server).update(rooms=detour.rooms, _members=detour.members, _ask=detour.ask, _on_event=detour.on_event)
    server._look_around()


class Detour:
    """The methods of a server, by way of its manager. Coroutine functions are taken for threads as `Server` takes rules."""

    def __init__(self, server: BaseServer) -> None:
        self.server = server

    def taken(self, method: str) -> Any:
        rule, server = getattr(self, method), cast(Any, self.server)
        if server.is_asyncio_based():
            return rule
        return lambda *args, **kwargs: server._complete(partial(rule, *args, **kwargs))

    async def _ask_manager(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return await self.server._run(partial(getattr(self.server.manager, method), *args, **kwargs))

    # ---- out

    async def emit(
        self,
        event: str,
        data: Any = None,
        to: Any = None,
        room: Any = None,
        skip_sid: Any = None,
        namespace: str | None = None,
        callback: Any = None,
        ignore_queue: bool = False,
        **flags: Any,
    ) -> None:
        await self._ask_manager(
            "emit",
            event,
            data,
            namespace or "/",
            room=to or room,
            skip_sid=skip_sid,
            callback=callback,
            ignore_queue=ignore_queue,
            **flags,
        )

    def ask(
        self,
        event: str,
        data: Any,
        to: Any,
        namespace: str,
        timeout: float | None = None,
        *,
        all: bool = False,
        skip_sid: Any = None,
        except_: Any = None,
    ) -> Any:
        """The answers that `call` waits for. Those of several clients are the engine's: python-socketio's managers know no
        such thing."""
        if all:
            sids = [sid for sid, _ in self.members(namespace, to, except_)]
            return type(self.server)._ask(
                self.server, event, data, sids, namespace, timeout, all=True, skip_sid=skip_sid
            )
        server: Any = self.server
        return server._answer_of(partial(server.emit, event, data, room=to, namespace=namespace), timeout)

    # ---- rooms

    async def enter_room(self, sid: str, room: Any, namespace: str | None = None) -> None:
        await self._ask_manager("enter_room", sid, namespace or "/", room)

    async def leave_room(self, sid: str, room: Any, namespace: str | None = None) -> None:
        await self._ask_manager("leave_room", sid, namespace or "/", room)

    async def close_room(self, room: Any, namespace: str | None = None) -> None:
        await self._ask_manager("close_room", room, namespace or "/")

    async def sockets_join(
        self, rooms: Any, *, to: Any = None, except_: Any = None, namespace: str | None = None
    ) -> None:
        for sid, _ in self.members(namespace or "/", to, except_):
            for room in each(rooms):
                await self.enter_room(sid, room, namespace)

    async def sockets_leave(
        self, rooms: Any, *, to: Any = None, except_: Any = None, namespace: str | None = None
    ) -> None:
        for sid, _ in self.members(namespace or "/", to, except_):
            for room in each(rooms):
                await self.leave_room(sid, room, namespace)

    # ---- in

    async def on_event(self, namespace: str, event: Any, sid: str, *args: Any) -> Any:
        if not self.server.manager.is_connected(sid, namespace):
            self.server.logger.warning("%s is not connected to namespace %s", sid, namespace)
            return NOT_HANDLED
        return await type(self.server)._on_event(self.server, namespace, event, sid, *args)

    # ---- questions

    def rooms(self, sid: str, namespace: str | None = None) -> Any:
        return self.server.manager.get_rooms(sid, namespace or "/")

    def members(self, namespace: str, rooms: Any, except_: Any = None) -> list[tuple[str, str]]:
        participants = self.server.manager.get_participants
        left_out = {sid for room in each(except_) for sid, _ in participants(namespace, room)}
        return [(sid, eio_sid) for sid, eio_sid in participants(namespace, rooms) if sid not in left_out]


def each(rooms: Any) -> list[Any]:
    """One room, or several."""
    if rooms is None:
        return []
    return list(rooms) if isinstance(rooms, (list, tuple, set, frozenset)) else [rooms]
