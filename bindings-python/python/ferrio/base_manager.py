"""Who is where: python-socketio's client managers, which here ask the engine and tell it.

A program may subclass one, as there. `_detour` says what its methods are asked for.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from . import _options

#: What the server asks a manager for, if a program has made one of its own that overrides any of it: see `_detour`.
COMING_AND_GOING = {"pre_connect", "connect", "pre_disconnect", "disconnect", "can_disconnect", "is_connected"}
ROOMS = {"enter_room", "leave_room", "close_room", "get_participants", "get_rooms", "is_sid_room"}
BELOW = {"basic_enter_room", "basic_leave_room", "basic_close_room", "basic_disconnect"}
HOOKS = COMING_AND_GOING | ROOMS | BELOW | {"emit", "trigger_callback"}

#: What the engine knows by itself. A subclass that answered otherwise would not be heard.
FIXED = ("get_namespaces", "is_pre_connected", "sid_from_eio_sid", "eio_sid_from_sid")


class BaseManager:
    """``server.manager``. The engine keeps the rooms; this asks it.

    A subclass may override what it likes, and calls ``super()`` for what it leaves to the engine: `initialize`,
    `pre_connect`, `connect`, `pre_disconnect`, `disconnect`, `can_disconnect`, `enter_room`, `leave_room`, `close_room`,
    `emit`, `trigger_callback`, `get_participants`, `get_rooms`, `is_connected`, `is_sid_room` and the ``basic_`` methods that
    these call. Each call then takes the way through Python that it has in python-socketio, and costs what it costs there.

    Raises `NotImplementedError` for a subclass that overrides `get_namespaces`, `is_pre_connected`, `sid_from_eio_sid` or
    `eio_sid_from_sid`: the engine does not ask anybody for them.
    """

    server: Any
    #: For an `AsyncServer`, a `Server`, or (a subclass of this class itself) whichever its methods are written for.
    _is_asyncio_based: ClassVar[bool | None] = None

    def __new__(cls, *args: Any, **kwargs: Any) -> BaseManager:
        for name in FIXED:
            if getattr(cls, name) is not getattr(BaseManager, name):
                raise _options.unsupported(f"a client manager of your own ({cls.__name__}) that overrides {name}()")
        return super().__new__(cls)

    def __init__(self) -> None:
        self.server = None
        #: Of a manager that has no server.
        self.logger: logging.Logger | None = None
        #: Functions that wait for a client's answer, by sid and id. In use only where `trigger_callback` is overridden.
        self.callbacks: dict[str, dict[int, Any]] = {}

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name in HOOKS and self.server is not None:
            self.server._follow_manager()

    def set_server(self, server: Any) -> None:
        """Called by the server it is given to."""
        self.server = server

    def initialize(self) -> None:
        """Called before the server's first request."""

    # ---- who is there

    @property
    def rooms(self) -> Mapping[str, Mapping[Any, Mapping[str, str]]]:
        """``{namespace: {room: {sid: eio_sid}}}`` of this moment, to be read; the room ``None`` is everybody. It is made anew
        each time: ask `get_participants` and `get_rooms` where they will do."""
        rooms: dict[str, Mapping[Any, Mapping[str, str]]] = {}
        for namespace in self.get_namespaces():
            everybody = dict(BaseManager.get_participants(self, namespace, None))
            of_namespace: dict[Any, dict[str, str]] = {None: everybody}
            for sid, eio_sid in everybody.items():
                for room in BaseManager.get_rooms(self, sid, namespace):
                    of_namespace.setdefault(room, {})[sid] = eio_sid
            rooms[namespace] = MappingProxyType({room: MappingProxyType(of_namespace[room]) for room in of_namespace})
        return MappingProxyType(rooms)

    def get_namespaces(self) -> list[str]:
        """Namespaces that have clients."""
        namespaces: list[str] = self.server._namespaces()
        return namespaces

    def get_participants(self, namespace: str, room: Any) -> Iterator[tuple[str, str]]:
        """``(sid, eio_sid)`` of the clients in a room, or in any room of a list. ``None`` is everybody."""
        yield from self._engine("_members", namespace, room)

    def get_rooms(self, sid: str, namespace: str) -> list[Any]:
        """The rooms a client is in, its own sid among them."""
        rooms: list[Any] = self._engine("rooms", sid, namespace)
        return rooms

    def is_connected(self, sid: str, namespace: str) -> bool:
        """False while the connect handler runs, and from the moment of the disconnect on."""
        return isinstance(sid, str) and bool(self.server._phase(sid, namespace) == "connected")

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

    # ---- who comes and goes: called by the server, for what a subclass does at it

    def pre_disconnect(self, sid: str, namespace: str) -> str | None:
        """A client is about to leave: its disconnect handler runs next. Gives its Engine.IO session."""
        return self.eio_sid_from_sid(sid, namespace)

    def _pre_connect(self, eio_sid: str, namespace: str) -> str | None:
        sid = self.sid_from_eio_sid(eio_sid, namespace)
        if sid is not None:
            self.basic_enter_room(sid, namespace, None, eio_sid=eio_sid)
            self.basic_enter_room(sid, namespace, sid, eio_sid=eio_sid)
        return sid

    def basic_disconnect(self, sid: str, namespace: str, **kwargs: Any) -> None:
        """Takes a client out of its rooms. The engine does so by itself: only a subclass's `basic_leave_room` is called."""
        if "basic_leave_room" in self._overridden:
            for room in [None, *self.get_rooms(sid, namespace)]:
                self.basic_leave_room(sid, namespace, room)
        self.callbacks.pop(sid, None)

    # ---- rooms

    def basic_enter_room(self, sid: str, namespace: str, room: Any, eio_sid: str | None = None) -> None:
        """Adds a client to a room. Everybody's (``None``) and the client's own are the engine's."""
        if room is None or room == sid:
            return
        if self.is_sid_room(namespace, room):
            raise ValueError("cannot enter a sid room")
        self._engine("enter_room", sid, room, namespace)

    def basic_leave_room(self, sid: str, namespace: str, room: Any) -> None:
        """Takes a client out of a room. Everybody's (``None``) and the client's own are the engine's."""
        if room is not None and room != sid:
            self._engine("leave_room", sid, room, namespace)

    def basic_close_room(self, room: Any, namespace: str) -> None:
        """Takes every client out of a room."""
        if self.is_sid_room(namespace, room):
            raise ValueError("cannot close a sid room")
        for sid, _ in list(self.get_participants(namespace, room)):
            self.basic_leave_room(sid, namespace, room)

    # ---- out

    def _calls(self, event: str, data: Any, room: Any, skip_sid: Any, callback: Any, flags: dict[str, Any]) -> Any:
        """How `emit` asks the engine: the arguments of its own `emit`, call by call."""
        namespace = flags["namespace"]
        flags = {name: flag for name, flag in flags.items() if name not in ("ignore_queue", "binary")}
        if "get_participants" not in self._overridden and not (callback and "trigger_callback" in self._overridden):
            yield {**flags, "event": event, "data": data, "to": room, "skip_sid": skip_sid, "callback": callback}
            return
        skipped = skip_sid if isinstance(skip_sid, (list, tuple, set, frozenset)) else [skip_sid]
        sids = [sid for sid, _ in self.get_participants(namespace, room) if sid not in skipped]
        if not callback:
            # The engine does not count those whose connect handler runs as members yet.
            early = {sid for sid in sids if self.is_pre_connected(sid, namespace)}
            for whom in [*early, [sid for sid in sids if sid not in early]]:
                if whom:
                    yield {**flags, "event": event, "data": data, "to": whom}
            return
        for sid in sids:
            answer = self._answer(sid, namespace, callback)
            yield {**flags, "event": event, "data": data, "to": sid, "callback": answer}

    def _answer(self, sid: str, namespace: str, callback: Any) -> Any:
        """What the engine calls with a client's answer: `trigger_callback` is told, and calls `callback`."""
        number = self._generate_ack_id(sid, callback)
        trigger: Any = self.trigger_callback  # type: ignore[attr-defined]

        def answered(*args: Any) -> Any:
            return trigger(sid, number, list(args))

        return answered

    def _generate_ack_id(self, sid: str, callback: Any) -> int:
        """Keeps a function for `trigger_callback`, under a number."""
        of_client = self.callbacks.setdefault(sid, {0: itertools.count(1)})
        number = int(next(of_client[0]))
        of_client[number] = callback
        return number

    def _taken(self, sid: str, number: int) -> Any:
        """The function that was kept; ``None``, and a warning, if there is none."""
        callback = self.callbacks.get(sid, {}).pop(number, None)
        if callback is None:
            self._get_logger().warning("Unknown callback received, ignoring.")
        return callback

    def _get_logger(self) -> logging.Logger:
        if self.logger is not None:
            return self.logger
        logger: logging.Logger = self.server.logger if self.server else logging.getLogger("socketio")
        return logger

    # ---- below

    def _engine(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """The server's own method, and not what leads to this manager."""
        return getattr(type(self.server), method)(self.server, *args, **kwargs)

    @property
    def _overridden(self) -> frozenset[str]:
        """The hooks that a program has put something of its own in the place of, in a class or in the object."""
        names = set(vars(self))
        for kind in type(self).__mro__:
            if kind in ORDINARY:
                break
            names |= vars(kind).keys()
        return frozenset(HOOKS & names)


#: The classes of managers that nobody has overridden anything in.
ORDINARY: list[type[BaseManager]] = [BaseManager]
