"""A client manager that overrides every hook, and calls what it overrides."""


def options(stage):
    class Telling(stage.Manager):
        def initialize(self):
            stage.say("initialize")
            super().initialize()

        async def pre_connect(self, eio_sid, namespace):
            sid = await super().pre_connect(eio_sid, namespace)
            stage.name(sid, "a" + namespace)
            stage.say("pre_connect", self.is_connected(sid, namespace), self.is_pre_connected(sid, namespace))
            return sid

        async def connect(self, sid, namespace):
            sid = await super().connect(sid, namespace)
            stage.say(
                "connect", sid, namespace, self.is_connected(sid, namespace), list(self.get_rooms(sid, namespace))
            )
            await self.server.emit("welcome", to=sid, namespace=namespace)
            return sid

        def pre_disconnect(self, sid, namespace):
            stage.say("pre_disconnect", sid, namespace)
            return super().pre_disconnect(sid, namespace)

        async def disconnect(self, sid, namespace, **kwargs):
            stage.say("disconnect", sid, namespace, kwargs, sorted(map(str, self.get_rooms(sid, namespace))))
            await super().disconnect(sid, namespace, **kwargs)
            stage.put("gone")

        async def can_disconnect(self, sid, namespace):
            found = await super().can_disconnect(sid, namespace)
            stage.say("can_disconnect", sid, namespace, found)
            return found

        async def enter_room(self, sid, namespace, room, eio_sid=None):
            stage.say("enter_room", sid, namespace, room, eio_sid)
            await super().enter_room(sid, namespace, room, eio_sid)

        async def leave_room(self, sid, namespace, room):
            stage.say("leave_room", sid, namespace, room)
            await super().leave_room(sid, namespace, room)

        async def close_room(self, room, namespace):
            stage.say("close_room", room, namespace)
            await super().close_room(room, namespace)

        def basic_enter_room(self, sid, namespace, room, eio_sid=None):
            stage.say("basic_enter_room", namespace, "own" if room == sid else room)
            super().basic_enter_room(sid, namespace, room, eio_sid)

        def basic_leave_room(self, sid, namespace, room):
            if room not in (None, sid):
                stage.say("basic_leave_room", sid, namespace, room)
            super().basic_leave_room(sid, namespace, room)

        def basic_close_room(self, room, namespace):
            stage.say("basic_close_room", room, namespace)
            super().basic_close_room(room, namespace)

        def basic_disconnect(self, sid, namespace, **kwargs):
            stage.say("basic_disconnect", sid, namespace)
            super().basic_disconnect(sid, namespace, **kwargs)

        async def emit(self, event, data, namespace, room=None, skip_sid=None, callback=None, to=None, **kwargs):
            stage.say("emit", event, data, namespace, room, skip_sid, callback is not None, to, sorted(kwargs))
            await super().emit(event, data, namespace, room=room, skip_sid=skip_sid, callback=callback, to=to, **kwargs)

        async def trigger_callback(self, sid, id, data):
            stage.say("trigger_callback", sid, id, data)
            await super().trigger_callback(sid, id, data)

        def get_rooms(self, sid, namespace):
            return [room for room in super().get_rooms(sid, namespace) if room != sid]

    return {"client_manager": Telling(), "namespaces": ["/", "/other"]}


def serve(sio, stage):
    @sio.event
    async def connect(sid, environ, auth):
        await sio.enter_room(sid, "early")
        return not (auth and auth.get("refused"))

    @sio.event
    async def rooms(sid):
        return sorted(sio.rooms(sid))

    @sio.event
    async def disconnect(sid, reason):
        stage.say("handler", sid, reason, sorted(sio.rooms(sid)))


async def play(stage, sio):
    client = await stage.client("a")
    a = client.get_sid()
    stage.say(await client.next())
    stage.say(await client.call("rooms"))
    await stage.do(sio.enter_room, a, "room")
    await stage.attempt(sio.enter_room, "stranger", a)
    stage.say(await client.call("rooms"))
    await stage.do(sio.emit, "news", {"x": 1}, room="room")
    stage.say(await client.next())
    await stage.do(sio.emit, "news", ("x", b"y"), to=["room"], skip_sid=[a])
    await stage.do(sio.emit, "hi", to=a, callback=lambda *args: stage.put("answered", *args))
    stage.say(await client.next(), await stage.get())
    client.on("question", lambda *args: ("yes", *args))
    stage.say(await stage.do(sio.call, "question", (1, 2), to=a))
    stage.say(sio.manager.rooms["/"]["room"] == {a: sio.manager.eio_sid_from_sid(a, "/")}, sorted(sio.manager.rooms))
    await stage.do(sio.leave_room, a, "room")
    await stage.do(sio.close_room, "early")
    await stage.attempt(sio.close_room, a)
    stage.say(await client.call("rooms"))
    await stage.do(sio.disconnect, "stranger")
    await stage.do(sio.disconnect, a)
    stage.say(await stage.get())
    stage.say(await client.gone.get())
    leaving = await stage.client("b", namespaces=["/", "/other"])
    stage.say(await leaving.next(), await leaving.next())
    await leaving.disconnect()
    stage.say(await stage.get(), await stage.get())
    try:
        await stage.client("c", auth={"refused": True})
    except Exception as error:
        stage.error(error)
    stage.say(await stage.get())
