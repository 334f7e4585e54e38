"""`drain`, and the limits, of a server with threads."""

from __future__ import annotations

import asyncio
import threading

import pytest

from peers import patiently

pytestmark = pytest.mark.ferrio_only


@pytest.mark.every_route
async def test_drain_waits_for_answers_and_sends_everybody_away(sio, serve, connect, heard):
    answer = threading.Event()

    @sio.on("ask")
    def ask(sid):
        heard.put("asked")
        answer.wait()
        return "here"

    sio.on("disconnect", lambda sid, reason: heard.put(reason))
    client = await connect(serve(sio))
    asking = asyncio.ensure_future(client.call("ask"))
    assert await heard.get() == "asked"
    assert sio.ready
    draining = asyncio.ensure_future(asyncio.to_thread(sio.drain, grace=600, spread=0))
    while sio.ready:
        await asyncio.sleep(0.002)
    assert client.connected
    answer.set()
    assert await patiently(asking) == "here"
    assert await heard.get() == sio.reason.SERVER_DISCONNECT
    assert await patiently(client.gone.get()) == "transport error"
    await patiently(draining)


async def test_no_more_events_of_a_client_than_it_may_send(new_server, serve, raw, heard):
    sio = new_server(events_per_client=(0.001, 2))
    sio.on("event", lambda sid, n: heard.put(n))
    sio.on("disconnect", lambda sid, reason: heard.put(reason))
    client = await raw(serve(sio))
    await client.join()
    await client.send('42["event",0]', '42["event",1]')
    assert await heard.get() == 0
    assert await heard.get() == sio.reason.RATE_LIMITED
