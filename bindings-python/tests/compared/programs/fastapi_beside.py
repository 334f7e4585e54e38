"""The guide's FastAPI application."""

import aiohttp
from fastapi import FastAPI

ONLY = False


async def play(stage):
    app = FastAPI()
    sio = stage.new_server()

    @app.get("/hello")
    async def hello():
        await sio.emit("hello", "from a page")
        return {"hello": "world"}

    @sio.event
    async def echo(sid, data):
        return data

    stage.url = await stage.serve_asgi(stage.socketio.ASGIApp(sio, app))
    client = await stage.client("a")
    stage.say(await client.call("echo", 1))
    async with aiohttp.ClientSession() as session, session.get(stage.url + "/hello") as answer:
        stage.say(answer.status, await answer.json())
    stage.say(await client.next())
    # The other way round: mounted in FastAPI's application.
    outer = FastAPI()
    inner = stage.new_server()
    inner.on("echo", lambda sid, data: data)
    outer.mount("/ws", stage.socketio.ASGIApp(inner, socketio_path="/ws/socket.io"))
    stage.url = await stage.serve_asgi(outer)
    client = await stage.client("b", socketio_path="/ws/socket.io")
    stage.say(await client.call("echo", 2))
