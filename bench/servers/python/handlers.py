"""The handlers, one text for both: FERRIO_BENCH chooses the module."""

import gc
import os

if os.environ.get("FERRIO_BENCH") == "ferrio":
    import ferrio as socketio
else:
    import socketio

sio = socketio.AsyncServer(async_mode="asgi", cors_allowed_origins="*")
app = socketio.ASGIApp(sio)


@sio.event
async def echo(sid, data):
    await sio.emit("echo", data, to=sid)


@sio.event
async def ack(sid, data):
    return data


@sio.event
async def join(sid):
    await sio.enter_room(sid, "r")
    return ()


@sio.event
async def bcast(sid, data):
    await sio.emit("bcast", data, room="r")


@sio.on("gc")
async def collect(sid):  # before memory is read the second time
    gc.collect()
