"""Flask-SocketIO on ferrio: the program is what it was, but for the first two lines.

    python flask_socketio_chat.py [port]
    gunicorn -k gthread --threads 100 flask_socketio_chat:app

A program that shall not change is started by ``python -m ferrio program.py``, or ``python -m ferrio -m flask run``.
"""

from __future__ import annotations

import sys

import ferrio

ferrio.install()

import flask  # noqa: E402
import flask_socketio  # type: ignore[import-untyped]  # noqa: E402
from flask_socketio import emit, join_room, send  # noqa: E402

app = flask.Flask(__name__)
app.config["SECRET_KEY"] = "of the example"
socketio = flask_socketio.SocketIO(app, async_mode="threading")


@app.get("/login/<name>")
def login(name: str) -> str:
    flask.session["name"] = name
    return f"hello {name}"


@socketio.on("connect")
def connected() -> None:
    emit("who", flask.session.get("name", "nobody"))


@socketio.on("message")
def message(text: str) -> str:
    send(text, broadcast=True)
    return "delivered"


@socketio.on("join")
def join(room: str) -> None:
    join_room(room)
    emit("joined", flask.session.get("name", "nobody"), to=room)


@socketio.on("work")
def work(n: int) -> None:
    """What takes long goes to a thread of its own."""

    def run(sid: str) -> None:
        for done in range(n):
            socketio.sleep(0.01)
            socketio.emit("progress", done + 1, to=sid)

    socketio.start_background_task(run, flask.request.sid)  # type: ignore[attr-defined]


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    socketio.run(app, port=port, allow_unsafe_werkzeug=True)
