"""A handler that keeps the interpreter to itself: nobody is dropped for it, and nothing of what came meanwhile is lost."""

from __future__ import annotations

import asyncio

import pytest

from peers import patiently

pytestmark = pytest.mark.ferrio_only

#: Several times as long as a client may be silent in the program, and as the clients wait for a ping.
SECONDS = 8
WEIGHT = "x" * 1000


async def test_nobody_is_dropped_while_the_interpreter_is_stuck(start, connect):
    url = start("stuck.py").url
    clients = [await connect(url) for _ in range(4)]
    blocked = asyncio.ensure_future(clients[0].call("block", SECONDS))
    await asyncio.sleep(0.2)
    # More than the mailbox holds, many times.
    for n in range(2000):
        await clients[1].emit("number", (n, WEIGHT))
    await patiently(blocked)
    # Several threads may run handlers, so that they end in any order.
    assert sorted(await patiently(clients[1].call("numbers"))) == list(range(2000))
    for client in clients[2:]:
        assert await patiently(client.call("numbers")) == []
    assert all(client.connected and client.gone.empty() for client in clients)
