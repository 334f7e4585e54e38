"""Listeners beside the handlers, middlewares, and namespaces by a pattern: ferrio's own."""

from __future__ import annotations

import asyncio
import re

import pytest

from peers import patiently, until

pytestmark = pytest.mark.ferrio_only


async def test_listeners_stand_beside_the_handler(sio, serve, connect):
    calls = []

    @sio.add_listener("say")
    async def slow(sid, text):
        calls.append(("slow", text))
        await asyncio.sleep(0)
        return "too late"

    @sio.on("say")
    def handler(sid, text):
        calls.append(("handler", text))

    @sio.add_listener("say")
    def quick(sid, text):
        calls.append(("quick", text))
        return "quick"

    @sio.add_listener("alone")
    def alone(sid):
        return "one"

    client = await connect(await serve(sio))
    assert await client.call("say", "hi") == "too late"
    assert calls == [("handler", "hi"), ("slow", "hi"), ("quick", "hi")]
    assert await client.call("alone") == "one"
    # As ever, the last handler wins; the listeners stay.
    sio.on("say", lambda sid, text: ("new", text))
    assert await client.call("say", "ho") == ("new", "ho")
    assert calls[3:] == [("slow", "ho"), ("quick", "ho")]
    sio.off("say", quick)
    assert await client.call("say", "x") == ("new", "x")
    assert calls[5:] == [("slow", "x")]
    sio.off("say")
    sio.on("say", lambda sid, text: "handler")
    assert await client.call("say", "y") == "handler"
    assert len(calls) == 6
    sio.off()
    assert sio.handlers["/"] == {}


async def test_once(sio, serve, connect):
    calls = []
    sio.once("x", lambda sid, n: calls.append(n))
    client = await connect(await serve(sio))
    sio.on("done", lambda sid: "ok")
    await client.emit("x", 1)
    await client.emit("x", 2)
    assert await client.call("done") == "ok"
    assert calls == [1]


async def test_an_exception_costs_the_other_listeners_nothing(sio, serve, connect, caplog):
    calls = []

    def boom(sid):
        raise RuntimeError("boom")

    reported = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.append(str(context["exception"])))
    sio.add_listener("x", boom)
    sio.add_listener("x", lambda sid: calls.append("second"))
    sio.on_any(lambda event, sid: boom(sid))
    sio.on("done", lambda sid: "ok")
    client = await connect(await serve(sio))
    await client.emit("x")
    assert await client.call("done") == "ok"
    assert calls == ["second"]
    await until(lambda: reported == ["boom"] * 3)


async def test_catch_all_in_and_out(sio, serve, connect):
    heard, sent = [], []

    @sio.on_any
    async def every(event, sid, *args):
        heard.append((event, *args))

    @sio.on_any_outgoing
    def outgoing(event, to, *args):
        sent.append((event, to, *args))

    sio.on("echo", lambda sid, *args: args)
    client = await connect(await serve(sio))
    sid = client.sid_in()
    client.on("ask", lambda n: n)
    assert await client.call("echo", (1, 2)) == (1, 2)
    await client.emit("nobody's", {"a": 1})
    assert await client.call("echo") is None
    assert heard == [("echo", 1, 2), ("nobody's", {"a": 1}), ("echo",)]
    await sio.emit("x", to=sid)
    await sio.emit("y", ("a", "b"), room=["r"])
    await sio.send("text")
    assert await sio.call("ask", 5, to=sid) == 5
    assert sent == [("x", sid), ("y", ["r"], "a", "b"), ("message", None, "text"), ("ask", sid, 5)]
    sio.off_any(every)
    sio.off_any_outgoing()
    await sio.emit("z")
    assert await client.call("echo", 3) == 3
    assert (len(heard), len(sent)) == (3, 4)
    assert not sio._hears_events
    with pytest.raises(TypeError, match="coroutine function"):
        sio.on_any_outgoing(every)
    with pytest.raises(ValueError, match="on_any"):
        sio.add_listener("*", outgoing)


async def test_an_emit_that_an_outgoing_listener_forbids(sio, serve, connect):
    @sio.on_any_outgoing
    def forbid(event, to, *args):
        if event == "bad":
            raise ValueError("not this one")

    client = await connect(await serve(sio))
    with pytest.raises(ValueError, match="not this one"):
        await sio.emit("bad", to=client.sid_in())
    await sio.emit("good")
    assert await client.next() == ("good",)


async def test_middlewares_for_those_who_join(sio, serve, raw, socketio):
    asked = []

    @sio.use
    async def first(sid, environ, auth):
        await sio.save_session(sid, {"auth": auth})
        asked.append(environ["QUERY_STRING"].count("transport"))

    @sio.use
    def second(sid, environ, auth):
        if auth == {"a": "refused"}:
            raise socketio.exceptions.ConnectionRefusedError("go away", {"code": 7})
        if auth == {"a": "false"}:
            return False
        if auth == {"a": "broken"}:
            raise RuntimeError("broken")

    @sio.event
    async def connect(sid, environ, auth):
        asked.append((await sio.get_session(sid))["auth"])

    url = await serve(sio)
    for auth, answer in (
        ('{"a":"refused"}', '44{"message":"go away","data":{"code":7}}'),
        ('{"a":"false"}', '44{"message":"Connection rejected by server"}'),
        ('{"a":"broken"}', '44{"message":"Connection rejected by server"}'),
    ):
        assert await (await raw(url)).join(auth=auth) == answer
    assert (await (await raw(url)).join(auth='{"a":"fine"}')).startswith('40{"sid"')
    assert asked == [1, 1, 1, 1, {"a": "fine"}]


