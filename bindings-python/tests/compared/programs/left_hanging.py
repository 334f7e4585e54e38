"""Handlers that never come to an end, and handlers that end what they stand on: nobody else minds."""

import asyncio
import threading


def serve(sio, stage):
    stage.gate = threading.Event() if stage.threads else asyncio.Event()

    @sio.event
    async def connect(sid, environ, auth=None):
        if auth == {"wait": True}:
            stage.put("asked")
            await stage.gate.wait()

    @sio.event
    async def wait(sid):
        stage.put("waiting")
        await stage.gate.wait()
        return "at last"

    @sio.event
    async def twice(sid):
        await sio.disconnect(sid)
        await sio.disconnect(sid)
        return "not told any more"

    @sio.event
    async def fine(sid):
        return "fine"

    @sio.event
    async def disconnect(sid, reason):
        stage.put("left", reason)
        await sio.disconnect(sid)


async def play(stage, sio):
    bystander = await stage.client("bystander")
    client = await stage.raw()
    await client.join()
    for number in range(3):
        await client.send(f'42{number}["wait"]')
        stage.say(await stage.get())
    await client.send('429["fine"]')
    stage.say(await client.read())
    stage.say(await bystander.call("fine"))
    # It leaves while its handlers run.
    await client.send("41")
    stage.say(await stage.get(), await bystander.call("fine"))
    # The same is asked in; nobody answers, and it leaves.
    asking = await stage.raw()
    await asking.send('40{"wait":true}')
    stage.say(await stage.get(), await bystander.call("fine"))
    await asking.close()
    stage.say(await bystander.call("fine"))
    # Who ends itself ends once.
    client = await stage.raw()
    await client.join()
    await client.send('421["twice"]')
    stage.say(await client.read(), await stage.get(), await bystander.call("fine"))
    stage.gate.set()
    stage.say(await bystander.call("fine"))
