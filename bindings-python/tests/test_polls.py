"""Long-polling past uvicorn, and what stays with it, on one connection."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest
import pytest_asyncio

from peers import patiently

pytestmark = pytest.mark.ferrio_only


class Connection:
    """One connection on which HTTP is written by hand."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    async def ask(self, text, body=b""):
        self.writer.write(text.encode() + body)
        return await self.read()

    async def read(self):
        head = (await patiently(self.reader.readuntil(b"\r\n\r\n"))).decode().lower()
        status = int(head.split(" ")[1])
        length = [line for line in head.split("\r\n") if line.startswith("content-length")]
        if "transfer-encoding: chunked" in head:
            body = (await patiently(self.reader.readuntil(b"0\r\n\r\n"))).split(b"\r\n")[1]
        else:
            body = await patiently(self.reader.readexactly(int(length[0].split(":")[1])))
        return status, head, body.decode()


@pytest_asyncio.fixture
async def polls(sio, socketio, under_uvicorn):
    """A connection with a session, the queries of it, and how many requests the application has seen."""
    seen = []
    served = socketio.ASGIApp(sio)

    async def app(scope, receive, send):
        if scope["type"] == "http":
            seen.append(scope["method"] + " " + scope["path"])
        await served(scope, receive, send)

    sio.on("echo", lambda sid, *args: sio.emit("echo", args, to=sid))
    url = await under_uvicorn(app, http="httptools", access_log=True, log_level="info", log_config=None)
    opened = []

    async def open_connection():
        connection = Connection(*await asyncio.open_connection(*url.removeprefix("http://").split(":")))
        opened.append(connection)
        return connection

    connection = await open_connection()
    status, _, body = await connection.ask("GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n")
    assert status == 200
    query = f"/socket.io/?EIO=4&transport=polling&sid={json.loads(body[1:])['sid']}"
    yield connection, query, seen, open_connection
    for connection in opened:
        connection.writer.close()


def get(query, more=""):
    return f"GET {query} HTTP/1.1\r\nHost: x\r\n{more}\r\n"


def post(query, body, more=""):
    return f"POST {query} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n{more}\r\n{body}"


async def test_polls_go_past_the_application(polls):
    connection, query, seen, _ = polls
    assert (await connection.ask(post(query, "40")))[::2] == (200, "OK")
    status, head, body = await connection.ask(get(query))
    assert (status, body[:3]) == (200, "40{")
    assert "server: uvicorn" in head
    assert "date: " in head
    for n in range(20):
        assert (await connection.ask(post(query, f'42["echo",{n}]')))[::2] == (200, "OK")
        assert (await connection.ask(get(query)))[2] == f'42["echo",{n}]'
    assert seen == ["GET /socket.io/"]


async def test_everything_else_stays_with_uvicorn(polls):
    connection, query, seen, _ = polls
    await connection.ask(post(query, "40"))
    await connection.ask(get(query))
    assert (await connection.ask(get("/other")))[0] == 404
    assert (await connection.ask(get(query.replace("sid=", "sid=not"))))[0] == 400
    assert (await connection.ask(get(query).replace("GET", "OPTIONS")))[0] == 200
    assert len(seen) == 4
    # And back again.
    assert (await connection.ask(post(query, '42["echo",1]')))[0] == 200
    assert (await connection.ask(get(query)))[2] == '42["echo",1]'
    assert len(seen) == 4


async def test_requests_that_come_in_pieces(polls):
    connection, query, seen, _ = polls
    await connection.ask(post(query, "40"))
    await connection.ask(get(query))
    request = post(query, '42["echo","in pieces"]').encode()
    for piece in (request[:10], request[10:60], request[60:-5], request[-5:]):
        connection.writer.write(piece)
        await connection.writer.drain()
        await asyncio.sleep(0.02)
    assert (await connection.read())[::2] == (200, "OK")
    assert (await connection.ask(get(query)))[2] == '42["echo","in pieces"]'
    chunked = f"POST {query} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = '42["echo","chunked"]'
    assert (await connection.ask(f"{chunked}{len(body):x}\r\n{body}\r\n0\r\n\r\n"))[2] == "OK"
    assert (await connection.ask(get(query)))[2] == body
    assert seen.count("POST /socket.io/") == 2


async def test_requests_on_each_other_s_heels(polls, sio):
    connection, query, _, _ = polls
    await connection.ask(post(query, "40"))
    await connection.ask(get(query))
    # Two in one piece, and one while another is being answered.
    connection.writer.write((post(query, '42["echo",1]') + post(query, '42["echo",2]')).encode())
    assert [(await connection.read())[2] for _ in range(2)] == ["OK", "OK"]
    assert (await connection.ask(get(query)))[2] == '42["echo",1]\x1e42["echo",2]'
    connection.writer.write(get(query).encode())
    await connection.writer.drain()
    connection.writer.write(post(query, '42["echo",3]').encode())
    await asyncio.sleep(0.05)
    await sio.emit("now")
    assert (await connection.read())[2] == '42["now"]'
    assert (await connection.read())[2] == "OK"
    assert (await connection.ask(get(query)))[2] == '42["echo",3]'


