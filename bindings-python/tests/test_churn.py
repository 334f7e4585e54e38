"""Clients that join and leave: afterwards the server is as it was before, in descriptors and in memory.

``FERRIO_TEST_CHURN=25`` gives 1,000 clients so many lives each, a minute's worth, and prints what was measured; without it
sixty of them come and go.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from pathlib import Path

import aiohttp
import pytest
import websockets

import peers
from hosts import HOSTS, Served
from peers import Polling, Raw, until

pytestmark = [
    pytest.mark.ferrio_only,
    pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="it looks into /proc"),
]

LIVES = int(os.environ.get("FERRIO_TEST_CHURN", "0"))
CLIENTS = 1000 if LIVES else 60
if LIVES:
    # A thousand clients in one process wait for each other more than for the server.
    peers.PATIENCE = 120.0


def processes(pid: int) -> list[int]:
    """A process and what it has started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(grandchild for child in children for grandchild in processes(int(child)))]


def descriptors(pid: int) -> int:
    return sum(len(os.listdir(f"/proc/{one}/fd")) for one in processes(pid))


def memory(pid: int) -> int:
    """Bytes that are a process's own."""
    total = 0
    for one in processes(pid):
        for line in Path(f"/proc/{one}/smaps_rollup").read_text().splitlines():
            if line.startswith(("Private_Dirty:", "Private_Clean:")):
                total += int(line.split()[1]) * 1024
    return total


async def one_life(url: str) -> None:
    """A client that joins, speaks, and leaves in one of the ways that clients leave."""
    manner = random.choice(["websocket", "websocket", "cut", "polling", "upgrade", "gone"])
    if manner in ("websocket", "cut"):
        socket = await Raw.open(url)
        await socket.join()
        await socket.send('42["echo","x"]')
        assert await socket.read() == '42["echo","x"]'
        if manner == "cut":
            socket.socket.transport.abort()
        else:
            await socket.send("41")
            await socket.close()
        return
    poller = Polling(url)
    try:
        await poller.open()
        await poller.post("40")
        assert (await poller.get())[0].startswith("40{")
        if manner == "upgrade":
            query = f"EIO=4&transport=websocket&sid={poller.sid}"
            socket = await Raw.open(url, query)
            await socket.send("2probe")
            assert await socket.socket.recv() == "3probe"
            await socket.send("5", '42["echo","x"]')
            while (packet := await socket.read()) != '42["echo","x"]':
                assert packet == "6"
            await socket.close()
        elif manner == "polling":
            await poller.post('42["echo","x"]')
            assert await poller.get() == ['42["echo","x"]']
            await poller.post("1")
        else:
            # It leaves in the middle of a poll.
            _, writer = await asyncio.open_connection(*url.removeprefix("http://").split(":"))
            writer.write(
                f"GET /socket.io/?EIO=4&transport=polling&sid={poller.sid} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
            )
            await writer.drain()
            writer.close()
            # Whether it is told in time that the poll has ended, or takes this.
            await poller.request("POST", f"EIO=4&transport=polling&sid={poller.sid}", data="1")
    finally:
        await poller.close()


FAILURES = (OSError, asyncio.TimeoutError, websockets.WebSocketException, aiohttp.ClientError, AssertionError)


async def churn(url: str, clients: int, lives: int) -> None:
    """Lets so many clients live so often, one life after the other."""
    failures: Counter[str] = Counter()

    async def live() -> None:
        for _ in range(lives):
            try:
                await one_life(url)
            except FAILURES as failure:
                failures[f"{type(failure).__name__}: {failure}"[:100]] += 1

    await asyncio.gather(*(live() for _ in range(clients)))
    assert not failures, failures.most_common(5)


@pytest.mark.parametrize("name", ["uvicorn", "gunicorn", "native", "hosted", "aiohttp"])
async def test_nothing_is_left_of_clients_that_leave(name):
    host = HOSTS[name]
    if host.missing is not None:
        pytest.skip(f"{host.missing} is not here")
    # One worker: several share the port, and polls of one session would come to each of them.
    served = await Served.start(host, WEB_CONCURRENCY="1", FERRIO_TEST_QUIET="1")
    pid = served.process.pid
    try:
        # What a server holds on to once: code that was loaded, pools, arenas.
        await churn(served.url, CLIENTS, 3)
        await settles(pid, 0)
        at_first, before = descriptors(pid), memory(pid)
        await churn(served.url, CLIENTS, LIVES or 3)
        left = await settles(pid, at_first)
        after = memory(pid)
        print(f"{name}: {left} descriptors more, {before >> 10} KiB before, {after >> 10} KiB after")
        assert left <= 3
        assert after - before < (16 << 20 if LIVES else 4 << 20)
    finally:
        await served.kill()


async def settles(pid: int, expected: int) -> int:
    """Waits until connections that have ended are forgotten; gives the descriptors above what was expected."""
    last = [-1] * 10

    def steady() -> bool:
        last.append(descriptors(pid))
        return (expected > 0 and last[-1] <= expected) or (len(set(last[-200:])) == 1 and len(last) > 200)

    await until(steady)
    return last[-1] - expected
