"""WebSockets of an ASGI application beside the Socket.IO server: on ferrio's own port, and under uvicorn, the judge."""

from __future__ import annotations

import asyncio
import ssl

import aiohttp
import pytest
import pytest_asyncio
import uvicorn
import websockets
from fastapi import FastAPI, WebSocket

from peers import patiently, until

pytestmark = pytest.mark.ferrio_only

OURS, UVICORN = "serve", "uvicorn"


@pytest.fixture(params=[OURS, UVICORN])
def served_by(request):
    return request.param


@pytest_asyncio.fixture
async def host(socketio, sio, served_by):
    """Serves an application beside `sio`; gives the URL."""
    serving = []

    async def start(app, **options):
        beside = socketio.ASGIApp(sio, app)
        scheme = "wss" if "ssl_certfile" in options else "ws"
        if served_by == OURS:
            serving.append(asyncio.create_task(sio.serve(port=0, app=beside, **options)))
            await until(lambda: sio.addresses or serving[0].done())
            address = sio.addresses[0]
        else:
            config = uvicorn.Config(beside, port=0, log_level="critical", lifespan="off", **options)
            server = uvicorn.Server(config)
            serving.append(asyncio.create_task(server._serve()))
            await until(lambda: server.started)
            address = server.servers[0].sockets[0].getsockname()
        start.stop = serving[0].cancel if served_by == OURS else lambda: setattr(server, "should_exit", True)
        return "{}://{}:{}".format(scheme, *address[:2])

    yield start
    for task in serving:
        start.stop()
        await asyncio.wait([task], timeout=10)
        assert task.done()


def application(answer):
    """One that has WebSockets only."""

    async def app(scope, receive, send):
        assert scope["type"] == "websocket"
        await answer(scope, receive, send)

    return app


def echoing(seen):
    """Accepts, sends back what comes, and tells in `seen` how it ended."""

    @application
    async def app(scope, receive, send):
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        while (event := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "bytes": event.get("bytes"), "text": event.get("text")})
        seen.put_nowait(event)

    return app


async def test_fastapi_beside_socketio(host, sio, connect):
    app = FastAPI()

    @app.websocket("/feed/{name}")
    async def feed(socket: WebSocket, name: str):
        await socket.accept(subprotocol="second", headers=[(b"x-own", b"yes")])
        async for text in socket.iter_text():
            await socket.send_json({"name": name, "text": text})

    @app.get("/page")
    async def page():
        return "page"

    sio.on("x", lambda sid: "socketio")
    url = await host(app)
    client = await connect(url.replace("ws", "http"), transports=["websocket"])
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(url + "/feed/a%20b", protocols=["first", "second"]) as socket:
            assert socket.protocol == "second"
            assert socket._response.headers["x-own"] == "yes"
            for text in ("one", "zwö", ""):
                await socket.send_str(text)
                assert await patiently(socket.receive_json()) == {"name": "a b", "text": text}
            assert await client.call("x") == "socketio"
        async with session.get(url.replace("ws", "http") + "/page") as response:
            assert await response.json() == "page"
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(url + "/nothing")
        assert refused.value.status == 403


async def test_the_scope(host):
    seen = {}

    @application
    async def app(scope, receive, send):
        seen.update(scope)
        await receive()
        await send({"type": "websocket.close"})

    url = await host(app)
    with pytest.raises(websockets.InvalidStatus) as refused:
        await websockets.connect(
            url + "/a%20b/%C3%A9?q=1&q=%20", subprotocols=["one", "two"], additional_headers={"X-Own": "One"}
        )
    assert refused.value.response.status_code == 403
    assert seen["path"] == "/a b/é"
    assert seen["raw_path"] == b"/a%20b/%C3%A9"
    assert seen["query_string"] == b"q=1&q=%20"
    assert (seen["scheme"], seen["http_version"], seen["root_path"]) == ("ws", "1.1", "")
    assert seen["subprotocols"] == ["one", "two"]
    assert (b"x-own", b"One") in [tuple(pair) for pair in seen["headers"]]
    assert seen["client"][0] == "127.0.0.1"
    assert url.endswith("{}:{}".format(*seen["server"]))
    assert "websocket.http.response" in seen["extensions"]
    assert "method" not in seen


