"""The `environ` of a connection: a dictionary in the manner of WSGI, as python-socketio makes one."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, MutableMapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._ferrio import ServerCore

Environ = dict[str, Any]


class NoBody:
    """The body of the request that opened a connection: there is none."""

    async def read(self, length: int | None = None) -> bytes:
        return b""


def make(source: Any) -> Environ:
    """From what a connection has kept: what ASGI calls an application with, WSGI's `environ`, one of the functions below and
    its argument, or a head on our own listener."""
    if source is None:
        return {}
    if isinstance(source, dict):
        return source
    if len(source) == 2:
        maker, request = source
        environ: Environ = maker(request)
        return environ
    return from_asgi(*source) if len(source) == 3 else from_head(*source)


def from_asgi(scope: Any, receive: Any, send: Any) -> Environ:
    query = scope.get("query_string", b"").decode("utf-8", "replace")
    own = {"asgi.receive": receive, "asgi.send": send, "asgi.scope": scope}
    headers = ((decode(name), decode(value)) for name, value in scope["headers"])
    return as_of_a_framework("asgi", scope.get("method", "GET"), scope["path"], query, headers, own)


def from_aiohttp(request: Any) -> Environ:
    own = {
        "wsgi.input": request.content,
        "RAW_URI": request.path_qs,
        "SERVER_PROTOCOL": f"HTTP/{request.version[0]}.{request.version[1]}",
        "aiohttp.request": request,
    }
    query = request.query_string or ""
    return as_of_a_framework("aiohttp", request.method, request.path, query, request.headers.items(), own)


def from_tornado(handler: Any) -> Environ:
    request = handler.request
    own = {"SERVER_PROTOCOL": f"HTTP/{request.version}", "tornado.handler": handler}
    # python-engineio calls Tornado by this name.
    return as_of_a_framework("aiohttp", request.method, request.path, request.query or "", request.headers.items(), own)


def from_sanic(request: Any) -> Environ:
    own = {"RAW_URI": request.url, "SERVER_PROTOCOL": f"HTTP/{request.version}", "sanic.request": request}
    query = request.query_string or ""
    return as_of_a_framework("sanic", request.method, request.path, query, request.headers.items(), own)


def as_of_a_framework(
    software: str,
    method: str,
    path: str,
    query: str,
    headers: Iterable[tuple[str | None, str | None]],
    own: Environ,
) -> Environ:
    """What python-engineio makes of a framework's request; `own` is what that framework adds or knows better."""
    environ = basis(method, path, query, software)
    environ |= {"REMOTE_ADDR": "127.0.0.1", "REMOTE_PORT": "0"}  # python-engineio says so, whoever it is
    environ |= own
    add_headers(environ, headers)
    environ["wsgi.url_scheme"] = environ.get("HTTP_X_FORWARDED_PROTO", "http")
    return environ


def from_head(method: str, target: str, headers: list[tuple[str, str]], remote: str, secure: bool) -> Environ:
    path, _, query = target.partition("?")
    environ = basis(method, path, query, "ferrio")
    host, _, port = remote.rpartition(":") if remote.count(":") == 1 or remote.startswith("[") else (remote, "", "0")
    environ |= {"REMOTE_ADDR": host.strip("[]"), "REMOTE_PORT": port}
    add_headers(environ, headers)
    environ["wsgi.url_scheme"] = environ.get("HTTP_X_FORWARDED_PROTO", "https" if secure else "http")
    return environ


def basis(method: str, path: str, query: str, software: str) -> Environ:
    return {
        "wsgi.input": NoBody(),
        "wsgi.errors": sys.stderr,
        "wsgi.version": (1, 0),
        "wsgi.async": True,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "SERVER_SOFTWARE": software,
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "RAW_URI": f"{path}?{query}" if query else path,
        "SCRIPT_NAME": "",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": software,
        "SERVER_PORT": "0",
    }


def decode(header: bytes) -> str | None:
    try:
        return header.decode("utf-8")
    except UnicodeDecodeError:
        return None


def add_headers(environ: Environ, headers: Iterable[tuple[str | None, str | None]]) -> None:
    for name, value in headers:
        if name is None or value is None:
            continue
        key = name.upper().replace("-", "_")
        if key in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            environ[key] = value
            continue
        key = "HTTP_" + key
        environ[key] = f"{environ[key]},{value}" if key in environ else value


class Environs(MutableMapping[str, Environ]):
    """``server.environ``: the `environ` of each Engine.IO session, made when it is first looked at.

    An idle connection nobody asks about then keeps no dictionary.
    """

    def __init__(self, core: ServerCore) -> None:
        self._core = core
        #: What an application stored for sessions that the engine does not know.
        self._own: dict[str, Environ] = {}

    def __getitem__(self, eio_sid: str) -> Environ:
        environ = self._core._environ(eio_sid) if isinstance(eio_sid, str) else None
        return self._own[eio_sid] if environ is None else environ

    def __setitem__(self, eio_sid: str, environ: Environ) -> None:
        if not self._core._set_environ(eio_sid, environ):
            self._own[eio_sid] = environ

    def __delitem__(self, eio_sid: str) -> None:
        if not self._core._set_environ(eio_sid, None):
            del self._own[eio_sid]

    def __iter__(self) -> Iterator[str]:
        yield from self._core._eio_sids()
        yield from self._own

    def __len__(self) -> int:
        return len(self._core._eio_sids()) + len(self._own)
