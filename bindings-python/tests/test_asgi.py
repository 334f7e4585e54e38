"""`ASGIApp` beside other applications and files, and the lifespan."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import fastapi
import pytest

from peers import patiently, until


async def fetch(url: str) -> tuple[int, str, str | None]:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.text(), response.headers.get("Content-Type")


def fastapi_app() -> fastapi.FastAPI:
    app = fastapi.FastAPI()

    @app.get("/hello")
    async def hello() -> dict[str, str]:
        return {"hello": "world"}

    return app


async def test_beside_fastapi(sio, socketio, under_uvicorn, connect):
    url = await under_uvicorn(socketio.ASGIApp(sio, fastapi_app()))
    sio.on("x", lambda sid: "y")
    assert (await fetch(url + "/hello"))[:2] == (200, '{"hello":"world"}')
    assert (await fetch(url + "/nowhere"))[0] == 404
    for transports in (["websocket"], ["polling"], ["polling", "websocket"]):
        assert await (await connect(url, transports=transports)).call("x") == "y"


async def test_mounted_in_fastapi(sio, socketio, under_uvicorn, connect):
    app = fastapi_app()
    app.mount("/ws", socketio.ASGIApp(sio, socketio_path="/ws/socket.io"))
    sio.on("x", lambda sid: "y")
    url = await under_uvicorn(app)
    assert (await fetch(url + "/hello"))[0] == 200
    for transports in (["websocket"], ["polling"], ["polling", "websocket"]):
        client = await connect(url, transports=transports, socketio_path="/ws/socket.io")
        assert await client.call("x") == "y"


@pytest.mark.parametrize("path", ["chat", "/chat", "/chat/", "deep/er"])
async def test_another_path(sio, socketio, under_uvicorn, connect, path):
    url = await under_uvicorn(socketio.ASGIApp(sio, socketio_path=path))
    sio.on("x", lambda sid: "y")
    client = await connect(url, socketio_path=path, transports=["polling", "websocket"])
    assert await client.call("x") == "y"
    assert await fetch(url + "/socket.io/?EIO=4&transport=polling") == (404, "Not Found", "text/plain")


async def test_every_path(sio, socketio, under_uvicorn, connect):
    url = await under_uvicorn(socketio.ASGIApp(sio, fastapi_app(), socketio_path=None))
    client = await connect(url, socketio_path="any/where", transports=["polling", "websocket"])
    sio.on("x", lambda sid: sio.get_environ(sid)["PATH_INFO"])
    assert await client.call("x") == "/any/where/"


async def test_static_files(sio, socketio, under_uvicorn, tmp_path):
    files = {"index.html": "<p>", "a.js": "js", "sub/b.css": "css", "secret": "!", "page": "page"}
    (tmp_path / "www" / "sub").mkdir(parents=True)
    for name, text in files.items():
        (tmp_path / ("www" if name != "secret" else ".") / name).write_text(text)
    www = str(tmp_path / "www")
    rules = {
        "/": www + "/",
        "/static": www,
        "/one": www + "/a.js",
        "/typed": {"filename": www + "/page", "content_type": "text/plain"},
        "/sub/": www + "/sub/",
    }
    url = await under_uvicorn(socketio.ASGIApp(sio, static_files=rules))
    assert await fetch(url + "/") == (200, "<p>", "text/html")
    assert await fetch(url + "/a.js") == (200, "js", "application/javascript")
    assert await fetch(url + "/static/sub/b.css") == (200, "css", "text/css")
    assert await fetch(url + "/one") == (200, "js", "application/javascript")
    assert await fetch(url + "/typed") == (200, "page", "text/plain")
    assert await fetch(url + "/page") == (200, "page", "application/octet-stream")
    assert await fetch(url + "/sub/b.css") == (200, "css", "text/css")
    assert (await fetch(url + "/missing.txt"))[0] == 404
    assert (await fetch(url + "/sub/"))[0] == 404
    # A client that leaves the dots in the path.
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rsplit(":", 1)[1]))
    writer.write(b"GET /static/../secret HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert (await reader.readline()).split()[1] == b"404"
    writer.close()


async def test_the_index_of_a_directory(sio, socketio, under_uvicorn, tmp_path):
    (tmp_path / "start.htm").write_text("start")
    rules = {"/x": str(tmp_path) + "/", "": {"filename": "start.htm", "content_type": "text/html"}}
    url = await under_uvicorn(socketio.ASGIApp(sio, static_files=rules))
    assert await fetch(url + "/x/") == (200, "start", "text/html")
    assert (await fetch(url + "/start.htm"))[0] == 404


async def test_a_file_comes_before_the_other_application(sio, socketio, under_uvicorn, tmp_path):
    (tmp_path / "x.txt").write_text("file")
    app = socketio.ASGIApp(sio, fastapi_app(), static_files={"/hello": str(tmp_path / "x.txt")})
    assert (await fetch(await under_uvicorn(app) + "/hello"))[1] == "file"


async def run_lifespan(app: Any) -> list[str]:
    """Starts an application and ends it, as a server does; gives what it answered."""
    answers: list[str] = []
    events = asyncio.Queue()

    async def send(message: Any) -> None:
        answers.append(message["type"])

    task = asyncio.create_task(app({"type": "lifespan", "asgi": {}, "state": {}}, events.get, send))
    events.put_nowait({"type": "lifespan.startup"})
    await until(lambda: answers)
    if answers == ["lifespan.startup.complete"]:
        events.put_nowait({"type": "lifespan.shutdown"})
    await patiently(task)
    return answers


async def test_lifespan(sio, socketio):
    log = []

    async def start() -> None:
        log.append("start")

    app = socketio.ASGIApp(sio, on_startup=start, on_shutdown=lambda: log.append("stop"))
    assert await run_lifespan(app) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert log == ["start", "stop"]
    assert await run_lifespan(socketio.ASGIApp(sio)) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def test_lifespan_that_fails(sio, socketio):
    def fail() -> None:
        raise RuntimeError("no")

    assert await run_lifespan(socketio.ASGIApp(sio, on_startup=fail)) == ["lifespan.startup.failed"]
    answers = await run_lifespan(socketio.ASGIApp(sio, on_shutdown=fail))
    assert answers == ["lifespan.startup.complete", "lifespan.shutdown.failed"]


async def test_lifespan_of_the_other_application(sio, socketio):
    log = []

    async def other(scope: Any, receive: Any, send: Any) -> None:
        for name in ("startup", "shutdown"):
            assert (await receive())["type"] == f"lifespan.{name}"
            log.append(name)
            await send({"type": f"lifespan.{name}.complete"})

    await run_lifespan(socketio.ASGIApp(sio, other))
    assert log == ["startup", "shutdown"]


@pytest.mark.ferrio_only
@pytest.mark.parametrize("taken", [False, True])
async def test_the_end_of_the_lifespan_disconnects_everybody(sio, socketio, under_uvicorn, connect, taken):
    sio._take_over = taken
    reasons = asyncio.Queue()

    @sio.on("disconnect")
    async def on_disconnect(sid, reason):
        await asyncio.sleep(0.01)
        reasons.put_nowait(reason)

    app = socketio.ASGIApp(sio)
    client = await connect(await under_uvicorn(app))
    await run_lifespan(app)
    assert reasons.get_nowait() == "server disconnect"
    assert not sio._running
    await patiently(client.gone.get())


async def test_a_poll_whose_client_goes_away(sio, socketio, under_uvicorn, polling):
    sio.namespaces = "*"
    poller = polling(await under_uvicorn(socketio.ASGIApp(sio)))
    await poller.open()
    await poller.post("40")
    await poller.get()
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(poller.get(), 0.3)
    # Other clients are served as before.
    other = polling(poller.base.removesuffix("/socket.io/"))
    await other.open()
