"""What `emit`, `send` and `call` send, and to whom."""

from __future__ import annotations

import asyncio
import threading

import pytest

from peers import patiently


async def joined(connect, url, count, **options):
    clients = [await connect(url, **options) for _ in range(count)]
    return clients, [client.sid_in() for client in clients]


async def flushed(sio, clients):
    """What each client has received once everything sent so far has arrived."""
    await sio.emit("end")
    heard = []
    for client in clients:
        events = []
        while (event := await client.next()) != ("end",):
            events.append(event)
        heard.append(events)
    return heard


@pytest.mark.parametrize(
    ("data", "arguments"),
    [
        (None, ()),
        (1, (1,)),
        ("text", ("text",)),
        ((1, 2), (1, 2)),
        ((), ()),
        ([1, 2], ([1, 2],)),
        ({"a": (1, 2)}, ({"a": [1, 2]},)),
        (b"bytes", (b"bytes",)),
        # The original takes it and then fails to send it over ASGI.
        pytest.param(bytearray(b"array"), (b"array",), marks=pytest.mark.ferrio_only),
        pytest.param({"v": memoryview(b"view")}, ({"v": b"view"},), marks=pytest.mark.ferrio_only),
        ((1, b"two", {"three": b"3"}), (1, b"two", {"three": b"3"})),
    ],
)
async def test_data_becomes_arguments(sio, serve, connect, data, arguments):
    client = await connect(await serve(sio))
    await sio.emit("x", data, to=client.sid_in())
    await sio.emit("x", data)
    assert await client.take(2) == [("x", *arguments)] * 2


@pytest.mark.every_way
async def test_targets(sio, serve, connect):
    clients, (a, b, c) = await joined(connect, await serve(sio), 3)
    await sio.enter_room(a, "red")
    await sio.enter_room(b, "red")
    await sio.enter_room(b, "blue")
    for targets in (
        {},
        {"to": a},
        {"room": a},
        {"to": "red"},
        {"room": "blue"},
        {"to": ["red", "blue"]},
        {"to": ("blue", c)},
        {"to": "blue", "room": "red"},
        {"to": "", "room": "blue"},
        {"to": [], "room": None},
        {"to": "nowhere"},
        {"to": ["nowhere", "blue"]},
        {"skip_sid": a},
        {"skip_sid": [a, c]},
        {"skip_sid": None},
        {"to": "red", "skip_sid": b},
        {"to": a, "skip_sid": a},
        {"skip_sid": "stranger"},
        {"skip_sid": "red"},
        {"namespace": "/nowhere"},
        {"namespace": "/"},
    ):
        await sio.emit("x", repr(targets).replace(a, "a").replace(b, "b").replace(c, "c"), **targets)
    heard = [[event[1] for event in events] for events in await flushed(sio, clients)]
    everybody = ["{}", "{'to': [], 'room': None}", "{'skip_sid': None}", "{'skip_sid': 'stranger'}"]
    everybody += ["{'skip_sid': 'red'}", "{'namespace': '/'}"]
    expected_a = [
        "{'to': 'a'}",
        "{'room': 'a'}",
        "{'to': 'red'}",
        "{'to': ['red', 'blue']}",
        "{'to': 'red', 'skip_sid': 'b'}",
    ]
    expected_b = ["{'to': 'red'}", "{'room': 'blue'}", "{'to': ['red', 'blue']}", "{'to': ('blue', 'c')}"]
    expected_b += ["{'to': 'blue', 'room': 'red'}", "{'to': '', 'room': 'blue'}", "{'to': ['nowhere', 'blue']}"]
    expected_b += ["{'skip_sid': 'a'}", "{'skip_sid': ['a', 'c']}"]
    expected_c = ["{'to': ('blue', 'c')}", "{'skip_sid': 'a'}"]
    assert sorted(heard[0]) == sorted(everybody + expected_a)
    assert sorted(heard[1]) == sorted(everybody + expected_b)
    assert sorted(heard[2]) == sorted(everybody + expected_c)


async def test_a_room_belongs_to_its_namespace(sio, serve, connect):
    sio.namespaces = "*"
    client = await connect(await serve(sio), namespaces=["/a", "/b"])
    await sio.enter_room(client.sid_in("/a"), "room", namespace="/a")
    await sio.enter_room(client.sid_in("/b"), "room", namespace="/b")
    await sio.emit("x", 1, to="room", namespace="/a")
    await sio.emit("x", 2, to="room", namespace="/b")
    await sio.emit("x", 3, to=client.sid_in("/a"), namespace="/b")
    await sio.emit("x", 4, namespace="/b")
    assert await client.take(3) == [("/a", "x", 1), ("/b", "x", 2), ("/b", "x", 4)]


async def test_order_is_kept(sio, serve, connect):
    client = await connect(await serve(sio))
    sid = client.sid_in()
    for n in range(300):
        await sio.emit("n", n, to=sid if n % 3 else None)
    assert await client.take(300) == [("n", n) for n in range(300)]


async def test_send_is_the_event_message(sio, serve, connect):
    client = await connect(await serve(sio))
    await sio.send(("a", 1), to=client.sid_in())
    assert await client.next() == ("message", "a", 1)


async def test_emit_gives_none_and_can_be_awaited_in_every_way(sio, serve, connect):
    client = await connect(await serve(sio))
    assert await sio.emit("a") is None
    assert await asyncio.gather(sio.emit("b"), sio.emit("c")) == [None, None]
    assert await asyncio.wait_for(sio.emit("d"), 1) is None
    await asyncio.create_task(sio.emit("e"))
    await asyncio.shield(asyncio.ensure_future(sio.emit("f")))
    assert [event for (event,) in await client.take(6)] == list("abcdef")


