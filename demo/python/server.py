"""The chat in Python: python server.py [port]. The same program: ../node, and core/ferrio/examples/chat.rs."""

import os
import sys
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

# A program written for python-socketio runs on ferrio: only the name of the module changes.
if os.environ.get("DEMO_ORIGINAL"):
    import socketio
else:
    import ferrio as socketio

page = Starlette(routes=[Mount("/", StaticFiles(directory=Path(__file__).parent.parent / "public", html=True))])
sio = socketio.AsyncServer(async_mode="asgi")
people: dict[str, dict] = {}  # sid -> {"name", "room"}


@sio.event
async def connect(sid, environ, auth):
    await sio.emit("welcome", {"language": "Python"}, to=sid)
    await enter(sid, auth or {})  # after a reconnect the client tells where it was


@sio.event
async def enter(sid, who):
    await disconnect(sid)
    if who.get("name") and who.get("room"):
        people[sid] = who
        await sio.enter_room(sid, who["room"])
        await tell_who_is_there(who["room"])


@sio.event
async def message(sid, text):
    await say(sid, "message", {"text": text})


@sio.event
async def image(sid, image):  # {"type", "data"}, data as bytes
    await say(sid, "image", image)


@sio.event
async def typing(sid, typing):
    await say(sid, "typing", {"typing": typing}, skip_sid=sid)


@sio.event
async def disconnect(sid, reason=None):
    if who := people.pop(sid, None):
        await sio.leave_room(sid, who["room"])
        await tell_who_is_there(who["room"])


async def say(sid, event, what, **options):
    if who := people.get(sid):
        await sio.emit(event, {**what, "name": who["name"]}, room=who["room"], **options)


async def tell_who_is_there(room):
    await sio.emit("users", [who["name"] for who in people.values() if who["room"] == room], room=room)


app = socketio.ASGIApp(sio, page)

if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 3002
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")
