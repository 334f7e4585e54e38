"""How handlers are found and called, and what their results and exceptions lead to."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from peers import patiently, until

# ---- connect


@pytest.mark.every_way
async def test_connect_is_given_sid_environ_and_auth(sio, serve, connect):
    calls = []

    @sio.event
    async def connect_(sid, environ, auth):
        calls.append((sid, environ, auth))

    sio.on("connect", connect_)
    client = await connect(await serve(sio), auth={"token": "x"})
    [(sid, environ, auth)] = calls
    assert (sid, auth) == (client.sid_in(), {"token": "x"})
    assert sio.get_environ(sid) is environ


async def test_connect_without_auth_is_given_none(sio, serve, connect):
    seen = asyncio.Queue()
    sio.on("connect", lambda sid, environ, auth: seen.put_nowait(auth))
    await connect(await serve(sio))
    # The client sends `{}`, which counts as none.
    assert await patiently(seen.get()) is None


async def test_connect_may_leave_out_auth(sio, serve, connect):
    calls = []

    @sio.on("connect")
    async def on_connect(sid, environ):
        calls.append(sid)

    client = await connect(await serve(sio))
    assert calls == [client.sid_in()]


async def test_a_type_error_inside_connect_runs_it_again_without_auth(sio, serve, raw):
    calls = []

    @sio.on("connect")
    async def on_connect(sid, environ, auth="left out"):
        calls.append(auth)
        raise TypeError("in the body")

    socket = await raw(await serve(sio))
    await socket.send("40", "2probe")
    await until(lambda: len(calls) == 2)
    assert calls == [None, "left out"]


async def test_with_auth_only_the_newer_form_is_tried(sio, serve, raw):
    calls = []

    @sio.on("connect")
    async def on_connect(sid, environ):
        calls.append(sid)

    @sio.on("connect", namespace="/next")
    async def on_connect_next(sid, environ):
        calls.append("next")

    socket = await raw(await serve(sio))
    await socket.send('40{"token":1}')
    assert (await socket.join("/next")).startswith("40/next,")
    assert calls == ["next"]


@pytest.mark.parametrize(
    ("refuse", "payload"),
    [
        (lambda errors: False, {"message": "Connection rejected by server"}),
        (lambda errors: raise_(errors.ConnectionRefusedError()), {"message": "Connection rejected by server"}),
        (lambda errors: raise_(errors.ConnectionRefusedError("no")), {"message": "no"}),
        (lambda errors: raise_(errors.ConnectionRefusedError("no", 7)), {"message": "no", "data": 7}),
        (lambda errors: raise_(errors.ConnectionRefusedError(1, 2, 3)), {"message": "1", "data": [2, 3]}),
        (lambda errors: raise_(ConnectionRefusedError("no")), {"message": "Connection refused by server"}),
    ],
)
async def test_connect_refuses(sio, serve, raw, socketio, refuse, payload):
    sio.on("connect", lambda sid, environ, auth: refuse(socketio.exceptions))
    socket = await raw(await serve(sio))
    answer = await socket.join()
    assert answer.startswith("44")
    assert json.loads(answer[2:]) == payload
    # The connection is still there, for another namespace or another try.
    assert (await socket.join()) == answer


@pytest.mark.parametrize("accepts", [None, True, 0, "", []])
async def test_only_false_refuses(sio, serve, raw, accepts):
    sio.on("connect", lambda sid, environ, auth: accepts)
    assert (await (await raw(await serve(sio))).join()).startswith("40{")


async def test_any_other_exception_in_connect_answers_nothing(sio, serve, raw):
    called = asyncio.Event()

    @sio.on("connect")
    async def on_connect(sid, environ, auth):
        called.set()
        raise RuntimeError("boom")

    sio.on("connect", lambda sid, environ, auth: None, namespace="/other")
    socket = await raw(await serve(sio))
    await socket.send("40")
    await patiently(called.wait())
    assert (await socket.join("/other")).startswith("40/other,")


@pytest.mark.every_way
async def test_what_connect_emits_arrives_before_connect(sio, serve, raw):
    @sio.on("connect")
    async def on_connect(sid, environ, auth):
        await sio.emit("early", 1, to=sid)
        await asyncio.sleep(0.01)
        await sio.emit("broadcast", 2)

    socket = await raw(await serve(sio))
    await socket.send("40")
    assert await socket.read() == '42["early",1]'
    assert await socket.read() == '42["broadcast",2]'
    assert (await socket.read()).startswith("40{")


async def test_unknown_namespace(sio, serve, raw):
    socket = await raw(await serve(sio))
    assert await socket.join("/nope") == '44/nope,"Unable to connect"'


async def test_namespaces_without_a_handler(new_server, serve, raw):
    sio = new_server(namespaces=["/", "/allowed"])
    socket = await raw(await serve(sio))
    assert (await socket.join("/allowed")).startswith("40/allowed,{")
    assert (await socket.join("/")).startswith("40{")
    sio.namespaces = "*"
    assert (await socket.join("/any")).startswith("40/any,{")


async def test_one_connection_in_two_namespaces_has_two_sids(sio, serve, connect):
    sio.on("x", lambda sid: sid, namespace="/a")
    sio.on("x", lambda sid: sid, namespace="/b")
    client = await connect(await serve(sio), namespaces=["/a", "/b"])
    sids = {await client.call("x", namespace=name) for name in ("/a", "/b")}
    assert sids == {client.sid_in("/a"), client.sid_in("/b")}
    assert len(sids) == 2


# ---- events


@pytest.mark.parametrize("kind", ["async", "plain"])
@pytest.mark.parametrize(
    ("returned", "answer"),
    [
        (None, []),
        (1, [1]),
        ([1, 2], [[1, 2]]),
        ((1, 2), [1, 2]),
        ((), []),
        ({"k": "v"}, [{"k": "v"}]),
        (False, [False]),
    ],
)
async def test_the_result_is_the_answer(sio, serve, raw, kind, returned, answer):
    @sio.on("async")
    async def handler(sid):
        return returned

    sio.on("plain", lambda sid: returned)
    socket = await raw(await serve(sio))
    await socket.join()
    await socket.send(f'427["{kind}"]')
    packet = await socket.read()
    assert packet.startswith("437")
    assert json.loads(packet[3:]) == answer


async def test_no_answer_where_none_is_asked_for(sio, serve, raw):
    sio.on("one", lambda sid: 1)
    sio.on("two", lambda sid: 2)
    socket = await raw(await serve(sio))
    await socket.join()
    await socket.send('42["one"]', '425["two"]')
    assert await socket.read() == "435[2]"


async def test_no_handler_no_answer(sio, serve, raw):
    sio.on("known", lambda sid: None)
    socket = await raw(await serve(sio))
    await socket.join()
    await socket.send('421["unknown"]', '422["known"]')
    assert await socket.read() == "432[]"


async def test_an_exception_is_contained(sio, serve, raw):
    reported = asyncio.Queue()
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.put_nowait(context))

    @sio.on("boom")
    async def boom(sid):
        raise RuntimeError("boom")

    sio.on("ping", lambda sid: "pong")
    socket = await raw(await serve(sio))
    await socket.join()
    await socket.send('421["boom"]', '422["ping"]')
    assert await socket.read() == '432["pong"]'
    # python-socketio's exception is told of when the Task is collected.
    import gc

    gc.collect()
    context = await patiently(reported.get())
    assert str(context["exception"]) == "boom"


async def test_a_result_that_is_no_json_is_contained(sio, serve, raw):
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
    sio.on("bad", lambda sid: object())
    sio.on("ping", lambda sid: "pong")
    socket = await raw(await serve(sio))
    await socket.join()
    await socket.send('421["bad"]', '422["ping"]')
    assert await socket.read() == '432["pong"]'


@pytest.mark.every_way
async def test_every_kind_of_argument_arrives(sio, serve, connect):
    sent = [
        1,
        -1.5,
        'a\u20ac\U0001f600\u2028"\\\n',
        None,
        True,
        {"k": [1, {"n": None}], "": ""},
        [],
        b"\x00\xff",
        2**53,
    ]
    got = asyncio.Queue()

    @sio.on("x")
    async def handler(sid, *args):
        got.put_nowait(list(args))
        await sio.emit("back", args, to=sid)

    client = await connect(await serve(sio))
    await client.emit("x", tuple(sent))
    assert await patiently(got.get()) == sent
    assert list(await client.next()) == ["back", *sent]


async def test_attachments_within_values(sio, serve, connect):
    sio.on("x", lambda sid, value: (type(value["list"][0]), value) and value)
    client = await connect(await serve(sio))
    value = {"list": [b"one", "two"], "deep": {"er": [{"b": b"three"}]}}
    assert await client.call("x", value) == value


async def test_a_number_is_an_event_name(sio, serve, raw):
    seen = asyncio.Queue()
    sio.on("*", lambda *args: seen.put_nowait(args))
    socket = await raw(await serve(sio))
    await socket.join()
    await socket.send('42[7,"x"]')
    name, _sid, argument = await patiently(seen.get())
    assert (name, argument) == (7, "x")


async def test_handlers_of_one_client_begin_in_order(sio, serve, raw):
    seen: list[int] = []
    go_on = asyncio.Event()

    @sio.on("n")
    async def handler(sid, n):
        seen.append(n)
        if n % 2:
            await go_on.wait()
        return n

    socket = await raw(await serve(sio))
    await socket.join()
    await socket.send(*(f'42{n}["n",{n}]' for n in range(20)))
    answers = [await socket.read() for _ in range(10)]
    # Those that wait do not hold up the others.
    assert answers == [f"43{n}[{n}]" for n in range(0, 20, 2)]
    assert seen == list(range(20))
    go_on.set()
    assert sorted([await socket.read() for _ in range(10)]) == sorted(f"43{n}[{n}]" for n in range(1, 20, 2))


async def test_without_async_handlers_one_after_the_other(new_server, serve, raw):
    sio = new_server(async_handlers=False)
    log: list[str] = []

    @sio.on("n")
    async def handler(sid, n):
        log.append(f"{n} begins")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        log.append(f"{n} ends")
        return n

    url = await serve(sio)
    socket = await raw(url)
    await socket.join()
    await socket.send('421["n",1]', '422["n",2]', '423["n",3]')
    assert [await socket.read() for _ in range(3)] == ["431[1]", "432[2]", "433[3]"]
    assert log == ["1 begins", "1 ends", "2 begins", "2 ends", "3 begins", "3 ends"]


@pytest.mark.ferrio_only
@pytest.mark.every_way
async def test_without_async_handlers_a_flood_waits_at_the_client(new_server, serve, raw, connect):
    """The original reads a client's next event when the handler of the last one has ended."""
    sio = new_server(async_handlers=False)
    go_on = asyncio.Event()
    seen: list[int] = []

    @sio.on("n")
    async def handler(sid, n, padding):
        await go_on.wait()
        seen.append(n)

    @sio.on("seen")
    async def tell(sid):
        return len(seen)

    url = await serve(sio)
    socket, other = await raw(url), await connect(url)
    await socket.join()
    sent = 0

    async def flood():
        nonlocal sent
        for sent in range(FLOOD):
            await socket.send(f'42["n",{sent},"{"x" * 1000}"]')
        await socket.send('427["seen"]')

    flooding = asyncio.create_task(flood())
    await at_rest(other, lambda: (sio._parked, sent))
    assert 256 < sio._parked < FLOOD // 2
    assert not flooding.done()
    go_on.set()
    await patiently(flooding)
    assert await socket.read() == f"437[{FLOOD}]"
    assert seen == list(range(FLOOD))


