"""Rooms, sessions, and what else the server knows of a client."""

from __future__ import annotations

import asyncio
import enum

import pytest

from peers import until


async def test_rooms(sio, serve, connect):
    client = await connect(await serve(sio))
    sid = client.sid_in()
    assert sio.rooms(sid) == [sid]
    await sio.enter_room(sid, "a")
    await sio.enter_room(sid, "a")
    await sio.enter_room(sid, "b")
    assert set(sio.rooms(sid)) == {sid, "a", "b"}
    await sio.leave_room(sid, "a")
    await sio.leave_room(sid, "never entered")
    assert set(sio.rooms(sid)) == {sid, "b"}
    assert sio.rooms("stranger") == []
    assert sio.rooms(sid, namespace="/other") == []


async def test_close_room(sio, serve, connect):
    url = await serve(sio)
    one, two = await connect(url), await connect(url)
    await sio.enter_room(one.sid_in(), "room")
    await sio.enter_room(two.sid_in(), "room")
    await sio.close_room("room")
    await sio.close_room("nowhere")
    assert sio.rooms(one.sid_in()) == [one.sid_in()]
    assert sio.rooms(two.sid_in()) == [two.sid_in()]


async def test_rooms_are_left_with_the_client(sio, serve, connect):
    client = await connect(await serve(sio))
    sid = client.sid_in()
    await sio.enter_room(sid, "room")
    await client.disconnect()
    await until(lambda: not list(sio.manager.get_participants("/", "room")))
    assert sio.rooms(sid) == []


class Colour(enum.Enum):
    RED = 1


@pytest.mark.parametrize("room", [5, 5.5, True, (1, "two"), frozenset({1}), Colour.RED, b"bytes", "\0o1", "ünï", ""])
async def test_any_hashable_object_names_a_room(sio, serve, connect, room):
    client = await connect(await serve(sio))
    sid = client.sid_in()
    await sio.enter_room(sid, room)
    assert room in sio.rooms(sid)
    assert len(sio.rooms(sid)) == 2
    assert [found for found, _ in sio.manager.get_participants("/", [room])] == [sid]
    await sio.leave_room(sid, room)
    assert sio.rooms(sid) == [sid]


async def test_equal_objects_name_one_room(sio, serve, connect):
    client = await connect(await serve(sio))
    sid = client.sid_in()
    await sio.enter_room(sid, 1)
    await sio.emit("x", to=1.0)
    assert await client.next() == ("x",)
    await sio.emit("y", to="1")
    await sio.emit("z", to=True)
    assert await client.next() == ("z",)


async def test_errors(sio, serve, connect):
    url = await serve(sio)
    with pytest.raises(ValueError, match="sid is not connected to requested namespace"):
        await sio.enter_room("stranger", "room")
    one, two = await connect(url), await connect(url)
    with pytest.raises(ValueError, match="cannot enter a sid room"):
        await sio.enter_room(one.sid_in(), two.sid_in())
    with pytest.raises(ValueError, match="cannot close a sid room"):
        await sio.close_room(one.sid_in())
    with pytest.raises(KeyError):
        await sio.enter_room("stranger", "room")
    with pytest.raises(TypeError):
        await sio.enter_room(one.sid_in(), [])
    with pytest.raises(ValueError, match="sid is not connected to requested namespace"):
        await sio.enter_room(one.sid_in(), "room", namespace="/other")


async def test_a_handler_sees_its_own_room_at_once(sio, serve, connect):
    @sio.on("join")
    async def join(sid, room):
        await sio.enter_room(sid, room)
        return room in sio.rooms(sid), len(list(sio.manager.get_participants("/", room)))

    client = await connect(await serve(sio))
    assert await client.call("join", "r") == (True, 1)


async def test_the_manager(sio, serve, connect):
    sio.namespaces = "*"
    url = await serve(sio)
    one = await connect(url, namespaces=["/", "/x"])
    two = await connect(url)
    sid, eio_sid = one.sid_in(), one.eio.sid
    manager = sio.manager
    assert dict(manager.get_participants("/", None)) == {sid: eio_sid, two.sid_in(): two.eio.sid}
    assert dict(manager.get_participants("/", sid)) == {sid: eio_sid}
    assert dict(manager.get_participants("/nowhere", None)) == {}
    assert set(manager.get_namespaces()) == {"/", "/x"}
    assert manager.get_rooms(sid, "/") == [sid]
    assert manager.sid_from_eio_sid(eio_sid, "/") == sid
    assert manager.sid_from_eio_sid(eio_sid, "/x") == one.sid_in("/x")
    assert manager.eio_sid_from_sid(sid, "/") == eio_sid
    assert manager.eio_sid_from_sid("stranger", "/") is None
    assert manager.is_connected(sid, "/")
    assert not manager.is_connected(sid, "/x")
    assert not manager.is_connected("stranger", "/")


