"""The end of a server: in order, at the exit of the interpreter, and after a fork."""

from __future__ import annotations

import asyncio
import atexit
import os
import time
import weakref
from collections.abc import Callable
from typing import Any

from ._ferrio import ServerCore, after_fork

#: Seconds that closing may take before connections are dropped as they are.
CLOSE_TIMEOUT = 5.0
#: Seconds given to disconnect handlers that wait for something.
HANDLER_TIMEOUT = 5.0

_servers: weakref.WeakSet[ServerCore] = weakref.WeakSet()


def watch(server: ServerCore) -> None:
    """Sees to it that a server's threads end before the interpreter does."""
    _servers.add(server)


async def finish(server: ServerCore, closed: asyncio.Future[Any]) -> None:
    """Waits for the engine to close and the disconnect handlers to end; then ends the engine's threads.

    It does so even if it is cancelled on the way.
    """
    try:
        await asyncio.wait([closed], timeout=CLOSE_TIMEOUT)
        deadline = asyncio.get_running_loop().time() + HANDLER_TIMEOUT
        while server._holding and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.005)
    finally:
        # Somebody else may have done so, and started it again.
        if server._closing is closed:
            server._stop()


def finish_blocking(server: ServerCore, closed: Any, sleep: Callable[[float], None]) -> None:
    """`finish`, in a thread. `closed` is a promise."""
    try:
        closed.result(CLOSE_TIMEOUT)
        deadline = time.monotonic() + HANDLER_TIMEOUT
        while server._holding and time.monotonic() < deadline:
            sleep(0.005)
    finally:
        if server._closing is closed:
            server._stop()


@atexit.register
def _stop_all() -> None:
    for server in list(_servers):
        server._stop()


if hasattr(os, "register_at_fork"):
    # The child has the memory of the engine's threads, but not the threads.
    os.register_at_fork(after_in_child=after_fork)
