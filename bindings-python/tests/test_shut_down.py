"""The server is shut down by its own handlers: it ends, and so does the handler."""

from __future__ import annotations

import asyncio

import pytest

from ferrio import _lifecycle
from peers import Raw, patiently

pytestmark = pytest.mark.ferrio_only


@pytest.mark.parametrize("where", ["connect", "end", "disconnect", "callback"])
@pytest.mark.parametrize("async_handlers", [True, False])
async def test_shutdown_in_a_handler(new_server, monkeypatch, where, async_handlers):
    # What waits for itself need not wait long here.
    monkeypatch.setattr(_lifecycle, "HANDLER_TIMEOUT", 0.1)

    sio = new_server(async_handlers=async_handlers)
    done = asyncio.Event()

    async def end():
        await sio.shutdown()
        done.set()

    fatals = {}

    @sio.event
    async def connect(sid, environ, auth=None):
        if auth == {"fatal": True}:
            fatals[sid] = True
            if where == "connect":
                await end()
            elif where == "callback":
                await sio.emit("?", to=sid, callback=end)

    @sio.on("end")
    async def on_end(sid):
        await end()

    @sio.event
    async def disconnect(sid, reason):
        if where == "disconnect" and fatals.pop(sid, None):
            await end()

    host, port = await sio.listen("127.0.0.1", 0)
    bystander = await Raw.open(f"http://{host}:{port}")
    await bystander.join()
    fatal = await Raw.open(f"http://{host}:{port}")
    await fatal.send('40{"fatal":true}')
    if where in ("end", "disconnect"):
        assert (await fatal.read()).startswith("40{")
        await fatal.send('42["end"]' if where == "end" else "41")
    elif where == "callback":
        question = await fatal.read()
        if question.startswith("40"):
            question = await fatal.read()
        await fatal.send(f"43{question[2]}[]")
    await patiently(done.wait())
    assert await bystander.ended() > 0
    with pytest.raises(ConnectionRefusedError):
        await Raw.open(f"http://{host}:{port}")
