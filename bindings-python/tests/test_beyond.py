"""What Node's server has and python-socketio's never had: flags, several acks, rooms as targets."""

from __future__ import annotations

import asyncio

import pytest

from peers import patiently, until

pytestmark = pytest.mark.ferrio_only


async def joined(connect, url, count, **options):
    clients = [await connect(url, **options) for _ in range(count)]
    return clients, [client.sid_in() for client in clients]


async def heard(sio, clients):
    """What each client has received once everything sent so far has arrived."""
    await sio.emit("end")
    events = [[] for _ in clients]
    for client, own in zip(clients, events, strict=True):
        while (event := await client.next()) != ("end",):
            own.append(event[1])
    return events


async def test_except_leaves_out_the_members_of_rooms(sio, serve, connect):
    clients, (a, b, c) = await joined(connect, await serve(sio), 3)
    await sio.sockets_join("red", to=[a, b])
    await sio.sockets_join(("blue", 7), to=b)
    for case in (
        {"except_": "red"},
        {"except_": ["red", "nowhere"]},
        {"except_": 7},
        {"except_": b},
        {"to": "red", "except_": "blue"},
        {"to": b, "except_": "blue"},
        {"to": c, "except_": "blue"},
        {"skip_sid": c, "except_": "blue"},
        {"except_": None},
        {"except_": []},
    ):
        await sio.emit("x", repr(case).replace(a, "a").replace(b, "b").replace(c, "c"), **case)
    nobody, everybody = "{'except_': None}", "{'except_': []}"
    assert await heard(sio, clients) == [
        [
            "{'except_': 7}",
            "{'except_': 'b'}",
            "{'to': 'red', 'except_': 'blue'}",
            "{'skip_sid': 'c', 'except_': 'blue'}",
            nobody,
            everybody,
        ],
        [nobody, everybody],
        [
            "{'except_': 'red'}",
            "{'except_': ['red', 'nowhere']}",
            "{'except_': 7}",
            "{'except_': 'b'}",
            "{'to': 'c', 'except_': 'blue'}",
            nobody,
            everybody,
        ],
    ]


async def test_except_within_a_connect_handler(sio, serve, connect):
    @sio.event
    async def connect_(sid, environ):
        await sio.enter_room(sid, "new")
        await sio.emit("x", "to all but the new", except_="new")
        await sio.emit("x", "to all but nobody", except_="nowhere")

    sio.on("connect", connect_)
    client = await connect(await serve(sio))
    assert await heard(sio, [client]) == [["to all but nobody"]]


async def test_volatile_is_dropped_where_it_cannot_be_written(sio, serve, polling, socketio):
    """A poller that does not poll is not writable."""
    poller = polling(await serve(sio))
    await poller.open()
    await poller.post("40")
    (connected,) = await poller.get()
    assert connected.startswith("40")
    await sio.emit("x", 1, volatile=True)
    await sio.emit("x", 2)
    packets = await poller.get()
    assert packets == ['42["x",2]']
    with pytest.raises(TypeError):
        await sio.emit("x", 1, None, None, None, None, None, False, "red")


async def test_compress_false_keeps_a_body_as_it_is(new_server, serve, polling):
    sio = new_server(compression_threshold=10)
    poller = polling(await serve(sio))
    await poller.open()
    await poller.post("40")
    await poller.get()
    headers = []
    for compress in (True, False):
        await sio.emit("x", "y" * 2000, compress=compress)
        _, body, got = await patiently(poller.request("GET", f"EIO=4&transport=polling&sid={poller.sid}"))
        assert len(body) > 2000
        headers.append(got.get("content-encoding"))
    assert headers == ["gzip", None]


async def test_emit_with_acks(sio, serve, connect):
    clients, (a, b, c) = await joined(connect, await serve(sio), 3)
    clients[0].on("ask", lambda n: n)
    clients[1].on("ask", lambda n: (n, 2))
    clients[2].on("ask", lambda n: None)
    assert sorted(map(repr, await sio.emit_with_acks("ask", 1))) == ["(1, 2)", "1", "None"]
    assert sorted(map(repr, await sio.emit_with_acks("ask", 1, to=[a, b]))) == ["(1, 2)", "1"]
    assert await sio.emit_with_acks("ask", 1, to=a) == [1]
    assert await sio.emit_with_acks("ask", 1, skip_sid=[b, c]) == [1]
    await sio.enter_room(b, "red")
    assert sorted(map(repr, await sio.emit_with_acks("ask", 1, except_="red"))) == ["1", "None"]
    assert await sio.emit_with_acks("ask", 1, to="nowhere") == []
    assert await sio.emit_with_acks("ask", 1, namespace="/nowhere") == []