@pytest.mark.ferrio_only
async def test_without_async_handlers_a_post_is_answered_when_there_is_room(new_server, serve, polling, connect):
    sio = new_server(async_handlers=False)
    go_on = asyncio.Event()
    seen: list[int] = []

    @sio.on("n")
    async def handler(sid, n):
        await go_on.wait()
        seen.append(n)

    sio.on("hello", lambda sid: "you")
    url = await serve(sio)
    poller, other = polling(url), await connect(url)
    await poller.open()
    await poller.post("40")
    await poller.get()
    await poller.post(*(f'42["n",{n}]' for n in range(400)))
    await until(lambda: sio._parked > 256)
    # What the engine was told before this, it has done.
    assert await other.call("hello") == "you"
    waits = asyncio.create_task(poller.post('42["n",400]'))
    await until(lambda: sio._parked == 400)
    assert await other.call("hello") == "you"
    assert not waits.done()
    status, *_ = await poller.request("POST", f"EIO=4&transport=polling&sid={poller.sid}", data='42["n",401]')
    assert status == 400
    go_on.set()
    await patiently(waits)
    await poller.post('42["n",402]')
    await until(lambda: len(seen) == 402)
    assert seen == [*range(401), 402]


#: Events of a kilobyte: more than the sockets' buffers and the mailbox hold.
FLOOD = 40_000


