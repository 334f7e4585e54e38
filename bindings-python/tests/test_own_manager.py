"""A client manager of the program's own: what only ferrio has by way of it, and what it is told when it asks for too much.
Its hooks themselves are played beside python-socketio's: `compared/programs/own_manager.py` and `own_rooms.py`."""

from __future__ import annotations

import pytest

import ferrio
from test_beyond import heard, joined

pytestmark = pytest.mark.ferrio_only


class Doubled(ferrio.AsyncManager):
    """Who is in a room is also in the room of that name with a 2, which the engine does not know."""

    def __init__(self):
        super().__init__()
        self.entered = []

    async def enter_room(self, sid, namespace, room, eio_sid=None):
        self.entered.append((sid, room))
        await super().enter_room(sid, namespace, room, eio_sid)

    async def leave_room(self, sid, namespace, room):
        self.entered.remove((sid, room))
        await super().leave_room(sid, namespace, room)

    def get_participants(self, namespace, room):
        yield from super().get_participants(namespace, room[:-1] if str(room).endswith("2") else room)


async def test_what_only_ferrio_has_goes_by_way_of_the_manager(new_server, serve, connect):
    manager = Doubled()
    sio = new_server(client_manager=manager)
    clients, (a, b, c) = await joined(connect, await serve(sio), 3)
    await sio.sockets_join(["x", "y"], to=[a, b])
    assert sorted(manager.entered) == sorted([(a, "x"), (a, "y"), (b, "x"), (b, "y")])
    await sio.sockets_leave("y", to="x2", except_=a)
    assert sorted(manager.entered) == sorted([(a, "x"), (a, "y"), (b, "x")])
    assert {client.sid for client in await sio.fetch_sockets(to="x2")} == {a, b}
    assert [client.sid for client in await sio.fetch_sockets(to="x2", except_="y2")] == [b]
    await sio.emit("x", "to x2", to="x2")
    await sio.emit("x", "but y", to="x2", except_="y")
    assert await heard(sio, clients) == [["to x2"], ["to x2", "but y"], []]
    for client, name in zip(clients, "abc", strict=True):
        client.on("who", lambda name=name: name)
    assert sorted(await sio.emit_with_acks("who", to="x2")) == ["a", "b"]
    assert await sio.emit_with_acks("who", to="nobody2") == []
    await sio.disconnect_sockets(to="x2")
    assert {client.sid for client in await sio.fetch_sockets()} == {c}


async def test_those_whose_connect_handler_runs_are_participants(new_server, serve, connect):
    sio = new_server(client_manager=Doubled())

    @sio.event
    async def connect_(sid, environ, auth):
        await sio.emit("early")

    sio.on("connect", connect_)
    first = await connect(url := await serve(sio))
    second = await connect(url)
    assert [await first.next(), await first.next()] == [("early",)] * 2
    assert await second.next() == ("early",)


async def test_what_goes_wrong_in_a_manager_costs_its_client_only(new_server, serve, connect, raw):
    class Failing(ferrio.AsyncManager):
        async def pre_connect(self, eio_sid, namespace):
            if self.failing:
                raise RuntimeError("on purpose")
            return await super().pre_connect(eio_sid, namespace)

        async def disconnect(self, sid, namespace, **kwargs):
            raise RuntimeError("on purpose")

    manager = Failing()
    manager.failing = False
    sio = new_server(client_manager=manager)
    url = await serve(sio)
    client = await connect(url)
    with pytest.raises(RuntimeError, match="on purpose"):
        await sio.disconnect(sid := client.sid_in())
    assert not sio.manager.is_connected(sid, "/")
    assert list(sio.manager.get_participants("/", None)) == []
    manager.failing = True
    socket = await raw(url)
    await socket.send("40")
    manager.failing = False
    assert (await connect(url)).connected


@pytest.mark.parametrize(
    "hook", ["get_namespaces", "is_pre_connected", "sid_from_eio_sid", "eio_sid_from_sid"], ids=lambda hook: hook
)
def test_what_the_engine_knows_cannot_be_overridden(hook):
    own = type("Own", (ferrio.AsyncManager,), {hook: lambda self, *args: None})
    with pytest.raises(NotImplementedError, match=rf"\(Own\) that overrides {hook}\(\)"):
        own()


def test_a_manager_is_for_one_kind_of_server():
    with pytest.raises(TypeError, match="a Manager, not"):
        ferrio.Server(async_mode="threading", client_manager=ferrio.AsyncManager())
    with pytest.raises(TypeError, match="an AsyncManager, not"):
        ferrio.AsyncServer(client_manager=ferrio.Manager())
    with pytest.raises(TypeError, match="an AsyncManager, not <object"):
        ferrio.AsyncServer(client_manager=object())


def test_queues_are_not_there_yet():
    class Own(ferrio.PubSubManager):
        def _publish(self, data):
            raise AssertionError

    with pytest.raises(NotImplementedError, match=r"a queue \(Own\)"):
        Own()


def test_a_server_that_emits_in_its_own_way_has_no_manager_of_its_own():
    class Loud(ferrio.AsyncServer):
        def emit(self, event, *args, **kwargs):
            return super().emit(event.upper(), *args, **kwargs)

    assert Loud(client_manager=ferrio.AsyncManager())
    with pytest.raises(NotImplementedError, match=r"overrides emit\(\) together with"):
        Loud(client_manager=Doubled())


def test_the_rooms_are_to_be_read(sio):
    assert sio.manager.rooms == {}
    with pytest.raises(TypeError):
        sio.manager.rooms["/"] = {}
