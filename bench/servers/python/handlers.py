"""The asynchronous handlers, one text for both: FERRIO_BENCH chooses the module."""

import gc
import os

if os.environ.get("FERRIO_BENCH") == "ferrio":
    import ferrio as socketio
else:
    import socketio


def make(async_mode):
    sio = socketio.AsyncServer(async_mode=async_mode, cors_allowed_origins="*")

    @sio.event
    async def echo(sid, data):
        await sio.emit("echo", data, to=sid)

    @sio.event
    async def ack(sid, data):
        return data

    @sio.event
    async def join(sid, room="r"):
        await sio.enter_room(sid, room)
        return ()

    @sio.event
    async def bcast(sid, data):
        await sio.emit("bcast", data, room="r")

    @sio.event
    async def say(sid, room, data):
        await sio.emit("bcast", data, room=room)

    @sio.on("gc")
    async def collect(sid):  # before memory is read the second time
        gc.collect()

    return sio