async def test_text_and_bytes_of_every_size(host):
    seen = asyncio.Queue()
    url = await host(echoing(seen))
    async with websockets.connect(url, max_size=None) as socket:
        for size in (0, 1, 125, 126, 65535, 65536, 3_000_000):
            for message in ("é" * size, bytes(size)):
                await socket.send(message)
                assert await patiently(socket.recv()) == message
        # In pieces, and with pings in between.
        await socket.send(["a", "b", "c"])
        await patiently(await socket.ping())
        assert await patiently(socket.recv()) == "abc"
        for n in range(1000):
            await socket.send(str(n))
        assert [await patiently(socket.recv()) for _ in range(1000)] == [str(n) for n in range(1000)]


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1001, "going"), (3999, "é" * 61)])
async def test_a_client_that_closes(host, code, reason):
    seen = asyncio.Queue()
    url = await host(echoing(seen))
    socket = await websockets.connect(url)
    await socket.close(code, reason)
    event = await patiently(seen.get())
    assert event == {"type": "websocket.disconnect", "code": code, "reason": reason}
    assert socket.close_code == code


@pytest.mark.parametrize(("code", "reason"), [(None, None), (1011, "broken"), (4999, "")])
async def test_an_application_that_closes(host, code, reason):
    @application
    async def app(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "last"})
        closing = {"code": code, "reason": reason} if code else {}
        await send({"type": "websocket.close", **closing})

    url = await host(app)
    async with websockets.connect(url) as socket:
        assert await patiently(socket.recv()) == "last"
        with pytest.raises(websockets.ConnectionClosed):
            await patiently(socket.recv())
        assert (socket.close_code, socket.close_reason) == (code or 1000, reason or "")


async def test_a_handshake_that_is_answered_with_a_page(host):
    @application
    async def app(scope, receive, send):
        await receive()
        await send({"type": "websocket.http.response.start", "status": 418, "headers": [(b"x-own", b"yes")]})
        await send({"type": "websocket.http.response.body", "body": b"no ", "more_body": True})
        await send({"type": "websocket.http.response.body", "body": b"coffee"})

    url = await host(app)
    with pytest.raises(websockets.InvalidStatus) as refused:
        await websockets.connect(url)
    response = refused.value.response
    assert (response.status_code, response.headers["x-own"]) == (418, "yes")
    assert b"coffee" in response.body


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("how", ["raises", "returns"])
async def test_an_application_that_fails(host, served_by, when, how, caplog):
    @application
    async def app(scope, receive, send):
        await receive()
        if when == "after":
            await send({"type": "websocket.accept"})
        if how == "raises":
            raise ValueError("on purpose")

    url = await host(app)
    if when == "before":
        with pytest.raises(websockets.InvalidStatus) as refused:
            await websockets.connect(url)
        assert refused.value.response.status_code == 500
    else:
        async with websockets.connect(url) as socket:
            with pytest.raises(websockets.ConnectionClosed):
                await patiently(socket.recv())
    if how == "raises" and served_by == OURS:
        assert "Exception in the ASGI application" in caplog.text


async def test_sending_to_a_client_that_has_gone(host):
    told = asyncio.Queue()

    @application
    async def app(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass
        try:
            await send({"type": "websocket.send", "text": "late"})
        except OSError as error:
            told.put_nowait(error)

    url = await host(app)
    socket = await websockets.connect(url)
    await socket.close()
    assert isinstance(await patiently(told.get()), OSError)


async def test_a_message_over_the_limit(host):
    seen = asyncio.Queue()
    url = await host(echoing(seen), ws_max_size=1000)
    async with websockets.connect(url) as socket:
        await socket.send("x" * 1000)
        assert len(await patiently(socket.recv())) == 1000
        await socket.send("x" * 1001)
        with pytest.raises(websockets.ConnectionClosed):
            await patiently(socket.recv())
        assert socket.close_code == 1009
    assert (await patiently(seen.get()))["code"] == 1009


async def test_the_end_of_the_server(host):
    seen = asyncio.Queue()
    url = await host(echoing(seen))
    socket = await websockets.connect(url)
    await socket.send("there")
    assert await patiently(socket.recv()) == "there"
    host.stop()
    with pytest.raises(websockets.ConnectionClosed):
        await patiently(socket.recv())
    assert socket.close_code == 1012
    assert (await patiently(seen.get()))["code"] == 1012


async def test_handshakes_in_no_due_form(host, served_by, raw_request):
    url = await host(echoing(asyncio.Queue()))
    head = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    key = b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    assert b" 400 " in await raw_request(url, head + b"Sec-WebSocket-Version: 13\r\n\r\n")
    answer = await raw_request(url, head + key + b"Sec-WebSocket-Version: 8\r\n\r\n")
    assert b" 400 " in answer or b" 426 " in answer
    assert b"sec-websocket-version: 13" in answer.lower() or served_by == UVICORN


@pytest_asyncio.fixture
async def raw_request():
    """Sends bytes and gives the head of the answer."""

    async def request(url, request):
        reader, writer = await asyncio.open_connection(*url.removeprefix("ws://").split(":"))
        writer.write(request)
        answer = await patiently(reader.readuntil(b"\r\n\r\n"))
        writer.close()
        return answer

    return request


async def test_tls(host, certificate):
    certfile, keyfile = certificate
    scopes = asyncio.Queue()

    @application
    async def app(scope, receive, send):
        scopes.put_nowait(scope["scheme"])
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "bytes": (await receive())["bytes"]})
        await send({"type": "websocket.close"})

    url = await host(app, ssl_certfile=certfile, ssl_keyfile=keyfile)
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    async with websockets.connect(url, ssl=context, max_size=None) as socket:
        await socket.send(b"x" * 500_000)
        assert await patiently(socket.recv()) == b"x" * 500_000
    assert await scopes.get() == "wss"


