"""What clients have that python-socketio's have not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from peers import patiently, until

pytestmark = pytest.mark.ferrio_only

BACK_SOON = {
    "reconnection": True,
    "reconnection_delay": 0.02,
    "reconnection_delay_max": 0.05,
    "randomization_factor": 0,
}


async def test_events_wait_for_the_connection(face, site):
    got: list[Any] = []
    site.sio.on("number", lambda sid, number: got.append(number))
    client = face.client(**BACK_SOON, offline_buffer=True)
    client.on("disconnect", face.tells("disconnect"))
    for number in range(3):
        await face.do(client.emit, "number", number)
    await face.do(client.connect, site.url)
    assert await face.do(client.call, "echo", "x") == "x"
    assert got == [0, 1, 2]
    await site.close()
    assert await face.get() == ("disconnect", "transport error")
    for number in range(3, 6):
        await face.do(client.emit, "number", number)
    calling = face.start(client.call, "echo", "late")
    await face.do(client.emit, "number", "lost", volatile=True)
    await site.open()
    assert await patiently(calling) == "late"
    assert got == list(range(6))


async def test_what_a_disconnect_handler_emits_waits_as_well(face, site):
    got: list[Any] = []
    site.sio.on("number", lambda sid, number: got.append(number))
    client = face.client(**BACK_SOON, offline_buffer=True)
    tell = face.tells("disconnect")

    def on_disconnect(reason: str) -> None:
        # The namespaces are still there, as with the original; the connection is not.
        assert "/" in client.namespaces
        for number in range(3):
            client.emit("number", number)
        tell(reason)

    client.on("disconnect", on_disconnect)
    await face.do(client.connect, site.url)
    await site.close()
    assert await face.get() == ("disconnect", "transport error")
    await face.do(client.emit, "number", 3)
    calling = face.start(client.call, "echo", "late")
    await site.open()
    assert await patiently(calling) == "late"
    assert got == [0, 1, 2, 3]


async def test_who_leaves_when_told_of_the_end_does_not_come_back(face, site):
    client = face.client(**BACK_SOON)
    client.add_listener("reconnect_attempt", face.tells("reconnect_attempt"))
    client.on("__disconnect_final", face.tells("final"))

    async def leave(reason: str) -> None:
        await client.disconnect()

    client.on("disconnect", (lambda reason: client.disconnect()) if face.threads else leave)
    await face.do(client.connect, site.url)
    await site.close()
    assert await face.get() == "final"
    await face.do(client.wait)
    assert client._reconnect_task is None
    assert not client.connected


async def test_the_buffer_is_bounded(face, site):
    client = face.client(offline_buffer=True, max_buffered=100)
    await face.do(client.emit, "echo", "x" * 60)
    with pytest.raises(face.socketio.exceptions.BadNamespaceError, match="max_buffered is 100"):
        await face.do(client.emit, "echo", "x" * 60)
    client.on("echo", face.tells("echo"))
    await face.do(client.connect, site.url)
    assert await face.get() == ("echo", "x" * 60)
    # What has been sent does not count.
    await face.do(client.emit, "echo", "x" * 60)
    assert await face.get() == ("echo", "x" * 60)


async def test_what_is_buffered_stays_as_it_was(face, site):
    client = face.client(offline_buffer=True)
    client.on("echo", face.tells("echo"))
    data = {"n": 1}
    await face.do(client.emit, "echo", data)
    data["n"] = 2
    with pytest.raises(TypeError):
        await face.do(client.emit, "echo", {1})
    await face.do(client.connect, site.url)
    assert await face.get() == ("echo", {"n": 1})


async def test_namespaces_that_nobody_wants_have_no_buffer(face, site):
    client = face.client(offline_buffer=True)
    await face.do(client.connect, site.url)
    with pytest.raises(face.socketio.exceptions.BadNamespaceError):
        await face.do(client.emit, "echo", namespace="/other")


async def test_volatile_events_are_not_missed(face, site):
    client = face.client()
    await face.do(client.emit, "echo", 1, volatile=True)
    client.on("echo", face.tells("echo"))
    await face.do(client.connect, site.url)
    await face.do(client.emit, "echo", 2, volatile=True)
    assert await face.get() == ("echo", 2)


async def test_retries(face, site):
    """Each event until it is acknowledged, one after the other."""
    heard: list[Any] = []

    async def stubborn(sid: str, number: int) -> Any:
        heard.append(number)
        if len(heard) < 3:
            # No answer in time.
            await never.wait()
        return number

    never = asyncio.Event()
    site.sio.on("stubborn", stubborn)
    client = face.client(retries=3, ack_timeout=1)
    await face.do(client.connect, site.url)
    await face.do(client.emit, "stubborn", 1, callback=face.tells("one"))
    await face.do(client.emit, "stubborn", 2, callback=face.tells("two"))
    assert await face.get() == ("one", 1)
    assert await face.get() == ("two", 2)
    assert heard == [1, 1, 1, 2]
    assert await face.do(client.call, "stubborn", 3) == 3
    never.set()


async def test_retries_end(face, site):
    never = asyncio.Event()
    heard: list[Any] = []

    async def silent(sid: str, number: int) -> None:
        heard.append(number)
        await never.wait()

    site.sio.on("silent", silent)
    client = face.client(retries=1, ack_timeout=1)
    await face.do(client.connect, site.url)
    with pytest.raises(face.socketio.exceptions.TimeoutError):
        await face.do(client.call, "silent", 1)
    assert heard == [1, 1]
    assert await face.do(client.call, "echo", 2) == 2
    never.set()


async def test_retries_go_on_when_the_client_is_back(face, site):
    client = face.client(**BACK_SOON, offline_buffer=True, retries=5, ack_timeout=10)
    client.on("disconnect", face.tells("disconnect"))
    await face.do(client.connect, site.url)
    await site.close()
    assert (await face.get())[0] == "disconnect"
    for number in range(3):
        await face.do(client.emit, "echo", number, callback=face.tells("answer"))
    await site.open()
    assert [await face.get() for _ in range(3)] == [("answer", number) for number in range(3)]


async def test_reconnection_is_told(face, site):
    client = face.client(**BACK_SOON, reconnection_attempts=50)
    for event in ("reconnect_attempt", "reconnect", "reconnect_error"):
        client.add_listener(event, face.tells(event))
    client.on("reconnect", face.tells("the server's"))
    await face.do(client.connect, site.url)
    await site.close()
    assert await face.get() == ("reconnect_attempt", 1)
    name, error = await face.get()
    assert name == "reconnect_error"
    assert isinstance(error, face.socketio.exceptions.ConnectionError)
    await site.open()
    while (heard := await face.get())[0] != "reconnect":
        pass
    assert heard[1] >= 2
    assert client.connected


async def test_failure_to_reconnect_is_told(face, site):
    client = face.client(**BACK_SOON, reconnection_attempts=2)
    client.add_listener("reconnect_failed", face.tells("failed"))
    await face.do(client.connect, site.url)
    await site.close()
    assert await face.get() == "failed"


async def test_disconnect_ends_the_attempts(face, site):
    client = face.client(**BACK_SOON)
    client.on("disconnect", face.tells("disconnect"))
    client.on("__disconnect_final", face.tells("final"))
    await face.do(client.connect, site.url)
    await site.close()
    assert await face.get() == ("disconnect", "transport error")
    await face.do(client.disconnect)
    assert await face.get() == "final"
    await patiently(face.do(client.wait))
    await site.open()
    assert not client.connected


async def test_a_client_that_gave_up_may_connect_and_come_back_again(face, site):
    client = face.client(**BACK_SOON, reconnection_attempts=1)
    client.on("connect", face.tells("connect"))
    client.on("__disconnect_final", face.tells("final"))
    await face.do(client.connect, site.url)
    assert await face.get() == "connect"
    await site.close()
    assert await face.get() == "final"
    await patiently(face.do(client.wait))
    client.reconnection_attempts = 0
    await site.open()
    await face.do(client.connect, site.url)
    assert await face.get() == "connect"
    await site.close()
    await site.open()
    assert await face.get() == "connect"


async def test_recovery(face, site):
    """Of a server that keeps state: here ferrio's."""
    import ferrio

    sio = ferrio.AsyncServer(cors_allowed_origins="*", connection_state_recovery={"max_disconnection_duration": 60})
    sids: list[str] = []

    @sio.event
    async def connect(sid: str, environ: Any, auth: Any) -> None:
        sids.append(sid)
        await sio.enter_room(sid, "room")

    host, port = await sio.listen("127.0.0.1", 0)
    client = face.client(**BACK_SOON, recovery=True)
    client.on("news", lambda item: face.put("news", item))
    client.on("all", face.tells("all"))
    client.on("connect", lambda: face.put("connect", client.recovered()))
    client.on("disconnect", lambda reason: face.put("disconnect"))
    await face.do(client.connect, f"http://{host}:{port}", transports=["websocket"])
    assert await face.get() == ("connect", False)
    await sio.emit("news", "one", to="room")
    assert await face.get() == ("news", "one")
    first = client.get_sid()
    await sio.eio.disconnect(client.sid)
    assert await face.get() == "disconnect"
    await sio.emit("news", "missed", to="room")
    # As in Node: what was missed comes before the client says that it is back.
    assert await face.get() == ("news", "missed")
    assert await face.get() == ("connect", True)
    assert client.get_sid() == first
    await sio.emit("all", 1)
    name, value, offset = await face.get()
    assert (name, value) == ("all", 1)
    assert isinstance(offset, str)
    await face.do(client.disconnect)
    await sio.shutdown()


