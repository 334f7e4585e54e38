"""Handlers in threads or greenlets: what `Server` and `Client` have in common."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from . import _modes
from ._ferrio import Seat, ServerCore
from .listeners import Listeners, Resolved

Result = TypeVar("Result")


class Blocking(Listeners):
    """Handlers are plain functions; a rule that calls one runs from its beginning to its end."""

    async def _run(self, handler: Callable[..., Any], *args: Any) -> Any:
        return handler(*args)

    async def _run_all(self, calls: list[Resolved], args: tuple[Any, ...]) -> list[Any]:
        outcomes: list[Any] = []
        for function, prefix in calls:
            try:
                outcomes.append(function(*prefix, *args))
            except Exception as error:
                outcomes.append(error)
        return outcomes

    def _next(self, middlewares: list[Callable[..., Any]], namespace: str) -> Callable[..., Any]:
        def call_next(*said: Any) -> Any:
            return completed(self._pass_on(middlewares, namespace, *said))

        return call_next

    def _report(self, error: BaseException, what: Any) -> None:
        """An exception that a handler did not catch. It costs nobody else anything."""
        tell(error)


class CrewHost(ServerCore):
    """An engine whose events threads or greenlets hear."""

    _mode: _modes.Mode

    def _set_mode(self, mode: _modes.Mode) -> None:
        self._mode = mode
        self._kind = mode.kind
        self._promise = mode.promise

    # ---- called by the engine

    def _complete(self, rule: Callable[..., Coroutine[Any, Any, Result]], *args: Any) -> Result:
        """Runs a rule."""
        return completed(rule(*args))

    def _enlist(self) -> None:
        """Starts a thread or greenlet that runs handlers."""
        if self._mode.kind == "greenlets":
            self._mode.start(attend_as_greenlet, self)
        elif (seat := self._seat()) is not None:
            threading.Thread(target=attend, args=(seat,), name="ferrio", daemon=True).start()


def completed(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """The result of a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: Result = end.value
        return result
    coroutine.close()
    raise RuntimeError("a handler of a Server or Client cannot wait as one of an AsyncServer or AsyncClient can")


def tell(error: BaseException) -> None:
    """As for an exception that ends a thread."""
    about = (type(error), error, error.__traceback__, threading.current_thread())
    threading.excepthook(threading.ExceptHookArgs(about))


def attend(seat: Seat) -> None:
    """The life of a thread that runs handlers. Here, and not below, so that only Python's frames are on its stack."""
    while (call := seat.next()) is not None:
        perform(seat, *call)


def perform(seat: Seat, run: Callable[..., Any], args: tuple[Any, ...]) -> None:
    try:
        result = run(*args)
    except BaseException as error:
        if not seat.failed(error):
            tell(error)
    else:
        seat.done(result)


def attend_as_greenlet(host: CrewHost) -> None:
    """The life of the greenlet that hears the engine: others run the handlers, a further one while one waits."""
    descriptor, mode = host._descriptor(), host._mode
    heard = Heard()
    while host._running:
        mode.wait_readable(descriptor)
        host._silence()
        attend_all(host, heard)


class Heard:
    """What the greenlets of a host tell each other."""

    #: The engine has nothing more to say, and will ring the bell.
    everything = True


def attend_all(host: CrewHost, heard: Heard) -> None:
    heard.everything = False
    while host._running and not heard.everything:
        host._mode.start(attend_once, host, heard)
        host._mode.sleep(0)


def attend_once(host: CrewHost, heard: Heard) -> None:
    seat = host._seat()
    while seat is not None and (call := seat.next()) is not None:
        if heard.everything:
            # This greenlet's last handler has waited, and it was quicker than the bell: what came with this call would be
            # heard by nobody while this handler waits.
            heard.everything = False
            host._mode.start(attend_all, host, heard)
        perform(seat, *call)
    heard.everything = True


if sys.platform == "win32":
    # Greenlets hear the engine through a descriptor that only Unix has.
    _modes.MODES = {"threading": _modes.Mode}
