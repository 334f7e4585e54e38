"""The rules by which handlers of a `Server` are called; those of connecting and of classes first."""

from __future__ import annotations

import asyncio
import logging

import pytest

from peers import until


async def test_connect_is_given_the_auth(sio, serve, connect, heard):
    @sio.event
    def connect_(sid, environ, auth):
        heard.put(auth)

    sio.on("connect", connect_)
    url = serve(sio)
    await connect(url, auth={"token": 1})
    assert await heard.get() == {"token": 1}
    await connect(url)
    assert await heard.get() in (None, {})


async def test_a_connect_handler_without_auth(sio, serve, connect, heard):
    sio.on("connect", lambda sid, environ: heard.put(sid))
    client = await connect(serve(sio))
    assert await heard.get() == client.sid_in()


@pytest.mark.every_route
async def test_environ_is_one_dictionary(sio, serve, connect, heard):
    @sio.on("connect")
    def connected(sid, environ):
        environ["mine"] = sid
        heard.put((environ["QUERY_STRING"], environ["HTTP_X_MINE"], environ is sio.get_environ(sid)))

    @sio.event
    def look(sid):
        return sio.get_environ(sid)["mine"], sio.get_environ(sid) is sio.get_environ(sid)

    client = await connect(serve(sio), headers={"X-Mine": "yes"})
    query, header, same = await heard.get()
    assert ("transport=websocket" in query, header, same) == (True, "yes", True)
    assert await client.call("look") == (client.sid_in(), True)
    assert sio.get_environ("nobody") is None


@pytest.mark.parametrize("always", [False, True])
async def test_refusing(new_server, serve, connect, socketio, always):
    refused = socketio.exceptions.ConnectionRefusedError
    sio = new_server(always_connect=always)
    how = {
        "false": lambda: False,
        "plain": lambda: raise_(refused()),
        "message": lambda: raise_(refused("no", 1)),
        "builtin": lambda: raise_(ConnectionRefusedError()),
    }

    def raise_(error):
        raise error

    sio.on("connect", lambda sid, environ, auth: how[auth["how"]]())
    url = serve(sio)
    expected = {
        "false": {"message": "Connection rejected by server"},
        "plain": {"message": "Connection rejected by server"},
        "message": {"message": "no", "data": 1},
        "builtin": {"message": "Connection refused by server"},
    }
    for name, payload in expected.items():
        if always:
            client = await connect(url, auth={"how": name}, wait=False)
            assert await asyncio.wait_for(client.gone.get(), 20) == "server disconnect"
        else:
            client = await connect(url, auth={"how": name}, wait=False)
            assert await asyncio.wait_for(client.errors.get(), 20) == payload
    await until(lambda: list(sio.manager.get_participants("/", None)) == [])


async def test_events_of_the_connect_handler_come_before_the_answer(sio, serve, raw):
    sio.on("connect", lambda sid, environ: sio.emit("early", 1, to=sid))
    client = await raw(serve(sio))
    assert await client.join() == '42["early",1]'
    assert (await client.read()).startswith('40{"sid":')


async def test_an_unknown_namespace(sio, serve, raw):
    client = await raw(serve(sio))
    assert await client.join("/nowhere") == '44/nowhere,"Unable to connect"'


async def test_acknowledgements(sio, serve, raw):
    results = {"none": None, "one": 1, "several": (1, "two"), "list": [1, 2], "false": False}
    for name, result in results.items():
        sio.on(name, lambda sid, result=result: result)
    client = await raw(serve(sio))
    await client.join()
    for number, (name, answer) in enumerate(
        {"none": "[]", "one": "[1]", "several": '[1,"two"]', "list": "[[1,2]]", "false": "[false]"}.items()
    ):
        await client.send(f'42{number}["{name}"]')
        assert await client.read() == f"43{number}{answer}"


async def test_disconnect_sees_rooms_and_session(sio, serve, connect, heard):
    @sio.on("connect")
    def connected(sid, environ):
        sio.enter_room(sid, ("any", "object"))
        sio.save_session(sid, {"name": "me"})

    @sio.on("disconnect")
    def gone(sid, reason):
        rooms = sorted(map(str, sio.rooms(sid)))
        heard.put((rooms, sio.get_session(sid), sio.manager.is_connected(sid, "/"), reason))

    client = await connect(serve(sio))
    sid = client.sid_in()
    await client.disconnect()
    rooms, session, connected_, reason = await heard.get()
    assert rooms == sorted([sid, "('any', 'object')"])
    assert (session, connected_) == ({"name": "me"}, False)
    assert reason in ("client disconnect", "transport close")
    await until(lambda: sio.rooms(sid) == [])
    with pytest.raises(KeyError):
        sio.get_session(sid)


async def test_a_disconnect_handler_without_reason(sio, serve, connect, heard):
    sio.on("disconnect", lambda sid: heard.put(sid))
    client = await connect(serve(sio))
    sid = client.sid_in()
    await client.disconnect()
    assert await heard.get() == sid


async def test_the_server_disconnects(sio, serve, connect, heard):
    sio.on("disconnect", lambda sid, reason: heard.put((sid, reason)))

    @sio.event
    def leave(sid):
        sio.disconnect(sid)
        return "not sent"

    client = await connect(serve(sio))
    sid = client.sid_in()
    await client.emit("leave")
    assert await heard.get() == (sid, "server disconnect")
    assert await asyncio.wait_for(client.gone.get(), 20) == "server disconnect"
    sio.disconnect(sid)
    sio.disconnect("nobody")


