"""Requests and WebSockets of a WSGI server, handed to the engine."""

from __future__ import annotations

import http
import os
import socket
import ssl
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from . import _modes

if TYPE_CHECKING:
    from .server import Server

Environ = dict[str, Any]
StartResponse = Callable[..., Any]

#: Bytes of a body that are read at a time.
CHUNK = 64 << 10


def serve(server: Server, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    if is_websocket(environ):
        return serve_websocket(server, environ, start_response)
    return serve_http(server, environ, start_response)


def is_websocket(environ: Environ) -> bool:
    return (
        environ["REQUEST_METHOD"] == "GET"
        and environ.get("HTTP_UPGRADE", "").lower() == "websocket"
        and "transport=websocket" in environ.get("QUERY_STRING", "")
    )


class Head:
    """The head of a request, as the engine takes it."""

    def __init__(self, server: Server, environ: Environ) -> None:
        self.target = server._target(environ.get("PATH_INFO") or "", environ.get("QUERY_STRING", ""))
        self.headers = list(headers_of(environ))
        self.remote = str(environ.get("REMOTE_ADDR") or "")
        self.secure = environ.get("wsgi.url_scheme") == "https"


def headers_of(environ: Environ) -> Iterator[tuple[bytes, bytes]]:
    for name, value in environ.items():
        if name.startswith("HTTP_"):
            name = name[5:]
        elif name not in ("CONTENT_TYPE", "CONTENT_LENGTH") or not value:
            continue
        yield name.lower().replace("_", "-").encode("latin-1"), str(value).encode("latin-1", "replace")


# ---- polling


def serve_http(server: Server, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    head = Head(server, environ)
    source = None if "sid=" in head.target else environ
    length = content_length(environ)
    first = environ["wsgi.input"].read(min(length, CHUNK)) if length else b""
    left = length - len(first)
    number, answer = server._request(
        environ["REQUEST_METHOD"], head.target, head.headers, head.remote, head.secure, source, first, left == 0
    )
    try:
        while left > 0 and not answer.done():
            chunk = environ["wsgi.input"].read(min(left, CHUNK))
            if not chunk:
                # The client went away in the middle.
                server._abort(number)
                break
            left -= len(chunk)
            server._body(number, chunk, left == 0)
        status, headers, body = answer.result()
    except _modes.Cancelled:
        status, headers, body = 503, [], b""
    except BaseException:
        server._abort(number)
        raise
    plain = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
    plain.append(("Content-Length", str(len(body))))
    start_response(f"{status} {http.HTTPStatus(status).phrase}", plain)
    return [body]


def content_length(environ: Environ) -> int:
    try:
        return max(int(environ.get("CONTENT_LENGTH") or 0), 0)
    except ValueError:
        return 0


# ---- WebSockets


def serve_websocket(server: Server, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    head = Head(server, environ)
    connection = socket_of(environ)
    if server._take_over and hasattr(server, "_take_over_socket") and is_plain_tcp(connection, head):
        descriptor = os.dup(connection.fileno())
        left_behind = Decoy(connection)
        server._take_over_socket(descriptor, head.target, head.headers, head.remote, environ, b"", [])
        return left_behind.response(start_response)
    if connection is None:
        server._engineio_logger.error("the web server does not let a WebSocket through to the application")
        start_response("400 Bad Request", [("Content-Type", "text/plain")])
        return [b'"WebSocket is not available here"']
    link = Link(server, environ, connection)
    session = parse_qs(environ.get("QUERY_STRING", "")).get("sid")
    if session is not None and server._has_session(session[0]):
        # An upgrade: the client speaks first, and it does so once it has been accepted.
        link.accept()
    link.number = server._open_link(link, head.target, head.headers, head.remote, head.secure, environ)
    if not link.run():
        # Refused: the answer to the same request, were it no WebSocket, says why.
        return serve_http(server, environ, start_response)
    if link.left_behind is not None:
        return link.left_behind.response(start_response)
    # simple-websocket has closed the web server's own socket. Each server has a way of its own to hear of that calmly.
    if "gunicorn.socket" in environ:
        raise StopIteration
    if "werkzeug.socket" in environ:
        raise ConnectionError
    return []


def socket_of(environ: Environ) -> Any:
    """The TCP connection of a request, where the web server shows it: an object with a `fileno`."""
    for name in ("werkzeug.socket", "gunicorn.socket"):
        if environ.get(name) is not None:
            return environ[name]
    if "eventlet.input" in environ:
        return environ["eventlet.input"].get_socket()
    if environ.get("SERVER_SOFTWARE", "").startswith("gevent"):
        stream = environ["wsgi.input"]
        raw = getattr(getattr(stream, "rfile", stream), "raw", None)
        return getattr(raw, "_sock", None)
    return None


def is_plain_tcp(connection: Any, head: Head) -> bool:
    if connection is None or head.secure or isinstance(connection, ssl.SSLSocket):
        return False
    return getattr(connection, "family", None) in (socket.AF_INET, socket.AF_INET6)


class Decoy:
    """Stands in a connection's place under the web server's hands.

    The web server wants to write an answer, to read a next request and to close. It does so on one end of a local pair,
    whose other end drops what it gets, and has nothing to fail and nothing to log. The descriptor keeps its number.
    """

    def __init__(self, connection: Any) -> None:
        end, self.other = socket.socketpair()
        with end:
            os.dup2(end.fileno(), connection.fileno(), inheritable=False)
        self.other.shutdown(socket.SHUT_WR)

    def response(self, start_response: StartResponse) -> Iterable[bytes]:
        start_response("101 Switching Protocols", [])
        return self

    def __iter__(self) -> Iterator[bytes]:
        return iter(())

    def close(self) -> None:
        """Called by the web server when the response has been sent."""
        self.other.close()


class Link:
    """A WebSocket framed by simple-websocket: messages go to and from the engine."""

    def __init__(self, server: Server, environ: Environ, connection: Any) -> None:
        self.server = server
        self.environ = environ
        self.connection = connection
        #: What the web server has in the place of the connection: simple-websocket closes that one when it likes.
        self.left_behind: Decoy | None = None
        self.number = 0
        self.websocket: Any = None
        #: Resolved when the engine has taken it (true) or refused it (false).
        self.taken = server._mode.promise()
        #: The engine is done with it.
        self.finished = False
        #: Messages and their sizes in bytes.
        self.outgoing: deque[tuple[str | bytes, int]] = deque()
        #: Somebody is sending what stands in `outgoing`.
        self.sending = False

    def accept(self) -> None:
        import simple_websocket  # type: ignore[import-untyped]

        environ = self.environ
        # One that is encrypted has no duplicate.
        with suppress(NotImplementedError):
            environ = environ | {"werkzeug.socket": self.connection.dup()}
            self.left_behind = Decoy(self.connection)
        limit = self.server._options["maxHttpBufferSize"]
        self.websocket = simple_websocket.Server(environ, max_message_size=limit, **self.server._mode.websocket)

    def run(self) -> bool:
        """Feeds the engine until the client has gone, or the engine has closed. False: the engine refused."""
        try:
            if self.websocket is None:
                if not self.taken.result():
                    return False
                self.accept()
            self._flush()
            while not self.finished or self.outgoing:
                message = self.websocket.receive()
                if message is None:
                    break
                held = self.server._feed(self.number, message)
                if held is not None:
                    held.result()
        except Exception:
            # `ConnectionClosed`, or whatever the web server's socket says when the client has gone.
            pass
        finally:
            self.server._link_closed(self.number, False)
        return True

    # Called by the engine.

    def write(self, frames: list[tuple[str | bytes, int]]) -> None:
        """Sends messages, in order, whoever blocks in the socket."""
        self.outgoing.extend(frames)
        if not self.taken.done():
            self.taken.set_result(True)
        self._flush()

    def finish(self) -> None:
        """Closes it, once everything has been sent."""
        self.finished = True
        if not self.taken.done():
            self.taken.set_result(self.websocket is not None)
        self._flush()

    def _flush(self) -> None:
        if self.websocket is None or self.sending:
            return
        self.sending = True
        try:
            while self.outgoing:
                frame, size = self.outgoing.popleft()
                self.websocket.send(frame)
                self.server._link_sent(self.number, size)
            if self.finished:
                self.websocket.close()
        except Exception:
            # The client has gone: `run` hears of it.
            self.outgoing.clear()
        finally:
            self.sending = False