async def test_emit_before_anybody_is_there(sio):
    assert await sio.emit("x", 1) is None
    assert await sio.emit("x", 1, to="room") is None
    assert sio.rooms("nobody") == []


@pytest.mark.parametrize("data", [object(), {"a": {1, 2}}, {(1, 2): 3}, [1, lambda: None]])
async def test_what_is_no_json_is_a_type_error(sio, serve, connect, data):
    client = await connect(await serve(sio))
    with pytest.raises(TypeError):
        await sio.emit("x", data, to=client.sid_in())


async def test_a_circle_is_a_value_error(sio, serve, connect):
    client = await connect(await serve(sio))
    circle: list = []
    circle.append(circle)
    with pytest.raises((ValueError, RecursionError)):
        await sio.emit("x", {"circle": circle}, to=client.sid_in())


@pytest.mark.ferrio_only
async def test_emit_from_another_thread(sio, serve, connect):
    client = await connect(await serve(sio))

    def emit():
        for n in range(100):
            sio.emit("n", n)

    thread = threading.Thread(target=emit)
    thread.start()
    assert await client.take(100) == [("n", n) for n in range(100)]
    thread.join()


# ---- answers


@pytest.mark.parametrize("kind", ["plain", "async"])
async def test_a_callback_is_given_the_answer(sio, serve, connect, kind):
    answers = asyncio.Queue()

    async def later(*args):
        await asyncio.sleep(0)
        answers.put_nowait(args)

    client = await connect(await serve(sio))
    client.on("question", lambda *args: args)
    callback = later if kind == "async" else lambda *args: answers.put_nowait(args)
    await sio.emit("question", (1, b"two"), to=client.sid_in(), callback=callback)
    assert await patiently(answers.get()) == (1, b"two")


async def test_a_callback_of_a_room_is_called_for_each(sio, serve, connect):
    answers = asyncio.Queue()
    url = await serve(sio)
    for name in ("a", "b"):
        client = await connect(url)
        client.on("who", lambda name=name: name)
    await sio.emit("who", callback=answers.put_nowait)
    assert {await patiently(answers.get()), await patiently(answers.get())} == {"a", "b"}


@pytest.mark.parametrize(("answer", "result"), [(None, None), (1, 1), ((1, 2), (1, 2)), ([1, 2], [1, 2]), (b"x", b"x")])
async def test_call_gives_the_answer(sio, serve, connect, answer, result):
    client = await connect(await serve(sio))
    client.on("question", lambda *args: answer)
    assert await sio.call("question", (1, 2), to=client.sid_in()) == result
    assert await sio.call("question", sid=client.sid_in()) == result


async def test_call_inside_a_handler(sio, serve, connect):
    @sio.on("relay")
    async def relay(sid, n):
        return await sio.call("question", n, to=sid) + 1

    client = await connect(await serve(sio))
    client.on("question", lambda n: n * 10)
    assert await asyncio.gather(*(client.call("relay", n) for n in range(5))) == [1, 11, 21, 31, 41]


async def test_call_times_out(sio, serve, connect, socketio):
    client = await connect(await serve(sio))
    go_on = asyncio.Event()

    @client.on("question")
    async def question():
        await go_on.wait()

    with pytest.raises(socketio.exceptions.TimeoutError):
        await sio.call("question", to=client.sid_in(), timeout=0.05)
    go_on.set()


async def test_call_needs_one_client(sio, new_server):
    with pytest.raises(ValueError, match="broadcast"):
        await sio.call("x")
    with pytest.raises(RuntimeError, match="async_handlers"):
        await new_server(async_handlers=False).call("x", to="y")


async def test_call_that_is_cancelled(sio, serve, connect):
    client = await connect(await serve(sio))
    go_on = asyncio.Event()

    @client.on("question")
    async def question():
        await go_on.wait()
        return 1

    task = asyncio.create_task(sio.call("question", to=client.sid_in()))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    go_on.set()
    client.on("next", lambda: 2)
    assert await sio.call("next", to=client.sid_in()) == 2


@pytest.mark.ferrio_only
async def test_call_ends_when_the_client_leaves(sio, serve, raw, socketio):
    sids = asyncio.Queue()
    sio.on("connect", lambda sid, environ: sids.put_nowait(sid))
    socket = await raw(await serve(sio))
    await socket.join()
    task = asyncio.create_task(sio.call("question", to=await sids.get(), timeout=None))
    assert (await socket.read()).endswith('["question"]')
    await socket.close()
    with pytest.raises(socketio.exceptions.TimeoutError):
        await patiently(task)


# ---- back-pressure


@pytest.mark.ferrio_only
async def test_awaiting_emit_waits_for_a_client_that_does_not_read(sio, serve, raw):
    sids = asyncio.Queue()
    sio.on("connect", lambda sid, environ: sids.put_nowait(sid))
    socket = await raw(await serve(sio), max_queue=1)
    await socket.join()
    sid = await sids.get()
    chunk = "x" * 100_000
    sent = 0

    async def flood():
        nonlocal sent
        while True:
            await sio.emit("x", chunk, to=sid)
            sent += 1

    task = asyncio.create_task(flood())
    try:
        last = -1
        while sent != last:
            last = sent
            await asyncio.sleep(0.2)
        # It stands still, far below the limit at which the client would be dropped.
        assert 10 < sent < 160
        while sent == last:
            await socket.read()
    finally:
        task.cancel()
        socket.socket.transport.abort()
