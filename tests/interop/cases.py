"""What a program written for python-socketio's clients expects of a server. The first line of each is its name."""

import asyncio
import os

import socketio


async def connects(stage):
    """connects and learns its id"""
    client = await stage.client()
    assert await client.ask("rooms") == [[client.id]]


async def transport(stage):
    """ends on the transport it should"""
    client = await stage.client()
    expected = "polling" if stage.transports == ["polling"] else "websocket"
    assert client.transport == expected
    assert await client.ask("transport") == [expected]


async def credentials(stage):
    """shows its credentials"""
    client = await stage.client("/custom", auth={"token": "123"})
    assert await client.received("auth") == [{"token": "123"}]


async def values(stage):
    """sends and gets every kind of value"""
    client = await stage.client()
    values = [None, True, 0, -1.5, "", "€ 한글 🦀", [], {}, {"deep": [{"er": [1, "2", None]}]}]
    await client.emit("echo", *values)
    assert await client.received("echo") == values


async def binary(stage):
    """sends and gets binary, also deep inside"""
    client = await stage.client()
    values = [bytes([1, 2, 3]), {"file": {"data": os.urandom(1024), "name": "é"}, "more": [b""]}]
    await client.emit("message", *values)
    assert await client.received("message-back") == values


async def large(stage):
    """sends and gets 200 KiB of text and of bytes"""
    client = await stage.client()
    values = ["é" * 100 * 1024, os.urandom(200 * 1024)]
    await client.emit("echo", *values)
    assert await client.received("echo") == values


async def order(stage):
    """sends and gets in order"""
    client = await stage.client()
    for n in range(12):  # twelve, for neither this client nor its server reads more than sixteen packets a payload
        await client.emit("echo", n)
    for n in range(12):
        assert await client.received("echo") == [n]
    await client.emit("burst", 12)
    for n in range(12):
        assert await client.received("burst") == [n]


async def asks(stage):
    """asks and is answered"""
    client = await stage.client()
    values = [1, "zwei", {"3": [b"four"]}]
    assert await client.ask("message-with-ack", *values) == values
    assert await client.ask("join", "somewhere") == []


async def answers(stage):
    """is asked and answers"""
    client = await stage.client()
    client.on("question", lambda text, data: (text.upper(), data))
    await client.emit("emit-ack", 5000, "what?", b"\x07")
    assert await client.received("answer") == ["ok", "WHAT?", b"\x07"]


async def rooms(stage):
    """meets others in rooms"""
    a, b, c = [await stage.client() for _ in range(3)]
    room = f"room of {a.id}"
    await a.ask("join", room)
    await b.ask("join", room)
    [members] = await c.ask("fetch", room)
    assert sorted(members) == sorted([a.id, b.id])
    await a.emit("to", room, "to the others")
    assert await b.received("to") == ["to the others"]
    await c.emit("bcast", room, {"image": b"\x01\x02"})
    assert await a.received("bcast") == [{"image": b"\x01\x02"}]
    assert await b.received("bcast") == [{"image": b"\x01\x02"}]


async def broadcast(stage):
    """broadcasts to the others"""
    a, b = [await stage.client("/dyn-4") for _ in range(2)]
    await a.emit("broadcast", "hello", b"\x01")
    assert await b.received("broadcast") == ["hello", b"\x01"]


async def refused(stage):
    """is refused"""
    try:
        await stage.client("/admin", auth={"token": "bad"}, reconnection=False)
    except socketio.exceptions.ConnectionError as error:
        assert "/admin" in str(error), error
    else:
        raise AssertionError("it was let in")


async def unknown(stage):
    """is refused by a namespace that is not there"""
    try:
        await stage.client("/nowhere", reconnection=False)
    except socketio.exceptions.ConnectionError as error:
        assert "/nowhere" in str(error), error
    else:
        raise AssertionError("it was let in")


async def leaves(stage):
    """leaves, and the server hears why"""
    client, observer = [await stage.client() for _ in range(2)]
    sid = client.id
    await client.disconnect()
    # Its farewell and the end of the connection may arrive together, and then either is seen first.
    farewell = "client disconnect" if stage.python else "client namespace disconnect"
    equal_one(await reason_of(observer, sid), [farewell, "transport close"])


async def sent_away(stage):
    """is sent away, and hears why"""
    client, observer = [await stage.client() for _ in range(2)]
    sid = client.id
    await client.emit("server-disconnect", False)
    assert await client.received("disconnect") == ["server disconnect"]
    expected = "server disconnect" if stage.python else "server namespace disconnect"
    assert await reason_of(observer, sid) == expected


async def comes_back(stage):
    """comes back after the server crashed and was started again"""
    await stage.own_server()
    client = await stage.client()
    await client.received("connect")
    sid = client.id
    await stage.restart()
    [reason] = await client.received("disconnect")
    equal_one(reason, ["transport error"])
    await client.received("connect")
    assert client.id != sid
    await client.emit("echo", "again")
    assert await client.received("echo") == ["again"]


def equal_one(actual, expected):
    assert actual in expected, f"{actual!r} is none of {expected}"


async def reason_of(observer, sid):
    while True:
        [reasons] = await observer.ask("reasons")
        for other, _, reason in reasons:
            if other == sid:
                return reason
        await asyncio.sleep(0.02)


CASES = [
    connects, transport, credentials, values, binary, large, order, asks, answers,
    rooms, broadcast, refused, unknown, leaves, sent_away, comes_back,
]  # fmt: skip
