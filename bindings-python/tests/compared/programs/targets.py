"""To whom an event goes."""


def serve(sio, stage):
    pass


async def play(stage, sio):
    clients = [await stage.client(name) for name in "abc"]
    a, b, c = (client.get_sid() for client in clients)
    for sid, room in ((a, "red"), (b, "red"), (b, "blue"), (c, 7), (c, ("a", "tuple"))):
        await stage.do(sio.enter_room, sid, room)
    for number, options in enumerate(
        (
            {},
            {"to": a},
            {"room": b},
            {"to": "red"},
            {"room": "blue"},
            {"to": ["red", "blue"]},
            {"to": [a, c]},
            {"to": 7},
            {"to": "7"},
            {"to": [("a", "tuple")]},
            {"room": "red", "to": "blue"},
            {"to": "nowhere"},
            {"skip_sid": a},
            {"skip_sid": [a, b]},
            {"to": "red", "skip_sid": b},
            {"to": a, "skip_sid": a},
            {"to": "", "room": None},
            {"namespace": "/nowhere"},
        )
    ):
        stage.say("returns", await stage.do(sio.emit, "n", number, **options))
    await stage.do(sio.send, "text", room="red")
    await stage.do(sio.send, ("two", "texts"), to=c)
    await stage.do(sio.emit, "end")
    for name, client in zip("abc", clients, strict=True):
        heard = []
        while (event := await client.next()) != ("end",):
            heard.append(event[1] if event[0] == "n" else event)
        stage.say(name, heard)
