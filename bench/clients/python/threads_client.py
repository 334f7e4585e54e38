"""A `Client` that is measured: see ../README.md. FERRIO_BENCH_MODULE: ferrio or socketio."""

from __future__ import annotations

import importlib
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

socketio: Any = importlib.import_module(os.environ.get("FERRIO_BENCH_MODULE", "ferrio"))

URL, TRANSPORT, CLIENTS, WINDOW = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
TEXT = "x" * 32
#: How many connect at a time.
AT_ONCE = 100


class Echoes:
    """One client, and what it has heard: a count of its own, for handlers run in several threads."""

    def __init__(self) -> None:
        self.received = 0
        self.client = socketio.Client(reconnection=False, handle_sigint=False)
        self.client.on("echo", self.echo)

    def echo(self, text: str) -> None:
        self.received += 1
        self.client.emit("echo", text)

    def connect(self) -> None:
        self.client.connect(URL, transports=[TRANSPORT], wait_timeout=30)

    def begin(self) -> None:
        for _ in range(WINDOW):
            self.client.emit("echo", TEXT)


def main() -> None:
    clients = [Echoes() for _ in range(CLIENTS)]
    with ThreadPoolExecutor(min(AT_ONCE, CLIENTS)) as pool:
        list(pool.map(Echoes.connect, clients))
    print("ready", flush=True)
    for line in sys.stdin:
        match line.strip():
            case "go":
                for each in clients:
                    each.begin()
            case "count":
                print(sum(each.received for each in clients), flush=True)
            case "quit":
                break
    # The connections end with the process.
    os._exit(0)


main()
