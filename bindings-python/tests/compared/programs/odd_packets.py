"""Packets that no honest client sends."""

from websockets.exceptions import ConnectionClosed

ONLY = False


def serve(sio, stage):
    @sio.event
    async def echo(sid, *args):
        return args


async def play(stage, sio):
    async def after(*packets):
        raw = await stage.raw()
        await raw.join()
        await raw.send(*packets)
        try:
            await raw.send('429["echo",1]')
            while (answer := await raw.read()) != "439[1]":
                stage.say(packets, "answered", answer[:30])
            return "stands"
        except ConnectionClosed:
            return "closed"

    for packets in (
        ('420["echo",1]',),
        ('42["echo"',),
        ("42{}",),
        ("42[]",),
        ("42[1]",),
        ("40",),
        ('42["connect"]',),
        ("49",),
        ("4",),
        ('44{"message":"x"}',),
        ('437["no such ack"]',),
        ('42/nowhere,["echo"]',),
        ("41/nowhere,",),
        ("6",),
        ("x",),
    ):
        stage.say(packets, await after(*packets))
