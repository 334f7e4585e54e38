"""Handlers of several namespaces, and which of them a client may join."""


def serve(sio, stage):
    @sio.event(namespace="/chat")
    async def connect(sid, environ):
        stage.put("chat")

    @sio.on("where", namespace="/chat")
    async def chat(sid):
        return "/chat"

    @sio.on("where")
    async def root(sid):
        return "/"


async def play(stage, sio):
    client = await stage.client("a", namespaces=["/", "/chat"])
    stage.say(await stage.get())
    stage.say(await client.call("where"), await client.call("where", namespace="/chat"))
    stage.say(client.get_sid("/") != client.get_sid("/chat"))
    await stage.do(sio.emit, "x", 1, namespace="/chat")
    await stage.do(sio.emit, "x", 2)
    stage.say(await client.next(), await client.next())
    stage.say(sio.namespaces, sorted(sio.manager.get_namespaces()))
    raw = await stage.raw()
    for namespaces in (["/listed"], "*"):
        sio.namespaces = namespaces
        for name in ("/listed", "/unlisted", "/chat"):
            stage.say(namespaces, name, (await raw.join(name))[: 5 + len(name)])
            await raw.send(f"41{name},")
