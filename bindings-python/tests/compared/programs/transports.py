"""Polling, a WebSocket, and the way from one to the other."""


def serve(sio, stage):
    @sio.event
    async def echo(sid, *args):
        await sio.emit("echoed", args, to=sid)
        return sio.transport(sid), *args


async def play(stage, sio):
    for transports in (["polling"], ["websocket"], ["polling", "websocket"]):
        client = await stage.client("a", transports=transports)
        stage.say(transports, client.transport(), await client.call("echo", ("ü", b"\x00")), await client.next())
    await stage.attempt(sio.transport, "stranger")
