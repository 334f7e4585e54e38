"""Events both ways, their acknowledgements, and which handler is called."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

DATA = [
    None,
    0,
    -1.5,
    "text €",
    True,
    [1, [2, 3], {}],
    {"a": {"b": [None, False]}},
    b"\x00\xffbytes",
    {"deep": [b"one", {"two": b"two"}]},
]


@pytest.mark.every_server
@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_data_of_every_kind(face, site, transport):
    client = face.client()
    client.on("echo", face.tells("echo"))
    await face.do(client.connect, site.url, transports=[transport])
    for data in DATA:
        await face.do(client.emit, "echo", data)
        assert await face.get() == ("echo" if data is None else ("echo", data))
    await face.do(client.emit, "echo", (1, [2], b"3"))
    assert await face.get() == ("echo", 1, [2], b"3")
    await face.do(client.emit, "echo", ())
    assert await face.get() == "echo"


@pytest.mark.every_server
async def test_answers(face, site):
    client = face.client()
    await face.do(client.connect, site.url)
    assert await face.do(client.call, "echo") is None
    assert await face.do(client.call, "echo", {"x": b"y"}) == {"x": b"y"}
    assert await face.do(client.call, "echo", (1, 2)) == (1, 2)
    await face.do(client.emit, "echo", (1, "two"), callback=face.tells("answer"))
    assert await face.get() == ("answer", 1, "two")
    await face.do(client.send, "x", callback=face.tells("nobody"))
    assert await face.do(client.call, "echo", "after") == "after"
    assert await face.silent()


@pytest.mark.every_server
async def test_an_answer_that_does_not_come(face, site):
    client = face.client()
    await face.do(client.connect, site.url)
    with pytest.raises(face.socketio.exceptions.TimeoutError):
        await face.do(client.call, "nobody hears it", timeout=0.05)
    assert await face.do(client.call, "echo", 1) == 1


@pytest.mark.every_server
async def test_what_a_handler_returns_is_the_acknowledgement(face, site):
    client = face.client()
    client.on("one", lambda *args: list(args))
    client.on("two", lambda: (1, b"2"))
    client.on("none", lambda: None)
    await face.do(client.connect, site.url)
    for event, args, answer in [
        ("one", (1, "x"), [1, "x"]),
        ("two", (), (1, b"2")),
        ("none", (), None),
        ("no handler", (), None),
    ]:
        await face.do(client.emit, "ask", (event, *args))
        await site.get() if event == "one" else None
        assert await site.get() == answer


async def test_a_coroutine_function_as_handler(socketio, site):
    client = socketio.AsyncClient(reconnection=False, handle_sigint=False)
    answers: asyncio.Queue[Any] = asyncio.Queue()

    @client.event
    async def question(number: int) -> int:
        await asyncio.sleep(0)
        return number + 1

    async def answered(*args: Any) -> None:
        await asyncio.sleep(0)
        answers.put_nowait(args)

    await client.connect(site.url)
    await site.get()
    await client.emit("ask", ("question", 41))
    assert await site.get() == 42
    await client.emit("echo", 5, callback=answered)
    assert await answers.get() == (5,)
    await client.disconnect()


async def test_a_handler_may_call(face, site):
    """It waits for an answer that comes by the connection whose event it handles."""
    client = face.client()

    if face.threads:

        def question() -> None:
            face.put("answer", client.call("echo", "in a handler"))
    else:

        async def question() -> None:
            face.put("answer", await client.call("echo", "in a handler"))

    client.on("question", question)
    await face.do(client.connect, site.url)
    await face.do(client.emit, "ask", "question")
    assert await face.get() == ("answer", "in a handler")


async def test_priority_of_handlers(face, site):
    client = face.client()
    await face.do(client.connect, site.url, namespaces=["/", "/other"])

    async def heard(namespace: str) -> Any:
        await face.do(client.emit, "echo", 1, namespace=namespace)
        return await face.get()

    class Methods(face.ClientNamespace):
        def on_echo(self, *args: Any) -> None:
            face.put("method", *args)

    client.register_namespace(Methods("*"))
    assert await heard("/other") == ("method", "/other", 1)
    client.register_namespace(Methods("/other"))
    assert await heard("/other") == ("method", 1)
    client.on("*", face.tells("*/*"), namespace="*")
    assert await heard("/other") == ("*/*", "echo", "/other", 1)
    client.on("echo", face.tells("*/echo"), namespace="*")
    assert await heard("/other") == ("*/echo", "/other", 1)
    client.on("*", face.tells("/other/*"), namespace="/other")
    assert await heard("/other") == ("/other/*", "echo", 1)
    client.on("echo", face.tells("/other/echo"), namespace="/other")
    assert await heard("/other") == ("/other/echo", 1)
    # A namespace with handlers of its own does not look among those of "*".
    del client.handlers["/other"]["echo"], client.handlers["/other"]["*"]
    assert await heard("/other") == ("method", 1)


async def test_reserved_events_do_not_reach_a_catch_all(face, site):
    client = face.client()
    client.on("*", face.tells("*"))
    await face.do(client.connect, site.url)
    await face.do(client.emit, "echo", "only this")
    assert await face.get() == ("*", "echo", "only this")
    await face.do(client.disconnect)
    assert await face.silent()


async def test_event_decorator_and_its_namespace(face, site):
    client = face.client()

    @client.event
    def echo(*args: Any) -> None:
        face.put("/", *args)

    def elsewhere(*args: Any) -> None:
        face.put("/other", *args)

    elsewhere.__name__ = "echo"
    client.event(namespace="/other")(elsewhere)

    @client.on("echo too")
    def too() -> None: ...

    assert client.handlers["/"]["echo too"] is too
    await face.do(client.connect, site.url)
    await face.do(client.emit, "echo", 1)
    assert await face.get() == ("/", 1)
    await face.do(client.emit, "echo", 2, namespace="/other")
    assert await face.get() == ("/other", 2)


async def test_data_that_is_no_json(face, site):
    client = face.client()
    await face.do(client.connect, site.url)
    with pytest.raises(TypeError):
        await face.do(client.emit, "echo", {1, 2})
    assert await face.do(client.call, "echo", "still there") == "still there"


async def test_an_exception_in_a_handler_costs_nothing_else(face, site):
    client = face.client()

    def broken() -> None:
        raise RuntimeError("meant")

    client.on("broken", broken)
    client.on("echo", face.tells("echo"))
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda *_: None)
    await face.do(client.connect, site.url)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("threading.excepthook", lambda *_: None)
        await face.do(client.emit, "ask", "broken")
        await face.do(client.emit, "echo", 1)
        assert await face.get() == ("echo", 1)


async def test_messages_arrive_in_order(face, site):
    client = face.client()
    client.on("echo", lambda number: face.put(number))
    await face.do(client.connect, site.url)

    if face.threads:

        def many() -> None:
            for number in range(200):
                client.emit("echo", number)
    else:

        async def many() -> None:
            for number in range(200):
                await client.emit("echo", number)

    await face.do(many)
    heard = [await face.get() for _ in range(200)]
    if not face.threads or face.socketio.__name__ == "ferrio":
        assert heard == list(range(200))
    else:
        assert sorted(heard) == list(range(200))


async def test_msgpack(face, site):
    sio = site.new_server(serializer="msgpack")
    sio.on("echo", lambda sid, *args: args)
    await site.close()
    await site.open()
    client = face.client(serializer="msgpack")
    await face.do(client.connect, site.url)
    assert await face.do(client.call, "echo", ({"a": b"b"}, [1])) == ({"a": b"b"}, [1])
