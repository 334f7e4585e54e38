"""Plain functions as handlers of an asyncio server, partials, callables and methods."""

import functools


class Handlers:
    def __init__(self, stage):
        self.stage = stage

    def method(self, sid, *args):
        return "method", *args

    def __call__(self, sid, *args):
        return "called", *args


def serve(sio, stage):
    handlers = Handlers(stage)
    sio.on("plain", lambda sid, *args: ("plain", *args))
    sio.on("method", handlers.method)
    sio.on("object", handlers)
    sio.on("partial", functools.partial(handlers.method, "ignored"))

    @sio.on("decorated", namespace="/")
    async def decorated(sid, a, b=2, *rest, **named):
        return a, b, rest, named


async def play(stage, sio):
    client = await stage.client("a")
    for event, data in (
        ("plain", 1),
        ("method", (1, 2)),
        ("object", None),
        ("partial", "x"),
        ("decorated", 1),
        ("decorated", (1, 3, 4)),
    ):
        stage.say(event, await client.call(event, data))
    stage.say(callable(sio.on("x")), sio.event(handlers_named) is handlers_named)


async def handlers_named(sid):
    pass
