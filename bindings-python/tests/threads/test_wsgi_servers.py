"""The WSGI servers, with WebSockets taken over from them or framed by simple-websocket."""

from __future__ import annotations

import asyncio
import os
import threading

import pytest

ORIGINAL = os.environ.get("FERRIO_TEST_MODULE") == "socketio"
TRANSPORTS = [["polling"], ["websocket"], ["polling", "websocket"]]
WAYS = ["own"] if ORIGINAL else ["takeover", "framed"]

#: `async_mode`, and by what the standard library is patched.
GREEN = [
    ("gevent", None),
    ("gevent", "gevent"),
    ("eventlet", None),
    ("eventlet", "eventlet"),
    ("threading", "gevent"),
    ("threading", "eventlet"),
]


async def talk(connect, url, transports):
    """What a client and the server of `programs/echo.py` have to say to each other."""
    client = await connect(url, transports=transports, headers={"X-Agent": "the test"})
    client.on("double", lambda n: n * 2)
    assert client.transport() == transports[-1]
    big = "ü" * 50_000
    assert await client.call("echo", (big, b"\x00")) == (big, b"\x00")
    assert await client.next() == ("echoed", big, b"\x00")
    assert await client.call("agent") == ("the test", transports[-1])
    assert await client.call("ask", 4) == 8
    assert await asyncio.gather(*(client.call("meet", 5) for _ in range(5))) == [5] * 5
    await client.emit("later", 1)
    assert await client.next() == ("later", 1)
    await client.disconnect()


def check(output):
    """The web server has nothing to complain of."""
    if not ORIGINAL:
        assert "Traceback" not in output
        assert "Error" not in output


def environment(framing, **more):
    return more | ({"FERRIO_NO_TAKEOVER": "1"} if framing == "framed" else {})


@pytest.mark.parametrize("framing", WAYS)
@pytest.mark.parametrize(("mode", "patched_by"), GREEN)
async def test_greenlets(start, connect, mode, patched_by, framing):
    library = patched_by or mode
    more = {} if patched_by is None else {"PATCHED_BY": patched_by}
    program = start("echo.py", library, **environment(framing, ASYNC_MODE=mode, **more))
    for transports in TRANSPORTS:
        await talk(connect, program.url, transports)
    check(program.stop())


@pytest.mark.parametrize("framing", WAYS)
@pytest.mark.parametrize(("worker", "mode"), [("gthread", "threading"), ("gevent", "gevent")])
async def test_gunicorn(start, connect, worker, mode, framing):
    program = gunicorn(start, "-k", worker, "--threads", "20", **environment(framing, ASYNC_MODE=mode))
    for transports in TRANSPORTS:
        await talk(connect, program.url, transports)
    check(program.stop())


async def test_gunicorn_sync(start, connect):
    """A worker that serves one request at a time: no polling, which needs two."""
    program = gunicorn(start, "-k", "sync", ASYNC_MODE="threading")
    await talk(connect, program.url, ["websocket"])
    check(program.stop())


@pytest.mark.ferrio_only
async def test_gunicorn_sync_serves_many_websockets(start, connect):
    """Each of them would hold the worker, if they were not taken over."""
    program = gunicorn(start, "-k", "sync", ASYNC_MODE="threading")
    clients = [await connect(program.url) for _ in range(5)]
    assert await asyncio.gather(*(client.call("meet", 5) for client in clients)) == [5] * 5
    for client in clients:
        await client.disconnect()
    check(program.stop())


def gunicorn(start, *arguments, **env):
    options = ["-b", "127.0.0.1:0", "--no-control-socket", "echo:app"]
    return start("-m", "gunicorn", *arguments, *options, port=r"Listening at: http://127.0.0.1:(\d+)", **env)


# ---- werkzeug, in this process


@pytest.mark.parametrize("transports", TRANSPORTS, ids="+".join)
async def test_tls(sio, socketio, under_werkzeug, connect, certificate, transports):
    """A connection that is encrypted by the web server cannot be taken over."""
    sio.on("echo", lambda sid, *args: args)
    client = await connect(under_werkzeug(socketio.WSGIApp(sio), ssl_context=certificate), transports=transports)
    assert client.transport() == transports[-1]
    assert await client.call("echo", ("x" * 100_000, b"\x00")) == ("x" * 100_000, b"\x00")


async def test_a_server_that_hides_its_socket(sio, socketio, under_werkzeug, connect):
    """No WebSocket then; a client that could do with polling keeps to it."""
    inner = socketio.WSGIApp(sio)

    def app(environ, start_response):
        environ.pop("werkzeug.socket")
        return inner(environ, start_response)

    sio.on("echo", lambda sid, *args: args)
    client = await connect(under_werkzeug(app), transports=["polling", "websocket"])
    assert client.transport() == "polling"
    assert await client.call("echo", 1) == 1


@pytest.mark.every_route
async def test_a_refused_websocket(new_server, serve, raw, route):
    from websockets.exceptions import InvalidStatus

    sio = new_server(cors_allowed_origins="http://mine")
    url = serve(sio)
    with pytest.raises(InvalidStatus) as refused:
        await raw(url, origin="http://other")
    assert refused.value.response.status_code == 400
    assert b"not an accepted origin." in refused.value.response.body.lower()
    await raw(url, origin="http://mine")


async def test_threads_of_the_web_server_are_given_back(sio, socketio, under_werkzeug, connect, monkeypatch):
    url = under_werkzeug(socketio.WSGIApp(sio))
    serving = set()

    class Watched(socketio.WSGIApp):
        def __call__(self, environ, start_response):
            serving.add(threading.current_thread())
            return super().__call__(environ, start_response)

    url = under_werkzeug(Watched(sio))
    client = await connect(url)
    await client.disconnect()
    for thread in serving:
        await asyncio.to_thread(thread.join, 20)
        assert not thread.is_alive()
