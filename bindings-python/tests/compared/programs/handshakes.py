"""The numbers that a client is told."""

import json


async def play(stage):
    for options in (
        {},
        {"ping_interval": 2.5, "ping_timeout": 1.5},
        {"ping_interval": (10, 5)},
        {"max_http_buffer_size": 1234},
        {"allow_upgrades": False},
        {"transports": ["polling"]},
        {"transports": "websocket"},
    ):
        await stage.serve(stage.new_server(**options))
        polling = await stage.polling()
        status, body, _ = await polling.request("GET", "EIO=4&transport=polling")
        shown = {key: value for key, value in json.loads(body[1:]).items() if key != "sid"} if status == 200 else body
        stage.say(options, status, json.dumps(shown))
    for options in ({"async_mode": "nonsense"}, {"transports": ["smoke"]}, {"no_such_option": 1}):
        try:
            stage.new_server(**options)
            stage.say(options, "is fine")
        except Exception as error:
            stage.error(error)
