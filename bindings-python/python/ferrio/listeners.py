"""Who hears an event: its handler, and what python-socketio has not: listeners beside it and middlewares around it.

A *handler* (`on`, `event`) is the one function that answers an event; a *listener* hears it as well. As long as there are only
handlers, the engine calls them itself and nothing of `_on_event` is run.

Servers and clients share this. The arguments of a server's event begin with the client's sid.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from re import Pattern
from typing import Any, ClassVar, NamedTuple, TypeVar, overload

from . import exceptions
from ._ferrio import ServerCore
from .base_namespace import BaseNamespace, NamespaceKey

Handler = TypeVar("Handler", bound=Callable[..., Any])
Function = TypeVar("Function", bound=Callable[..., Any])
Resolved = tuple[Callable[..., Any], tuple[Any, ...]]
Table = dict[NamespaceKey, list[Callable[..., Any]]]

#: A handler's result that leaves the event without an acknowledgement.
NOT_HANDLED: Any = NotImplemented


class Listener(NamedTuple):
    function: Callable[..., Any]
    once: bool


class Listeners:
    """The part of a server or client that knows who hears what."""

    #: The class of namespace classes that it takes.
    _namespace_class: ClassVar[type[BaseNamespace]]

    # Of its native half.
    handlers: dict[Any, dict[Any, Callable[..., Any]]]
    _verbose: bool
    _hears_events: bool
    _hears_emits: bool

    namespace_handlers: dict[NamespaceKey, Any]
    #: The result of an event middleware that leaves the other side without an acknowledgement.
    not_handled = NOT_HANDLED

    def __init__(self) -> None:
        self._listeners: dict[NamespaceKey, dict[Any, list[Listener]]] = {}
        self._any: Table = {}
        self._any_outgoing: Table = {}
        self._passage: Table = {}
        self.namespace_handlers = {}

    # ---- handlers

    def on(
        self, event: str, handler: Callable[..., Any] | None = None, namespace: NamespaceKey | None = None
    ) -> Callable[[Handler], Handler]:
        """Registers the handler of an event."""
        raise NotImplementedError

    def _handling(
        self, event: str, handler: Callable[..., Any] | None, namespace: NamespaceKey | None
    ) -> Callable[[Handler], Handler]:
        def register(handler: Handler) -> Handler:
            self._know(namespace or "/")
            self.handlers.setdefault(namespace or "/", {})[event] = handler
            return handler

        if handler is not None:
            register(handler)
        return register

    @overload
    def event(self, handler: Handler, /) -> Handler: ...
    @overload
    def event(
        self, handler: Callable[..., Any] | None = None, namespace: NamespaceKey | None = None
    ) -> Callable[[Handler], Handler]: ...
    def event(self, *args: Any, **kwargs: Any) -> Any:
        """Registers the handler of the event that is named as the decorated function. ``@event`` or ``@event(namespace=…)``."""
        if len(args) == 1 and not kwargs and callable(args[0]):
            return self.on(args[0].__name__)(args[0])

        def register(handler: Handler) -> Handler:
            return self.on(handler.__name__, *args, **kwargs)(handler)

        return register

    # ---- listeners

    def add_listener(
        self, event: str, listener: Callable[..., Any] | None = None, namespace: NamespaceKey | None = None
    ) -> Callable[[Function], Function]:
        """Adds a listener of an event, given here or decorated, beside the handler and other listeners.

        Handler and listeners are called in the order of registration, the handler first, with the same arguments; those that
        wait for something wait side by side (in `Server` and `Client`: one after the other). The acknowledgement is the first
        result that is not ``None``. A listener of ``connect`` is called once the client is in, and cannot refuse it.
        """
        return self._adding(event, listener, namespace, once=False)

    def once(
        self, event: str, listener: Callable[..., Any] | None = None, namespace: NamespaceKey | None = None
    ) -> Callable[[Function], Function]:
        """Adds a listener, as `add_listener` does, for the next such event only (of a server: of any client)."""
        return self._adding(event, listener, namespace, once=True)

    def off(
        self,
        event: str | None = None,
        listener: Callable[..., Any] | None = None,
        namespace: NamespaceKey | None = None,
    ) -> None:
        """Removes a listener (or the handler) of an event; without `listener` all of the event, without `event` all of the
        namespace. Who is not there is removed already."""
        key = namespace or "/"
        handlers = self.handlers.get(key, {})
        listeners = self._listeners.get(key, {})
        for name in [event] if event is not None else [*handlers, *listeners]:
            if listener is None or handlers.get(name) is listener:
                handlers.pop(name, None)
            kept = (
                [] if listener is None else [each for each in listeners.get(name, []) if each.function is not listener]
            )
            if kept:
                listeners[name] = kept
            else:
                listeners.pop(name, None)
        self._look_around()

    def on_any(self, listener: Function, namespace: NamespaceKey | None = None) -> Function:
        """Adds a listener of all events: ``listener(event, *args)`` (of a server: ``listener(event, sid, *args)``), before
        middlewares and handlers. A decorator."""
        return self._append(self._any, listener, namespace)

    def off_any(self, listener: Callable[..., Any] | None = None, namespace: NamespaceKey | None = None) -> None:
        """Removes a listener of `on_any`, or all of them."""
        self._remove(self._any, listener, namespace)

    def on_any_outgoing(self, listener: Function, namespace: NamespaceKey | None = None) -> Function:
        """Adds a listener of everything that is emitted: ``listener(event, *args)`` (of a server: ``listener(event, to,
        *args)``, where `to` is as it was given to `emit`). A decorator.

        It is called once for each `emit` or `call`, before it returns, and so cannot be a coroutine function (`TypeError`).
        """
        if inspect.iscoroutinefunction(listener):
            raise TypeError("a listener of outgoing events is called within emit() and cannot be a coroutine function")
        return self._append(self._any_outgoing, listener, namespace)

    def off_any_outgoing(
        self, listener: Callable[..., Any] | None = None, namespace: NamespaceKey | None = None
    ) -> None:
        """Removes a listener of `on_any_outgoing`, or all of them."""
        self._remove(self._any_outgoing, listener, namespace)

    # ---- middlewares

    def use_event(self, middleware: Function, namespace: NamespaceKey | None = None) -> Function:
        """Adds a middleware around the handlers of all events: ``middleware(call_next, event, *args)`` (of a server:
        ``middleware(call_next, sid, event, *args)``). A decorator.

        ``return await call_next(event, *args)`` (where handlers are plain functions without ``await``; of a server with the
        sid first) goes on, with these or other arguments, and gives the acknowledgement. A middleware that does not call it
        keeps the event from its handlers, and its result is the acknowledgement; `not_handled` is none. An exception is
        reported like a handler's.
        """
        return self._append(self._passage, middleware, namespace)

    # ---- who is meant

    def _places(self, namespace: str) -> Iterator[tuple[NamespaceKey, tuple[Any, ...]]]:
        """Where functions for a namespace may stand, and the arguments that come before those of the event."""
        yield namespace, ()
        yield "*", (namespace,)

    def _of(self, table: Table, namespace: str) -> list[Callable[..., Any]]:
        if not table:
            return []
        return [function for key, _ in self._places(namespace) for function in table.get(key, ())]

    def _listening(self, event: Any, namespace: str) -> list[Resolved]:
        """The listeners of an event; those of `once` are taken."""
        found: list[Resolved] = []
        for key, prefix in self._places(namespace) if self._listeners else ():
            of_event = self._listeners.get(key, {})
            listeners = of_event.get(event, [])
            found += [(listener.function, prefix) for listener in listeners]
            if any(listener.once for listener in listeners):
                of_event[event] = [listener for listener in listeners if not listener.once]
        return found

    def _resolve(self, event: Any, namespace: str) -> Resolved | None:
        """The handler of an event and the arguments before its own."""
        raise NotImplementedError

    def _method(self, handler: BaseNamespace, event: Any, prefix: tuple[Any, ...]) -> Resolved:
        """A class's handler of an event: its method, or `trigger_event` where the class dispatches in its own way."""
        ordinary = self._namespace_class.trigger_event
        if type(handler).trigger_event is not ordinary or "trigger_event" in vars(handler):
            return handler.trigger_event, (event, *prefix)
        return getattr(handler, "on_" + (event or ""), nothing), prefix

    # ---- at an event

    async def _trigger_event(self, event: str, namespace: str, *args: Any) -> Any:
        """Runs the handler of an event that is not the other side's: `connect`, `disconnect` and the like."""
        found = self._resolve(event, namespace)
        if found is None:
            return self.not_handled
        handler, prefix = found
        try:
            return await self._run(handler, *prefix, *args)
        except TypeError:
            if event != "disconnect":
                raise
            # Written before the handler was given a reason.
            return await self._run(handler, *prefix, *args[:-1])

    async def _on_event(self, namespace: str, event: Any, *args: Any) -> Any:
        """Lets everybody hear an event who listens. Called by the engine while there is more than handlers."""
        for listener in self._of(self._any, namespace):
            await self._contained(listener, event, *args)
        return await self._pass_on(self._of(self._passage, namespace), namespace, *self._said(event, args))

    async def _pass_on(self, middlewares: list[Callable[..., Any]], namespace: str, *said: Any) -> Any:
        if not middlewares:
            return await self._deliver(namespace, *self._heard(said))
        first, *others = middlewares
        return await self._run(first, self._next(others, namespace), *said)

    def _next(self, middlewares: list[Callable[..., Any]], namespace: str) -> Callable[..., Any]:
        """`call_next` for the middleware before these."""

        async def call_next(*said: Any) -> Any:
            return await self._pass_on(middlewares, namespace, *said)

        return call_next

    def _said(self, event: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """An event and its arguments, in the order in which a middleware gets them."""
        return (event, *args)

    def _heard(self, said: tuple[Any, ...]) -> tuple[Any, ...]:
        """What `_said` gave, with the event first."""
        return said

    async def _deliver(self, namespace: str, event: Any, *args: Any) -> Any:
        """Calls handler and listeners; gives the acknowledgement."""
        handler = self._resolve(event, namespace)
        calls = ([] if handler is None else [handler]) + self._listening(event, namespace)
        if not calls:
            return self._unheard
        if len(calls) == 1:
            function, prefix = calls[0]
            return await self._run(function, *prefix, *args)
        outcomes = await self._run_all(calls, args)
        errors = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
        for error in errors[1:]:
            self._report(error, event)
        if errors:
            raise errors[0]
        return next((outcome for outcome in outcomes if outcome is not None), None)

    #: The result of an event that nobody hears.
    _unheard: Any = NOT_HANDLED

    async def _tell(self, event: str, namespace: str, *args: Any) -> None:
        """Lets the listeners of `connect`, `disconnecting` or `disconnect` hear it."""
        for listener, prefix in self._listening(event, namespace):
            await self._contained(listener, *prefix, *args, what=event)

    async def _contained(self, function: Callable[..., Any], *args: Any, what: Any = "a listener") -> None:
        try:
            await self._run(function, *args)
        except Exception as error:
            self._report(error, what)

    def _tell_outgoing(self, namespace: str, data: Any, *before: Any) -> None:
        """Lets the listeners of outgoing events hear one: `before`, and the arguments in `data`."""
        listeners = self._of(self._any_outgoing, namespace)
        if listeners:
            args = data if isinstance(data, tuple) else () if data is None else (data,)
            for listener in listeners:
                listener(*before, *args)

    # ---- what each kind of server or client does in its own way

    async def _run(self, handler: Callable[..., Any], *args: Any) -> Any:
        """The result of a handler."""
        raise NotImplementedError

    async def _run_all(self, calls: list[Resolved], args: tuple[Any, ...]) -> list[Any]:
        """The results of several, or their exceptions."""
        raise NotImplementedError

    def _report(self, error: BaseException, what: Any) -> None:
        """An exception that a handler did not catch."""
        raise NotImplementedError

    def _know(self, namespace: Any) -> None:
        """Takes note of a namespace that somebody listens in."""

    # ---- the tables

    def _adding(
        self, event: str, listener: Callable[..., Any] | None, namespace: NamespaceKey | None, *, once: bool
    ) -> Callable[[Function], Function]:
        if event == "*":
            raise ValueError("for a listener of all events there is on_any()")

        def add(listener: Function) -> Function:
            self._know(namespace or "/")
            of_namespace = self._listeners.setdefault(namespace or "/", {})
            of_namespace.setdefault(event, []).append(Listener(listener, once))
            self._look_around()
            return listener

        if listener is not None:
            add(listener)
        return add

    def _append(self, table: Table, function: Function, namespace: NamespaceKey | None) -> Function:
        if not callable(function):
            raise TypeError(f"expected a function, got {type(function).__name__}")
        self._know(namespace or "/")
        table.setdefault(namespace or "/", []).append(function)
        self._look_around()
        return function

    def _remove(self, table: Table, function: Callable[..., Any] | None, namespace: NamespaceKey | None) -> None:
        key = namespace or "/"
        kept = [] if function is None else [each for each in table.get(key, []) if each is not function]
        if kept:
            table[key] = kept
        else:
            table.pop(key, None)
        self._look_around()

    def _look_around(self) -> None:
        """Tells the engine whether there is anything but handlers."""
        # A manager of the program's own puts an `_on_event` into the object.
        self._hears_events = "_on_event" in vars(self) or bool(
            self._any or self._passage or any(self._listeners.values())
        )
        self._hears_emits = self._verbose or bool(self._any_outgoing)


class ServerListeners(Listeners, ServerCore):
    """What only a server has: middlewares for those who join, and namespaces by a pattern or a function."""

    def __init__(self) -> None:
        super().__init__()
        self._admission: Table = {}
        #: Namespaces that are no names: patterns and predicates, in the order in which they are asked.
        self._parents: list[NamespaceKey] = []
        #: Which of them let a namespace in that has clients.
        self._children: dict[str, NamespaceKey] = {}

    def use(self, middleware: Function, namespace: NamespaceKey | None = None) -> Function:
        """Adds a middleware for clients that join the namespace: ``middleware(sid, environ, auth)``. A decorator.

        Middlewares run in order, before the connect handler. One refuses the client as that does: by returning ``False`` or
        raising `exceptions.ConnectionRefusedError`. Any other exception refuses it too, and is reported. The namespace
        ``"*"`` stands for every one.
        """
        return self._append(self._admission, middleware, namespace)

    def _places(self, namespace: str) -> Iterator[tuple[NamespaceKey, tuple[Any, ...]]]:
        yield namespace, ()
        parent = self._children.get(namespace)
        if parent is not None:
            yield parent, (namespace,)
        yield "*", (namespace,)

    def _said(self, event: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
        sid, *others = args
        return (sid, event, *others)

    def _heard(self, said: tuple[Any, ...]) -> tuple[Any, ...]:
        sid, event, *others = said
        return (event, sid, *others)

    def _on_emit(self, event: Any, data: Any, to: Any, namespace: str) -> None:
        """Called by the engine at each emit that somebody hears."""
        if self._verbose:
            self._log_emit(event, to, namespace)
        self._tell_outgoing(namespace, data, event, to)

    def _log_emit(self, event: Any, room: Any, namespace: str) -> None:
        raise NotImplementedError

    # ---- namespaces by pattern

    def _know(self, namespace: Any) -> None:
        """Notes a namespace that is no name."""
        if not isinstance(namespace, str) and namespace not in self._parents:
            if not isinstance(namespace, Pattern) and not callable(namespace):
                raise TypeError("a namespace is a name, a compiled pattern or a function")
            self._parents.append(namespace)

    async def _adopt(self, namespace: str, environ: Callable[[], Any], auth: Any) -> bool:
        """Whether a pattern or predicate takes a namespace in. The first that does is its parent."""
        if namespace in self._children:
            return True
        for parent in self._parents:
            if isinstance(parent, str):
                continue
            if isinstance(parent, Pattern):
                taken = parent.fullmatch(namespace) is not None
            else:
                taken = await self._run(parent, namespace, environ(), auth)
            if taken:
                # Somebody else may have asked for it meanwhile.
                if namespace not in self._children and not self._has_room_for_child(len(self._children)):
                    raise exceptions.ConnectionRefusedError("Too many namespaces")
                self._children[namespace] = parent
                return True
        return False

    def _disown(self, namespace: str) -> None:
        """Forgets which pattern a namespace belongs to, once it is empty: clients may invent any number of names."""
        if namespace in self._children and not self._population(namespace):
            self._children.pop(namespace, None)


def nothing(*args: Any) -> None:
    """The handler of an event that a class has no method for: its acknowledgement is empty."""
