"""What HTTP requests are answered that are no good."""

import json

OPTIONS = {"cors_allowed_origins": None}


def serve(sio, stage):
    pass


async def play(stage, sio):
    polling = await stage.polling()
    own = stage.url
    for method, query, headers in (
        ("GET", "EIO=4&transport=smoke", {}),
        ("GET", "EIO=3&transport=polling", {}),
        ("GET", "transport=polling", {}),
        ("GET", "EIO=4&transport=polling&sid=unknown", {}),
        ("POST", "EIO=4&transport=polling&sid=unknown", {}),
        ("POST", "EIO=4&transport=polling", {}),
        ("OPTIONS", "EIO=4&transport=polling", {}),
        ("PUT", "EIO=4&transport=polling", {}),
        ("GET", "EIO=4&transport=polling", {"Origin": "http://evil.example"}),
        ("GET", "EIO=4&transport=websocket", {}),
    ):
        status, body, answer = await polling.request(method, query, headers=headers)
        shown = [answer.get(name) for name in ("content-type", "access-control-allow-origin")]
        stage.say(method, query, headers, status, body if len(body) < 100 else body[:40], shown)
    for origin in (own, None):
        headers = {"Origin": origin} if origin else {}
        status, body, answer = await polling.request("GET", "EIO=4&transport=polling", headers=headers)
        stage.say(origin == own, status, body[:1], json.loads(body[1:])["upgrades"])
        allowed = answer.get("access-control-allow-origin")
        stage.say(allowed == origin, answer.get("access-control-allow-credentials"))
