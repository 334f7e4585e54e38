"""What is logged of packets, with a logger of its own."""

import logging
import re


class Lines(logging.Handler):
    def __init__(self, stage):
        super().__init__()
        self.lines = []
        self.heartbeats = set()

    def emit(self, record):
        line = record.getMessage()
        # Neither the end of a connection nor its heartbeats have a certain place among them.
        if "packet P" in line:
            self.heartbeats.add(line)
        elif ": " in line and not re.search("packet (NOOP|CLOSE)", line):
            self.lines.append((record.levelname, line))


def options(stage):
    logger = logging.getLogger(f"compared.engineio.{stage.Server.__name__}")
    logger.propagate = False
    logger.setLevel(logging.INFO)
    logger.handlers = [Lines(stage)]
    return {"engineio_logger": logger, "ping_interval": 1}


def serve(sio, stage):
    @sio.event
    async def echo(sid, *args):
        await sio.emit("echo", args, to=sid)
        return "done"

    @sio.event
    def disconnect(sid, reason):
        stage.put("gone")


async def play(stage, sio):
    logger = logging.getLogger(f"compared.engineio.{stage.Server.__name__}")
    (lines,) = logger.handlers
    for transports in (["websocket"], ["polling"]):
        client = await stage.client("a", transports=transports)
        stage.name(client.eio.sid, "session")
        stage.say(await client.call("echo", (1, b"x")), await client.next())
        while not any("PONG" in line for line in lines.heartbeats):
            await stage.do(sio.sleep, 0.05)
        stage.say(*sorted(lines.heartbeats))
        lines.heartbeats.clear()
        await client.disconnect()
        stage.say(await stage.get())
        for level, line in lines.lines:
            stage.say(level, re.sub(r'"sid":"[^"]*"', '"sid":"…"', line))
        lines.lines.clear()
