"""What a client gets before and after it is let in."""


def serve(sio, stage):
    @sio.event
    async def connect(sid, environ):
        await sio.enter_room(sid, "new")
        await sio.emit("early", 1, to=sid)
        await sio.emit("early", 2, room="new")
        await sio.emit("early", 3)
        stage.put(sio.manager.is_connected(sid, "/"), len(sio.rooms(sid)))


async def play(stage, sio):
    raw = await stage.raw()
    await raw.send("40")
    for _ in range(4):
        packet = await raw.read()
        stage.say(packet if packet.startswith("42") else packet[:7])
    stage.say(await stage.get())
