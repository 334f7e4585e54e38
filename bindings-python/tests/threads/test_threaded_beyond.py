"""What Node's server has and python-socketio's never had, on a `Server`."""

from __future__ import annotations

import asyncio
import json
import re

import pytest

from peers import patiently, until

pytestmark = pytest.mark.ferrio_only


async def elsewhere(function, *args, **options):
    """Calls a method that may block."""
    return await patiently(asyncio.to_thread(function, *args, **options))


async def test_several_acks(sio, serve, connect, raw, socketio):
    url = serve(sio)
    clients = [await connect(url) for _ in range(3)]
    a, b, c = (client.sid_in() for client in clients)
    clients[0].on("ask", lambda n: n)
    clients[1].on("ask", lambda n: (n, 2))
    clients[2].on("ask", lambda n: None)
    assert sorted(map(repr, await elsewhere(sio.emit_with_acks, "ask", 1))) == ["(1, 2)", "1", "None"]
    assert await elsewhere(sio.emit_with_acks, "ask", 1, to=a) == [1]
    sio.enter_room(b, "red")
    assert await elsewhere(sio.emit_with_acks, "ask", 1, except_="red", skip_sid=c) == [1]
    silent = await raw(url)
    await silent.join()
    with pytest.raises(socketio.exceptions.TimeoutError) as caught:
        await elsewhere(sio.emit_with_acks, "ask", 1, timeout=0.5, skip_sid=[b, c])
    assert caught.value.responses == [1]


async def test_rooms_as_targets(sio, serve, connect, socketio):
    url = serve(sio)
    clients = [await connect(url) for _ in range(3)]
    a, b, c = (client.sid_in() for client in clients)
    assert sio.sockets_join(["red", 7], to=[a, b]) is None
    assert {socket.sid for socket in sio.fetch_sockets(to="red")} == {a, b}
    assert {socket.sid for socket in sio.fetch_sockets(except_=7)} == {c}
    (one,) = sio.fetch_sockets(to=a)
    assert isinstance(one, socketio.RemoteSocket)
    clients[0].on("ask", lambda n: n + 1)
    assert await elsewhere(one.call, "ask", 1) == 2
    one.emit("x", 1)
    assert await clients[0].next() == ("x", 1)
    one.leave("red")
    one.join("blue")
    assert set(sio.rooms(a)) == {a, "blue", 7}
    one.save_session({"n": 1})
    assert one.get_session() == {"n": 1}
    sio.emit("x", 2, except_="blue", volatile=False, compress=False)
    assert await clients[1].next() == await clients[2].next() == ("x", 2)
    one.disconnect()
    sio.disconnect_sockets(to="red", close=True)
    await until(lambda: [socket.sid for socket in sio.fetch_sockets()] == [c])


async def test_listeners_and_middlewares(sio, serve, connect, heard):
    @sio.use
    def named(sid, environ, auth):
        return auth != {"name": "refused"}

    @sio.use_event
    def twice(call_next, sid, event, *args):
        return (event, call_next(sid, event, *(arg * 2 for arg in args)))

    @sio.on_any
    def every(event, sid, *args):
        heard.put((event, args))

    @sio.on_any_outgoing
    def outgoing(event, to, *args):
        heard.put(("out", event, args))

    sio.once("say", lambda sid, text: heard.put(("once", text)))
    sio.add_listener("say", lambda sid, text: "listener")

    @sio.event
    def say(sid, text):
        sio.emit("said", text, to=sid)

    client = await connect(serve(sio))
    assert await client.call("say", "ab") == ("say", "listener")
    assert [await heard.get() for _ in range(3)] == [("say", ("ab",)), ("out", "said", ("abab",)), ("once", "abab")]
    sio.off("say", say)
    sio.off_any()
    assert await client.call("say", "c") == ("say", "listener")


async def test_a_refusal_by_a_middleware(sio, serve, raw):
    sio.use(lambda sid, environ, auth: auth != {"name": "refused"})
    socket = await raw(serve(sio))
    assert await socket.join(auth='{"name":"refused"}') == '44{"message":"Connection rejected by server"}'


async def test_namespaces_by_pattern(sio, serve, connect):
    sio.on("say", lambda namespace, sid, text: (namespace, text), namespace=re.compile(r"/room-\d+"))
    client = await connect(serve(sio), namespaces=["/room-7"])
    assert await client.call("say", "hi", namespace="/room-7") == ("/room-7", "hi")


async def test_a_client_comes_back(new_server, serve, raw, heard):
    sio = new_server(connection_state_recovery={"max_disconnection_duration": 60})
    sio.on("disconnecting", lambda sid, reason: heard.put("disconnecting"))
    sio.on("disconnect", lambda sid, reason: heard.put("disconnect"))
    url = serve(sio)
    first = await raw(url)
    joined = json.loads((await first.join())[2:])
    sio.save_session(joined["sid"], {"n": 1})
    sio.emit("x", 1)
    offset = json.loads((await first.read())[2:])[-1]
    await first.close()
    assert [await heard.get(), await heard.get()] == ["disconnecting", "disconnect"]
    await until(lambda: sio.fetch_sockets() == [])
    sio.emit("x", 2)
    second = await raw(url)
    missed = await second.join(auth=json.dumps({"pid": joined["pid"], "offset": offset}))
    assert json.loads(missed[2:])[:2] == ["x", 2]
    assert json.loads((await second.read())[2:])["sid"] == joined["sid"]
    assert sio.recovered(joined["sid"])
    assert sio.get_session(joined["sid"]) == {"n": 1}
