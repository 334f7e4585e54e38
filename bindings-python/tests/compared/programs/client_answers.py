"""Events and acknowledgements both ways, with data of every kind."""

DATA = [None, 0, "€", [], [1, [2]], {"a": {"b": None}}, b"\x00\xff", {"x": [b"1", b"2"]}, (), (1,), (1, "two", b"3")]


async def play(stage):
    await stage.serve_original()
    client = stage.own_client()
    client.on("echo", stage.tells("echo"))
    returns = {"none": None, "one": 1, "list": [1, 2], "tuple": (1, b"2"), "empty": ()}
    for name, value in returns.items():
        client.on(name, lambda *args, value=value: value)
    await stage.do(client.connect, stage.url)
    for data in DATA:
        answer = await stage.do(client.call, "echo", data)
        stage.say(data, "is answered with", answer, "and echoed as", await stage.get())
    await stage.do(client.emit, "echo", (1, 2), callback=stage.tells("callback"))
    stage.say(*sorted([str(await stage.get()), str(await stage.get())]))
    for name in (*returns, "no handler"):
        await stage.do(client.emit, "ask", (name, 1, 2))
        stage.say(name)
        await stage.say_next()
    await stage.attempt(client.call, "nobody", timeout=0.01)
    await stage.attempt(client.emit, "echo", {1})
    await stage.attempt(client.emit, "echo", namespace="/other")
    await stage.attempt(client.call, "echo", namespace="/other")
    await stage.attempt(client.send, "x", namespace="/other")
