"""Every server and framework that an application may be served by, with WebSockets taken over and without."""

from __future__ import annotations

import os
import signal

import aiohttp
import pytest
import pytest_asyncio

from conftest import ORIGINAL
from hosts import HOSTS, Served
from peers import patiently

#: The original cannot be served by itself, nor by this Sanic; under these other two it does not end when told.
NOT_ORIGINAL = {"native", "hosted", "sanic", "granian", "gunicorn", "gunicorn-preload"}


def cases():
    return list(every_case())


def every_case():
    for name, host in HOSTS.items():
        for take_over in [False] if ORIGINAL or not host.reachable else [True, False]:
            marks = []
            if host.missing is not None:
                marks.append(pytest.mark.skip(reason=f"{host.missing} is not here"))
            elif ORIGINAL and name in NOT_ORIGINAL:
                marks.append(pytest.mark.skip(reason="the original cannot"))
            yield pytest.param(name, take_over, marks=marks, id=f"{name}-{'taken' if take_over else 'framed'}")


@pytest_asyncio.fixture
async def start():
    running = []

    async def start(name, take_over=True, **environment):
        served = await Served.start(HOSTS[name], FERRIO_NO_TAKEOVER="0" if take_over else "1", **environment)
        running.append(served)
        return served

    yield start
    for served in running:
        await served.kill()


@pytest.mark.parametrize(("name", "take_over"), cases())
async def test_every_way_of_serving(start, connect, name, take_over):
    served = await start(name, take_over)
    path = served.host.path
    for transports in (["websocket"], ["polling"], ["polling", "websocket"]):
        client = await connect(served.url, transports=transports, socketio_path=path)
        for args in ((1, b"two", "drei"), ("x" * 200_000,), (b"y" * 200_000,)):
            answer = await client.call("echo", args)
            assert (tuple(answer) if isinstance(answer, (list, tuple)) else (answer,)) == args
            assert await client.next() == ("echo", *args)
        if not ORIGINAL:  # which takes no more than 16 packets in a payload, and answers them in any order
            for n in range(40):
                await client.emit("echo", n)
            assert await client.take(40) == [("echo", n) for n in range(40)]
        assert await client.call("transport") == transports[-1]
        assert await client.call("environ", "PATH_INFO") == path
        assert await client.call("environ", "REMOTE_ADDR") == "127.0.0.1"
        assert await client.call("environ", "wsgi.url_scheme") == "http"
        await client.disconnect()
    stays = await connect(served.url, socketio_path=path)
    if served.host.page:
        async with aiohttp.ClientSession() as session, session.get(served.url + "/page") as response:
            assert response.status == 200
            assert (await response.text()).strip('"') == "page"
    status, output, errors = await served.stop()
    await patiently(stays.gone.get())
    assert status in (0, -signal.SIGTERM), errors
    if not ORIGINAL:
        # A poll that crosses with the end of its session is a refused request: logged, and by Tornado as well.
        crossed = ("Invalid session ", f"400 GET {path}")
        errors = "".join(line for line in errors.splitlines(True) if not line.startswith(crossed))
        # hypercorn tells where it runs, and Tracebacks of its own if a WebSocket of its own is open at the end.
        assert errors == "" or (name == "hypercorn" and "ferrio" not in errors)
        assert output.count("gone") == 4 or name in ("granian", "mounted", "starlette"), output


@pytest.mark.parametrize(("name", "take_over"), cases())
async def test_environ_knows_the_request(start, connect, name, take_over):
    expected = {
        "aiohttp": ("aiohttp.request", "Request"),
        "tornado": ("tornado.handler", "Handler"),
        "sanic": ("sanic.request", "Request"),
        "native": ("wsgi.version", "tuple"),
        "hosted": ("wsgi.version", "tuple"),
    }.get(name, ("asgi.scope", "dict"))
    served = await start(name, take_over)
    headers = {"X-Forwarded-Proto": "https", "X-Own": "yes"}
    client = await connect(served.url, socketio_path=served.host.path, headers=headers)
    assert await client.call("environ", expected[0]) == expected[1]
    assert await client.call("environ", "wsgi.url_scheme") == "https"
    assert await client.call("environ", "HTTP_X_OWN") == "yes"
    assert await client.call("environ", "REQUEST_METHOD") == "GET"
    assert "transport=websocket" in await client.call("environ", "QUERY_STRING")


@pytest.mark.parametrize(("name", "take_over"), [case for case in cases() if case.values[0] != "native"])
async def test_what_the_engine_refuses(start, raw, name, take_over):
    served = await start(name, take_over)
    url = served.url + served.host.path
    async with aiohttp.ClientSession() as session:
        for query, status in {
            "EIO=4&transport=polling&sid=nobody": 400,
            "EIO=3&transport=polling": 400,
            "EIO=4&transport=tin-can": 400,
        }.items():
            async with session.get(f"{url}?{query}") as response:
                assert response.status == status, query
        async with session.options(url + "?EIO=4&transport=polling") as response:
            assert response.status == 200
            assert await response.text() == "OK"
        async with session.get(f"{url}?EIO=4&transport=polling", headers={"Origin": "http://foreign"}) as response:
            assert response.headers["Access-Control-Allow-Origin"] == "http://foreign"
            assert response.headers["Access-Control-Allow-Credentials"] == "true"
        if not ORIGINAL:
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await session.ws_connect(f"{url}?EIO=4&transport=websocket&sid=nobody")


@pytest.mark.skipif(HOSTS["gunicorn"].missing is not None, reason="gunicorn is not here")
@pytest.mark.parametrize("name", ["gunicorn", "gunicorn-preload"])
async def test_several_workers(start, connect, name):
    """Each worker has an engine of its own, started after the fork."""
    served = await start(name, WEB_CONCURRENCY="2")
    pids = set()
    for _ in range(40):
        client = await connect(served.url)
        pids.add(await client.call("pid"))
        if len(pids) == 2:
            break
    assert len(pids) == 2
    assert os.getpid() not in pids
    status, _, errors = await served.stop()
    assert status == 0
    assert errors == "" or ORIGINAL
