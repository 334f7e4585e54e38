"""An ASGI application beside the Socket.IO server on the listener of ferrio's own."""

from __future__ import annotations

import asyncio
import hashlib

import aiohttp
import pytest
import pytest_asyncio
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse

from peers import patiently, until

pytestmark = pytest.mark.ferrio_only


@pytest_asyncio.fixture
async def host(sio):
    """Serves an application beside `sio`; gives the URL."""
    serving = []

    async def start(app, **options):
        serving.append(asyncio.create_task(sio.serve(port=0, app=app, **options)))
        await until(lambda: sio.addresses or serving[0].done())
        if serving[0].done():
            serving[0].result()
        host, port = sio.addresses[0]
        return f"{'https' if options else 'http'}://{host}:{port}"

    yield start
    for task in serving:
        task.cancel()
    await asyncio.gather(*serving, return_exceptions=True)


@pytest_asyncio.fixture
async def http():
    async with aiohttp.ClientSession() as session:
        yield session


def scoped(answer):
    """An application with no lifespan."""

    async def app(scope, receive, send):
        assert scope["type"] == "http"
        await answer(scope, receive, send)

    return app


async def respond(send, body=b"", status=200, headers=()):
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body})


async def test_fastapi_beside_socketio(sio, host, http, connect):
    app = FastAPI()

    @app.post("/sum")
    async def total(request: Request):
        return {"sum": sum(await request.json())}

    sio.on("x", lambda sid: "socketio")
    url = await host(app)
    client = await connect(url, transports=["polling", "websocket"])
    assert await client.call("x") == "socketio"
    async with http.post(f"{url}/sum", json=[1, 2, 3]) as response:
        assert response.status == 200
        assert await response.json() == {"sum": 6}
        assert response.headers["content-type"] == "application/json"
    async with http.get(f"{url}/nothing") as response:
        assert response.status == 404


async def test_the_scope(host, http):
    seen = {}

    @scoped
    async def app(scope, receive, send):
        seen.update(scope)
        await respond(send)

    url = await host(app)
    await http.put(f"{url}/a%20b/%C3%A9?q=1&q=%20", data=b"x", headers={"X-Own": "One"})
    assert seen["method"] == "PUT"
    assert seen["path"] == "/a b/é"
    assert seen["raw_path"] == b"/a%20b/%C3%A9"
    assert seen["query_string"].startswith(b"q=1&q=")
    assert seen["http_version"] == "1.1"
    assert seen["scheme"] == "http"
    assert (b"x-own", b"One") in [tuple(pair) for pair in seen["headers"]]
    assert seen["client"][0] == "127.0.0.1"
    assert url.endswith(f"{seen['server'][0]}:{seen['server'][1]}")
    assert seen["asgi"]["version"] == "3.0"


async def test_a_body_comes_as_it_is_asked_for(host, http):
    sent, received = [], []
    go_on = asyncio.Event()

    @scoped
    async def app(scope, receive, send):
        await go_on.wait()
        digest, size, more = hashlib.sha256(), 0, True
        while more:
            event = await receive()
            assert event["type"] == "http.request"
            received.append(len(event["body"]))
            digest.update(event["body"])
            size += len(event["body"])
            more = event["more_body"]
        await respond(send, f"{size} {digest.hexdigest()}".encode())

    async def body():
        for n in range(640):
            sent.append(n)
            yield bytes([n % 256]) * 65536

    url = await host(app)
    posting = asyncio.create_task(http.post(url, data=body()))
    # What the kernel and the listener hold is bounded: the client cannot send it all.
    await asyncio.sleep(0.3)
    assert len(sent) < 640
    go_on.set()
    response = await patiently(posting)
    expected = hashlib.sha256(b"".join(bytes([n % 256]) * 65536 for n in range(640))).hexdigest()
    assert await response.text() == f"{640 * 65536} {expected}"
    assert len(received) > 1


async def test_an_answer_is_streamed_and_waits_for_the_client(host, http):
    app = FastAPI()
    produced = []

    @app.get("/")
    async def stream():
        async def parts():
            for n in range(2000):
                produced.append(n)
                yield b"x" * 65536

        return StreamingResponse(parts())

    url = await host(app)
    async with http.get(url) as response:
        assert response.headers["transfer-encoding"] == "chunked"
        await patiently(response.content.readexactly(65536))
        await asyncio.sleep(0.3)
        assert len(produced) < 2000
        rest = await patiently(response.content.read())
    assert len(rest) == 1999 * 65536


async def test_the_first_part_arrives_before_the_last_is_made(host, http):
    more = asyncio.Event()

    @scoped
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
        await more.wait()
        await send({"type": "http.response.body", "body": b"data: 2\n\n"})

    url = await host(app)
    async with http.get(url) as response:
        assert await patiently(response.content.readuntil(b"\n\n")) == b"data: 1\n\n"
        more.set()
        assert await patiently(response.content.read()) == b"data: 2\n\n"


