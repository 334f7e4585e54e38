"""An `AsyncClient` that is measured: see ../README.md. FERRIO_BENCH_MODULE: ferrio or socketio."""

from __future__ import annotations

import asyncio
import importlib
import os
import sys
from typing import Any

socketio: Any = importlib.import_module(os.environ.get("FERRIO_BENCH_MODULE", "ferrio"))

URL, TRANSPORT, CLIENTS, WINDOW = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
TEXT = "x" * 32
#: How many connect at a time.
AT_ONCE = 100

received = 0


def new_client() -> Any:
    client = socketio.AsyncClient(reconnection=False, handle_sigint=False)

    @client.event
    async def echo(text: str) -> None:
        global received
        received += 1
        await client.emit("echo", text)

    return client


async def main() -> None:
    clients = [new_client() for _ in range(CLIENTS)]
    places = asyncio.Semaphore(AT_ONCE)

    async def connect(client: Any) -> None:
        async with places:
            await client.connect(URL, transports=[TRANSPORT], wait_timeout=30)

    await asyncio.gather(*map(connect, clients))
    print("ready", flush=True)
    loop = asyncio.get_running_loop()
    while line := (await loop.run_in_executor(None, sys.stdin.readline)).strip():
        if line == "go":
            for client in clients:
                for _ in range(WINDOW):
                    await client.emit("echo", TEXT)
        elif line == "count":
            print(received, flush=True)
        elif line == "quit":
            break
    # The connections end with the process.
    os._exit(0)


asyncio.run(main())
