"""A JSON module of the application's (`json=`)."""

from __future__ import annotations

import asyncio
import datetime
import json as standard

import pytest

from peers import until


class Module:
    """JSON that knows times and sets, and reads objects as pairs."""

    def __init__(self):
        self.made = []

    def dumps(self, value, **options):
        text = standard.dumps(value, default=self.known, **options)
        self.made.append(text)
        return text

    @staticmethod
    def known(value):
        if isinstance(value, set):
            return sorted(value)
        if isinstance(value, datetime.date):
            return value.isoformat()
        raise TypeError(f"no such thing: {value!r}")

    @staticmethod
    def loads(text, **options):
        return standard.loads(text, object_pairs_hook=lambda pairs: dict([*pairs, ("read by", "us")]), **options)


@pytest.fixture
def own_json(socketio):
    """The original keeps the module for the whole process: not beyond the test."""
    packet = getattr(getattr(socketio, "packet", None), "Packet", None)
    before = getattr(packet, "json", None)
    yield Module()
    if packet is not None:
        packet.json = before


async def test_what_it_writes_and_reads(own_json, new_server, serve, raw):
    sio = new_server(json=own_json)

    @sio.event
    def connect(sid, environ, auth):
        seen.append(auth)

    @sio.event
    async def echo(sid, *args):
        seen.append(args)
        await sio.emit("day", (datetime.date(2026, 11, 24), {3, 1, 2}), to=sid)
        return {"bytes": b"abc", "list": [b"d"]}

    seen = []
    socket = await raw(await serve(sio))
    await socket.join(auth='{"a":1}')
    await socket.send('421["echo",{"b":2},[]]')
    assert await socket.read() == '42["day","2026-11-24",[1,2,3]]'
    answer = await socket.read()
    assert answer == ('462-1[{"bytes":{"_placeholder":true,"num":0},"list":[{"_placeholder":true,"num":1}]}]')
    assert [await socket.read(), await socket.read()] == [b"abc", b"d"]
    us = {"read by": "us"}
    assert seen == [{"a": 1, **us}, ({"b": 2, **us}, [])]
    await socket.send('451-["echo",{"_placeholder":true,"num":0}]', b"in")
    await until(lambda: len(seen) == 3)
    assert '["day","2026-11-24",[1,2,3]]' in own_json.made


async def test_what_it_cannot_write(own_json, new_server, serve, connect, socketio):
    sio = new_server(json=own_json)
    client = await connect(await serve(sio))
    with pytest.raises(TypeError, match="no such thing"):
        await sio.emit("x", object(), to=client.sid_in())


@pytest.mark.ferrio_only
async def test_one_without_separators_that_writes_bytes(new_server, serve, connect):
    """As orjson is."""

    class Bytes:
        dumps = staticmethod(lambda value: standard.dumps(value, separators=(",", ":")).encode())
        loads = staticmethod(standard.loads)

    sio = new_server(json=Bytes)
    sio.on("echo", lambda sid, *args: args)
    client = await connect(await serve(sio))
    assert await client.call("echo", ("ü", b"x", None)) == ("ü", b"x", None)


@pytest.mark.ferrio_only
async def test_text_that_it_cannot_read(new_server, serve, connect):
    class Strict:
        dumps = staticmethod(standard.dumps)

        @staticmethod
        def loads(text):
            if "bad" in text:
                raise ValueError("bad text")
            return standard.loads(text)

    reported = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.append(str(context["exception"])))
    sio = new_server(json=Strict)
    sio.on("echo", lambda sid, *args: args)
    client = await connect(await serve(sio))
    await client.emit("echo", "bad")
    assert await client.call("echo", "good") == "good"
    assert reported == ["bad text"]
