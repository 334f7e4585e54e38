"""`cors_allowed_origins` and `cors_credentials`."""


async def play(stage):
    for options in (
        {"cors_allowed_origins": "*"},
        {"cors_allowed_origins": "http://a.example"},
        {"cors_allowed_origins": ["http://a.example", "http://b.example"]},
        {"cors_allowed_origins": []},
        {"cors_allowed_origins": "*", "cors_credentials": False},
        {"cors_allowed_origins": lambda origin: origin == "http://a.example"},
        {"cors_allowed_origins": lambda origin, environ: environ["HTTP_X_WHO"] == "me"},
        {"cors_allowed_origins": None, "cors_credentials": False},
    ):
        await stage.serve(stage.new_server(**options))
        polling = await stage.polling()
        shown = {name: value if not callable(value) else "a function" for name, value in options.items()}
        for origin in ("http://a.example", "http://b.example", stage.url, None):
            headers = {"X-Who": "me" if origin == "http://b.example" else "you"}
            if origin is not None:
                headers["Origin"] = origin
            status, body, answer = await polling.request("GET", "EIO=4&transport=polling", headers=headers)
            names = ("access-control-allow-origin", "access-control-allow-credentials")
            cors = [(answer.get(name) or "-").replace(stage.url, "own") for name in names]
            who = "own" if origin == stage.url else origin
            stage.say(shown, who, status, "open" if status == 200 else body.replace(stage.url, "own"), cors)