async def test_sessions(sio, serve, connect):
    @sio.event
    def count(sid):
        with sio.session(sid) as session:
            session["n"] = session.get("n", 0) + 1
        return sio.get_session(sid)

    client = await connect(serve(sio))
    assert [await client.call("count") for _ in range(3)] == [{"n": 1}, {"n": 2}, {"n": 3}]


async def test_rooms(sio, serve, connect):
    @sio.event
    def join(sid, room):
        sio.enter_room(sid, room)
        return sorted(sio.rooms(sid))

    @sio.event
    def leave(sid, room):
        sio.leave_room(sid, room)
        return sorted(sio.rooms(sid))

    url = serve(sio)
    one, two, three = [await connect(url) for _ in range(3)]
    assert await one.call("join", "a") == sorted([one.sid_in(), "a"])
    assert await two.call("join", "b") == sorted([two.sid_in(), "b"])
    sio.emit("both", room=["a", "b"])
    assert await one.next() == await two.next() == ("both",)
    sio.emit("others", skip_sid=[one.sid_in(), two.sid_in()])
    assert await three.next() == ("others",)
    assert await one.call("leave", "a") == [one.sid_in()]
    sio.close_room("b")
    sio.emit("nobody", to=["a", "b"])
    sio.send("everybody")
    for client in (one, two, three):
        assert await client.next() == ("message", "everybody")
    with pytest.raises(ValueError, match="sid is not connected to requested namespace"):
        sio.enter_room(one.sid_in(), "a", namespace="/elsewhere")
    assert sio.enter_room(one.sid_in(), "a") is None
    assert sio.leave_room(one.sid_in(), "a") is None
    assert sio.close_room("a") is None
    assert sio.emit("x", to="nobody") is None


async def test_which_handler(sio, serve, connect, heard):
    sio.on("known", lambda sid, *args: ("known", *args))
    sio.on("*", lambda event, sid, *args: ("any", event, *args))
    sio.on("known", lambda namespace, sid, *args: ("known anywhere", namespace, *args), namespace="*")
    sio.on("*", lambda event, namespace, sid, *args: ("any anywhere", event, namespace, *args), namespace="*")
    sio.on("connect", lambda sid, environ: None, namespace="/other")
    client = await connect(serve(sio), namespaces=["/", "/other"])
    assert await client.call("known", 1) == ("known", 1)
    assert await client.call("else", 1) == ("any", "else", 1)
    assert await client.call("known", 1, namespace="/other") == ("known anywhere", "/other", 1)
    assert await client.call("else", 1, namespace="/other") == ("any anywhere", "else", "/other", 1)


async def test_a_class_of_handlers(sio, serve, connect, socketio, heard):
    class Chat(socketio.Namespace):
        def on_connect(self, sid, environ):
            self.save_session(sid, {"n": 1})
            self.enter_room(sid, "room")

        def on_disconnect(self, sid):
            heard.put(("gone", sid))

        def on_say(self, sid, text):
            self.emit("said", text, room="room")
            self.send("sent", to=sid)
            with self.session(sid) as session:
                session["n"] += 1
            return self.get_session(sid), sorted(self.rooms(sid))

        def on_ask(self, sid):
            return self.call("question", 2, to=sid)

        def on_bye(self, sid):
            self.leave_room(sid, "room")
            self.close_room("room")
            self.disconnect(sid)

    sio.register_namespace(Chat("/chat"))
    client = await connect(serve(sio), namespaces=["/chat"])
    client.on("question", lambda n: n * 3, namespace="/chat")
    client.on("*", client.receive, namespace="/chat")
    sid = client.sid_in("/chat")
    assert await client.call("say", "hi", namespace="/chat") == ({"n": 2}, sorted([sid, "room"]))
    assert await client.take(2) == [("said", "hi"), ("message", "sent")]
    assert await client.call("ask", namespace="/chat") == 6
    # No method of that name: the acknowledgement is empty.
    assert await client.call("missing", namespace="/chat") is None
    await client.emit("bye", namespace="/chat")
    assert await heard.get() == ("gone", sid)


async def test_a_class_may_dispatch_itself(sio, serve, connect, socketio):
    class Own(socketio.Namespace):
        def trigger_event(self, event, *args):
            return (event, *args[1:]) if event == "x" else None

    sio.register_namespace(Own("/"))
    client = await connect(serve(sio))
    assert await client.call("x", 1) == ("x", 1)


async def test_only_classes_for_threads(sio, socketio):
    with pytest.raises(ValueError, match="Not a namespace instance"):
        sio.register_namespace(object())
    with pytest.raises(ValueError, match="Not a valid namespace class for this server"):
        sio.register_namespace(socketio.AsyncNamespace("/"))


async def test_a_failing_connect_handler_is_logged(new_server, serve, raw):
    seen = []

    class Handler(logging.Handler):
        def emit(self, record):
            if record.exc_info:
                seen.append(record.exc_info[0])

    logger = logging.Logger("of the test")
    logger.addHandler(Handler())
    sio = new_server(engineio_logger=logger)

    @sio.on("connect")
    def connected(sid, environ):
        raise ZeroDivisionError

    client = await raw(serve(sio))
    await client.send("40")
    await until(lambda: seen)
    assert seen == [ZeroDivisionError]
    # The connection is there; the client has no answer.
    await client.send("40/nowhere,")
    assert await client.read() == '44/nowhere,"Unable to connect"'


async def test_async_modes(socketio):
    assert socketio.Server(async_mode="threading").async_mode == "threading"
    for mode in ("asgi", "aiohttp", "nonsense"):
        with pytest.raises(ValueError, match="Invalid async_mode specified"):
            socketio.Server(async_mode=mode)
