"""The guide's Flask application."""

import aiohttp
from flask import Flask

ONLY = True


async def play(stage):
    app = Flask("beside")
    sio = stage.new_server()
    app.wsgi_app = stage.socketio.WSGIApp(sio, app.wsgi_app)

    @app.get("/hello")
    def hello():
        sio.emit("hello", "from a page")
        return {"hello": "world"}

    @sio.event
    def echo(sid, data):
        with app.app_context():
            return data

    stage.url = await stage.serve_wsgi(app)
    client = await stage.client("a")
    stage.say(await client.call("echo", 1))
    async with aiohttp.ClientSession() as session, session.get(stage.url + "/hello") as answer:
        stage.say(answer.status, await answer.json())
    stage.say(await client.next())