@pytest.mark.parametrize("answering", [False, True])
async def test_a_client_that_leaves(host, http, answering):
    told = asyncio.Queue()

    @scoped
    async def app(scope, receive, send):
        assert (await receive())["type"] == "http.request"
        if answering:
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
        told.put_nowait("waiting")
        told.put_nowait((await receive())["type"])

    url = await host(app)
    reader, writer = await asyncio.open_connection(*url.removeprefix("http://").split(":"))
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert await patiently(told.get()) == "waiting"
    writer.close()
    assert await patiently(told.get()) == "http.disconnect"
    del reader


async def test_head_length_and_several_cookies(host, http):
    @scoped
    async def app(scope, receive, send):
        cookies = [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
        await respond(send, b"twelve bytes", headers=[(b"content-length", b"12"), *cookies])

    url = await host(app)
    async with http.head(url) as response:
        assert response.headers["content-length"] == "12"
        assert await response.read() == b""
    async with http.get(url) as response:
        assert response.headers["content-length"] == "12"
        assert "transfer-encoding" not in response.headers
        assert await response.read() == b"twelve bytes"
        assert response.headers.getall("set-cookie") == ["a=1", "b=2"]


@pytest.mark.parametrize("fault", ["raises", "returns", "wrong"])
async def test_an_application_that_fails(host, http, caplog, fault):
    @scoped
    async def app(scope, receive, send):
        if fault == "raises":
            raise ValueError("on purpose")
        if fault == "wrong":
            await send({"type": "http.response.body", "body": b"too early"})

    url = await host(app)
    async with http.get(url) as response:
        assert response.status == 500
        assert await response.text() == "Internal Server Error"
    assert "ASGI application" in caplog.text


async def test_an_answer_that_breaks_off_is_seen_to_be_broken(host, http):
    @scoped
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise ValueError("on purpose")

    url = await host(app)
    with pytest.raises(aiohttp.ClientPayloadError):
        async with http.get(url) as response:
            await response.read()


async def test_the_lifespan(sio, host, http, connect):
    seen = []

    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            assert (await receive())["type"] == "lifespan.startup"
            scope["state"]["ready"] = "yes"
            await send({"type": "lifespan.startup.complete"})
            assert (await receive())["type"] == "lifespan.shutdown"
            seen.append("down")
            await send({"type": "lifespan.shutdown.complete"})
        else:
            await respond(send, scope["state"]["ready"].encode())

    sio.on("disconnect", lambda sid, reason: seen.append(reason))
    url = await host(app)
    await connect(url)
    async with http.get(url) as response:
        assert await response.text() == "yes"
    await sio.shutdown()
    await until(lambda: "down" in seen)
    assert seen == ["server disconnect", "down"]


async def test_a_lifespan_that_fails(host):
    async def app(scope, receive, send):
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    with pytest.raises(RuntimeError, match="no database"):
        await host(app)


async def test_tls(host, certificate, connect):
    certfile, keyfile = certificate

    @scoped
    async def app(scope, receive, send):
        await respond(send, scope["scheme"].encode())

    url = await host(app, ssl_certfile=certfile, ssl_keyfile=keyfile)
    connector = aiohttp.TCPConnector(ssl=False)
    async with aiohttp.ClientSession(connector=connector) as session, session.get(url) as response:
        assert await response.text() == "https"
    client = await connect(url)
    assert client.connected


async def test_many_at_once_on_kept_connections(host, http):
    @scoped
    async def app(scope, receive, send):
        body = b""
        more = True
        while more:
            event = await receive()
            body, more = body + event["body"], event["more_body"]
        await asyncio.sleep(0)
        await respond(send, body)

    url = await host(app)

    async def one(n):
        async with http.post(url, data=str(n) * 1000) as response:
            assert await response.text() == str(n) * 1000

    await asyncio.gather(*(one(n) for n in range(300)))


async def test_serve_takes_an_asgi_app_whole(socketio, sio, connect, tmp_path, http):
    (tmp_path / "index.html").write_text("static")
    other = FastAPI()

    @other.get("/page")
    async def page():
        return "page"

    app = socketio.ASGIApp(sio, other, {"/": str(tmp_path) + "/"}, "deep/socket.io")
    serving = asyncio.create_task(socketio.serve(app, port=0))
    await until(lambda: sio.addresses)
    url = "http://{}:{}".format(*sio.addresses[0])
    client = await connect(url, socketio_path="deep/socket.io", transports=["polling", "websocket"])
    async with http.get(f"{url}/page") as response:
        assert await response.json() == "page"
    async with http.get(f"{url}/") as response:
        assert await response.text() == "static"
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    await patiently(client.gone.get())


async def test_serve_takes_nothing_else(socketio, sio):
    with pytest.raises(TypeError, match="ASGIApp"):
        await socketio.serve(sio)
