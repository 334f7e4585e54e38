"""From the arguments of a client to the options of its connection, and from a connection that failed to what is raised."""

from __future__ import annotations

import base64
import json
import os
import ssl
from collections.abc import Mapping
from typing import Any

from . import _options

#: Keywords of `websocket_extra_options` that can be carried out: those of aiohttp's `ws_connect` and of websocket-client's
#: `create_connection` that say how to reach the server.
EXTRA = "headers, header, cookie, origin, protocols, subprotocols, proxy, http_proxy_host (_port, _auth), ssl, sslopt"


class Unopened(Exception):
    """A connection was not made. Its text says all that is known."""

    def __init__(self, sentence: str, message: str | None = None, *told: Any) -> None:
        super().__init__(sentence)
        #: What is raised: python-socketio's text, where it has one.
        self.message = message or sentence
        #: What ``connect_error`` handlers get.
        self.told = told[0] if told else self.message


class Dialling:
    """How a client connects, each time."""

    def __init__(
        self,
        *,
        serializer: Any,
        request_timeout: float | None,
        http_session: Any,
        ssl_verify: bool | str,
        ssl_cert: str | tuple[str, ...] | None,
        proxy: str | None,
        websocket_extra_options: Mapping[str, Any] | None,
        timestamp_requests: bool,
        from_environment: bool,
    ) -> None:
        self.serializer = _options.serializer(serializer)
        self.request_timeout = request_timeout
        self.http_session = http_session
        self.ssl_verify = ssl_verify
        self.ssl_cert = ssl_cert
        self.proxy = proxy
        self.extra = dict(websocket_extra_options or {})
        self.timestamp_requests = timestamp_requests
        #: The proxy is the environment's, if nobody says which.
        self.from_environment = from_environment
        # What cannot be carried out is said at once.
        self.options({}, ["polling", "websocket"], "", None if callable(http_session) else http_session)

    def options(self, headers: Mapping[str, str], transports: list[str], path: str, session: Any) -> dict[str, Any]:
        """The engine's options for one attempt."""
        plan = Plan(dict(headers), self.ssl_verify, self.ssl_cert, self.proxy, self.from_environment)
        if session is not None:
            plan.take_session(session)
        for_websocket = dict(plan.headers)
        protocols = plan.take_extra(dict(self.extra), for_websocket)
        return {
            "serializer": self.serializer,
            "path": path,
            "transports": transports,
            "extraHeaders": plan.headers,
            "transportOptions": {"websocket": {"extraHeaders": for_websocket}},
            "timestampRequests": self.timestamp_requests,
            "timeout": _options.milliseconds(self.request_timeout),
            "protocols": protocols,
            "tls": plan.tls(),
            **plan.through(),
        }


