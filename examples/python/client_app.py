"""A member of the chat that `fastapi_app.py` or `serve_app.py` serves: ``python client_app.py NAME [URL]``.

What is typed is said; what others say is printed. It comes back by itself when the server does, and what was said
meanwhile is sent then. Ctrl-D ends it.
"""

import asyncio
import sys
from typing import Any

import ferrio as socketio

sio = socketio.AsyncClient(offline_buffer=True)


@sio.event
async def connect() -> None:
    print("connected by", sio.transport())


@sio.event
async def joined(name: str) -> None:
    print(f"{name} is here")


@sio.event
async def said(what: dict[str, Any]) -> None:
    print(f"{what['name']}: {what['text']}")


@sio.event
async def disconnect(reason: str) -> None:
    print("disconnected:", reason)


async def main(name: str, url: str = "http://127.0.0.1:8000") -> None:
    await sio.connect(url, auth={"name": name}, retry=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        print("the server says", await sio.call("say", line.strip()))
    await sio.disconnect()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
