"""A server for any WSGI server, and for the ways of starting one that are named below. `FERRIO_TEST_MODULE` says whose."""

from __future__ import annotations

import importlib
import os
import sys
import threading

mode = os.environ.get("ASYNC_MODE", "threading")
patched_by = os.environ.get("PATCHED_BY")

if patched_by is not None:
    if patched_by == "gevent":
        from gevent import monkey

        monkey.patch_all()
    else:
        import eventlet

        eventlet.monkey_patch()

socketio = importlib.import_module(os.environ.get("FERRIO_TEST_MODULE", "ferrio"))
sio = socketio.Server(async_mode=mode, cors_allowed_origins="*")
waiting = 0
everybody = None


@sio.event
def connect(sid, environ, auth):
    sio.save_session(sid, {"agent": environ.get("HTTP_X_AGENT")})


@sio.event
def echo(sid, *args):
    sio.emit("echoed", args, to=sid)
    return args


@sio.event
def agent(sid):
    return sio.get_session(sid)["agent"], sio.transport(sid)


@sio.event
def meet(sid, count):
    """Returns when `count` handlers are in here at once."""
    global waiting, everybody
    if everybody is None:
        everybody = sio.eio.create_event()
    waiting += 1
    if waiting == count:
        everybody.set()
        everybody, waiting = None, 0
    else:
        everybody.wait(20)
    return count


@sio.event
def ask(sid, n):
    return sio.call("double", n, to=sid)


@sio.event
def later(sid, n):
    def task():
        sio.sleep(0.01)
        sio.emit("later", n, to=sid)

    sio.start_background_task(task)


@sio.event
def where(sid):
    return threading.current_thread() is threading.main_thread()


def other(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"the other application"]


app = socketio.WSGIApp(sio, other)


def serve_gevent() -> None:
    from gevent import pywsgi

    server = pywsgi.WSGIServer(("127.0.0.1", 0), app, log=None)
    server.start()
    print(server.server_port, flush=True)
    server.serve_forever()


def serve_eventlet() -> None:
    import eventlet
    import eventlet.wsgi

    listener = eventlet.listen(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    eventlet.wsgi.server(listener, app, log_output=False)


if __name__ == "__main__":
    {"gevent": serve_gevent, "eventlet": serve_eventlet}[sys.argv[1]]()