class Plan:
    """What the arguments of a client, its session and its extra options come to."""

    def __init__(
        self,
        headers: dict[str, str],
        verify: bool | str,
        cert: str | tuple[str, ...] | None,
        proxy: str | None,
        from_environment: bool,
    ) -> None:
        self.headers = headers
        self.verify = verify
        self.cert = cert
        self.proxy = proxy
        self.from_environment = from_environment
        self.server_name: str | None = None

    def take_session(self, session: Any) -> None:
        """What a `requests.Session` or an `aiohttp.ClientSession` was told about requests."""
        given = {name.lower() for name in self.headers}
        # Its own defaults say who sends, and what it takes: that is the engine's affair.
        defaults = {"user-agent", "accept", "accept-encoding", "connection"}
        for name, value in dict(session.headers).items():
            if name.lower() not in given | defaults:
                self.headers[name] = value
        auth = getattr(session, "auth", None)
        if auth is not None and "authorization" not in given:
            if not isinstance(auth, tuple):
                raise ValueError("Only basic authentication is supported")
            user_and_password = base64.b64encode(f"{auth[0]}:{auth[1]}".encode()).decode()
            self.headers["Authorization"] = f"Basic {user_and_password}"
        if hasattr(session, "cookie_jar"):
            self._take_aiohttp(session)
        else:
            self._take_requests(session)

    def _take_aiohttp(self, session: Any) -> None:
        add_cookies(self.headers, [(cookie.key, cookie.value) for cookie in session.cookie_jar])
        verify = getattr(session.connector, "_ssl", True)
        if isinstance(verify, ssl.SSLContext):
            raise unsupported("an http_session whose connector has an SSLContext: use ssl_verify= and ssl_cert=")
        if verify is False:
            self.verify = False
        self.from_environment = bool(getattr(session, "trust_env", False))

    def _take_requests(self, session: Any) -> None:
        add_cookies(self.headers, [(cookie.name, cookie.value) for cookie in session.cookies])
        if session.verify is not True and self.verify is True:
            self.verify = session.verify
        self.cert = self.cert or session.cert
        proxies = session.proxies or {}
        self.proxy = self.proxy or proxies.get("https") or proxies.get("http") or proxies.get("all")
        self.from_environment = bool(session.trust_env)

    def take_extra(self, extra: dict[str, Any], for_websocket: dict[str, str]) -> list[str]:
        """What is said about the WebSocket alone (its headers), and about connections; gives its sub-protocols."""
        protocols: list[str] = []
        proxy_host = proxy_port = proxy_auth = None
        for name, value in extra.items():
            match name:
                case "headers" | "header":
                    pairs = value.items() if isinstance(value, Mapping) else (line.split(":", 1) for line in value)
                    for_websocket.update({key.strip(): content.strip() for key, content in pairs})
                case "cookie":
                    add_cookies(for_websocket, [tuple(value.split("=", 1))] if value else [])
                case "origin":
                    for_websocket["Origin"] = value
                case "protocols" | "subprotocols":
                    protocols = list(value or ())
                case "proxy":
                    self.proxy = None if value is None else str(value)
                case "http_proxy_host":
                    proxy_host = value
                case "http_proxy_port":
                    proxy_port = value
                case "http_proxy_auth":
                    proxy_auth = value
                case "ssl" if value in (True, None):
                    pass
                case "ssl" if value is False:
                    self.verify = False
                case "sslopt":
                    self._take_sslopt(value)
                case _:
                    raise unsupported(f"websocket_extra_options[{name!r}]={value!r} (there are: {EXTRA})")
        if proxy_host is not None:
            user = "" if proxy_auth is None else ":".join(proxy_auth) + "@"
            self.proxy = f"http://{user}{proxy_host}:{proxy_port or 80}"
        return protocols

    def _take_sslopt(self, sslopt: Mapping[str, Any]) -> None:
        key = sslopt.get("keyfile")
        for name, value in sslopt.items():
            match name:
                case "cert_reqs":
                    self.verify = self.verify if value else False
                case "ca_certs":
                    self.verify = value
                case "certfile":
                    self.cert = (value, key) if key else value
                case "keyfile":
                    pass
                case "server_hostname":
                    self.server_name = value
                case "check_hostname" if value:
                    pass
                case _:
                    raise unsupported(f"websocket_extra_options['sslopt'][{name!r}]={value!r}")

    def tls(self) -> dict[str, Any]:
        """What is believed of a server, and shown to it."""
        tls: dict[str, Any] = {"serverName": self.server_name}
        if self.verify is False:
            tls["rejectUnauthorized"] = False
        elif self.verify is not True:
            tls["ca"] = [text_of(self.verify)]
        if self.cert is not None:
            chain, key = (self.cert, self.cert) if isinstance(self.cert, (str, os.PathLike)) else self.cert[:2]
            tls |= {"cert": text_of(chain), "key": text_of(key)}
        return tls

    def through(self) -> dict[str, Any]:
        """The proxy: one that is named, the environment's, or none."""
        if self.proxy is not None:
            return {"proxy": self.proxy if "://" in self.proxy else f"http://{self.proxy}"}
        return {} if self.from_environment else {"proxy": None}


def unopened(kind: str, transport: str | None, sentence: str, status: int | None, detail: str) -> Unopened:
    """What python-socketio says of a connection that failed, where it has a text of its own."""
    if kind in ("unreachable", "status", "protocol", "tls") and transport == "websocket":
        return Unopened(sentence, "Connection error")
    if kind == "status":
        return Unopened(sentence, f"Unexpected status code {status} in server response", parsed(detail))
    if kind == "protocol":
        return Unopened(sentence, "OPEN packet not returned by server")
    return Unopened(sentence)


def parsed(body: str) -> Any:
    """The JSON of an answer; nothing of any other."""
    try:
        return json.loads(body)
    except ValueError:
        return None


def add_cookies(headers: dict[str, str], cookies: list[Any]) -> None:
    """Adds cookies to those that the headers have."""
    if not cookies:
        return
    name = next((name for name in headers if name.lower() == "cookie"), "Cookie")
    had = [headers[name]] if name in headers else []
    headers[name] = "; ".join([*had, *(f"{key}={value}" for key, value in cookies)])


def text_of(path: Any) -> str:
    with open(path, encoding="ascii", errors="replace") as file:
        return file.read()


def unsupported(what: str) -> NotImplementedError:
    return NotImplementedError(f"ferrio's clients cannot do {what}")
