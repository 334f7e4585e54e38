"""What is logged."""

import logging


class Lines(logging.Handler):
    def __init__(self, stage):
        super().__init__()
        self.stage = stage

    def emit(self, record):
        self.stage.put(record.levelname, record.getMessage())


async def play(stage):
    logger = logging.getLogger(f"compared.{stage.Server.__name__}")
    logger.propagate = False
    logger.setLevel(logging.INFO)
    logger.handlers = [Lines(stage)]
    sio = stage.new_server(logger=logger)
    sio.on("x", lambda sid, *args: None)
    await stage.serve(sio)
    client = await stage.client("a")
    await client.call("x", (1, 2))
    stage.say(await stage.get())
    await stage.do(sio.emit, "all", 1)
    stage.say(await stage.get())
    await stage.do(sio.emit, "one", to=client.get_sid())
    stage.say(await stage.get())
    await stage.do(sio.send, "text", room="r")
    stage.say(await stage.get())
    await stage.do(sio.disconnect, client.get_sid())
    stage.say(await stage.get())
    for given, level in ((True, logging.INFO), (False, logging.ERROR)):
        named = logging.getLogger("socketio.server")
        named.handlers, named.level = [], logging.NOTSET
        stage.new_server(logger=given)
        stage.say(given, named.level == level, [type(handler).__name__ for handler in named.handlers])
