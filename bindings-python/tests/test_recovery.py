"""Connection state recovery, and clients of Socket.IO 2: ferrio's own."""

from __future__ import annotations

import asyncio
import json

import pytest

from peers import patiently, until

pytestmark = pytest.mark.ferrio_only


def returning(joined: str, offset: str) -> str:
    """The auth by which npm's client comes back."""
    return json.dumps({"pid": json.loads(joined[2:])["pid"], "offset": offset})


@pytest.fixture
def gone(sio_that_recovers):
    """Sids of clients whose disconnect handler has run."""
    queue = asyncio.Queue()
    sio_that_recovers.on("disconnect", lambda sid, reason: queue.put_nowait((sid, reason)))
    return queue


@pytest.fixture
def sio_that_recovers(new_server):
    return new_server(connection_state_recovery={"max_disconnection_duration": 60})


async def test_a_client_comes_back(sio_that_recovers, gone, serve, raw):
    sio = sio_that_recovers
    asked = []
    sio.use(lambda sid, environ, auth: asked.append(sid))

    @sio.event
    async def connect(sid, environ, auth):
        if not sio.recovered(sid):
            await sio.enter_room(sid, "red")
            async with sio.session(sid) as session:
                session["name"] = "me"

    url = await serve(sio)
    first = await raw(url)
    joined = await first.join()
    sid = json.loads(joined[2:])["sid"]
    await sio.emit("x", 1, to="red")
    event = json.loads((await first.read())[2:])
    assert event[:2] == ["x", 1]
    await first.close()
    assert (await patiently(gone.get()))[0] == sid
    with pytest.raises(KeyError):
        await sio.get_session(sid)
    await sio.emit("x", 2, to="red")
    await sio.emit("x", 3, to="blue")
    await sio.emit("x", 4)
    second = await raw(url)
    missed = [await second.join(auth=returning(joined, event[2])), await second.read()]
    assert [json.loads(packet[2:])[:2] for packet in missed] == [["x", 2], ["x", 4]]
    again = json.loads((await second.read())[2:])
    assert (again["sid"], again["pid"]) == (sid, json.loads(joined[2:])["pid"])
    await until(lambda: sio.manager.is_connected(sid, "/"))
    assert sio.recovered(sid)
    assert sorted(sio.rooms(sid)) == sorted([sid, "red"])
    assert await sio.get_session(sid) == {"name": "me"}
    assert asked == [sid]
    assert sio._kept == {}


async def test_whoever_was_sent_away_does_not_come_back(sio_that_recovers, gone, serve, raw):
    sio = sio_that_recovers
    url = await serve(sio)
    first = await raw(url)
    joined = await first.join()
    sid = json.loads(joined[2:])["sid"]
    await sio.save_session(sid, {"name": "me"})
    await sio.emit("x", 1)
    offset = json.loads((await first.read())[2:])[2]
    await sio.disconnect(sid)
    await patiently(gone.get())
    second = await raw(url)
    fresh = json.loads((await second.join(auth=returning(joined, offset)))[2:])
    assert fresh["sid"] != sid
    assert not sio.recovered(fresh["sid"])
    assert sio._kept == {}


async def test_sessions_are_forgotten_in_time(new_server, serve, raw):
    sio = new_server(connection_state_recovery={"max_disconnection_duration": 0.2, "max_sessions": 2})
    url = await serve(sio)
    for _ in range(3):
        socket = await raw(url)
        sid = json.loads((await socket.join())[2:])["sid"]
        await sio.save_session(sid, {"n": 1})
        await socket.close()
        await until(lambda sid=sid: not sio.manager.is_connected(sid, "/"))
    await until(lambda: sio._kept == {})


def test_what_is_no_such_option(new_server):
    for wrong in (True, {"duration": 1}, 120):
        with pytest.raises(ValueError, match="connection_state_recovery is a dictionary"):
            new_server(connection_state_recovery=wrong)


@pytest.mark.every_way
async def test_a_client_of_socket_io_2(new_server, serve, raw):
    sio = new_server(allow_eio3=True)
    sio.on("echo", lambda sid, *args: args)
    socket = await raw(await serve(sio), query="EIO=3&transport=websocket")
    assert await socket.read() == "40"
    await socket.send('420["echo","hi"]')
    assert await socket.read() == '430["hi"]'
    await socket.socket.send("2")
    assert await patiently(socket.socket.recv()) == "3"


async def test_a_client_of_socket_io_2_where_none_is_wanted(sio, serve, polling):
    poller = polling(await serve(sio))
    status, _, _ = await poller.request("GET", "EIO=3&transport=polling")
    assert status == 400
