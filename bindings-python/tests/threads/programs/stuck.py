"""A threaded server in which one handler keeps the whole interpreter: not a thread of Python's runs meanwhile."""

from __future__ import annotations

import ctypes
import threading

import ferrio

sio = ferrio.Server(async_mode="threading", ping_interval=1, ping_timeout=2, mailbox_bytes=65536)
#: Calls through it do not release the GIL.
libc = ctypes.PyDLL(None)
numbers: dict[str, list[int]] = {}


@sio.event
def block(sid, seconds):
    libc.usleep(int(seconds * 1_000_000))


@sio.event
def number(sid, n, weight):
    numbers.setdefault(sid, []).append(n)


sio.on("numbers", lambda sid: numbers.get(sid, []))
print(sio.listen()[1], flush=True)
threading.Event().wait()