async def test_pre_connected_while_the_handler_runs(sio, serve, connect):
    seen = {}

    @sio.on("connect")
    async def on_connect(sid, environ):
        seen["connected"] = sio.manager.is_connected(sid, "/"), sio.manager.is_pre_connected(sid, "/")
        await sio.enter_room(sid, "room")
        seen["rooms"] = set(sio.rooms(sid)) == {sid, "room"}
        await asyncio.sleep(0)
        await sio.emit("hello", to="room")

    client = await connect(await serve(sio))
    assert seen == {"connected": (False, True), "rooms": True}
    assert await client.next() == ("hello",)


# ---- sessions


async def test_sessions(sio, serve, connect):
    sio.namespaces = "*"
    client = await connect(await serve(sio), namespaces=["/", "/x"])
    here, there = client.sid_in(), client.sid_in("/x")
    assert await sio.get_session(here) == {}
    await sio.save_session(here, {"n": 1})
    async with sio.session(here) as session:
        session["n"] += 1
    async with sio.session(there, namespace="/x") as session:
        session["there"] = True
    assert await sio.get_session(here) == {"n": 2}
    assert await sio.get_session(there, namespace="/x") == {"there": True}
    (await sio.get_session(here))["kept"] = True
    assert await sio.get_session(here) == {"n": 2, "kept": True}


async def test_sessions_of_strangers(sio, serve, connect):
    await connect(await serve(sio))
    with pytest.raises(KeyError):
        await sio.get_session("stranger")
    with pytest.raises(KeyError):
        await sio.save_session("stranger", {})
    with pytest.raises(KeyError):
        sio.transport("stranger")
    assert sio.get_environ("stranger") is None


# ---- environ and transport


@pytest.mark.every_way
async def test_environ_is_one_mutable_dictionary(sio, serve, connect):
    kept = {}

    @sio.on("connect")
    async def on_connect(sid, environ, auth):
        kept[sid] = environ
        environ["app.user"] = "me"

    sio.on("connect", on_connect, namespace="/x")
    client = await connect(await serve(sio), headers={"X-Test": "a", "Cookie": "c=1"}, namespaces=["/", "/x"])
    environ = sio.get_environ(client.sid_in())
    assert environ is kept[client.sid_in()] is kept[client.sid_in("/x")]
    assert environ is sio.environ[client.eio.sid]
    assert environ["app.user"] == "me"
    assert environ["REQUEST_METHOD"] == "GET"
    assert environ["PATH_INFO"] == "/socket.io/"
    assert "transport=websocket" in environ["QUERY_STRING"]
    assert environ["RAW_URI"] == "/socket.io/?" + environ["QUERY_STRING"]
    assert (environ["HTTP_X_TEST"], environ["HTTP_COOKIE"]) == ("a", "c=1")
    assert environ["wsgi.url_scheme"] == "http"
    assert environ["REMOTE_ADDR"] == "127.0.0.1"


async def test_the_mapping_of_environs(sio, serve, connect):
    client = await connect(await serve(sio))
    eio_sid = client.eio.sid
    assert eio_sid in sio.environ
    assert list(sio.environ) == [eio_sid]
    assert len(sio.environ) == 1
    assert sio.environ.get("stranger") is None
    sio.environ["mine"] = {"a": 1}
    assert sio.environ["mine"] == {"a": 1}
    del sio.environ["mine"]
    assert "mine" not in sio.environ
    await client.disconnect()
    await until(lambda: not sio.environ)


@pytest.mark.every_way
async def test_transport(sio, serve, connect):
    url = await serve(sio)
    polling = await connect(url, transports=["polling"])
    assert sio.transport(polling.sid_in()) == "polling"
    websocket = await connect(url)
    assert sio.transport(websocket.sid_in()) == "websocket"
    both = await connect(url, transports=["polling", "websocket"])
    await until(lambda: sio.transport(both.sid_in()) == "websocket")
