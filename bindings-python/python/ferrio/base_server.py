"""What the servers have in common: their options, which handler belongs to an event, and the rules of connecting.

A rule that calls a handler is a coroutine here. `AsyncServer` awaits it; `Server`, whose handlers return at once or block,
runs it from its beginning to its end.
"""

from __future__ import annotations

import builtins
import logging
from collections.abc import Callable, MutableMapping
from functools import partial
from typing import Any, ClassVar
from urllib.parse import parse_qs

from . import _asgi, _detour, _door, _environ, _json, _lifecycle, _options, exceptions, packet
from ._common import make_logger
from .base_manager import BaseManager
from .base_namespace import BaseServerNamespace, NamespaceKey
from .engineio.packet import CLOSE, MESSAGE, PING, PONG, packet_names
from .engineio.payload import Payload
from .listeners import Handler, Resolved, ServerListeners
from .packet import Packet

#: Sessions kept for clients that may come back, at most. Only what the engine cannot see goes by it: its own limit is lower.
MAX_KEPT = 100_000

#: Events that are the server's own.
UNCAUGHT = ("connect", "disconnecting", "disconnect")


#: Of the engine's refusals: the number of one for the method, and what those of one kind have in common.
METHOD_REFUSED = 2
REFUSED_SESSION = "Invalid session"
REFUSED_ORIGIN = "is not an accepted origin."


class Reason:
    """Why a client was disconnected: the last argument of a disconnect handler."""

    SERVER_DISCONNECT = "server disconnect"
    CLIENT_DISCONNECT = "client disconnect"
    PING_TIMEOUT = "ping timeout"
    TRANSPORT_CLOSE = "transport close"
    TRANSPORT_ERROR = "transport error"
    #: ferrio's own: more waits for the client than ``hard_limit``, or it has taken nothing for ``write_timeout``.
    SLOW_CONSUMER = "slow consumer"
    #: ferrio's own: the client has sent more than ``events_per_client``.
    RATE_LIMITED = "rate limited"


