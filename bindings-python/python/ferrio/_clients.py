"""The engines of clients: one for all clients of an event loop, one for all of the process's threads."""

from __future__ import annotations

import asyncio
from typing import Any

from . import _crew, _lifecycle, _loop, _modes

#: Seconds without a client after which a loop's engine ends its threads.
IDLE = 5.0


class ClientLoopHost(_loop.LoopHost):
    """The engine of the clients of one loop."""

    def _report(self, error: BaseException, what: Any) -> None:
        _loop.tell(error, what)


class ClientCrewHost(_crew.CrewHost):
    """The engine of the clients that threads (or greenlets) use."""

    def __init__(self, mode: _modes.Mode) -> None:
        self._set_mode(mode)

    def _report(self, error: BaseException, what: Any) -> None:
        _crew.tell(error)


_of_loops: dict[asyncio.AbstractEventLoop, ClientLoopHost] = {}
_of_threads: dict[str, ClientCrewHost] = {}


def of_loop() -> ClientLoopHost:
    """The engine for the running loop."""
    loop = asyncio.get_running_loop()
    host = _of_loops.get(loop)
    if host is not None and host._running:
        return host
    for other in [other for other in _of_loops if other.is_closed()]:
        _of_loops.pop(other)._stop()
    # Also in a process that was forked from the one that started it: that one's engine is not ours.
    host = _of_loops[loop] = ClientLoopHost()
    _lifecycle.watch(host)
    host._start(lambda: "{}")
    return host


def rest_of_loop() -> None:
    """A client of the running loop has gone: the engine ends when no other comes."""
    loop = asyncio.get_running_loop()
    host = _of_loops.get(loop)
    if host is not None and not host._has_clients:
        loop.call_later(IDLE, _end, loop, host)


def _end(loop: asyncio.AbstractEventLoop, host: ClientLoopHost) -> None:
    if _of_loops.get(loop) is host and not host._has_clients:
        del _of_loops[loop]
        host._stop()


def of_threads(mode: _modes.Mode) -> ClientCrewHost:
    """The engine for threads, or for greenlets."""
    host = _of_threads.get(mode.kind)
    if host is None or not host._running:
        host = _of_threads[mode.kind] = ClientCrewHost(mode)
        _lifecycle.watch(host)
        host._start(lambda: "{}")
    return host


def step_aside() -> None:
    """The calling thread will block. If it is one that runs handlers, another goes on with them."""
    for host in list(_of_threads.values()):
        host._step_aside()
