"""What becomes of values on their way out and back."""

import math


class Text(str):
    pass


class Number(int):
    def __repr__(self):
        return "not this"


def serve(sio, stage):
    @sio.event
    async def echo(sid, *args):
        return args


async def play(stage, sio):
    client = await stage.client("a")
    for value in (
        "",
        'ü€😀\n\t"\\/\x7f\u2028',
        "lone \ud800 surrogate",
        0,
        -1,
        2**53,
        2**64 + 1,
        -(2**70),
        1.5,
        1e300,
        -0.0,
        math.inf,
        -math.inf,
        True,
        None,
        [],
        {},
        [[[]]],
        {"a": {"b": [1, 2, {"c": None}]}},
        {2: "int", None: "none", True: "true", 1.5: "float"},
        ("a", "tuple"),
        [("inner", "tuple")],
        Text("subclass"),
        Number(7),
        b"",
        b"\x00\x01\xff",
        [b"one", b"two"],
        {"a": b"one", "b": {"c": [b"two"]}},
    ):
        await stage.do(sio.emit, "value", (value, "end") if value is None else value, to=client.get_sid())
        stage.say("out", await client.next())
        try:
            stage.say("back", await client.call("echo", value))
        except Exception as error:
            stage.error(error)
    await stage.do(sio.emit, "nan", math.nan, to=client.get_sid())
    stage.say(await client.next())
    for wrong in (object(), {1, 2}, {("a",): 1}, [object]):
        await stage.attempt(sio.emit, "x", wrong, to=client.get_sid())
