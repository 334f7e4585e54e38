"""A WSGI application for Socket.IO, beside another application and static files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from . import _static
from .server import Server

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]


class WSGIApp:
    """Serves `socketio_app` under `socketio_path`, and passes everything else on.

    `wsgi_app`: gets every other request; without it they are answered with 404. `static_files`: URL path to a file name, a
    directory (``/`` at its end), or ``{"filename", "content_type"}``; the key ``""`` names the file of a directory.
    """

    def __init__(
        self,
        socketio_app: Server,
        wsgi_app: Application | None = None,
        static_files: Mapping[str, Any] | None = None,
        socketio_path: str = "socket.io",
    ) -> None:
        self.engineio_app = socketio_app
        self.wsgi_app = wsgi_app
        self.engineio_path = "/" + socketio_path.lstrip("/").removesuffix("/") + "/"
        self.static_files = static_files or {}

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path is not None and path.startswith(self.engineio_path):
            return self.engineio_app.handle_request(environ, start_response)
        file = _static.find(path, self.static_files) if self.static_files else None
        if file is not None and os.path.isfile(file["filename"]):
            with open(file["filename"], "rb") as opened:
                body = opened.read()
            start_response("200 OK", [("Content-Type", file["content_type"])])
            return [body]
        if self.wsgi_app is not None:
            return self.wsgi_app(environ, start_response)
        return self.not_found(start_response)

    def not_found(self, start_response: StartResponse) -> Iterable[bytes]:
        """Answers 404."""
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"Not Found"]


class Middleware(WSGIApp):
    """`WSGIApp` by its old name, without static files."""

    def __init__(
        self, socketio_app: Server, wsgi_app: Application | None = None, socketio_path: str = "socket.io"
    ) -> None:
        super().__init__(socketio_app, wsgi_app, socketio_path=socketio_path)
