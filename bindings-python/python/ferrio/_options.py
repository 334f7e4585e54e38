"""From the keyword arguments of a server to the options of its engine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

#: What python-socketio's servers take besides `client_manager`, `logger`, `json`, `async_handlers` and `namespaces`, with
#: python-socketio's defaults, and below the line what ferrio adds. Names that stand here are refused or carried out;
#: any other keyword is ignored, as in the original.
DEFAULTS: dict[str, Any] = {
    "async_mode": None,
    "ping_interval": 25,
    "ping_timeout": 20,
    "max_http_buffer_size": 1_000_000,
    "allow_upgrades": True,
    "http_compression": True,
    "compression_threshold": 1024,
    "cookie": None,
    "cors_allowed_origins": None,
    "cors_credentials": True,
    "monitor_clients": True,
    "transports": None,
    "serializer": "default",
    # ---- ferrio's own
    "connect_timeout": None,
    "upgrade_timeout": None,
    "io_threads": None,
    "allow_eio3": False,
    "connection_state_recovery": None,
}


#: What an asyncio server may be served by.
ASYNC_MODES = ("aiohttp", "sanic", "tornado", "asgi")


def unsupported(what: str) -> NotImplementedError:
    """The error for an option of python-socketio's that would have to do something and cannot yet."""
    return NotImplementedError(f"ferrio does not support {what} yet")


def engine_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """The engine's options (times in milliseconds) that a server's keyword arguments (times in seconds) mean.

    Raises `ValueError` for a value that python-socketio refuses too, `NotImplementedError` for one that it takes.
    """
    option = {name: given.get(name, default) for name, default in DEFAULTS.items()}
    return {
        "dialect": "python",
        "pingInterval": milliseconds(ping_interval(option["ping_interval"])),
        "pingTimeout": milliseconds(option["ping_timeout"]),
        "maxHttpBufferSize": int(option["max_http_buffer_size"]),
        "allowUpgrades": bool(option["allow_upgrades"]),
        "compressionThreshold": option["compression_threshold"] if option["http_compression"] else None,
        "cookie": cookie(option["cookie"]),
        "cors": cors(option["cors_allowed_origins"], bool(option["cors_credentials"])),
        "transports": transports(option["transports"]),
        "serializer": serializer(option["serializer"]),
        "connectTimeout": milliseconds(option["connect_timeout"]),
        "upgradeTimeout": milliseconds(option["upgrade_timeout"]),
        "allowEIO3": bool(option["allow_eio3"]),
        "connectionStateRecovery": recovery(option["connection_state_recovery"]),
        **({} if option["io_threads"] is None else {"ioThreads": int(option["io_threads"])}),
    }


def serializer(value: Any) -> str:
    if value not in ("default", "msgpack"):
        raise unsupported(f"serializer={value!r}")
    return str(value)


def dump(options: Mapping[str, Any]) -> str:
    """The options as the engine reads them."""
    return json.dumps(options)


def milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)


def ping_interval(value: Any) -> float:
    if isinstance(value, tuple):
        interval, grace = value
        if grace:
            raise unsupported("a grace period in ping_interval")
        return float(interval)
    return float(value)


def async_mode(given: str | None) -> str:
    """The mode of an asyncio server. Without one, python-socketio takes the first whose framework is installed."""
    if given is not None:
        if given not in ASYNC_MODES or (given != "asgi" and find_spec(given) is None):
            raise ValueError("Invalid async_mode specified")
        return given
    return next(mode for mode in ASYNC_MODES if mode == "asgi" or find_spec(mode) is not None)


def recovery(value: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Two minutes, if nothing is said about the time."""
    if not value:
        return None
    names = {"max_disconnection_duration", "skip_middlewares", "max_bytes", "max_sessions"}
    if not isinstance(value, Mapping) or not names.issuperset(value):
        raise ValueError(f"connection_state_recovery is a dictionary of {', '.join(sorted(names))}, not {value!r}")
    given = {
        "maxDisconnectionDuration": milliseconds(value.get("max_disconnection_duration")),
        "maxBytes": value.get("max_bytes"),
        "maxSessions": value.get("max_sessions"),
    }
    return {name: setting for name, setting in given.items() if setting is not None}


def transports(value: str | list[str] | None) -> list[str]:
    if value is None:
        return ["polling", "websocket"]
    valid = [name for name in ([value] if isinstance(value, str) else value) if name in ("polling", "websocket")]
    if not valid:
        raise ValueError("No valid transports provided")
    return valid


def cookie(value: str | Mapping[str, Any] | None) -> dict[str, str] | None:
    """A name, or a name (``io`` if missing) and attributes. ``True`` makes an attribute a flag."""
    if not value:
        return None
    if isinstance(value, str):
        value = {"name": value, "path": "/", "SameSite": "Lax"}
    attributes = []
    for name, attribute in value.items():
        if name == "name":
            continue
        if callable(attribute):
            raise unsupported("a callable as a cookie attribute")
        attributes.append(name if attribute is True else f"{name}={attribute}")
    return {"name": value.get("name", "io"), "attributes": "; ".join(attributes)}


def cors(origins: Any, credentials: bool) -> Any:
    if origins is None:
        # The same origin only. Without credentials that rule has no name in the engine.
        if not credentials:
            raise unsupported("cors_credentials=False without cors_allowed_origins")
        return None
    if callable(origins):
        raise unsupported("a callable as cors_allowed_origins")
    if isinstance(origins, str):
        origins = [origins]
    if not origins:
        return False
    return {"origin": "*" if "*" in origins else list(origins), "credentials": credentials}
