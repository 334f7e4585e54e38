"""The `environ` of a client: one mutable dictionary."""


def serve(sio, stage):
    @sio.event
    async def connect(sid, environ):
        environ["mine"] = sid
        names = ("REQUEST_METHOD", "PATH_INFO", "HTTP_X_WHO", "HTTP_USER_AGENT", "wsgi.url_scheme", "REMOTE_ADDR")
        stage.put({name: environ.get(name) for name in names}, "EIO=4" in environ["QUERY_STRING"])

    @sio.event
    async def look(sid):
        environ = sio.get_environ(sid)
        return environ["mine"] == sid, environ is sio.get_environ(sid), len(sio.environ)


async def play(stage, sio):
    for transports in (["websocket"], ["polling"]):
        client = await stage.client("a", transports=transports, headers={"X-Who": "me", "User-Agent": "test"})
        stage.say(await stage.get())
        stage.say(await client.call("look"))
    stage.say(sio.get_environ("stranger"))
