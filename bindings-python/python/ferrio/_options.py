"""From the keyword arguments of a server to the options of its engine."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any

from . import msgpack_packet, packet

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
    "client_bundle": None,
    "high_mark": None,
    "hard_limit": None,
    "slow_consumer": None,
    "write_timeout": None,
    "mailbox_bytes": None,
    "max_connections": None,
    "max_handshakes": None,
    "sessions_per_address": None,
    "events_per_client": None,
    "trusted_proxies": None,
    "max_child_namespaces": None,
    "ready_path": None,
    "limits": None,
    "max_header_bytes": None,
    "max_headers": None,
    "header_timeout": None,
}

#: Files of npm's `socket.io-client` that `client_bundle` serves, as far as they are there.
CLIENT_FILES = frozenset(
    f"socket.io.{kind}js{map}" for kind in ("", "min.", "esm.min.", "msgpack.min.") for map in ("", ".map")
)


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
        **ping_interval(option["ping_interval"]),
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
        "clientFiles": client_bundle(option["client_bundle"]),
        **({} if option["io_threads"] is None else {"ioThreads": int(option["io_threads"])}),
        "highMark": option["high_mark"],
        "hardLimit": option["hard_limit"],
        "slowConsumer": option["slow_consumer"],
        "writeTimeout": milliseconds(option["write_timeout"]),
        "mailboxBytes": option["mailbox_bytes"],
        "maxConnections": option["max_connections"],
        "maxHandshakes": option["max_handshakes"],
        "sessionsPerAddress": rate("sessions_per_address", option["sessions_per_address"]),
        "eventsPerClient": rate("events_per_client", option["events_per_client"]),
        "trustedProxies": option["trusted_proxies"],
        "maxChildNamespaces": option["max_child_namespaces"],
        "readyPath": option["ready_path"],
        "limits": limits(option["limits"]),
        "maxHeaderBytes": option["max_header_bytes"],
        "maxHeaders": option["max_headers"],
        "headerTimeout": milliseconds(option["header_timeout"]),
    }


def dump(options: Mapping[str, Any]) -> str:
    """The options as the engine reads them."""
    return json.dumps(options)


def stats(counted: str | None) -> dict[str, Any]:
    """What the engine has counted; `counted` is as it wrote it."""
    if counted is None:
        return {"connections": 0, "buffered_bytes": 0, "opened": 0, "refused": {}, "closed": {}, "limits": {}}
    read = json.loads(counted)
    read["buffered_bytes"] = read.pop("bufferedBytes")
    read["refused"] = {int(code): count for code, count in read["refused"].items()}
    return dict(read)


def milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)


def ping_interval(value: Any) -> dict[str, Any]:
    """A number, or a number and what clients are told on top of it."""
    interval, grace = value if isinstance(value, tuple) else (value, 0)
    return {"pingInterval": milliseconds(float(interval)), "pingGrace": milliseconds(float(grace))}


def rate(name: str, value: Any) -> dict[str, float] | None:
    """A number a second, or that and how many at once."""
    if value is None:
        return None
    per_second, burst = value if isinstance(value, tuple) else (value, None)
    if not isinstance(per_second, (int, float)) or not per_second > 0:
        raise ValueError(f"{name} is a number above 0 (a second), or a tuple of it and a burst, not {value!r}")
    return {"perSecond": per_second} | ({} if burst is None else {"burst": burst})


def serializer(value: Any) -> str:
    """A name, or python-socketio's class of that name. The engine writes the packets: no other class can."""
    if value in ("default", "msgpack"):
        return str(value)
    for name in ("default", "msgpack"):
        if value is packet_class(name):
            return name
    if isinstance(value, str):
        raise ValueError(f"Invalid serializer {value!r}: it is 'default' or 'msgpack'")
    raise unsupported(f"serializer={value!r} (the engine writes the packets: 'default' or 'msgpack')")


def packet_class(serializer: str) -> type[packet.Packet]:
    return msgpack_packet.MsgPackPacket if serializer == "msgpack" else packet.Packet


def async_mode(given: str | None) -> str:
    """The mode of an asyncio server. Without one, python-socketio takes the first whose framework is installed."""
    if given is not None:
        if given not in ASYNC_MODES or (given != "asgi" and find_spec(given) is None):
            raise ValueError("Invalid async_mode specified")
        return given
    return next(mode for mode in ASYNC_MODES if mode == "asgi" or find_spec(mode) is not None)


#: The names of `limits=` and the engine's.
LIMITS = {
    "packets_per_payload": "packetsPerPayload",
    "attachments": "attachments",
    "reassembly": "reassembly",
    "json_depth": "jsonDepth",
    "namespaces": "namespaces",
    "namespace_name": "namespaceName",
    "event_name": "eventName",
    "fragments": "fragments",
    "control_frames": "controlFrames",
}


def limits(value: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What one packet or connection may have in it."""
    if not value:
        return None
    if not isinstance(value, Mapping) or not LIMITS.keys() >= value.keys():
        raise ValueError(f"limits is a dictionary of {', '.join(sorted(LIMITS))}, not {value!r}")
    given = {name: milliseconds(limit) if name == "reassembly" else limit for name, limit in value.items()}
    return {LIMITS[name]: limit for name, limit in given.items() if limit is not None}


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


def client_bundle(value: str | os.PathLike[str] | None) -> str | None:
    """The directory, absolute: the engine reads it when the server starts, wherever the program is by then."""
    if value is None:
        return None
    directory = os.path.abspath(os.fsdecode(value))
    if not any(os.path.isfile(os.path.join(directory, name)) for name in CLIENT_FILES):
        raise FileNotFoundError(
            f"client_bundle={os.fsdecode(value)!r}: there is no socket.io.js, nor another of the client's files, in "
            f"{directory} (npm has them in node_modules/socket.io-client/dist)"
        )
    return directory


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
        if not callable(attribute):
            attributes.append(cookie_attribute(name, attribute))
    return {"name": value.get("name", "io"), "attributes": "; ".join(attributes)}


def late_attributes(value: Any) -> dict[str, Callable[[], Any]]:
    """Attributes of a cookie that a function gives, each time anew."""
    named = value if isinstance(value, Mapping) else {}
    return {name: attribute for name, attribute in named.items() if name != "name" and callable(attribute)}


def cookie_attribute(name: str, value: Any) -> str:
    return name if value is True else f"{name}={value}"


def cors(origins: Any, credentials: bool) -> Any:
    if origins is None:
        return {"origin": "same", "credentials": credentials}
    if callable(origins):
        # It is asked at each request that has an origin.
        return {"origin": "*", "credentials": credentials}
    if isinstance(origins, str):
        origins = [origins]
    if not origins:
        return False
    return {"origin": "*" if "*" in origins else list(origins), "credentials": credentials}
