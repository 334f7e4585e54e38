"""Handlers in threads: which thread, how many, in which order."""

from __future__ import annotations

import asyncio
import threading

import pytest

from peers import patiently, until


@pytest.mark.every_route
@pytest.mark.parametrize("transports", [["polling"], ["websocket"], ["polling", "websocket"]], ids="+".join)
async def test_an_echo_over_every_transport(sio, serve, connect, transports):
    @sio.event
    def echo(sid, *args):
        sio.emit("echoed", args, to=sid)
        return args

    client = await connect(serve(sio), transports=transports)
    assert client.transport() == transports[-1]
    assert sio.transport(client.sid_in()) == transports[-1]
    payload = {"text": "ü", "numbers": [1, 2.5, None, True]}
    assert await client.call("echo", (payload, b"\x00\xff")) == (payload, b"\x00\xff")
    assert await client.next() == ("echoed", payload, b"\x00\xff")


async def test_ten_handlers_block_at_once(sio, serve, connect, heard):
    everybody = threading.Barrier(10)

    @sio.event
    def meet(sid, n):
        everybody.wait(20)
        return n

    client = await connect(serve(sio))
    for round_ in range(2):
        answers = await asyncio.gather(*(client.call("meet", round_ * 10 + n) for n in range(10)))
        assert answers == [round_ * 10 + n for n in range(10)]


async def test_a_blocked_handler_holds_nobody_up(sio, serve, connect):
    go_on = threading.Event()

    @sio.event
    def block(sid):
        go_on.wait(20)
        return "went on"

    @sio.event
    def quick(sid):
        return "quick"

    url = serve(sio)
    client, other = await connect(url), await connect(url)
    blocked = asyncio.create_task(client.call("block"))
    assert await other.call("quick") == "quick"
    assert await client.call("quick") == "quick"
    third = await connect(url)
    assert await third.call("quick") == "quick"
    go_on.set()
    assert await blocked == "went on"


async def test_what_a_handler_emits_before_it_blocks_goes_out(sio, serve, connect):
    go_on = threading.Event()

    @sio.event
    def block(sid):
        sio.emit("before", to=sid)
        go_on.wait(20)
        sio.emit("after", to=sid)

    client = await connect(serve(sio))
    await client.emit("block")
    assert await client.next() == ("before",)
    go_on.set()
    assert await client.next() == ("after",)


@pytest.mark.ferrio_only
async def test_the_events_of_a_client_start_in_order(sio, serve, connect, heard):
    begun = []

    @sio.event
    def count(sid, n):
        begun.append(n)
        if n % 50 == 0:
            threading.Event().wait(0.005)

    @sio.event
    def end(sid):
        heard.put(list(begun))

    client = await connect(serve(sio))
    for n in range(300):
        await client.emit("count", n)
    await client.emit("end")
    assert await heard.get() == list(range(300))


async def test_without_async_handlers_one_handler_of_a_client_at_a_time(new_server, serve, connect, heard):
    sio = new_server(async_handlers=False)
    running, together = set(), []
    go_on = threading.Event()

    @sio.event
    def work(sid, n):
        running.add((sid, n))
        together.append({who for who, _ in running})
        if n == 0:
            go_on.wait(20)
        running.discard((sid, n))
        heard.put((sid, n))
        return n

    url = serve(sio)
    client, other = await connect(url), await connect(url)
    for n in range(5):
        await client.emit("work", n)
    # The other client's handlers run meanwhile.
    assert await other.call("work", 1) == 1
    assert await heard.get() == (other.sid_in(), 1)
    assert heard.queue.empty()
    go_on.set()
    assert [await heard.get() for _ in range(5)] == [(client.sid_in(), n) for n in range(5)]
    await until(lambda: not running)


@pytest.mark.ferrio_only
async def test_without_async_handlers_a_flood_waits_at_the_client(new_server, serve, connect, raw, heard):
    """The original reads a client's next event when the handler of the last one has ended."""
    sio = new_server(async_handlers=False)
    go_on = threading.Event()
    flood, sent, seen = 40_000, 0, []

    @sio.event
    def n(sid, number, padding):
        go_on.wait(60)
        seen.append(number)

    sio.on("seen", lambda sid: len(seen))
    url = serve(sio)
    socket, other = await raw(url), await connect(url)
    await socket.join()

    async def send():
        nonlocal sent
        for sent in range(flood):
            await socket.send(f'42["n",{sent},"{"x" * 1000}"]')
        await socket.send('427["seen"]')

    sending = asyncio.create_task(send())
    calm, before = 0, None
    while calm < 50:
        await other.call("seen")
        await asyncio.sleep(0.005)
        now = (sio._parked, sent)
        calm, before = (calm + 1, before) if before == now else (0, now)
    assert 256 < sio._parked < flood // 2
    assert not sending.done()
    go_on.set()
    await patiently(sending)
    assert await socket.read() == f"437[{flood}]"
    assert seen == list(range(flood))


