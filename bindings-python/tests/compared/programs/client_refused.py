"""Namespaces that do not let a client in, and what it says then."""


async def play(stage):
    await stage.serve_original(namespaces=["/", "/refused"])
    for namespaces in ("/refused", ["/refused", "/unknown"], ["/", "/refused"], "/unknown"):
        client = stage.own_client()
        for namespace in ("/", "/refused", "/unknown"):
            for event in ("connect", "connect_error", "disconnect"):
                client.on(event, stage.tells(f"{namespace} {event}"), namespace=namespace)
        await stage.attempt(client.connect, stage.url, namespaces=namespaces)
        many = 1 if isinstance(namespaces, str) else len(namespaces)
        stage.say(*sorted([str(await stage.get()) for _ in range(many)]))
        stage.say(client.connected, sorted(client.failed_namespaces))
    await stage.attempt(stage.own_client().connect, stage.url, transports=["carrier pigeon"])
    await stage.attempt(stage.own_client().connect, stage.url, transports=[])
