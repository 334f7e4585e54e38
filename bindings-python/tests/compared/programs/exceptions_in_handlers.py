"""A handler that raises costs the client nothing."""


def serve(sio, stage):
    @sio.event
    async def connect(sid, environ):
        pass

    @sio.event
    async def boom(sid):
        raise RuntimeError("boom")

    @sio.event
    async def too_few(sid):
        pass

    @sio.event
    async def fine(sid):
        return "fine"

    @sio.event
    async def disconnect(sid, reason):
        stage.put("disconnect")
        raise RuntimeError("boom")


async def play(stage, sio):
    client = await stage.client("a")
    await client.emit("boom")
    await client.emit("too_few", (1, 2, 3))
    stage.say(await client.call("fine"))
    sid = client.get_sid()
    try:
        await stage.do(sio.disconnect, sid)
        stage.say("no exception")
    except RuntimeError as error:
        stage.error(error)
    stage.say(await stage.get())
    other = await stage.client("b")
    stage.say(await other.call("fine"))