async def test_call_waits_in_a_handler(sio, serve, connect):
    @sio.event
    def ask(sid, n):
        return sio.call("double", n, to=sid)

    client = await connect(serve(sio))
    client.on("double", lambda n: n * 2)
    assert await client.call("ask", 21) == 42
    assert await asyncio.gather(*(client.call("ask", n) for n in range(10))) == [n * 2 for n in range(10)]


async def test_call_in_a_thread_of_the_application(sio, serve, connect):
    client = await connect(serve(sio))
    client.on("pair", lambda a, b: (b, a))
    client.on("nothing", lambda: None)
    sid = client.sid_in()
    assert await asyncio.to_thread(sio.call, "pair", (1, 2), to=sid, timeout=20) == (2, 1)
    assert await asyncio.to_thread(sio.call, "nothing", to=sid, timeout=20) is None


async def test_call_times_out(sio, serve, connect, socketio):
    client = await connect(serve(sio))
    done = asyncio.Event()
    client.on("silence", done.wait)
    with pytest.raises(socketio.exceptions.TimeoutError):
        await asyncio.to_thread(sio.call, "silence", to=client.sid_in(), timeout=0.05)
    done.set()


async def test_call_wants_one_receiver_and_async_handlers(sio, new_server):
    with pytest.raises(ValueError, match="Cannot use call\\(\\) to broadcast"):
        sio.call("x")
    with pytest.raises(RuntimeError, match="Cannot use call\\(\\) when async_handlers is False"):
        new_server(async_handlers=False).call("x", to="somebody")


async def test_many_threads_emit(sio, serve, connect):
    client = await connect(serve(sio))
    sid = client.sid_in()

    def emit(thread):
        for n in range(100):
            sio.emit("n", (thread, n), to=sid)

    threads = [sio.start_background_task(emit, thread) for thread in range(5)]
    received = [event[1:] for event in await client.take(500)]
    for thread in threads:
        await asyncio.to_thread(thread.join)
    for thread in range(5):
        assert [n for who, n in received if who == thread] == list(range(100))


async def test_a_background_task(sio, heard):
    def task(*args, **kwargs):
        sio.sleep(0)
        heard.put((args, kwargs, threading.current_thread() is threading.main_thread()))

    started = sio.start_background_task(task, 1, two=2)
    assert await heard.get() == ((1,), {"two": 2}, False)
    await asyncio.to_thread(started.join)


async def test_callbacks(sio, serve, connect, heard):
    client = await connect(serve(sio))
    client.on("question", lambda n: (n, n + 1))
    sio.emit("question", 1, to=client.sid_in(), callback=lambda *args: heard.put(args))
    assert await heard.get() == (1, 2)


async def test_context_variables_do_not_leak_from_event_to_event(sio, serve, connect):
    from contextvars import ContextVar

    variable = ContextVar("variable", default="unset")

    @sio.event
    def touch(sid):
        before = variable.get()
        variable.set("set")
        return before

    client = await connect(serve(sio))
    assert [await client.call("touch") for _ in range(3)] == ["unset"] * 3


@pytest.mark.ferrio_only
async def test_an_emit_waits_for_a_client_that_does_not_read(sio, serve, raw):
    """Otherwise the queue would grow to its hard limit, and the client be dropped."""
    client = await raw(serve(sio))
    sid = (await client.join())[10:30].split('"')[0]
    sid = next(iter(sio.manager.get_participants("/", None)))[0]
    done = threading.Event()

    def flood():
        for n in range(400):
            sio.emit("blob", (n, "x" * 100_000), to=sid)
        done.set()

    sio.start_background_task(flood)
    for n in range(400):
        packet = await client.read()
        assert packet.startswith(f'42["blob",{n},')
    await until(done.is_set)


async def test_exceptions_are_contained(sio, serve, connect, monkeypatch):
    seen = []
    monkeypatch.setattr(threading, "excepthook", lambda about: seen.append((about.exc_type, str(about.exc_value))))

    @sio.event
    def fail(sid):
        raise ZeroDivisionError("in a handler")

    @sio.event
    def quit(sid):
        raise SystemExit

    @sio.event
    def fine(sid):
        return "fine"

    client = await connect(serve(sio))
    answered = []
    await client.emit("fail", callback=lambda *args: answered.append(args))
    await client.emit("quit", callback=lambda *args: answered.append(args))
    await until(lambda: len(seen) == 2)
    assert await client.call("fine") == "fine"
    assert dict(seen) == {ZeroDivisionError: "in a handler", SystemExit: ""}
    assert answered == []


async def test_a_return_value_that_is_no_json(sio, serve, connect, monkeypatch):
    seen = []
    monkeypatch.setattr(threading, "excepthook", lambda about: seen.append(about.exc_type))

    @sio.event
    def bad(sid):
        return object()

    @sio.event
    def fine(sid):
        return "fine"

    client = await connect(serve(sio))
    await client.emit("bad", callback=lambda *args: None)
    await until(lambda: seen)
    assert seen == [TypeError]
    assert await client.call("fine") == "fine"
