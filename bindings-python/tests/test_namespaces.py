"""Handlers as methods of a class."""

from __future__ import annotations

import asyncio

import pytest

from peers import patiently


async def test_a_class_of_handlers(sio, serve, connect, socketio):
    log = asyncio.Queue()

    class Chat(socketio.AsyncNamespace):
        async def on_connect(self, sid, environ, auth):
            await self.save_session(sid, {"auth": auth})

        def on_disconnect(self, sid, reason):
            log.put_nowait((sid, self.rooms(sid) != []))

        async def on_join(self, sid, room):
            await self.enter_room(sid, room)
            return self.rooms(sid)

        async def on_leave(self, sid, room):
            await self.leave_room(sid, room)
            return self.rooms(sid)

        async def on_say(self, sid, room, text):
            await self.emit("said", text, room=room, skip_sid=sid)
            await self.send(text, to=sid)

        async def on_close(self, sid, room):
            await self.close_room(room)

        async def on_ask(self, sid, n):
            return await self.call("question", n, to=sid)

        def on_plain(self, sid):
            return "plain", 1

        async def on_session(self, sid):
            async with self.session(sid) as session:
                session["seen"] = True
            return await self.get_session(sid)

        async def on_quit(self, sid):
            await self.disconnect(sid)

    chat = Chat("/chat")
    sio.register_namespace(chat)
    assert chat.server is sio
    client = await connect(await serve(sio), namespaces=["/chat"], auth={"who": "me"})
    other = await connect(client.connection_url, namespaces=["/chat"])
    sid = client.sid_in("/chat")
    client.on("question", lambda n: n + 1, namespace="/chat")
    client.on("*", client.receive, namespace="/chat")

    def ask(event, data=None):
        return client.call(event, data, namespace="/chat")

    assert await ask("join", "r") == [sid, "r"]
    await other.call("join", "r", namespace="/chat")
    await ask("say", ("r", "hi"))
    assert await client.next() == ("message", "hi")
    assert await other.next() == ("/chat", "said", "hi")
    assert await ask("leave", "r") == [sid]
    await ask("close", "r")
    assert list(sio.manager.get_participants("/chat", "r")) == []
    assert await ask("ask", 41) == 42
    assert await ask("plain") == ("plain", 1)
    assert await ask("missing") is None
    assert await ask("session") == {"auth": {"who": "me"}, "seen": True}
    await client.emit("quit", namespace="/chat")
    assert await patiently(log.get()) == (sid, True)


async def test_trigger_event_can_be_overridden(sio, serve, connect, socketio):
    class Everything(socketio.AsyncNamespace):
        async def trigger_event(self, event, *args):
            if event == "connect":
                return None
            return event, *args[1:]

    sio.register_namespace(Everything("/"))
    client = await connect(await serve(sio))
    assert await client.call("anything", (1, 2)) == ("anything", 1, 2)


async def test_connect_of_a_class_may_refuse_and_may_leave_out_auth(sio, serve, raw, socketio):
    class Closed(socketio.AsyncNamespace):
        def on_connect(self, sid, environ):
            return False

    class Open(socketio.AsyncNamespace):
        async def on_connect(self, sid, environ):
            pass

        async def on_disconnect(self, sid):
            left.set()

    left = asyncio.Event()
    sio.register_namespace(Closed("/closed"))
    sio.register_namespace(Open("/open"))
    socket = await raw(await serve(sio))
    assert (await socket.join("/closed")).startswith("44/closed,")
    assert (await socket.join("/open")).startswith("40/open,")
    await socket.send("41/open,")
    await patiently(left.wait())


def test_what_is_no_namespace(sio, socketio):
    with pytest.raises(ValueError, match="Not a namespace instance"):
        sio.register_namespace(socketio.AsyncNamespace)
    with pytest.raises(ValueError, match="Not a namespace instance"):
        sio.register_namespace(object())


def test_the_default_namespace(socketio):
    assert socketio.AsyncNamespace().namespace == "/"
    assert socketio.AsyncNamespace().is_asyncio_based()