@pytest.mark.parametrize(
    "framing",
    [
        "Content-Length: 2\r\nContent-Length: 2\r\n",
        "Content-Length: +2\r\n",
        "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
    ],
)
async def test_a_length_that_two_might_read_differently_is_left_to_uvicorn(polls, framing):
    connection, query, _, _ = polls
    await connection.ask(post(query, "40"))
    await connection.ask(get(query))
    status, _, _ = await connection.ask(f"POST {query} HTTP/1.1\r\nHost: x\r\n{framing}\r\n6x")
    assert status == 400


async def test_a_client_that_does_not_wait_for_its_poll(polls, sio):
    reasons = asyncio.Queue()
    sio.on("disconnect", lambda sid, reason: reasons.put_nowait(reason))
    connection, query, _, _ = polls
    await connection.ask(post(query, "40"))
    await connection.ask(get(query))
    connection.writer.write(get(query).encode())
    await connection.writer.drain()
    connection.writer.close()
    assert await patiently(reasons.get()) == "transport error"


async def test_a_server_that_stops_leaves_nobody_waiting(polls, sio):
    connection, query, _, _ = polls
    await connection.ask(post(query, "40"))
    await connection.ask(get(query))
    connection.writer.write(get(query).encode())
    await asyncio.sleep(0.1)
    sio._stop()  # without the farewell of `shutdown`
    assert await patiently(connection.reader.read()) == b""


async def test_the_access_log_has_them(polls, caplog):
    connection, query, _, _ = polls
    with caplog.at_level(logging.INFO, logger="uvicorn.access"):
        await connection.ask(post(query, "40"))
    assert f'"POST {query} HTTP/1.1" 200' in caplog.text


async def test_a_kept_connection_is_closed_by_uvicorn_when_it_is_idle(sio, socketio, under_uvicorn):
    url = await under_uvicorn(socketio.ASGIApp(sio), http="httptools", timeout_keep_alive=1)
    connection = Connection(*await asyncio.open_connection(*url.removeprefix("http://").split(":")))
    _, _, body = await connection.ask(get("/socket.io/?EIO=4&transport=polling"))
    query = f"/socket.io/?EIO=4&transport=polling&sid={json.loads(body[1:])['sid']}"
    await connection.ask(post(query, "40"))
    await connection.ask(get(query))
    assert await patiently(connection.reader.read()) == b""
    connection.writer.close()


async def test_aiohttp_s_polls_go_past_it(sio):
    from aiohttp import web

    seen = []

    async def socketio(request):
        seen.append(f"{request.method} {request.path}")
        return await sio.handle_request(request)

    async def other(request):
        return web.Response(text="other")

    sio.on("echo", lambda sid, *args: sio.emit("echo", args, to=sid))
    app = web.Application()
    app.router.add_get("/other", other)
    app.router.add_route("*", "/socket.io/", socketio)
    runner = web.AppRunner(app, access_log=None, keepalive_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    connection = Connection(*await asyncio.open_connection("127.0.0.1", port))
    _, _, body = await connection.ask(get("/socket.io/?EIO=4&transport=polling"))
    query = f"/socket.io/?EIO=4&transport=polling&sid={json.loads(body[1:])['sid']}"
    assert (await connection.ask(post(query, "40")))[::2] == (200, "OK")
    _, head, body = await connection.ask(get(query))
    assert body.startswith("40{")
    assert "server: " in head
    assert "date: " in head
    for n in range(10):
        assert (await connection.ask(post(query, f'42["echo",{n}]')))[2] == "OK"
        assert (await connection.ask(get(query)))[2] == f'42["echo",{n}]'
    assert seen == ["GET /socket.io/"]
    # What is not ours is aiohttp's; then the next of ours is too, and those that follow are not.
    assert (await connection.ask(get("/other")))[2] == "other"
    assert (await connection.ask(post(query, '42["echo",10]')))[2] == "OK"
    assert (await connection.ask(get(query)))[2] == '42["echo",10]'
    assert seen == ["GET /socket.io/", "POST /socket.io/"]
    # A poll that waits is not idle; a connection is, afterwards.
    waiting = asyncio.create_task(connection.ask(get(query)))
    await asyncio.sleep(1.5)
    await sio.emit("now")
    assert (await patiently(waiting))[2] == '42["now"]'
    assert await patiently(connection.reader.read()) == b""
    connection.writer.close()
    await sio.shutdown()
    await runner.cleanup()


async def test_an_aiohttp_middleware_sees_every_poll(sio):
    from aiohttp import web

    seen = []

    @web.middleware
    async def middleware(request, handler):
        seen.append(request.method)
        return await handler(request)

    app = web.Application(middlewares=[middleware])
    sio.attach(app)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    connection = Connection(*await asyncio.open_connection("127.0.0.1", port))
    _, _, body = await connection.ask(get("/socket.io/?EIO=4&transport=polling"))
    query = f"/socket.io/?EIO=4&transport=polling&sid={json.loads(body[1:])['sid']}"
    await connection.ask(post(query, "40"))
    await connection.ask(get(query))
    assert seen == ["GET", "POST", "GET"]
    connection.writer.close()
    await runner.cleanup()
