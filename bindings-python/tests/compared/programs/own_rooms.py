"""A client manager that keeps rooms by itself, turns clients away, silences them, and sends packets of its own making."""


def options(stage):
    packet = stage.socketio.packet

    class Tags(stage.Manager):
        def __init__(self):
            super().__init__()
            self.tags = {}
            self.silenced = set()

        async def pre_connect(self, eio_sid, namespace):
            return None if namespace == "/closed" else await super().pre_connect(eio_sid, namespace)

        def is_connected(self, sid, namespace):
            return sid not in self.silenced and super().is_connected(sid, namespace)

        def basic_enter_room(self, sid, namespace, room, eio_sid=None):
            if str(room).startswith("tag:"):
                self.tags.setdefault(room, []).append(sid)
            else:
                super().basic_enter_room(sid, namespace, room, eio_sid)

        def get_participants(self, namespace, room):
            if str(room).startswith("tag:"):
                return [(sid, self.eio_sid_from_sid(sid, namespace)) for sid in self.tags.get(room, [])]
            return list(super().get_participants(namespace, room))

        def get_rooms(self, sid, namespace):
            return sorted(room for room, sids in self.tags.items() if sid in sids)

        async def emit(self, event, data, namespace, room=None, skip_sid=None, callback=None, to=None, **kwargs):
            if event != "by hand":
                return await super().emit(
                    event, data, namespace, room=room, skip_sid=skip_sid, callback=callback, to=to
                )
            for sid, eio_sid in self.get_participants(namespace, room):
                number = self._generate_ack_id(sid, callback)
                made = self.server.packet_class(packet.EVENT, [event, data], namespace=namespace, id=number)
                await self.server._send_packet(eio_sid, made)

    return {"client_manager": Tags(), "namespaces": ["/", "/closed"]}


def serve(sio, stage):
    @sio.event
    async def hello(sid):
        return "hello"


async def play(stage, sio):
    a, b, c = [await stage.client(name) for name in "abc"]
    for client, room in ((a, "tag:1"), (b, "tag:1"), (c, "tag:2"), (c, "plain")):
        await stage.do(sio.enter_room, client.get_sid(), room)
    stage.say(sio.rooms(a.get_sid()), sio.rooms(c.get_sid()))
    await stage.do(sio.emit, "one", 1, room="tag:1")
    await stage.do(sio.emit, "two", 2, room="tag:2")
    await stage.do(sio.emit, "none", 0, room="tag:3")
    await stage.do(sio.emit, "all", b"bytes", skip_sid=b.get_sid())
    await stage.do(sio.emit, "last", room=["plain"])
    await stage.do(sio.emit, "last", to=b.get_sid())
    stage.say(await a.next(), await a.next())
    stage.say(await b.next(), await b.next())
    stage.say(await c.next(), await c.next(), await c.next())
    await stage.do(sio.emit, "asked", room="tag:1", callback=lambda *args: stage.put("answered", *args))
    stage.say(await a.next(), await b.next(), await stage.get(), await stage.get())
    await stage.do(
        sio.emit, "by hand", {"x": [b"1"]}, to=c.get_sid(), callback=lambda *args: stage.put("by hand", *args)
    )
    stage.say(await c.next(), await stage.get())
    try:
        await stage.client("d", namespaces=["/closed"])
    except Exception as error:
        stage.error(error)
    stage.say(await a.call("hello"))
    sio.manager.silenced.add(a.get_sid())
    await a.emit("hello", callback=lambda *args: stage.put("not silenced", *args))
    stage.say(await b.call("hello"))
    sio.manager.silenced.clear()
    await a.emit("hello", callback=lambda *args: stage.put("again", *args))
    stage.say(await stage.get())
    ordinary = sio.manager.emit
    sio.manager.emit = lambda event, *args, **kwargs: ordinary(event + "!", *args, **kwargs)
    await stage.do(sio.emit, "patched", to=a.get_sid())
    stage.say(await a.next())
