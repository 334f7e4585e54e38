"""The simple clients."""


async def play(stage):
    sio = await stage.serve_original()

    async def hello(sid, environ, auth):
        await sio.emit("hello", {"auth": auth}, to=sid)

    sio.on("connect", hello)
    kind = stage.socketio.SimpleClient if stage.threads else stage.socketio.AsyncSimpleClient
    client = kind(reconnection=False, handle_sigint=False)
    stage.say(client.sid, client.transport, client.connected)
    await stage.do(client.connect, stage.url, auth={"a": 1})
    stage.name(client.sid, "sid")
    stage.say(client.sid, client.transport, client.connected, client.namespace)
    stage.say(await stage.do(client.receive))
    await stage.attempt(client.connect, stage.url)
    await stage.do(client.emit, "echo", (1, [2]))
    stage.say(await stage.do(client.receive, timeout=5))
    stage.say(await stage.do(client.call, "echo", "x"), await stage.do(client.receive))
    await stage.attempt(client.receive, timeout=0.01)
    await stage.attempt(client.call, "nobody", timeout=0.01)
    await stage.do(client.disconnect)
    stage.say(client.sid, client.transport, client.connected)
