"""How many arguments a connect or disconnect handler takes."""


def serve(sio, stage):
    sio.namespaces = ["/"]

    @sio.on("connect", namespace="/two")
    async def two(sid, environ):
        stage.put("two")

    @sio.on("connect", namespace="/three")
    async def three(sid, environ, auth):
        stage.put("three", auth)

    @sio.on("connect", namespace="/default")
    async def default(sid, environ, auth="none given"):
        stage.put("default", auth)

    @sio.on("connect", namespace="/broken")
    async def broken(sid, environ, auth):
        stage.put("broken", auth)
        raise TypeError("in the body")

    @sio.on("disconnect", namespace="/two")
    async def old(sid):
        stage.put("no reason")

    @sio.on("disconnect", namespace="/three")
    async def new(sid, reason):
        stage.put("reason", reason)


async def play(stage, sio):
    for namespace in ("/two", "/three", "/default"):
        for auth in ("", "{}", '{"token":1}'):
            raw = await stage.raw()
            if namespace == "/two" and auth == '{"token":1}':
                continue
            stage.say(namespace, auth, (await raw.join(namespace, auth))[:2], await stage.get())
            if namespace != "/default":
                await raw.send(f"41{namespace},")
                stage.say(await stage.get())
    raw = await stage.raw()
    await raw.send("40/broken,")
    stage.say(await stage.get())
    # Nobody answers; the connection stands.
    stage.say((await raw.join("/default"))[:2], await stage.get())
