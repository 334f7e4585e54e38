"""`WSGIApp`: what belongs to Socket.IO, what to files, what to the application beside it; and the answers to requests."""

from __future__ import annotations

import json

import pytest
import requests
from werkzeug.test import Client, EnvironBuilder, run_wsgi_app


def other(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"other: " + environ["PATH_INFO"].encode()]


def ask(app, path, method="GET", **options):
    """Status, content type and body. (Not by werkzeug's client, which keeps cookies.)"""
    environ = EnvironBuilder(path=path, method=method, **options).get_environ()
    body, status, headers = run_wsgi_app(app, environ, buffered=True)
    return status, headers, b"".join(body)


def test_who_answers(sio, socketio):
    app = socketio.WSGIApp(sio, other)
    assert ask(app, "/")[2] == b"other: /"
    assert ask(app, "/socket.io")[2] == b"other: /socket.io"
    assert ask(app, "/socket.io/")[0].startswith("400")
    status, headers, body = ask(socketio.WSGIApp(sio), "/")
    assert (status, headers["Content-Type"], body) == ("404 Not Found", "text/plain", b"Not Found")


@pytest.mark.parametrize("path", ["/here/socket.io/", "here/socket.io", "/here/socket.io"])
def test_another_path(sio, socketio, path):
    app = socketio.WSGIApp(sio, other, socketio_path=path)
    assert ask(app, "/here/socket.io/?EIO=4&transport=polling")[2].startswith(b'0{"sid":')
    assert ask(app, "/socket.io/?EIO=4")[2] == b"other: /socket.io/"


def test_the_old_name(sio, socketio):
    app = socketio.Middleware(sio, other, "ws")
    assert ask(app, "/ws/?EIO=4&transport=polling")[2].startswith(b'0{"sid":')
    assert ask(app, "/x")[2] == b"other: /x"


def test_files(sio, socketio, tmp_path):
    (tmp_path / "public").mkdir()
    (tmp_path / "public" / "index.html").write_text("<index>")
    (tmp_path / "public" / "a.css").write_text("a{}")
    (tmp_path / "secret.txt").write_text("secret")
    static = {
        "/": str(tmp_path / "public" / "index.html"),
        "/public/": str(tmp_path / "public") + "/",
        "/raw": {"filename": str(tmp_path / "public" / "a.css"), "content_type": "text/x-raw"},
    }
    app = socketio.WSGIApp(sio, other, static_files=static)
    for path, content_type, body in [
        ("/", "text/html", b"<index>"),
        ("/public/", "text/html", b"<index>"),
        ("/public/a.css", "text/css", b"a{}"),
        ("/raw", "text/x-raw", b"a{}"),
    ]:
        status, headers, got = ask(app, path)
        assert (status, headers["Content-Type"], got) == ("200 OK", content_type, body)
    for path in ["/public/../secret.txt", "/public/none.css", "/public/..%2fsecret.txt", "/public/x/../../secret.txt"]:
        assert ask(app, path)[2].startswith(b"other:")


UNSUPPORTED = b'"The client is using an unsupported version of the Socket.IO or Engine.IO protocols"'
#: A request, and the status and body of the answer.
ANSWERS = [
    ("GET", "transport=polling", {}, 400, UNSUPPORTED),
    ("GET", "EIO=3&transport=polling", {}, 400, UNSUPPORTED),
    ("GET", "EIO=4&transport=pigeon", {}, 400, b'"Invalid transport"'),
    ("GET", "EIO=4&transport=polling&sid=x", {}, 400, b'"Invalid session x"'),
    ("GET", "EIO=4&transport=websocket", {}, 400, b'"Invalid websocket upgrade"'),
    ("POST", "EIO=4&transport=polling&sid=x", {"data": "40"}, 400, b'"Invalid session x"'),
    ("OPTIONS", "EIO=4&transport=polling", {}, 200, b"OK"),
    ("GET", "EIO=4&transport=polling", {"headers": {"Origin": "http://evil"}}, 400, b'ot an accepted origin."'),
]


