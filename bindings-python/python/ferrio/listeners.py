"""What python-socketio has not: listeners beside the handlers, middlewares, and namespaces by a pattern.

A *handler* (`on`, `event`) is the one function that answers an event; a *listener* hears it as well. As long as there are only
handlers, the engine calls them itself and nothing in here is run.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from re import Pattern
from typing import Any, NamedTuple, TypeVar

from ._ferrio import ServerCore

Function = TypeVar("Function", bound=Callable[..., Any])
Resolved = tuple[Callable[..., Any], tuple[Any, ...]]
#: A name, ``"*"`` for all, a pattern that the whole name matches, or a predicate ``(name, environ, auth) -> bool``.
NamespaceKey = str | Pattern[str] | Callable[..., Any]
Table = dict[NamespaceKey, list[Callable[..., Any]]]

#: A handler's result that leaves the event without an acknowledgement.
NOT_HANDLED: Any = NotImplemented


class Listener(NamedTuple):
    function: Callable[..., Any]
    once: bool


class Listeners(ServerCore):
    """The part of a server that knows who hears what."""

    _verbose: bool

    def __init__(self) -> None:
        self._listeners: dict[NamespaceKey, dict[Any, list[Listener]]] = {}
        self._any: Table = {}
        self._any_outgoing: Table = {}
        self._admission: Table = {}
        self._passage: Table = {}
        #: Namespaces that are no names: patterns and predicates, in the order in which they are asked.
        self._parents: list[NamespaceKey] = []
        #: Which of them let a namespace in that has clients.
        self._children: dict[str, NamespaceKey] = {}

    # ---- listeners

    def add_listener(
        self, event: str, listener: Callable[..., Any] | None = None, namespace: NamespaceKey | None = None
    ) -> Callable[[Function], Function]:
        """Adds a listener of an event, given here or decorated, beside the handler and other listeners.

        Handler and listeners are called in the order of registration, the handler first, with the same arguments; those that
        wait for something wait side by side (in `Server`: one after the other). The acknowledgement is the first result that
        is not ``None``. A listener of ``connect`` is called once the client is in, and cannot refuse it.
        """
        return self._adding(event, listener, namespace, once=False)

    def once(
        self, event: str, listener: Callable[..., Any] | None = None, namespace: NamespaceKey | None = None
    ) -> Callable[[Function], Function]:
        """Adds a listener, as `add_listener` does, for the next such event of any client only."""
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
        """Adds a listener of all events: ``listener(event, sid, *args)``, before middlewares and handlers. A decorator."""
        return self._append(self._any, listener, namespace)

    def off_any(self, listener: Callable[..., Any] | None = None, namespace: NamespaceKey | None = None) -> None:
        """Removes a listener of `on_any`, or all of them."""
        self._remove(self._any, listener, namespace)

    def on_any_outgoing(self, listener: Function, namespace: NamespaceKey | None = None) -> Function:
        """Adds a listener of everything that is emitted: ``listener(event, to, *args)``, where `to` is as it was given to
        `emit`. A decorator.

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

    def use(self, middleware: Function, namespace: NamespaceKey | None = None) -> Function:
        """Adds a middleware for clients that join the namespace: ``middleware(sid, environ, auth)``. A decorator.

        Middlewares run in order, before the connect handler. One refuses the client as that does: by returning ``False`` or
        raising `exceptions.ConnectionRefusedError`. Any other exception refuses it too, and is reported. The namespace
        ``"*"`` stands for every one.
        """
        return self._append(self._admission, middleware, namespace)

    def use_event(self, middleware: Function, namespace: NamespaceKey | None = None) -> Function:
        """Adds a middleware around the handlers of all events: ``middleware(call_next, sid, event, *args)``. A decorator.

        ``return await call_next(sid, event, *args)`` (in `Server` without ``await``) goes on, with these or other arguments,
        and gives the acknowledgement. A middleware that does not call it keeps the event from its handlers, and its result
        is the acknowledgement; `not_handled` is none. An exception is reported like a handler's.
        """
        return self._append(self._passage, middleware, namespace)

    # ---- who is meant

    def _places(self, namespace: str) -> Iterator[tuple[NamespaceKey, tuple[Any, ...]]]:
        """Where functions for a namespace may stand, and the arguments that come before those of the event."""
        yield namespace, ()
        parent = self._children.get(namespace)
        if parent is not None:
            yield parent, (namespace,)
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
        """The handler of an event and the arguments before the sid."""
        raise NotImplementedError

    # ---- at an event

    async def _on_event(self, namespace: str, event: Any, sid: str, *args: Any) -> Any:
        """Lets everybody hear an event who listens. Called by the engine while there is more than handlers."""
        for listener in self._of(self._any, namespace):
            await self._contained(listener, event, sid, *args)
        return await self._pass_on(self._of(self._passage, namespace), namespace, sid, event, *args)

    async def _pass_on(
        self, middlewares: list[Callable[..., Any]], namespace: str, sid: str, event: Any, *args: Any
    ) -> Any:
        if not middlewares:
            return await self._deliver(namespace, event, sid, *args)
        first, *others = middlewares
        return await self._run(first, self._next(others, namespace), sid, event, *args)

    def _next(self, middlewares: list[Callable[..., Any]], namespace: str) -> Callable[..., Any]:
        """`call_next` for the middleware before these."""

        async def call_next(sid: str, event: Any, *args: Any) -> Any:
            return await self._pass_on(middlewares, namespace, sid, event, *args)

        return call_next

    async def _deliver(self, namespace: str, event: Any, sid: str, *args: Any) -> Any:
        """Calls handler and listeners; gives the acknowledgement."""
        handler = self._resolve(event, namespace)
        calls = ([] if handler is None else [handler]) + self._listening(event, namespace)
        if not calls:
            return NOT_HANDLED
        if len(calls) == 1:
            function, prefix = calls[0]
            return await self._run(function, *prefix, sid, *args)
        outcomes = await self._run_all(calls, (sid, *args))
        errors = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
        for error in errors[1:]:
            self._report(error, event)
        if errors:
            raise errors[0]
        return next((outcome for outcome in outcomes if outcome is not None), None)

    async def _tell(self, event: str, namespace: str, *args: Any) -> None:
        """Lets the listeners of `connect`, `disconnecting` or `disconnect` hear it."""
        for listener, prefix in self._listening(event, namespace):
            await self._contained(listener, *prefix, *args, what=event)

    async def _contained(self, function: Callable[..., Any], *args: Any, what: Any = "a listener") -> None:
        try:
            await self._run(function, *args)
        except Exception as error:
            self._report(error, what)

    def _on_emit(self, event: Any, data: Any, to: Any, namespace: str) -> None:
        """Called by the engine at each emit that somebody hears."""
        if self._verbose:
            self._log_emit(event, to, namespace)
        listeners = self._of(self._any_outgoing, namespace)
        if listeners:
            args = data if isinstance(data, tuple) else () if data is None else (data,)
            for listener in listeners:
                listener(event, to, *args)

    def _log_emit(self, event: Any, room: Any, namespace: str) -> None:
        raise NotImplementedError

    # ---- what each kind of server does in its own way

    async def _run(self, handler: Callable[..., Any], *args: Any) -> Any:
        """The result of a handler."""
        raise NotImplementedError

    async def _run_all(self, calls: list[Resolved], args: tuple[Any, ...]) -> list[Any]:
        """The results of several, or their exceptions."""
        raise NotImplementedError

    def _report(self, error: BaseException, what: Any) -> None:
        """An exception that a handler did not catch."""
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
                self._children[namespace] = parent
                return True
        return False

    def _disown(self, namespace: str) -> None:
        """Forgets which pattern a namespace belongs to, once it is empty: clients may invent any number of names."""
        if namespace in self._children and not self._population(namespace):
            self._children.pop(namespace, None)

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
