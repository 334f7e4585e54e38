"""What a handler returns is what the client's callback gets."""


def serve(sio, stage):
    @sio.on("give")
    async def give(sid, what):
        return {
            "none": None,
            "one": 1,
            "tuple": ("OK", 123),
            "one in a tuple": ("OK",),
            "empty tuple": (),
            "list": [1, 2],
            "dict": {"a": [1, {"b": None}]},
            "false": False,
            "zero": 0,
            "text": "ü€",
            "bytes": b"\x00\xff",
            "nested bytes": {"data": [b"a", {"x": b"b"}]},
        }[what]

    @sio.event
    async def boom(sid):
        raise RuntimeError("boom")


async def play(stage, sio):
    client = await stage.client("a")
    for what in (
        "none",
        "one",
        "tuple",
        "one in a tuple",
        "empty tuple",
        "list",
        "dict",
        "false",
        "zero",
        "text",
        "bytes",
        "nested bytes",
    ):
        stage.say(what, await client.call("give", what))
    raw = await stage.raw()
    await raw.join()
    # No acknowledgement for the first three: the fourth's comes first.
    await raw.send('420["unknown"]', '421["boom"]', '422["give"]', '423["give","tuple"]')
    stage.say(await raw.read())
