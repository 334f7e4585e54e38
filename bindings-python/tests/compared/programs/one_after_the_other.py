"""`async_handlers=False`: the events of a client in order, each to its end."""

OPTIONS = {"async_handlers": False}


def serve(sio, stage):
    @sio.event
    async def work(sid, n):
        stage.put("begin", n)
        await sio.sleep(0.02 if n == 0 else 0)
        stage.put("end", n)
        return n

    @sio.event
    async def ask(sid):
        try:
            await sio.call("question", to=sid)
        except RuntimeError as error:
            return str(error)


async def play(stage, sio):
    client = await stage.client("a")
    for n in range(4):
        await client.emit("work", n)
    for _ in range(8):
        stage.say(await stage.get())
    stage.say(await client.call("ask"))
