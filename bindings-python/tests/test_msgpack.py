"""Packets as MessagePack: `serializer="msgpack"`, with python-socketio's client."""

from __future__ import annotations

import pytest
import socketio as original

from peers import Client, patiently, until


async def connect(url: str, transports: list[str]) -> Client:
    client = Client(serializer="msgpack")
    await client.connect(url, transports=transports, wait_timeout=10)
    return client


VALUES = [
    None,
    True,
    -1,
    2**40,
    1.5,
    "€ 한글 🦀",
    [],
    {},
    {"deep": [{"er": [1, "2", None]}]},
    b"bytes",
    {"file": [b"", b"m"]},
]


# The original's two sides do not find each other over polling.
@pytest.mark.parametrize("transport", ["websocket", pytest.param("polling", marks=pytest.mark.ferrio_only)])
async def test_events_and_answers_both_ways(new_server, serve, transport):
    sio = new_server(serializer="msgpack")

    @sio.event
    async def echo(sid, *values):
        await sio.emit("echoed", values, to=sid)
        return values

    url = await serve(sio)
    client = await connect(url, [transport])
    client.on("ask", lambda value: [value, b"!"])
    answer = await client.call("echo", tuple(VALUES), timeout=20)
    assert list(answer) == VALUES
    assert await client.next() == ("echoed", *VALUES)
    assert await sio.call("ask", {"a": b"b"}, to=client.sid_in(), timeout=20) == [{"a": b"b"}, b"!"]
    await client.disconnect()


async def test_a_refusal_and_a_namespace(socketio, new_server, serve):
    sio = new_server(serializer="msgpack", namespaces="*")

    @sio.event(namespace="/no")
    def connect(sid, environ, auth):
        raise socketio.exceptions.ConnectionRefusedError("no", auth)

    sio.on("connect", connect, namespace="/no")
    refusals: list = []
    client = Client(serializer="msgpack")
    client.on("connect_error", refusals.append, namespace="/no")
    url = await serve(sio)
    await client.connect(url, auth={"token": "t"}, transports=["websocket"], namespaces=["/yes", "/no"], wait=False)
    await until(lambda: refusals and "/yes" in client.namespaces)
    assert refusals == [{"message": "no", "data": {"token": "t"}}]
    await client.disconnect()


@pytest.mark.ferrio_only
async def test_text_is_no_packet(new_server, serve, raw):
    sio = new_server(serializer="msgpack")
    client = await raw(await serve(sio))
    await client.socket.send("40")
    await patiently(client.socket.wait_closed())


async def test_a_client_without_it_is_none(new_server, serve):
    sio = new_server(serializer="msgpack")
    client = original.AsyncClient(reconnection=False)
    try:
        await client.connect(await serve(sio), transports=["websocket"], wait_timeout=1)
    except original.exceptions.ConnectionError:
        pass
    else:
        raise AssertionError("it got in")
    finally:
        await client.disconnect()
