"""A client connects: what it is then, and what the server sees of it."""


async def play(stage):
    sio = await stage.serve_original()
    sio.on(
        "connect",
        lambda sid, environ, auth: stage.put("server", environ["HTTP_X_TEST"], environ["QUERY_STRING"][:3], auth),
    )
    for auth in (None, {}, {"token": "t"}):
        client = stage.own_client()
        client.on("connect", stage.tells("client"))
        await stage.do(client.connect, stage.url + "?a=b", headers={"X-Test": "yes"}, auth=auth)
        stage.name(client.get_sid(), "sid")
        stage.name(client.sid, "session")
        said = sorted([str(await stage.get()), str(await stage.get())])
        stage.say(*said)
        stage.say(client.connected, client.transport(), client.namespaces, client.sid, client.get_sid("/other"))
        stage.say(
            client.connection_namespaces, client.connection_transports, client.connection_auth, client.socketio_path
        )
        await stage.attempt(client.connect, stage.url)
        await stage.do(client.disconnect)
        stage.say(client.connected, client.namespaces, client.sid)