async def at_rest(other, state):
    """Waits until nothing changes any more while another client comes and goes."""
    calm, before = 0, None
    while calm < 50:
        await other.emit("anything")
        await asyncio.sleep(0.005)
        calm, before = (calm + 1, before) if before == state() else (0, state())


async def test_without_async_handlers_an_exception_does_not_end_it(new_server, serve, raw):
    sio = new_server(async_handlers=False)

    @sio.on("boom")
    async def boom(sid):
        await asyncio.sleep(0)
        raise RuntimeError("boom")

    sio.on("ping", lambda sid: "pong")
    socket = await raw(await serve(sio))
    await socket.join()
    await socket.send('421["boom"]', '422["ping"]')
    assert await socket.read() == '432["pong"]'


# ---- priority


async def test_priority_of_handlers(sio, serve, connect, socketio):
    class Chat(socketio.AsyncNamespace):
        def on_class(self, sid, *args):
            return "namespace class", *args

        async def on_taken(self, sid):
            return "never"

    class Rest(socketio.AsyncNamespace):
        async def on_rest(self, namespace, sid, *args):
            return "* class", namespace, *args

    sio.register_namespace(Chat("/class"))
    sio.register_namespace(Rest("*"))
    sio.namespaces = "*"
    sio.on("taken", lambda sid: "event", namespace="/")
    sio.on("*", lambda event, sid, *args: ("*", event, *args), namespace="/")
    sio.on("everywhere", lambda namespace, sid, *args: ("* namespace", namespace, *args), namespace="*")
    sio.on("taken", lambda namespace, sid: "function before class", namespace="*")
    names = ["/", "/class", "/rest"]
    client = await connect(await serve(sio), namespaces=names)
    assert await client.call("taken") == "event"
    assert await client.call("other", 1) == ("*", "other", 1)
    assert await client.call("everywhere") == ("*", "everywhere")
    assert await client.call("everywhere", 1, namespace="/class") == ("* namespace", "/class", 1)
    assert await client.call("taken", namespace="/class") == "function before class"
    assert await client.call("class", 2, namespace="/class") == ("namespace class", 2)
    assert await client.call("missing", namespace="/class") is None
    assert await client.call("rest", 3, namespace="/rest") == ("* class", "/rest", 3)


