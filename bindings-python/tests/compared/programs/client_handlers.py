"""Which handler of a client is called, and with what before the server's arguments."""


async def play(stage):
    await stage.serve_original()
    kind = stage.socketio.ClientNamespace if stage.threads else stage.socketio.AsyncClientNamespace

    class Methods(kind):
        def on_echo(self, *args):
            stage.put("method of", self.namespace, *args)

        def on_connect(self, *args):
            stage.put("connect method of", self.namespace, *args)

        def on_disconnect(self, *args):
            stage.put("disconnect method of", self.namespace, *args)

    ways = [
        ("class of *", lambda client: client.register_namespace(Methods("*"))),
        ("class of /", lambda client: client.register_namespace(Methods("/"))),
        ("* of *", lambda client: client.on("*", stage.tells("* of *"), namespace="*")),
        ("echo of *", lambda client: client.on("echo", stage.tells("echo of *"), namespace="*")),
        ("* of /", lambda client: client.on("*", stage.tells("* of /"))),
        ("echo of /", lambda client: client.on("echo", stage.tells("echo of /"))),
    ]
    for count in range(1, len(ways) + 1):
        client = stage.own_client()
        client.on("done", stage.tells("done"))
        for _, register in ways[:count]:
            register(client)
        if count < 5:
            # A namespace that has handlers does not look among those of "*".
            del client.handlers["/"]
        await stage.do(client.connect, stage.url)
        await stage.do(client.call, "echo", "x")
        await stage.do(client.disconnect)
        stage.put("end")
        stage.say(ways[count - 1][0], client.connection_namespaces)
        while (heard := await stage.get()) != "end":
            stage.say("   ", heard)