async def test_many_at_once(host):
    seen = asyncio.Queue()
    url = await host(echoing(seen))

    async def one(n):
        async with websockets.connect(url) as socket:
            for m in range(20):
                await socket.send(f"{n} {m}")
            assert [await patiently(socket.recv()) for _ in range(20)] == [f"{n} {m}" for m in range(20)]

    await asyncio.gather(*(one(n) for n in range(100)))
    assert {(await patiently(seen.get()))["code"] for _ in range(100)} == {1000}


class TestOurs:
    """What uvicorn does otherwise, by the WebSocket library that it takes here."""

    @pytest.fixture(params=[OURS])
    def served_by(self, request):
        return request.param

    async def test_a_client_that_vanishes(self, host):
        seen = asyncio.Queue()
        url = await host(echoing(seen))
        socket = await websockets.connect(url)
        socket.transport.abort()
        event = await patiently(seen.get())
        assert (event["type"], event["code"]) == ("websocket.disconnect", 1006)

    async def test_a_client_is_not_read_ahead_of_the_application(self, host):
        go_on = asyncio.Event()
        taken = []

        @application
        async def app(scope, receive, send):
            await receive()
            await send({"type": "websocket.accept"})
            await go_on.wait()
            while (event := await receive())["type"] == "websocket.receive":
                taken.append(event["bytes"][0])
            taken.append("end")

        url = await host(app)
        socket = await websockets.connect(url)
        sent = []

        async def flood():
            for n in range(1000):
                await socket.send(bytes([n % 256]) * 65536)
                sent.append(n)

        flooding = asyncio.create_task(flood())
        # What the kernel and the listener hold is bounded: it stands still some time.
        before = -1
        while before != len(sent):
            before = len(sent)
            await asyncio.sleep(0.3)
        assert len(sent) < 1000
        go_on.set()
        await patiently(flooding)
        await socket.close()
        await until(lambda: "end" in taken)
        assert taken[:-1] == [n % 256 for n in range(1000)]

    async def test_an_application_waits_for_a_client_that_does_not_read(self, host):
        produced = []

        @application
        async def app(scope, receive, send):
            await receive()
            await send({"type": "websocket.accept"})
            for n in range(1000):
                await send({"type": "websocket.send", "bytes": bytes([n % 256]) * 65536})
                produced.append(n)
            await send({"type": "websocket.close"})

        url = await host(app)
        async with websockets.connect(url, max_queue=1) as socket:
            before = -1
            while before != len(produced):
                before = len(produced)
                await asyncio.sleep(0.3)
            assert len(produced) < 1000
            received = [message[0] async for message in socket]
        assert received == [n % 256 for n in range(1000)]


class TestSilence:
    """Of a client, that uvicorn would wait for longer."""

    @pytest.fixture(params=[OURS])
    def served_by(self, request):
        return request.param

    @pytest_asyncio.fixture
    async def sio(self, socketio):
        return socketio.AsyncServer(async_mode="asgi", ping_interval=0.2, ping_timeout=0.2)

    async def test_a_client_that_answers_no_ping_is_given_up(self, host):
        seen = asyncio.Queue()
        url = await host(echoing(seen))
        reader, writer = await asyncio.open_connection(*url.removeprefix("ws://").split(":"))
        head = (
            b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        )
        writer.write(head + b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
        assert b" 101 " in await patiently(reader.readuntil(b"\r\n\r\n"))
        assert await patiently(reader.readexactly(2)) == b"\x89\x00"
        assert (await patiently(seen.get()))["code"] == 1011
        assert (await patiently(reader.readexactly(4)))[2:] == (1011).to_bytes(2, "big")
        writer.close()

    async def test_a_client_that_answers_stays(self, host):
        seen = asyncio.Queue()
        url = await host(echoing(seen))
        async with websockets.connect(url, ping_interval=None) as socket:
            pongs = 0
            beat = socket.protocol.receive_data

            def count(data):
                nonlocal pongs
                pongs += data[:1] == b"\x89"
                beat(data)

            socket.protocol.receive_data = count
            await until(lambda: pongs >= 3)
            await socket.send("there")
            assert await patiently(socket.recv()) == "there"
        assert (await patiently(seen.get()))["code"] == 1000