async def test_listeners_and_middlewares(face, site):
    client = face.client()
    client.on("echo", lambda *args: face.put("handler", *args))
    client.add_listener("echo", face.tells("listener"))
    client.once("echo", face.tells("once"))
    client.on_any(face.tells("any"))
    client.on_any_outgoing(face.tells("outgoing"))

    if face.threads:

        def around(call_next: Any, event: str, *args: Any) -> Any:
            return call_next(event, *args, "more")
    else:

        async def around(call_next: Any, event: str, *args: Any) -> Any:
            return await call_next(event, *args, "more")

    client.use_event(around)
    await face.do(client.connect, site.url)
    await face.do(client.emit, "echo", 1)
    heard = [await face.get() for _ in range(5)]
    assert heard == [
        ("outgoing", "echo", 1),
        ("any", "echo", 1),
        ("handler", 1, "more"),
        ("listener", 1, "more"),
        ("once", 1, "more"),
    ]
    client.off("echo", client.handlers["/"]["echo"])
    client.off_any()
    await face.do(client.emit, "echo", 2)
    assert [await face.get(), await face.get()] == [("outgoing", "echo", 2), ("listener", 2, "more")]


async def test_many_clients_share_one_engine(face, site):
    clients = [face.client() for _ in range(30)]
    await asyncio.gather(*(face.do(client.connect, site.url, transports=["websocket"]) for client in clients))
    answers = await asyncio.gather(*(face.do(client.call, "echo", index) for index, client in enumerate(clients)))
    assert answers == list(range(30))
    assert len({client.get_sid() for client in clients}) == 30


