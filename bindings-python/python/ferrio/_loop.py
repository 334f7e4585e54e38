"""Handlers on an event loop: what `AsyncServer` and `AsyncClient` have in common."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from ._ferrio import ServerCore
from .base_namespace import finished
from .listeners import Listeners, Resolved


class Looping(Listeners):
    """Handlers may be coroutine functions; a rule that calls one is awaited."""

    def is_asyncio_based(self) -> bool:
        """Whether handlers may be coroutine functions."""
        return True

    async def _run(self, handler: Callable[..., Any], *args: Any) -> Any:
        return await finished(handler, *args)

    async def _run_all(self, calls: list[Resolved], args: tuple[Any, ...]) -> list[Any]:
        runs = [finished(function, *prefix, *args) for function, prefix in calls]
        return await asyncio.gather(*runs, return_exceptions=True)

    async def _trigger_event(self, event: str, namespace: str, *args: Any) -> Any:
        try:
            return await super()._trigger_event(event, namespace, *args)
        except asyncio.CancelledError:
            return None

    def _report(self, error: BaseException, what: Any) -> None:
        """An exception that a handler did not catch. It costs nobody else anything."""
        tell(error, what)


class Background:
    """Tasks of the program's."""

    #: asyncio itself holds Tasks weakly.
    _tasks: set[asyncio.Future[Any]]

    def start_background_task(
        self, target: Callable[..., Coroutine[Any, Any, Any]], *args: Any, **kwargs: Any
    ) -> asyncio.Future[Any]:
        """Runs a coroutine function in a Task of its own, which it returns."""
        task = asyncio.ensure_future(target(*args, **kwargs))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def sleep(self, seconds: float = 0) -> None:
        """`asyncio.sleep`."""
        await asyncio.sleep(seconds)


class LoopHost(ServerCore):
    """An engine whose events a loop hears."""

    def _listen_in_thread(self, loop: asyncio.AbstractEventLoop, drain: Callable[[], None]) -> None:
        """Hears the engine in place of a loop that can watch no descriptor."""

        def listen() -> None:
            while self._wait():
                try:
                    loop.call_soon_threadsafe(drain)
                except RuntimeError:  # the loop is closed
                    return

        threading.Thread(target=listen, name="ferrio-listener", daemon=True).start()


def tell(error: BaseException, what: Any) -> None:
    """As for an exception that ends a Task which nobody awaits."""
    # No "task" in there: since 3.12 the loop would enter its context, in which we are.
    context = {"message": f"Exception in the handler of the Socket.IO event {what!r}", "exception": error}
    asyncio.get_running_loop().call_exception_handler(context)
