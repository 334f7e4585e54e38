"""The cookie of a session."""


async def play(stage):
    for cookie in (
        None,
        "io",
        {"name": "sid", "path": "/chat", "HttpOnly": True},
        {"SameSite": "None", "Secure": True},
        {"name": "io", "Max-Age": lambda: "5", "Secure": lambda: True},
    ):
        await stage.serve(stage.new_server(cookie=cookie))
        polling = await stage.polling()
        headers = await polling.open()
        stage.say(headers.get("set-cookie", "none").replace(polling.sid, "<sid>"))
        await polling.post("40")
