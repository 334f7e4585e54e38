"""Namespaces that do not let a client in, and what it says then."""


async def connect(stage, client, namespaces):
    try:
        await stage.do(client.connect, stage.url, namespaces=namespaces)
    except Exception as error:
        # In which order a server refuses is up to its tasks.
        what, colon, names = str(error).partition(": ")
        stage.error(type(error)(what + colon + ", ".join(sorted(names.split(", ")))))


async def play(stage):
    await stage.serve_original(namespaces=["/", "/refused"])
    for namespaces in ("/refused", ["/refused", "/unknown"], ["/", "/refused"], "/unknown"):
        client = stage.own_client()
        for namespace in ("/", "/refused", "/unknown"):
            for event in ("connect", "connect_error", "disconnect"):
                client.on(event, stage.tells(f"{namespace} {event}"), namespace=namespace)
        await connect(stage, client, namespaces)
        many = 1 if isinstance(namespaces, str) else len(namespaces)
        stage.say(*sorted([str(await stage.get()) for _ in range(many)]))
        stage.say(client.connected, sorted(client.failed_namespaces))
    await stage.attempt(stage.own_client().connect, stage.url, transports=["carrier pigeon"])
    await stage.attempt(stage.own_client().connect, stage.url, transports=[])
