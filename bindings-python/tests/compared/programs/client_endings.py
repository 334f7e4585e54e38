"""How a client's connection ends, and what its handlers are told."""

import asyncio


async def play(stage):
    sio = await stage.serve_original()

    async def connected(**options):
        client = stage.own_client(**options)
        for event in ("connect", "disconnect", "__disconnect_final"):
            client.on(event, stage.tells(event))
        await stage.do(client.connect, stage.url)
        await stage.say_next()
        return client

    async def say_end(client):
        await stage.say_next(2)
        await stage.do(client.wait)
        stage.say(client.connected, client.namespaces, client.sid, client.eio.state)
        await stage.attempt(client.emit, "echo")

    stage.say("the client disconnects")
    client = await connected()
    await stage.do(client.disconnect)
    await say_end(client)
    await stage.do(client.disconnect)

    stage.say("the server disconnects")
    client = await connected(reconnection=True)
    await stage.do(client.emit, "leave")
    await say_end(client)

    stage.say("the server says goodbye")
    client = await connected(reconnection=True)
    await sio.eio.disconnect(client.sid)
    await say_end(client)

    stage.say("shutdown")
    client = await connected()
    await stage.do(client.shutdown)
    await say_end(client)

    stage.say("without a reason")
    client = stage.own_client()
    client.on("disconnect", lambda: stage.put("old handler"))
    await stage.do(client.connect, stage.url)
    await stage.do(client.disconnect)
    await stage.say_next()

    stage.say("one namespace of two")
    client = stage.own_client()

    async def go(sid):
        await sio.disconnect(sid, namespace="/other")

    sio.on("go", go, namespace="/other")
    client.on("disconnect", stage.tells("disconnect"), namespace="/other")
    await stage.do(client.connect, stage.url, namespaces=["/", "/other"])
    await stage.do(client.emit, "go", namespace="/other")
    await stage.say_next()
    while "/other" in client.namespaces:
        await asyncio.sleep(0.01)
    stage.say(client.connected, list(client.namespaces))
    await stage.attempt(client.emit, "go", namespace="/other")
