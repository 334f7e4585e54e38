"""A client that only polls, by hand."""

import json


def serve(sio, stage):
    @sio.event
    async def echo(sid, *args):
        await sio.emit("echoed", args, to=sid)
        return args


async def play(stage, sio):
    polling = await stage.polling()
    await polling.open()
    shown = {key: value for key, value in polling.handshake.items() if key != "sid"}
    stage.say(json.dumps(shown), len(polling.handshake["sid"]))
    await polling.post("40")
    (joined,) = await polling.get()
    sid = json.loads(joined[2:])["sid"]
    stage.say(sio.transport(sid))
    await polling.post('421["echo","one"]', '422["echo",{"two":2}]')
    packets = []
    while len(packets) < 4:
        packets += await polling.get()
    stage.say(sorted(packets))
    await polling.post('451-["echo",{"_placeholder":true,"num":0}]', "bAAEC")
    packets = []
    while len(packets) < 2:
        packets += await polling.get()
    stage.say(packets)
    status, body, headers = await polling.request("POST", f"EIO=4&transport=polling&sid={polling.sid}", data="41")
    stage.say(status, body, headers["content-type"])
