"""The server is shut down by one of its own handlers: it ends, and so does the handler."""

from __future__ import annotations

import pytest

from ferrio import _lifecycle
from peers import Raw

pytestmark = pytest.mark.ferrio_only


@pytest.mark.parametrize("where", ["connect", "end", "disconnect", "callback"])
@pytest.mark.parametrize("async_handlers", [True, False])
async def test_shutdown_in_a_handler(new_server, serve, heard, monkeypatch, where, async_handlers):
    # What waits for itself need not wait long here.
    monkeypatch.setattr(_lifecycle, "HANDLER_TIMEOUT", 0.1)

    sio = new_server(async_handlers=async_handlers)

    def end():
        sio.shutdown()
        heard.put("shut down")

    fatals = {}

    @sio.event
    def connect(sid, environ, auth=None):
        if auth != {"fatal": True}:
            return
        fatals[sid] = True
        if where == "connect":
            end()
        elif where == "callback":
            sio.emit("?", to=sid, callback=end)

    sio.on("end", lambda sid: end())

    @sio.event
    def disconnect(sid, reason):
        if where == "disconnect" and fatals.pop(sid, None):
            end()

    url = serve(sio)
    bystander = await Raw.open(url)
    await bystander.join()
    fatal = await Raw.open(url)
    await fatal.send('40{"fatal":true}')
    if where in ("end", "disconnect"):
        assert (await fatal.read()).startswith("40{")
        await fatal.send('42["end"]' if where == "end" else "41")
    elif where == "callback":
        question = await fatal.read()
        if question.startswith("40"):
            question = await fatal.read()
        await fatal.send(f"43{question[2]}[]")
    assert await heard.get() == "shut down"
    assert await bystander.ended() > 0
    with pytest.raises(ConnectionRefusedError):
        await Raw.open(url)
