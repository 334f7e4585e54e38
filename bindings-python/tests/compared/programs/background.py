"""Background tasks and `sleep`."""


def serve(sio, stage):
    async def background(name, count=1):
        for n in range(count):
            await sio.sleep(0.001)
            await sio.emit("tick", (name, n))
        stage.put("done", name)
        return count

    stage.background = background

    @sio.event
    async def start(sid):
        sio.start_background_task(background, "in a handler")


async def play(stage, sio):
    client = await stage.client("a")
    await client.emit("start")
    stage.say(await client.next(), await stage.get())
    task = await stage.do(lambda: sio.start_background_task(stage.background, "outside", count=2))
    stage.say(await client.next(), await client.next(), await stage.get())
    if stage.threads:
        await stage.do(task.join)
    else:
        stage.say(await stage.do(sio.sleep, 0))
