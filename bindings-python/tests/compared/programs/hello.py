"""The first program of the guide: connect, a message, disconnect."""


def serve(sio, stage):
    @sio.event
    async def connect(sid, environ, auth):
        stage.put("connect", sid, environ["REQUEST_METHOD"], auth)

    @sio.event
    async def my_message(sid, data):
        stage.put("message", data)

    @sio.event
    async def disconnect(sid, reason):
        stage.put("disconnect", reason)


async def play(stage, sio):
    client = await stage.client("a")
    stage.say(await stage.get())
    await client.emit("my_message", {"response": "my response"})
    stage.say(await stage.get())
    await stage.do(sio.disconnect, client.get_sid())
    stage.say(await stage.get())
    stage.say("told:", await client.gone.get())
