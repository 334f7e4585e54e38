"""The server asks: `emit(callback=…)` and `call`."""


def serve(sio, stage):
    @sio.event
    async def ask(sid, what):
        answer = await sio.call("question", what, to=sid)
        return ["the answer", answer]


async def play(stage, sio):
    client = await stage.client("a")
    answers = {"none": None, "one": 1, "tuple": ("a", 2), "list": [1, 2], "bytes": b"b"}
    client.on("question", lambda what=None: answers[what or "none"])
    sid = client.get_sid()
    for what in answers:
        stage.say(what, await stage.do(sio.call, "question", what, to=sid))
        stage.say(what, await stage.do(sio.call, "question", what, sid=sid, timeout=10))
        await stage.do(sio.emit, "question", what, to=sid, callback=lambda *args: stage.put("called", args))
        stage.say("callback", await stage.get())
    stage.say(await client.call("ask", "tuple"))
    await stage.attempt(sio.call, "question")
    client.on("silent", client.gone.get)
    await stage.attempt(sio.call, "silent", to=sid, timeout=0.05)
