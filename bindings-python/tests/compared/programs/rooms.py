"""Rooms: enter, leave, close, ask."""


def serve(sio, stage):
    @sio.event
    async def join(sid, room):
        await sio.enter_room(sid, room)
        return sorted(map(str, sio.rooms(sid)))

    @sio.event
    async def leave(sid, room):
        await sio.leave_room(sid, room)
        return sorted(map(str, sio.rooms(sid)))

    @sio.event
    async def disconnect(sid, reason):
        stage.put(len(sio.rooms(sid)), sio.manager.is_connected(sid, "/"))


async def play(stage, sio):
    a, b = await stage.client("a"), await stage.client("b")
    stage.say(sio.rooms(a.get_sid()))
    stage.say(sorted(await a.call("join", "zoo")))
    stage.say(len(await b.call("join", "zoo")))
    stage.say(sorted(sid for sid, _ in sio.manager.get_participants("/", "zoo")) == sorted([a.get_sid(), b.get_sid()]))
    stage.say(await b.call("leave", "zoo"))
    stage.say(await b.call("leave", "never entered"))
    stage.say([sid == a.get_sid() for sid, _ in sio.manager.get_participants("/", "zoo")])
    stage.say("closed", await stage.do(sio.close_room, "zoo"))
    stage.say(sio.rooms(a.get_sid()))
    await stage.do(sio.close_room, "nowhere")
    for args in ((a.get_sid(), b.get_sid()), ("stranger", "zoo"), (a.get_sid(), "zoo", "/nowhere")):
        await stage.attempt(sio.enter_room, *args)
    await stage.attempt(sio.close_room, a.get_sid())
    await stage.attempt(sio.leave_room, "stranger", "zoo")
    stage.say(sio.rooms("stranger"))
    await stage.do(sio.enter_room, a.get_sid(), "last")
    await stage.do(sio.disconnect, a.get_sid())
    stage.say(await stage.get())
    stage.say(sio.rooms(a.get_sid()), list(sio.manager.get_participants("/", "last")))
