"""Each way to turn a client away."""


def serve(sio, stage):
    @sio.event
    async def connect(sid, environ, auth):
        how = (auth or {}).get("how")
        if how == "false":
            return False
        if how == "none":
            raise stage.refused()
        if how == "one":
            raise stage.refused("authentication failed")
        if how == "number":
            raise stage.refused(401)
        if how == "two":
            raise stage.refused("authentication failed", {"code": 7})
        if how == "three":
            raise stage.refused("authentication failed", "b", "c")
        if how == "builtin":
            raise ConnectionRefusedError("builtin")
        if how == "zero":
            return 0
        return None

    sio.namespaces = ["/", "/also"]


async def play(stage, sio):
    for how in ("false", "none", "one", "number", "two", "three", "builtin"):
        raw = await stage.raw()
        stage.say(how, await raw.join(auth=f'{{"how":"{how}"}}'))
    for how in ("zero", "welcome"):
        raw = await stage.raw()
        stage.say(how, (await raw.join(auth=f'{{"how":"{how}"}}'))[:8])
    raw = await stage.raw()
    stage.say(await raw.join("/nowhere"))
    stage.say((await raw.join("/also"))[:13])
    stage.say(sorted(sio.manager.get_namespaces()))
