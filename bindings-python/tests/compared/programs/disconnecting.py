"""Why a client is gone."""


def serve(sio, stage):
    @sio.event
    async def disconnect(sid, reason):
        stage.put(reason, sio.get_environ(sid) is not None)

    @sio.event
    async def leave(sid):
        await sio.disconnect(sid)
        return "not told any more"


async def play(stage, sio):
    raw = await stage.raw()
    await raw.join()
    await raw.send("41")
    stage.say("41", await stage.get())
    raw = await stage.raw()
    await raw.join()
    await raw.send("1")
    stage.say("1", await stage.get())
    raw = await stage.raw()
    await raw.join()
    await raw.close()
    stage.say("closed", await stage.get())
    raw = await stage.raw()
    await raw.join()
    await raw.send('42["leave"]')
    stage.say("kicked", await raw.read(), await stage.get())
    # The Engine.IO connection stands: it may join again.
    stage.say((await raw.join())[:7])
    stage.say(await stage.do(sio.disconnect, "stranger"))
    reason = stage.Server.reason
    stage.say({name: getattr(reason, name) for name in sorted(dir(reason)) if name.isupper()})
