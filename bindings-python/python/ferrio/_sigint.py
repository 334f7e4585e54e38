"""Ctrl-C, for programs that leave it to their clients (``handle_sigint=True``): servers are told before the program ends."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
import weakref
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .async_client import AsyncClient
    from .client import Client

#: Those that are connected or come back.
clients: weakref.WeakSet[Client] = weakref.WeakSet()
async_clients: weakref.WeakSet[AsyncClient] = weakref.WeakSet()
#: Loops that hear the signal.
_loops: weakref.WeakSet[asyncio.AbstractEventLoop] = weakref.WeakSet()
#: Who had the signal before.
_before: Any = None


def install() -> None:
    """Once, and in the main thread: others cannot."""
    global _before
    if _before is None and threading.current_thread() is threading.main_thread():
        _before = signal.signal(signal.SIGINT, _interrupted)


def _interrupted(number: int, frame: FrameType | None) -> Any:
    for client in list(clients):
        if client.handle_sigint:
            client.disconnect()
    for waiting in list(async_clients):
        waiting._give_up()
    if callable(_before):
        return _before(number, frame)
    return signal.default_int_handler(number, frame)


def install_on_loop() -> None:
    """In the main thread's loop the signal ends the clients, cancels what runs and stops the loop, as in the original."""
    loop = asyncio.get_running_loop()
    if loop in _loops or threading.current_thread() is not threading.main_thread():
        return
    _loops.add(loop)
    with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
        loop.add_signal_handler(signal.SIGINT, lambda: asyncio.ensure_future(_end(loop)))


async def _end(loop: asyncio.AbstractEventLoop) -> None:
    for client in list(async_clients):
        if client._loop is loop and client.handle_sigint:
            await client.disconnect()
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    loop.stop()