@pytest.mark.parametrize(("method", "query", "options", "status", "body"), ANSWERS)
def test_answers(new_server, socketio, method, query, options, status, body):
    app = socketio.WSGIApp(new_server(cors_allowed_origins=None))
    got, headers, text = ask(app, f"/socket.io/?{query}", method, **options)
    assert int(got.split()[0]) == status
    assert text.endswith(body)
    assert headers["Content-Type"].startswith("text/plain")


def test_a_conversation_by_polling(sio, socketio):
    seen = []
    sio.on("x", lambda sid, *args: seen.append(args))
    app = socketio.WSGIApp(sio)
    status, headers, body = ask(app, "/socket.io/?EIO=4&transport=polling", headers={"Origin": "http://any"})
    assert status.startswith("200")
    assert headers["Access-Control-Allow-Origin"] == "http://any"
    assert headers["Access-Control-Allow-Credentials"] == "true"
    handshake = json.loads(body[1:])
    assert (handshake["upgrades"], handshake["pingInterval"], handshake["pingTimeout"]) == (["websocket"], 25000, 20000)
    session = f"/socket.io/?EIO=4&transport=polling&sid={handshake['sid']}"
    assert ask(app, session, "POST", data="40")[2] == b"OK"
    assert ask(app, session)[2].startswith(b'40{"sid":')
    assert ask(app, session, "POST", data='42["x",1]\x1e42["x","ü"]'.encode())[2] == b"OK"
    sio.emit("y", 1)
    assert ask(app, session)[2] == b'42["y",1]'
    while len(seen) < 2:
        sio.sleep(0.002)
    assert sorted(seen, key=str) == [("ü",), (1,)]


@pytest.mark.ferrio_only
def test_a_body_over_the_limit(new_server, socketio):
    """(The original waits, in the POST, for somebody to fetch what is queued, and never ends.)"""
    sio = new_server(max_http_buffer_size=100_000)
    app = socketio.WSGIApp(sio)
    handshake = json.loads(ask(app, "/socket.io/?EIO=4&transport=polling")[2][1:])
    session = f"/socket.io/?EIO=4&transport=polling&sid={handshake['sid']}"
    assert ask(app, session, "POST", data="4" * 100_001)[0].startswith("400")
    assert ask(app, session)[0].startswith("400")


def test_a_cookie(new_server, socketio):
    app = socketio.WSGIApp(new_server(cookie="io"))
    client = Client(app)
    response = client.get("/socket.io/?EIO=4&transport=polling")
    sid = json.loads(response.text[1:])["sid"]
    assert response.headers["Set-Cookie"] == f"io={sid}; path=/; SameSite=Lax"


@pytest.mark.every_route
def test_functions_that_have_a_say(new_server, serve):
    """On the port of the engine's own they are asked in a thread of the server's."""
    cookie = {"name": "s", "path": "/", "Expires": lambda: "soon"}
    url = serve(new_server(cors_allowed_origins=lambda origin, environ: origin == "http://good.example", cookie=cookie))
    for origin, expected in [("http://good.example", 200), ("http://evil.example", 400), (None, 200)]:
        response = requests.get(
            f"{url}/socket.io/?EIO=4&transport=polling", headers={"Origin": origin} if origin else {}, timeout=10
        )
        assert response.status_code == expected
        if expected == 200:
            sid = json.loads(response.text[1:])["sid"]
            assert response.headers["Set-Cookie"] == f"s={sid}; path=/; Expires=soon"
            assert response.headers.get("Access-Control-Allow-Origin") == origin


@pytest.mark.ferrio_only
def test_client_files(new_server, socketio, tmp_path):
    (tmp_path / "socket.io.js").write_text("io")
    (tmp_path / "secret").write_text("secret")
    app = socketio.WSGIApp(new_server(client_bundle=tmp_path), other)
    status, headers, body = ask(app, "/socket.io/socket.io.js")
    assert (status, headers["Content-Type"], body) == ("200 OK", "application/javascript; charset=utf-8", b"io")
    known = {"If-None-Match": headers["ETag"]}
    assert ask(app, "/socket.io/socket.io.js", headers=known)[0].startswith("304")
    assert ask(app, "/socket.io/secret")[0].startswith("400")
    assert ask(app, "/socket.io/%2e%2e/secret")[0].startswith("400")
    with pytest.raises(FileNotFoundError, match="client_bundle"):
        new_server(client_bundle=tmp_path / "nowhere")