async def test_a_server_that_does_not_read_is_waited_for(socketio):
    """`await emit` suspends above the high mark, and goes on when the server reads again."""
    import websockets

    reading = asyncio.Event()

    async def serve(socket: Any) -> None:
        await socket.send('0{"sid":"s","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":100000000}')
        await socket.recv()
        await socket.send('40{"sid":"t"}')
        await reading.wait()
        async for _ in socket:
            pass

    async with websockets.serve(serve, "127.0.0.1", 0, compression=None, max_size=None) as server:
        port = server.sockets[0].getsockname()[1]
        client = socketio.AsyncClient(handle_sigint=False, reconnection=False)
        await client.connect(f"http://127.0.0.1:{port}", transports=["websocket"], wait_timeout=10)

        async def flood() -> None:
            for _ in range(200):
                await client.emit("x", "x" * 100_000)

        flooding = asyncio.create_task(flood())
        _, pending = await asyncio.wait([flooding], timeout=0.5)
        assert pending
        reading.set()
        await patiently(flooding)
        await client.disconnect()


async def test_memory_of_reconnections_is_flat(face, site):
    """Nothing is left of a connection that has ended."""
    client = face.client()
    for _ in range(20):
        await face.do(client.connect, site.url, transports=["websocket"])
        await face.do(client.disconnect)
    await until(lambda: not client._host()._has_clients)


def test_wrong_options(socketio):
    for options, error in [
        ({"serializer": "pickle"}, ValueError),
        ({"retries": -1}, ValueError),
        ({"websocket_extra_options": {"heartbeat": 3}}, NotImplementedError),
        ({"websocket_extra_options": {"sslopt": {"ciphers": "x"}}}, NotImplementedError),
        ({"pigeons": True}, TypeError),
        ({"ssl_cert": "/nowhere.pem"}, FileNotFoundError),
    ]:
        for kind in (socketio.Client, socketio.AsyncClient):
            with pytest.raises(error):
                kind(handle_sigint=False, **options)
    client = socketio.Client(handle_sigint=False)
    with pytest.raises(TypeError, match="a namespace of a client is a name"):
        client.on("x", print, namespace=print)
