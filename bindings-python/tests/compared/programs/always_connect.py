"""`always_connect`: the client is told before it is asked about."""

OPTIONS = {"always_connect": True}


def serve(sio, stage):
    @sio.event
    async def connect(sid, environ, auth):
        await sio.emit("early", to=sid)
        return auth != {"refuse": True}


async def play(stage, sio):
    raw = await stage.raw()
    await raw.send("40")
    stage.say((await raw.read())[:7], await raw.read())
    raw = await stage.raw()
    await raw.send('40{"refuse":true}')
    stage.say((await raw.read())[:7], await raw.read(), await raw.read())
