"""The ways to register a handler, and which one is called."""


def serve(sio, stage):
    @sio.on("my custom event")
    async def another(sid, data):
        stage.put("another", data)

    @sio.event
    async def plain(sid, *args):
        stage.put("plain", args)

    @sio.event
    async def twice(sid):
        stage.put("the first")

    @sio.event
    async def twice(sid):  # noqa: F811
        stage.put("the last")

    @sio.on("*")
    async def catch_all(event, sid, *args):
        stage.put("catch-all", event, args)

    @sio.on("*", namespace="*")
    async def everywhere(event, namespace, sid, *args):
        stage.put("everywhere", event, namespace, args)

    @sio.on("elsewhere", namespace="*")
    async def elsewhere(namespace, sid, *args):
        stage.put("elsewhere", namespace, args)

    sio.namespaces = ["/", "/other"]


async def play(stage, sio):
    client = await stage.client("a", namespaces=["/", "/other"])
    for namespace in ("/", "/other"):
        for event, data in (
            ("my custom event", 1),
            ("plain", None),
            ("plain", (1, "two", [3], {"four": 4})),
            ("plain", [1, 2]),
            ("twice", None),
            ("unknown", ("a", "b")),
            ("elsewhere", "x"),
        ):
            await client.emit(event, data, namespace=namespace)
            stage.say(namespace, event, await stage.get())
    stage.say(sorted(sio.handlers), sorted(sio.handlers["/"]), sorted(sio.handlers["*"]))
