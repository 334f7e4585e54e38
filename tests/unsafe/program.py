"""What goes through the unsafe code of the wheel, for a checker of memory: events of each type both ways, answers,
handlers of both kinds, what cannot be sent, wake-ups, the end."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import ferrio

VALUES = [
    True,
    -1,
    2**53,
    2**70,
    0.5,
    "text",
    "ä€😀",
    b"",
    b"bytes",
    [],
    [None, [2, b"x"]],
    {},
    {"key": {"deep": b"y"}},
]


def hearing(queue):
    return lambda *values: queue.put_nowait(values)


async def main() -> None:
    server = ferrio.AsyncServer(cors_allowed_origins="*")
    ended = asyncio.Event()

    @server.event
    async def connect(sid, environ, auth):
        await server.enter_room(sid, "room")
        await server.save_session(sid, {"auth": auth})

    @server.on("echo")
    async def echo(sid, *values):
        await asyncio.sleep(0)
        return values

    @server.on("plain")
    def plain(sid, value):
        return value

    @server.on("fails")
    async def fails(sid):
        await asyncio.sleep(0)
        raise ValueError("as it should")

    @server.event
    async def disconnect(sid, reason):
        ended.set()

    host, port = await server.listen()
    for transports in (["polling"], ["websocket"], None):
        ended.clear()
        client = ferrio.AsyncClient(reconnection=False)
        heard: asyncio.Queue = asyncio.Queue()
        client.on("news", hearing(heard))
        await client.connect(f"http://{host}:{port}", auth={"a": 1}, transports=transports)
        for value in VALUES:
            assert await client.call("plain", value, timeout=60) == value, value
        assert list(await client.call("echo", tuple(VALUES), timeout=60)) == VALUES
        await client.emit("fails")
        for number in range(50):
            await server.emit("news", (number, VALUES), room="room")
        for number in range(50):
            assert await heard.get() == (number, VALUES)
        with suppress(TypeError):
            await client.emit("echo", {1, 2})
        await client.disconnect()
        await ended.wait()
    await server.shutdown()
    print("done")


asyncio.run(main())