async def test_catch_all_of_both_kinds(sio, serve, connect):
    sio.namespaces = "*"
    sio.on("*", lambda event, namespace, sid, *args: (event, namespace, *args), namespace="*")
    client = await connect(await serve(sio), namespaces=["/x"])
    assert await client.call("e", (1, 2), namespace="/x") == ("e", "/x", 1, 2)


async def test_connect_and_disconnect_are_no_catch_all(sio, serve, connect):
    seen = []
    sio.on("*", lambda event, *args: seen.append(event))
    client = await connect(await serve(sio))
    await client.call("x")
    await client.disconnect()
    await until(lambda: not list(sio.manager.get_participants("/", None)))
    assert seen == ["x"]


async def test_on_gives_the_handler_back_and_the_last_one_wins(sio, serve, connect):
    @sio.event
    async def x(sid):
        return 1

    assert asyncio.iscoroutinefunction(x)

    @sio.event(namespace="/")
    def x(sid):
        return 2

    @sio.on("x", namespace="/other")
    def other(sid):
        return 3

    client = await connect(await serve(sio), namespaces=["/", "/other"])
    assert await client.call("x") == 2
    assert await client.call("x", namespace="/other") == 3
    assert sio.handlers["/"]["x"] is x


# ---- disconnect


@pytest.mark.every_way
async def test_the_client_leaves(sio, serve, raw):
    seen: asyncio.Queue[Any] = asyncio.Queue()

    @sio.on("connect")
    async def on_connect(sid, environ):
        await sio.save_session(sid, {"n": 1})
        await sio.enter_room(sid, "room")

    @sio.on("disconnect")
    async def on_disconnect(sid, reason):
        state = sio.rooms(sid), await sio.get_session(sid), sio.get_environ(sid) is not None
        seen.put_nowait((sid, reason, state, sio.manager.is_connected(sid, "/")))

    socket = await raw(await serve(sio))
    sid = json.loads((await socket.join())[2:])["sid"]
    assert sio.manager.is_connected(sid, "/")
    await socket.send("41")
    got_sid, reason, (rooms, session, environ), connected = await patiently(seen.get())
    assert (got_sid, reason) == (sid, "client disconnect")
    assert (set(rooms), session, environ, connected) == ({sid, "room"}, {"n": 1}, True, False)
    await until(lambda: sio.rooms(sid) == [])
    with pytest.raises(KeyError):
        await sio.get_session(sid)


