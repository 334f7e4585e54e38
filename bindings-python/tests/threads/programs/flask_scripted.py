"""Flask-SocketIO's test client, whose calls end when everything has happened. Prints what a program sees of it.

`python flask_scripted.py` has python-socketio below, `python -m ferrio flask_scripted.py` ferrio.
"""

from __future__ import annotations

import flask
import flask_socketio
import socketio
from flask_socketio import close_room, disconnect, emit, join_room, leave_room, rooms, send

app = flask.Flask(__name__)
app.config["SECRET_KEY"] = "secret"
sio = flask_socketio.SocketIO(app, async_mode="threading")
log = []


@app.route("/login/<name>")
def login(name):
    flask.session["name"] = name
    return name


@sio.on("connect")
def connected(auth):
    log.append(
        ("connect", auth, flask.session.get("name"), flask.request.args.get("q"), flask.request.headers.get("X-H"))
    )
    if auth == {"refuse": 1}:
        raise flask_socketio.ConnectionRefusedError("refused", 1)
    if auth == {"refuse": 2}:
        return False
    send("welcome")


@sio.on("disconnect")
def disconnected(reason):
    log.append(("disconnect", reason))


@sio.on("connect", namespace="/test")
def connected_to_test():
    emit("joined", "test")


@sio.on("message")
def message(text):
    send(text, broadcast=True)
    return "got it"


@sio.on("json")
def as_json(value):
    send(value, json=True, include_self=True)


@sio.on("several")
def several(a, b, c):
    emit("several", (a, b, c))
    return a, b, c


@sio.on("nothing")
def nothing():
    return None


@sio.on("binary")
def binary(data):
    emit("binary", {"back": data, "list": [b"\x00", 1]})
    return data


@sio.on("rooms")
def use_rooms(action, room):
    if action == "join":
        join_room(room)
    elif action == "leave":
        leave_room(room)
    elif action == "close":
        close_room(room)
    elif action == "say":
        emit("said", room, to=room)
    elif action == "others":
        emit("said", "others", to=room, include_self=False)
    return sorted("own" if room == flask.request.sid else room for room in rooms())


@sio.event
def named(value):
    flask.session["count"] = flask.session.get("count", 0) + 1
    emit("counted", flask.session["count"])
    return value, flask.request.event["message"], flask.request.namespace


@sio.on("bye")
def bye():
    emit("last")
    disconnect()


@sio.on("fail")
def fail():
    raise ZeroDivisionError("in a handler")


@sio.on("fail", namespace="/test")
def fail_in_test():
    raise ZeroDivisionError("in a handler of /test")


@sio.on_error("/test")
def on_error(error):
    emit("error", str(error))
    return "handled"


@sio.on("*", namespace="/test")
def anything(event, *args):
    emit("any", (event, *args))


class Class(flask_socketio.Namespace):
    def on_connect(self):
        self.emit("class", "connected")

    def on_double(self, n):
        return n * 2

    def on_disconnect(self, reason):
        log.append(("class disconnect", reason))


sio.on_namespace(Class("/class"))


def show(what, *values):
    print(what, *map(repr, values))


def main():
    show("server", sio.async_mode, sio.server.async_mode, isinstance(sio.server, socketio.Server))
    one = sio.test_client(app, query_string="?q=1", headers={"X-H": "h"}, auth={"token": "t"})
    two = sio.test_client(app)
    show("connected", one.is_connected(), one.is_connected("/test"), one.get_received(), two.get_received())
    show("message", one.send("hello", callback=True), one.get_received(), two.get_received())
    show("json", one.send({"a": [1, None]}, json=True), one.get_received(), two.get_received())
    show("several", one.emit("several", 1, "ü", None, callback=True), one.get_received())
    show("nothing", one.emit("nothing", callback=True), one.emit("unheard of", 1))
    show("binary", one.emit("binary", b"\x01\xff", callback=True), one.get_received())
    show("named", one.emit("named", 1, callback=True), one.emit("named", 2, callback=True), one.get_received())
    for client, *action in [
        (one, "join", "a"),
        (two, "join", "a"),
        (one, "say", "a"),
        (one, "others", "a"),
        (two, "leave", "a"),
        (one, "say", "a"),
        (two, "join", "b"),
        (one, "close", "b"),
        (two, "say", "b"),
        (two, "join", "c"),
    ]:
        result = client.emit("rooms", *action, callback=True)
        show("rooms", action, result, one.get_received(), two.get_received())
    sio.emit("outside", {"x": 1}, to="c")
    sio.emit("outside", "everybody")
    sio.send("sent")
    show("from outside", one.get_received(), two.get_received())
    try:
        one.emit("fail")
    except ZeroDivisionError as error:
        show("raised", error)
    show("still there", one.emit("named", 3, callback=True), one.get_received())

    one.connect("/test")
    show("/test", one.is_connected("/test"), one.get_received("/test"))
    show("error", one.emit("fail", namespace="/test", callback=True), one.get_received("/test"))
    show("any", one.emit("something", 1, 2, namespace="/test"), one.get_received("/test"))
    one.connect("/class")
    show("class", one.get_received("/class"), one.emit("double", 4, namespace="/class", callback=True))
    one.disconnect("/class")
    show("left", one.is_connected("/class"), one.is_connected())
    one.connect("/nowhere")
    show("nowhere", one.is_connected("/nowhere"))

    for refusal in (1, 2):
        show("refused", sio.test_client(app, auth={"refuse": refusal}).is_connected())
    browser = app.test_client()
    browser.get("/login/ann")
    three = sio.test_client(app, flask_test_client=browser)
    show("login", three.get_received())
    three.emit("bye")
    show("bye", three.is_connected())
    try:
        three.emit("named", 1)
    except RuntimeError as error:
        show("gone", error)
    two.disconnect()
    one.disconnect()
    show("end", one.is_connected(), two.is_connected())
    for line in log:
        show("log", line)


main()
