"""A chat beside a Flask application, with threads.

python flask_chat.py [port]
gunicorn -k gthread --threads 100 flask_chat:app
"""

from __future__ import annotations

import sys
from typing import Any

import ferrio as socketio
import flask
from werkzeug.serving import run_simple

flask_app = flask.Flask(__name__)
sio = socketio.Server(async_mode="threading")
app = socketio.WSGIApp(sio, flask_app.wsgi_app)


@flask_app.get("/")
def index() -> str:
    return f"{len(list(sio.manager.get_participants('/', None)))} clients are connected"


@flask_app.post("/announce")
def announce() -> dict[str, bool]:
    """Any thread may emit."""
    sio.emit("announcement", flask.request.get_data(as_text=True))
    return {"sent": True}


@sio.event
def connect(sid: str, environ: dict[str, Any], auth: Any) -> None:
    name = (auth or {}).get("name")
    if not name:
        raise socketio.exceptions.ConnectionRefusedError("a name is needed")
    sio.save_session(sid, {"name": name})


@sio.event
def join(sid: str, room: str) -> list[str]:
    sio.enter_room(sid, room)
    sio.emit("joined", sio.get_session(sid)["name"], room=room, skip_sid=sid)
    return sorted(room for room in sio.rooms(sid) if room != sid)


@sio.event
def say(sid: str, room: str, text: str) -> str:
    sio.emit("said", (sio.get_session(sid)["name"], text), room=room)
    return "delivered"


@sio.event
def disconnect(sid: str, reason: str) -> None:
    print(sio.get_session(sid)["name"], "left:", reason, flush=True)


if __name__ == "__main__":
    run_simple("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 5000, app, threaded=True)