async def test_disconnect_without_a_reason(sio, serve, connect):
    seen: asyncio.Queue[Any] = asyncio.Queue()

    @sio.on("disconnect")
    async def on_disconnect(sid):
        seen.put_nowait(sid)

    client = await connect(await serve(sio))
    sid = client.sid_in()
    await client.disconnect()
    assert await patiently(seen.get()) == sid


@pytest.mark.every_way
async def test_the_connection_is_lost(sio, serve, raw):
    seen: asyncio.Queue[Any] = asyncio.Queue()
    sio.on("disconnect", lambda sid, reason: seen.put_nowait(reason))
    socket = await raw(await serve(sio))
    await socket.join()
    socket.socket.transport.abort()
    assert await patiently(seen.get()) == "transport close"


@pytest.mark.every_way
async def test_the_server_disconnects(sio, serve, raw):
    log = []

    @sio.on("disconnect")
    async def on_disconnect(sid, reason):
        await asyncio.sleep(0)
        log.append((sid, reason, sio.rooms(sid) != []))

    @sio.on("quit")
    async def quit_(sid):
        await sio.disconnect(sid)
        log.append("returned")
        log.append(sio.rooms(sid))

    socket = await raw(await serve(sio))
    joined = await socket.join()
    sid = json.loads(joined[2:])["sid"]
    await socket.send('42["quit"]')
    assert await socket.read() == "41"
    await until(lambda: len(log) == 3)
    assert log == [(sid, "server disconnect", True), "returned", []]
    # The Engine.IO connection stays: the namespace can be joined again, under a new sid.
    assert json.loads((await socket.join())[2:])["sid"] != sid


async def test_disconnecting_twice_or_a_stranger_does_nothing(sio, serve, connect):
    calls = []
    sio.on("disconnect", lambda sid, reason: calls.append(reason))
    client = await connect(await serve(sio))
    await sio.disconnect("stranger")
    await asyncio.gather(sio.disconnect(client.sid_in()), sio.disconnect(client.sid_in()))
    assert calls == ["server disconnect"]


async def test_a_client_that_leaves_during_connect_is_disconnected_after_it(sio, serve, raw):
    log = []
    go_on = asyncio.Event()

    @sio.on("connect")
    async def on_connect(sid, environ):
        log.append("connect begins")
        await go_on.wait()
        log.append("connect ends")

    sio.on("disconnect", lambda sid, reason: log.append("disconnect"))
    socket = await raw(await serve(sio))
    await socket.send("40")
    await until(lambda: log)
    await socket.close()
    await asyncio.sleep(0.05)
    go_on.set()
    await until(lambda: len(log) == 3)
    assert log == ["connect begins", "connect ends", "disconnect"]


def raise_(error: BaseException) -> None:
    raise error