class BaseServer(ServerListeners):
    """Not to be used itself: see `AsyncServer`."""

    reason = Reason
    reserved_events: ClassVar = ["connect", "disconnect"]
    #: The `environ` of each Engine.IO session.
    environ: MutableMapping[str, dict[str, Any]]
    namespace_handlers: dict[NamespaceKey, BaseServerNamespace[Any]]
    #: Namespaces that need no handler; ``"*"`` means every name.
    namespaces: list[str] | str
    always_connect: bool
    logger: logging.Logger
    #: Answers the questions of python-socketio's client manager, or is one of the program's own.
    manager: Any
    #: The manager overrides something: see `_detour`.
    _detours = False
    #: ``("127.0.0.1", 8000)`` of each listener that `listen` or `serve` opened.
    addresses: list[tuple[str, int]]

    def __init__(
        self,
        client_manager: Any = None,
        logger: bool | logging.Logger = False,
        json: Any = None,
        async_handlers: bool = True,
        namespaces: list[str] | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        if json is not None and getattr(json, "__name__", "") != "json":
            self._codec = _json.Codec(json)
        self._options = _options.engine_options(kwargs)
        #: The class of the packets on the wire. The engine makes them.
        self.packet_class: Any = _options.packet_class(self._options["serializer"])
        origins = kwargs.get("cors_allowed_origins")
        #: Says of an origin whether it may come, if that is a function.
        self._origin_rule = origins if callable(origins) else None
        self._asks_origins = self._origin_rule is not None
        self._late_attributes = _options.late_attributes(kwargs.get("cookie"))
        #: Those that only ask, of the listeners there are.
        self._doors: list[_door.Door] = []
        self._path = "socket.io"
        self._has_client_files = self._options["clientFiles"] is not None
        self._take_over = _asgi.take_over_enabled()
        self._eager = bool(kwargs.get("eager", True))
        #: uvicorn's sets of connections, one for each of its servers, in which somebody hears of the shutdown.
        self._heralded: list[set[Any]] = []
        self.async_handlers = async_handlers
        recovery = kwargs.get("connection_state_recovery") or {}
        self._skip_middlewares = bool(recovery.get("skip_middlewares", True))
        self._recovers = self._options["connectionStateRecovery"] is not None
        #: Sessions of clients that may come back, by namespace and the id by which they do.
        self._kept: dict[tuple[str, str], Any] = {}
        self.always_connect = bool(kwargs.get("always_connect", False))
        self.namespaces = namespaces or ["/"]
        self.environ = _environ.Environs(self)
        self.addresses = []
        self.logger = make_logger("socketio.server", logger)
        self._engineio_logger = make_logger("engineio.server", kwargs.get("engineio_logger") or False)
        #: Kinds of refused requests that have been logged.
        self._refusals: set[str] = set()
        self._logs_packets = self._engineio_logger.isEnabledFor(logging.INFO)
        self._verbose = self._hears_emits = self.logger.isEnabledFor(logging.INFO)
        self._manager_initialized = False
        _lifecycle.watch(self)

    def _take_manager(self, given: Any, ordinary: type[BaseManager]) -> None:
        self.manager = _detour.manager_of(self, given, ordinary)
        self.manager.set_server(self)
        self._follow_manager()

    def _follow_manager(self) -> None:
        """Called by the manager when somebody puts a function into it."""
        _detour.follow(self)

    def is_asyncio_based(self) -> bool:
        """Whether handlers may be coroutine functions."""
        return False

    # ---- handlers

    def on(
        self, event: str, handler: Callable[..., Any] | None = None, namespace: NamespaceKey | None = None
    ) -> Callable[[Handler], Handler]:
        """Registers the handler of an event, given here or decorated. The last one wins.

        The event ``"*"`` stands for every event without a handler of its own, whose name is then the first argument; so does
        the namespace ``"*"``. A handler is called with the sid and the client's arguments (``connect``: sid, environ, auth;
        ``disconnect``: sid, reason); what it returns is the client's acknowledgement.

        ferrio's own: a namespace may also be a compiled pattern, which the whole name must match, or a (coroutine) function
        ``(name, environ, auth)`` that says whether it is one. The first of them that takes a name in has it as long as
        clients are there; its handlers get the name as their first argument. The event ``disconnecting`` (sid, reason) comes
        right before ``disconnect``.
        """
        return self._handling(event, handler, namespace)

    def register_namespace(self, namespace_handler: BaseServerNamespace[Any]) -> None:
        """Registers a class of handlers. Function handlers of the same namespace come first."""
        if not isinstance(namespace_handler, BaseServerNamespace):
            raise ValueError("Not a namespace instance")
        if namespace_handler.is_asyncio_based() != self.is_asyncio_based():
            raise ValueError("Not a valid namespace class for this server")
        namespace_handler._set_server(self)
        self._know(namespace_handler.namespace)
        self.namespace_handlers[namespace_handler.namespace] = namespace_handler

    def _resolve(self, event: Any, namespace: str) -> Resolved | None:
        """The handler of an event and the arguments before the sid."""
        catch_all = event not in UNCAUGHT
        for place, prefix in self._places(namespace):
            functions = self.handlers.get(place, {})
            if event in functions:
                return functions[event], prefix
            if catch_all and "*" in functions:
                return functions["*"], (event, *prefix)
        for place, prefix in self._places(namespace):
            handler = self.namespace_handlers.get(place)
            # A class that dispatches in its own way has never been told of `disconnecting`.
            if handler is not None and (event != "disconnecting" or hasattr(handler, "on_disconnecting")):
                return self._method(handler, event, prefix)
        return None

    # ---- clients coming and going

    async def _on_connect(
        self, socket: int, sid: str, namespace: str, eio_sid: str, auth: Any, came_back_by: str | None = None
    ) -> None:
        """Asks the connect handler, and lets the client in or refuses it."""
        try:
            if not await self._is_known(namespace, eio_sid, auth):
                self._reject(socket, "Unable to connect")
                return
        except exceptions.ConnectionRefusedError as error:
            self._reject(socket, error.error_args)
            return
        if self._detours and await self._run(self.manager.pre_connect, eio_sid, namespace) is None:
            self._reject(socket, "Unable to connect")
            return
        if came_back_by is not None and (session := self._kept.pop((namespace, came_back_by), None)) is not None:
            self._keep_session(sid, session, namespace)
        if self.always_connect:
            await self._let_in(socket, sid, namespace)
        refusal: Any = exceptions.ConnectionRefusedError().error_args
        try:
            skip = came_back_by is not None and self._skip_middlewares
            accepted = None if skip else await self._admit(namespace, sid, eio_sid, auth)
            if accepted is not False:
                accepted = await self._ask_connect(namespace, sid, eio_sid, auth)
        except exceptions.ConnectionRefusedError as error:
            accepted, refusal = False, error.error_args
        except builtins.ConnectionRefusedError:
            accepted, refusal = False, {"message": "Connection refused by server"}
        if accepted is not False:
            if not self.always_connect:
                await self._let_in(socket, sid, namespace)
            if self._listeners:
                await self._tell("connect", namespace, sid, self.environ[eio_sid], auth)
            return
        if self._detours and self.always_connect:
            self.manager.pre_disconnect(sid, namespace)
        try:
            if self._detours:
                await self._run(partial(self.manager.disconnect, sid, namespace, ignore_queue=True))
        finally:
            if self.always_connect:
                self._expel(socket)
            else:
                self._reject(socket, refusal)
            self._disown(namespace)

    async def _let_in(self, socket: int, sid: str, namespace: str) -> None:
        self._accept(socket)
        if self._detours:
            await self._run(self.manager.connect, sid, namespace)

    async def _is_known(self, namespace: str, eio_sid: str, auth: Any) -> bool:
        """Whether clients may ask to join a namespace."""
        if namespace in self.handlers or namespace in self.namespace_handlers:
            return True
        if self.namespaces == "*" or namespace in self.namespaces:
            return True
        return bool(self._parents) and await self._adopt(namespace, lambda: self.environ[eio_sid], auth)

    async def _admit(self, namespace: str, sid: str, eio_sid: str, auth: Any) -> Any:
        """Asks the middlewares. ``False`` if one refuses."""
        middlewares = self._of(self._admission, namespace)
        for middleware in middlewares:
            try:
                if await self._run(middleware, sid, self.environ[eio_sid], auth) is False:
                    return False
            except (exceptions.ConnectionRefusedError, builtins.ConnectionRefusedError):
                raise
            except Exception as error:
                self._report(error, "connect")
                return False
        return None

    async def _ask_connect(self, namespace: str, sid: str, eio_sid: str, auth: Any) -> Any:
        if self._resolve("connect", namespace) is None:
            return None
        environ = self.environ[eio_sid]
        if auth:
            return await self._trigger_event("connect", namespace, sid, environ, auth)
        try:
            return await self._trigger_event("connect", namespace, sid, environ, None)
        except TypeError as error:
            # Perhaps written before the handler was given `auth`.
            try:
                return await self._trigger_event("connect", namespace, sid, environ)
            except TypeError:
                raise error from None

    async def _on_disconnect(
        self, socket: int, sid: str, namespace: str, reason: str, may_return_by: str | None = None
    ) -> None:
        """Tells the disconnect handler. The client's rooms and session go when it has ended."""
        try:
            if self._detours:
                self.manager.pre_disconnect(sid, namespace=namespace)
            if self._resolve("disconnecting", namespace) is not None:
                try:
                    await self._trigger_event("disconnecting", namespace, sid, reason)
                except Exception as error:
                    self._report(error, "disconnecting")
            await self._tell("disconnecting", namespace, sid, reason)
            try:
                await self._trigger_event("disconnect", namespace, sid, reason)
            finally:
                await self._tell("disconnect", namespace, sid, reason)
                if self._detours:
                    await self._run(partial(self.manager.disconnect, sid, namespace, ignore_queue=True))
        finally:
            if may_return_by is not None:
                self._keep(may_return_by, sid, namespace)
            self._release(socket)
            self._disown(namespace)

    def _keep(self, pid: str, sid: str, namespace: str) -> None:
        """Keeps the session of a client that may come back."""
        session = self._sessions(sid, namespace).get(namespace)
        if session:
            self._kept[namespace, pid] = session
            # The engine says who does not come back. It does not of those who left before they were told they were in.
            while len(self._kept) > MAX_KEPT:
                del self._kept[next(iter(self._kept))]

    def _on_expired(self, namespace: str, pid: str) -> None:
        """Called by the engine when a client has not come back in time."""
        self._kept.pop((namespace, pid), None)

    async def _send_away(self, sid: str, namespace: str, close: bool = False, ignore_queue: bool = False) -> None:
        """`disconnect()`; with `close` the whole connection goes."""
        if self._detours:
            is_here = self.manager.is_connected if ignore_queue else self.manager.can_disconnect
            if not await self._run(is_here, sid, namespace):
                return
        socket = self._leave(sid, namespace, close)
        if socket is not None:
            self.logger.info("Disconnecting %s [%s]", sid, namespace)
            await self._on_disconnect(socket, sid, namespace, Reason.SERVER_DISCONNECT)

    # ---- clients

    def recovered(self, sid: str, namespace: str | None = None) -> bool:
        """Whether a client has come back, with ``connection_state_recovery``: to the sid, the rooms and the session that it
        had, and to the events it missed. ferrio's own."""
        return self._has_recovered(sid, namespace or "/")

    def transport(self, sid: str, namespace: str | None = None) -> str:
        """``"polling"`` or ``"websocket"``. `KeyError` for a client that is gone."""
        return self._transport(sid, namespace or "/")

    def stats(self) -> dict[str, Any]:
        """The state of the server and what it has counted since it was started: ``connections``, ``buffered_bytes`` (waiting to
        be sent), ``opened``, ``refused`` (requests by the code of the refusal, 0 to 5), ``closed`` (connections by the reason
        of their end) and ``limits`` (how often each struck, by the name of its option).

        For a page of metrics now and then: it asks every connection how much waits for it. Zeros before the server starts.
        """
        return _options.stats(self._stats())

    def get_environ(self, sid: str, namespace: str | None = None) -> dict[str, Any] | None:
        """The one `environ` of a client's connection; ``None`` for a client that is gone."""
        eio_sid = self._eio_sid(sid, namespace or "/")
        return None if eio_sid is None else self.environ.get(eio_sid)

    def instrument(
        self,
        auth: Any = None,
        mode: str = "development",
        read_only: bool = False,
        server_id: str | None = None,
        namespace: str = "/admin",
        server_stats_interval: float = 2,
    ) -> Any:
        """Not there yet: python-socketio's admin interface."""
        raise _options.unsupported("instrument()")

    def _session_of(self, sid: str, namespace: str | None) -> Any:
        namespace = namespace or "/"
        return self._sessions(sid, namespace).setdefault(namespace, {})

    def _keep_session(self, sid: str, session: Any, namespace: str | None) -> None:
        namespace = namespace or "/"
        self._sessions(sid, namespace)[namespace] = session

    def _check_call(self, to: str | None, sid: str | None) -> None:
        """What `call` raises before it sends anything."""
        if to is None and sid is None:
            raise ValueError("Cannot use call() to broadcast.")
        if not self.async_handlers:
            raise RuntimeError("Cannot use call() when async_handlers is False.")
        if not self._running:
            raise exceptions.TimeoutError()

    def _as_question(self, eio_sid: str, pkt: Packet) -> dict[str, Any] | None:
        """The arguments of `emit` for a packet that asks for an answer: the numbers of answers are the engine's."""
        if pkt.id is None or pkt.packet_type not in (packet.EVENT, packet.BINARY_EVENT) or not pkt.data:
            return None
        namespace = pkt.namespace or "/"
        sid, (event, *args) = self._sid(eio_sid, namespace), pkt.data
        if sid is None:
            return None

        def answered(*answer: Any) -> Any:
            return self.manager.trigger_callback(sid, pkt.id, list(answer))

        return {"event": event, "data": tuple(args), "to": sid, "namespace": namespace, "callback": answered}

    def _may_ask_all(self) -> bool:
        """What `emit_with_acks` raises before it sends anything; false if there is nobody to ask."""
        if not self.async_handlers:
            raise RuntimeError("Cannot use emit_with_acks() when async_handlers is False.")
        return self._running

    def _target(self, path: str, query: str) -> str:
        """The target of a request for the engine, which knows one path: whoever has called us has matched the application's."""
        file = path.rpartition("/")[2] if self._has_client_files else ""
        return f"/{self._path}/{file if file in _options.CLIENT_FILES else ''}?{query}"

    def _options_text(self) -> str:
        """Called by the engine at its start."""
        if not self._manager_initialized:
            self._manager_initialized = True
            self.manager.initialize()
        limits = {"packetsPerPayload": Payload.max_decode_packets} | (self._options["limits"] or {})
        watch = self._logs_packets
        return _options.dump(self._options | {"path": self._path, "limits": limits, "watch": watch})

    # ---- called by the engine

    def _log_event(self, event: Any, sid: str, namespace: str) -> None:
        self.logger.info('received event "%s" from %s [%s]', event, sid, namespace)

    def _log_emit(self, event: Any, room: Any, namespace: str) -> None:
        self.logger.info('emitting event "%s" to %s [%s]', event, room or "all", namespace)

    def _log_open(self, eio_sid: str, websocket: bool) -> None:
        """Called by the engine for a new session, if packets are logged."""
        options = self._options
        upgrades = options["allowUpgrades"] and "websocket" in options["transports"] and not websocket
        handshake = {
            "sid": eio_sid,
            "upgrades": ["websocket"] if upgrades else [],
            "pingTimeout": options["pingTimeout"],
            "pingInterval": (options["pingInterval"] + options["pingGrace"]) // 1000 * 1000,
            "maxPayload": options["maxHttpBufferSize"],
        }
        self._engineio_logger.info("%s: Sending packet OPEN data %s", eio_sid, handshake)
        if websocket:
            self._log_upgrade(eio_sid)

    def _log_upgrade(self, eio_sid: str) -> None:
        """Called by the engine when a session has moved to a WebSocket, if packets are logged."""
        self._engineio_logger.info("%s: Received request to upgrade to websocket", eio_sid)
        self._engineio_logger.info("%s: Upgrade to websocket successful", eio_sid)

    def _log_packet(self, eio_sid: str, sent: bool, kind: int, data: str | None) -> None:
        """Called by the engine for every packet, if they are logged. Those of an upgrade are not."""
        way = "Sending" if sent else "Received"
        if kind in (PING, PONG, MESSAGE, CLOSE) and data != "probe":
            if kind != MESSAGE:
                data = data or (None if sent else "")
            self._engineio_logger.info("%s: %s packet %s data %s", eio_sid, way, packet_names[kind], data)

    def _on_refused(self, code: int, message: str) -> None:
        """Called by the engine for a request that it turns away. The first of each kind is an error."""
        # Parts of it are the peer's words.
        message = message[:200] if message.isprintable() else ascii(message[:200])
        if code == METHOD_REFUSED:
            self._engineio_logger.warning(message)
            return
        kind = REFUSED_SESSION if message.startswith(REFUSED_SESSION) else message
        kind = REFUSED_ORIGIN if message.endswith(REFUSED_ORIGIN) else kind
        if kind in self._refusals:
            self._engineio_logger.info(message)
        else:
            self._refusals.add(kind)
            self._engineio_logger.error(
                "%s (further occurrences of this error will be logged with level INFO)", message
            )

    def _allows_origin(self, origin: str, source: Any, target: str) -> bool:
        """Called by the engine for a request with an origin, if a function decides: with the `environ` if it takes one.

        `source` is what the `environ` of a connection that the request may open is made of. Later requests of a session are
        decided by the `environ` of the first.
        """
        assert self._origin_rule is not None
        if source is None:
            sid = parse_qs(target.partition("?")[2]).get("sid", [""])[0]
            environ = dict(self.environ.get(sid, {}), HTTP_ORIGIN=origin)
        else:
            environ = source if isinstance(source, dict) else self._make_environ(source)
        try:
            return bool(self._origin_rule(origin, environ))
        except TypeError:
            return bool(self._origin_rule(origin))

    def _late_cookie_attributes(self) -> str:
        """Called by the engine for a cookie: what functions add to it."""
        return "".join(f"; {_options.cookie_attribute(name, make())}" for name, make in self._late_attributes.items())

    # ---- ports of the engine's own

    def _bind(
        self, host: str, port: int, ssl_certfile: str | None, ssl_keyfile: str | None, door: _door.Door | None = None
    ) -> tuple[str, int]:
        """Opens a port. `door` hears of its requests; one is made if functions of the program's have a say on them."""
        if (ssl_certfile is None) != (ssl_keyfile is None):
            raise ValueError("ssl_certfile and ssl_keyfile go together")
        self._start(self._options_text)
        if door is None and (self._origin_rule is not None or self._late_attributes):
            door = _door.Door(self)
            self._watch(door)
            self._doors.append(door)
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        bound = self._listen(address, ssl_certfile, ssl_keyfile, None if door is None else door.hosting)
        self.addresses.append(bound)
        return bound

    def _watch(self, door: _door.Door) -> None:
        """Lets somebody hear what a door has to ask."""
        raise NotImplementedError

    def _close_doors(self) -> None:
        while self._doors:
            self._doors.pop().close()

    def _make_environ(self, source: Any) -> dict[str, Any]:
        return _environ.make(source)