async def test_middlewares_around_events(sio, serve, connect):
    order = []

    @sio.use_event
    async def outer(call_next, sid, event, *args):
        order.append(("outer", event))
        if event == "dropped":
            return sio.not_handled
        if event == "answered":
            return "by the middleware"
        result = await call_next(sid, event, *args)
        order.append(("back", result))
        return result

    @sio.use_event
    async def inner(call_next, sid, event, n=0):
        if n < 0:
            raise ValueError("negative")
        return await call_next(sid, "double" if event == "renamed" else event, n * 2)

    sio.on("double", lambda sid, n: n)
    reported = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.append(str(context["exception"])))
    client = await connect(await serve(sio))
    assert await client.call("double", 4) == 8
    assert await client.call("renamed", 1) == 2
    assert await client.call("answered") == "by the middleware"
    answers = []
    for event, data in (("dropped", 1), ("double", -1), ("unknown", 1)):
        await client.emit(event, data, callback=lambda *args: answers.append(args))
    assert await client.call("double", 0) == 0
    assert answers == []
    assert reported == ["negative"]
    assert order[:2] == [("outer", "double"), ("back", 8)]


async def test_the_event_before_disconnect(sio, serve, connect):
    log = asyncio.Queue()
    sio.on("disconnecting", lambda sid, reason: log.put_nowait(("disconnecting", "r" in sio.rooms(sid), reason)))
    sio.on("disconnect", lambda sid, reason: log.put_nowait(("disconnect", reason)))
    sio.add_listener("disconnect", lambda sid, reason: log.put_nowait(("listener", reason)))
    sio.add_listener("connect", lambda sid, environ, auth: log.put_nowait(("connected", auth)))
    client = await connect(await serve(sio), auth={"a": 1})
    assert await patiently(log.get()) == ("connected", {"a": 1})
    await sio.enter_room(client.sid_in(), "r")
    await sio.disconnect(client.sid_in())
    reason = "server disconnect"
    assert [await patiently(log.get()) for _ in range(3)] == [
        ("disconnecting", True, reason),
        ("disconnect", reason),
        ("listener", reason),
    ]


async def test_disconnecting_in_a_class(sio, serve, connect, socketio):
    log = asyncio.Queue()

    class Chat(socketio.AsyncNamespace):
        async def on_disconnecting(self, sid, reason):
            log.put_nowait("disconnecting")

        def on_disconnect(self, sid, reason):
            log.put_nowait("disconnect")

    class Own(socketio.AsyncNamespace):
        async def trigger_event(self, event, *args):
            log.put_nowait(event)

    sio.register_namespace(Chat("/chat"))
    sio.register_namespace(Own("/own"))
    client = await connect(await serve(sio), namespaces=["/chat"])
    await client.disconnect()
    assert [await patiently(log.get()) for _ in range(2)] == ["disconnecting", "disconnect"]
    client = await connect(client.connection_url, namespaces=["/own"])
    await client.disconnect()
    assert [await patiently(log.get()) for _ in range(2)] == ["connect", "disconnect"]


async def test_namespaces_by_pattern(sio, serve, connect, raw, socketio):
    room = re.compile(r"/room-\d+")

    @sio.event(namespace=room)
    async def connect_(namespace, sid, environ):
        await sio.emit("welcome", namespace, to=sid, namespace=namespace)

    sio.on("connect", connect_, namespace=room)

    @sio.event(namespace=room)
    def say(namespace, sid, text):
        return namespace, text

    @sio.use
    def root_only(sid, environ, auth):
        return False

    seen = []
    sio.use(lambda sid, environ, auth: seen.append(auth), namespace=room)
    sio.on_any(lambda event, sid, *args: seen.append((event, args)), namespace=room)
    url = await serve(sio)
    client = await connect(url, namespaces=["/room-1"])
    assert await client.next() == ("/room-1", "welcome", "/room-1")
    assert await client.call("say", "hi", namespace="/room-1") == ("/room-1", "hi")
    assert seen == [{}, ("say", ("hi",))]
    other = await raw(url)
    assert await other.join("/room-x") == '44/room-x,"Unable to connect"'
    assert await other.join("/room-12x") == '44/room-12x,"Unable to connect"'
    assert sio._children == {"/room-1": room}
    await client.disconnect()
    await until(lambda: sio._children == {})


async def test_namespaces_by_predicate(sio, serve, raw, socketio):
    asked = []

    async def mine(name, environ, auth):
        asked.append((name, auth, "EIO=4" in environ["QUERY_STRING"]))
        return name == "/mine" and auth == {"token": 1}

    class Mine(socketio.AsyncNamespace):
        def on_who(self, namespace, sid):
            return namespace

    sio.register_namespace(Mine(mine))
    url = await serve(sio)
    socket = await raw(url)
    assert await socket.join("/mine", '{"token":2}') == '44/mine,"Unable to connect"'
    assert (await socket.join("/mine", '{"token":1}')).startswith("40/mine,")
    await socket.send('42/mine,1["who"]')
    assert await socket.read() == '43/mine,1["/mine"]'
    # Whoever comes later is not asked: the namespace exists.
    other = await raw(url)
    assert (await other.join("/mine", '{"token":2}')).startswith("40/mine,")
    assert asked == [("/mine", {"token": 2}, True), ("/mine", {"token": 1}, True)]
    with pytest.raises(TypeError, match="a namespace is"):
        sio.on("x", mine, namespace=7)
