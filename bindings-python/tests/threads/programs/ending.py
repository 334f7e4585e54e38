"""A threaded server that ends in the way of its argument, while handlers block, wait for answers and emit."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

import ferrio

sio = ferrio.Server(async_mode="threading")
begun = threading.Semaphore(0)


@sio.event
def block(sid):
    begun.release()
    time.sleep(1000)


@sio.event
def ask(sid):
    begun.release()
    sio.call("never answered", to=sid, timeout=1000)


@sio.event
def flood(sid):
    begun.release()
    while True:
        sio.emit("flood", "x" * 1000, to=sid)


print(sio.listen()[1], flush=True)
for _ in range(int(sys.argv[2])):
    begun.acquire()
if sys.argv[1] == "exit":
    sys.exit(3)
elif sys.argv[1] == "raise":
    raise RuntimeError("the program fails")
elif sys.argv[1] == "shutdown":
    sio.shutdown()
elif sys.argv[1] in ("SIGINT", "SIGTERM"):
    os.kill(os.getpid(), getattr(signal, sys.argv[1]))
    time.sleep(1000)