async def test_acks_that_do_not_come_in_time(sio, serve, connect, raw, socketio):
    url = await serve(sio)
    client = await connect(url)
    client.on("ask", lambda: "here")
    silent = await raw(url)
    await silent.join()
    with pytest.raises(socketio.exceptions.TimeoutError) as caught:
        await sio.emit_with_acks("ask", timeout=0.05)
    assert caught.value.responses == ["here"]
    asking = asyncio.create_task(sio.emit_with_acks("ask", timeout=None))
    # Twice: the first one's packet came before.
    assert [await silent.read(), await silent.read()][1].startswith("42")
    await silent.close()
    with pytest.raises(socketio.exceptions.TimeoutError) as caught:
        await patiently(asking)
    assert caught.value.responses == ["here"]


async def test_call_by_rooms_takes_the_first_answer(sio, serve, connect):
    clients, (a, _) = await joined(connect, await serve(sio), 2)
    await sio.enter_room(a, "red")
    clients[0].on("ask", lambda: "red")
    assert await sio.call("ask", to="red") == "red"


async def test_sockets_join_and_leave(sio, serve, connect):
    _, (a, b, c) = await joined(connect, await serve(sio), 3)
    await sio.sockets_join("all")
    await sio.sockets_join(["red", ("tuple", 1)], to=[a, b])
    assert [sorted(map(str, set(sio.rooms(sid)) - {sid})) for sid in (a, b, c)] == [
        ["('tuple', 1)", "all", "red"],
        ["('tuple', 1)", "all", "red"],
        ["all"],
    ]
    await sio.sockets_leave("all", except_="red")
    await sio.sockets_leave(["red", "nowhere"], to="red", except_=b)
    assert ["all" in sio.rooms(sid) for sid in (a, b, c)] == [True, True, False]
    assert ["red" in sio.rooms(sid) for sid in (a, b, c)] == [False, True, False]
    with pytest.raises(ValueError, match="own room"):
        await sio.sockets_join(a, to=b)


async def test_fetch_sockets(sio, serve, connect, socketio):
    clients, (a, b, c) = await joined(connect, await serve(sio), 3, headers={"X-Who": "me"})
    await sio.sockets_join("red", to=[a, b])
    found = await sio.fetch_sockets()
    assert {socket.sid for socket in found} == {a, b, c}
    assert all(isinstance(socket, socketio.AsyncRemoteSocket) for socket in found)
    assert {socket.sid for socket in await sio.fetch_sockets(to="red")} == {a, b}
    assert {socket.sid for socket in await sio.fetch_sockets(except_="red")} == {c}
    assert await sio.fetch_sockets(namespace="/nowhere") == []
    (one,) = await sio.fetch_sockets(to=a)
    assert (one.sid, one.namespace, sorted(one.rooms)) == (a, "/", sorted([a, "red"]))
    assert (one.transport, one.environ["HTTP_X_WHO"]) == ("websocket", "me")
    assert a in repr(one)
    clients[0].on("ask", lambda n: n + 1)
    assert await one.call("ask", 1) == 2
    await one.emit("x", "hello")
    assert await clients[0].next() == ("x", "hello")
    await one.join("blue")
    await one.leave("red")
    assert sorted(sio.rooms(a)) == sorted([a, "blue"])
    assert sorted(one.rooms) == sorted([a, "red"])
    await one.save_session({"n": 1})
    assert await one.get_session() == await sio.get_session(a) == {"n": 1}
    await one.disconnect()
    assert await patiently(clients[0].gone.get())
    assert one.environ is None
    with pytest.raises(KeyError):
        _ = one.transport


@pytest.mark.parametrize("close", [False, True])
async def test_disconnect_sockets(sio, serve, raw, close):
    gone = asyncio.Queue()
    sio.on("disconnect", lambda sid, reason: gone.put_nowait((sid, reason, "red" in sio.rooms(sid))))
    url = await serve(sio)
    sockets = [await raw(url) for _ in range(2)]
    for socket in sockets:
        await socket.join()
    (a, _), (b, _) = sio.manager.get_participants("/", None)
    await sio.enter_room(a, "red")
    await sio.disconnect_sockets(close, to="red")
    assert await patiently(gone.get()) == (a, "server disconnect", True)
    assert [sid for sid, _ in sio.manager.get_participants("/", None)] == [b]
    await sio.disconnect_sockets(close)
    assert await patiently(gone.get()) == (b, "server disconnect", False)
    for socket in sockets:
        assert await socket.read() == "41"
    if close:
        for socket in sockets:
            await socket.ended()
    await until(lambda: len(sio.environ) == (0 if close else 2))
