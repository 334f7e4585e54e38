"""The threaded server under werkzeug, one text for both: python threads.py PORT"""

import gc
import logging
import sys

from handlers import socketio
from werkzeug.serving import run_simple

logging.getLogger("werkzeug").setLevel(logging.ERROR)
sio = socketio.Server(async_mode="threading", cors_allowed_origins="*")


@sio.event
def echo(sid, data):
    sio.emit("echo", data, to=sid)


@sio.event
def ack(sid, data):
    return data


@sio.event
def join(sid, room="r"):
    sio.enter_room(sid, room)
    return ()


@sio.event
def bcast(sid, data):
    sio.emit("bcast", data, room="r")


@sio.event
def say(sid, room, data):
    sio.emit("bcast", data, room=room)


@sio.on("gc")
def collect(sid):  # before memory is read the second time
    gc.collect()


run_simple("127.0.0.1", int(sys.argv[1]), socketio.WSGIApp(sio), threaded=True)
