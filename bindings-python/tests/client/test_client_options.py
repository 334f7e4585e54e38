"""How a client reaches its server: sessions of other packages, cookies, TLS, what WebSockets get beside it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from typing import Any

import aiohttp
import pytest
import requests

from peers import patiently


async def environ_of(face: Any, site: Any, *, transports: Any = None, headers: Any = None, **options: Any) -> Any:
    client = face.client(**options)
    await face.do(client.connect, site.url, transports=transports, headers=headers or {})
    _, _, environ, _ = await site.get()
    await face.do(client.disconnect)
    assert (await site.get())[0] == "disconnect"
    return environ


@pytest.mark.parametrize("transports", [None, ["websocket"]])
async def test_an_http_session(face, site, transports):
    if face.threads:
        session: Any = requests.Session()
        session.headers["X-Session"] = "yes"
        session.cookies.set("a", "1")
        session.auth = ("user", "pass")
    else:
        session = aiohttp.ClientSession(headers={"X-Session": "yes"}, cookies={"a": "1"})
        session._default_auth = aiohttp.BasicAuth("user", "pass")
    environ = await environ_of(face, site, http_session=session, transports=transports)
    if not (face.threads and transports):
        # The original forgets a requests session's own headers for a WebSocket.
        assert environ["HTTP_X_SESSION"] == "yes"
    assert environ["HTTP_COOKIE"] == "a=1"
    assert environ["HTTP_AUTHORIZATION"] == "Basic dXNlcjpwYXNz"
    if not face.threads:
        await session.close()


async def test_a_function_that_makes_a_session(face, site):
    made: list[Any] = []

    def make() -> Any:
        made.append(requests.Session() if face.threads else aiohttp.ClientSession())
        made[-1].headers["X-Session"] = "made"
        return made[-1]

    environ = await environ_of(face, site, http_session=make)
    assert environ["HTTP_X_SESSION"] == "made"
    assert len(made) == 1
    if not face.threads:
        await made[0].close()


async def test_cookies_in_headers(face, site):
    for transports in (["polling"], ["websocket"]):
        environ = await environ_of(face, site, transports=transports, headers={"Cookie": "b=2; c=3"})
        assert sorted(environ["HTTP_COOKIE"].split("; ")) == ["b=2", "c=3"]


async def test_headers_of_the_websocket_alone(face, site):
    key = "header" if face.threads else "headers"
    extra = {key: {"X-Extra": "ws"}}
    environ = await environ_of(face, site, transports=["websocket"], websocket_extra_options=extra, headers={"X": "1"})
    assert (environ["HTTP_X_EXTRA"], environ["HTTP_X"]) == ("ws", "1")
    extra = {key: {"X-Extra": "ws"}}
    environ = await environ_of(face, site, transports=["polling"], websocket_extra_options=extra)
    assert "HTTP_X_EXTRA" not in environ


@pytest.mark.parametrize("stamped", [True, False])
async def test_timestamps(face, site, stamped):
    environ = await environ_of(face, site, transports=["websocket"], timestamp_requests=stamped)
    assert ("&t=" in environ["QUERY_STRING"]) == stamped


async def test_tls(face, socketio, certificate):
    import ferrio

    sio = ferrio.AsyncServer(cors_allowed_origins="*")
    sio.on("echo", lambda sid, *args: args)
    certfile, keyfile = certificate
    _, port = await sio.listen("127.0.0.1", 0, ssl_certfile=certfile, ssl_keyfile=keyfile)
    url = f"https://127.0.0.1:{port}"
    for transports in (["polling"], ["websocket"], None):
        client = face.client(ssl_verify=False)
        await face.do(client.connect, url, transports=transports)
        assert await face.do(client.call, "echo", 1) == 1
        await face.do(client.disconnect)
        with pytest.raises(socketio.exceptions.ConnectionError):
            await face.do(face.client().connect, url, transports=transports)
    await sio.shutdown()


@pytest.mark.ferrio_only
async def test_certificates_that_are_believed(face, socketio, certificate):
    import ferrio

    sio = ferrio.AsyncServer(cors_allowed_origins="*")
    certfile, keyfile = certificate
    _, port = await sio.listen("127.0.0.1", 0, ssl_certfile=certfile, ssl_keyfile=keyfile)
    client = face.client(ssl_verify=certfile)
    # The certificate is for another name.
    with pytest.raises(socketio.exceptions.ConnectionError, match="certificate"):
        await face.do(client.connect, f"https://127.0.0.1:{port}")
    await sio.shutdown()


INTERRUPTED = """
import asyncio, importlib, sys
socketio = importlib.import_module(sys.argv[1])
kind, url = sys.argv[2:]

def gone(reason):
    print(reason, flush=True)

def threads():
    sio = socketio.Client()
    sio.on("disconnect", gone)
    sio.connect(url)
    print("connected", flush=True)
    sio.wait()

async def loop():
    sio = socketio.AsyncClient()
    sio.on("disconnect", gone)
    await sio.connect(url)
    print("connected", flush=True)
    await sio.wait()

if kind == "threads":
    threads()
else:
    asyncio.run(loop())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals are Unix's")
async def test_an_interrupt_ends_the_connection_first(face, site, socketio):
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        INTERRUPTED,
        socketio.__name__,
        "threads" if face.threads else "asyncio",
        site.url,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    assert program.stdout is not None
    assert await patiently(program.stdout.readline()) == b"connected\n"
    await site.get()
    program.send_signal(signal.SIGINT)
    output, _ = await patiently(program.communicate())
    assert output == b"client disconnect\n"
    assert program.returncode != 0
    assert (await site.get())[0] == "disconnect"
