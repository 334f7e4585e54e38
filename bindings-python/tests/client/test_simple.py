"""The simple clients: events are fetched, not handled."""

from __future__ import annotations

import contextlib

import pytest

from peers import patiently


async def simple(face, site, **options):
    client = face.SimpleClient(**{"reconnection": False, "handle_sigint": False} | options)
    await face.do(client.connect, site.url)
    return client


async def test_events_are_received_in_order(face, site):
    client = await simple(face, site)
    assert client.connected
    assert client.sid
    assert client.transport == "websocket"
    for number in range(3):
        await face.do(client.emit, "echo", number)
    assert [await patiently(face.do(client.receive)) for _ in range(3)] == [["echo", 0], ["echo", 1], ["echo", 2]]
    assert await face.do(client.call, "echo", (1, 2)) == (1, 2)
    assert await patiently(face.do(client.receive, timeout=10)) == ["echo", 1, 2]
    await face.do(client.disconnect)
    assert not client.connected
    assert client.sid is None
    assert client.transport == ""


async def test_a_namespace(face, site):
    client = face.SimpleClient(handle_sigint=False)
    await face.do(client.connect, site.url, namespace="/other", transports=["websocket"], auth={"a": 1})
    assert await face.do(client.call, "echo", 1) == 1
    assert client.namespace == "/other"
    with pytest.raises(RuntimeError, match=r"^Already connected$"):
        await face.do(client.connect, site.url)
    await face.do(client.disconnect)


async def test_nothing_comes(face, site):
    client = await simple(face, site)
    with pytest.raises(face.socketio.exceptions.TimeoutError):
        await face.do(client.receive, timeout=0.05)
    with pytest.raises(face.socketio.exceptions.TimeoutError):
        await face.do(client.call, "nobody", timeout=0.05)
    await face.do(client.disconnect)


async def test_the_server_is_gone(face, site):
    client = await simple(face, site)
    await face.do(client.emit, "leave")
    # The original's waits for the time limit if it waits already; then it says so.
    for_how_long = 0.1 if face.socketio.__name__ == "socketio" else None

    async def receive_again() -> None:
        while True:
            with contextlib.suppress(face.socketio.exceptions.TimeoutError):
                await patiently(face.do(client.receive, timeout=for_how_long))

    with pytest.raises(face.socketio.exceptions.DisconnectedError):
        await receive_again()
    with pytest.raises(face.socketio.exceptions.DisconnectedError):
        await patiently(face.do(client.emit, "echo"))
    with pytest.raises(face.socketio.exceptions.DisconnectedError):
        await patiently(face.do(client.call, "echo"))


async def test_it_waits_while_the_client_comes_back(face, site):
    options = {"reconnection": True, "reconnection_delay": 0.02, "randomization_factor": 0}
    client = await simple(face, site, **options)
    await site.close()
    calling = face.start(client.call, "echo", "when you are back")
    await site.open()
    assert await patiently(calling) == "when you are back"
    await face.do(client.disconnect)


async def test_as_context_managers(socketio, site):
    import asyncio

    async with socketio.AsyncSimpleClient(handle_sigint=False) as client:
        await client.connect(site.url)
        assert await client.call("echo", 1) == 1
    assert not client.connected

    def threads() -> object:
        with socketio.SimpleClient(handle_sigint=False) as client:
            client.connect(site.url)
            return client.call("echo", 2)

    assert await asyncio.to_thread(threads) == 2
