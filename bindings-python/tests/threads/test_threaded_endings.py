"""The end of a program with a threaded server: no crash and no hang, whatever its threads do."""

from __future__ import annotations

import asyncio
import signal

import pytest

pytestmark = pytest.mark.ferrio_only

WAYS = {"end": 0, "exit": 3, "raise": 1, "shutdown": 0, "SIGINT": -signal.SIGINT, "SIGTERM": -signal.SIGTERM}


@pytest.mark.parametrize("how", WAYS)
async def test_the_end_of_a_program(start, raw, how):
    """(A fault shows in one of twenty runs: here is a short form.)"""
    for _ in range(3):
        program = start("ending.py", how, "6")
        clients = [await raw(program.url) for _ in range(3)]
        for client in clients:
            await client.join()
        # Whoever floods does not read: the handler comes to wait for its client.
        await clients[0].send('42["flood"]')
        for client in clients[1:]:
            await client.send('42["block"]', '42["ask"]')
        await clients[0].send('42["block"]')
        code = await asyncio.to_thread(program.process.wait, 20)
        assert code == WAYS[how], program.stop()
        for client in clients:
            client.socket.transport.abort()


async def test_workers_that_are_forked(start, connect):
    """The application is loaded before the fork; the server starts in each worker."""
    from test_wsgi_servers import gunicorn

    program = gunicorn(start, "-k", "gthread", "--threads", "20", "--preload", "-w", "2", ASYNC_MODE="threading")
    for _ in range(5):
        client = await connect(program.url)
        assert await client.call("echo", 1) == 1
        assert await client.next() == ("echoed", 1)
        await client.disconnect()
    assert "Traceback" not in program.stop()
