"""The session of a client, one in each namespace."""


def serve(sio, stage):
    @sio.event
    async def connect(sid, environ, auth):
        await sio.save_session(sid, {"username": auth["name"]})

    @sio.event
    async def message(sid, data):
        session = await sio.get_session(sid)
        stage.put(session["username"], data)

    @sio.event
    async def count(sid):
        async with sio.session(sid) as session:
            session["count"] = session.get("count", 0) + 1
        return await sio.get_session(sid)

    @sio.event(namespace="/other")
    async def look(sid):
        return await sio.get_session(sid, namespace="/other")

    @sio.event
    async def disconnect(sid, reason):
        stage.put("left", await sio.get_session(sid))


async def play(stage, sio):
    client = await stage.client("a", auth={"name": "alice"}, namespaces=["/", "/other"])
    await client.send("hi")
    stage.say(await stage.get())
    stage.say(await client.call("count"), await client.call("count"))
    stage.say(await client.call("look", namespace="/other"))
    other = await stage.client("b", auth={"name": "bob"})
    stage.say(await other.call("count"))
    sid = client.get_sid()
    await stage.do(sio.disconnect, sid)
    stage.say(await stage.get())
    await stage.attempt(sio.get_session, "stranger")
    await stage.attempt(sio.save_session, "stranger", {})
