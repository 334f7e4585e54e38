"""The server of an asyncio application."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from . import _asgi, _door, _eio, _frameworks, _host, _lifecycle, _options, exceptions
from ._common import answer_of
from ._ferrio import ServerCore
from ._loop import Background, LoopHost, Looping
from .async_manager import AsyncManager
from .async_namespace import AsyncNamespace
from .base_server import BaseServer
from .engineio import packet as engineio_packet
from .packet import Packet
from .remote import AsyncRemoteSocket


class AsyncServer(Looping, Background, BaseServer, LoopHost):
    """A Socket.IO server on the running event loop. It starts at its first request, or in `listen` and `serve`.

    `logger`: ``True`` logs every event at INFO to ``socketio.server``, ``False`` errors only; or a logger of your own.
    `async_handlers`: ``False`` runs the handlers of one client one after the other. `namespaces`: names that clients may
    join without a handler for them, ``"*"`` for all; ``["/"]`` by default.

    `engineio_logger`: as `logger`, for ``engineio.server``: requests that are refused, the first of a kind at ERROR, later ones
    at INFO, and exceptions of handlers with ``async_handlers=False``.

    Keywords, with python-socketio's defaults: ``ping_interval=25`` and ``ping_timeout=20`` (seconds),
    ``max_http_buffer_size=1_000_000`` (bytes), ``allow_upgrades=True``, ``http_compression=True``,
    ``compression_threshold=1024`` (bytes), ``cookie=None`` (a name, or a dictionary of ``name`` and attributes),
    ``cors_allowed_origins=None`` (``None``: the same origin; ``"*"``: all; one or a list; ``[]``: no handling),
    ``cors_credentials=True``, ``transports=["polling", "websocket"]``, ``always_connect=False``,
    ``serializer="default"`` (or ``"msgpack"``, for clients that have the same).
    ferrio's own: ``connect_timeout=45`` (seconds a connection may stay without a namespace), ``upgrade_timeout=10``
    (seconds), ``io_threads=1``, ``eager=True`` (``False`` gives every handler a Task of its own; see the guide),
    ``allow_eio3=False`` (clients of Socket.IO 2), ``connection_state_recovery=None`` (a dictionary:
    ``max_disconnection_duration=120`` seconds, ``skip_middlewares=True``, ``max_bytes`` and ``max_sessions`` kept),
    ``client_bundle=None`` (a directory with npm's client files, ``node_modules/socket.io-client/dist``: browsers get
    ``socket.io.js``, ``socket.io.min.js``, ``socket.io.esm.min.js``, the msgpack one and their maps under ``/socket.io/``;
    they are read when the server starts. `FileNotFoundError` if none is there), ``high_mark=1_048_576`` (bytes waiting for a
    client from which on awaiting `emit` waits), ``hard_limit=16_777_216`` (bytes that are too many), ``slow_consumer=
    "disconnect"`` (what becomes of a client for which more would wait; ``"drop"``: it does not get the event),
    ``write_timeout=45`` (seconds in which a client may take nothing of what waits for it, before it is disconnected),
    ``mailbox_bytes=8_388_608`` (events waiting for Python above which the engine stops reading from clients),
    ``limits=None`` (a dictionary of what one packet or connection may have in it: ``packets_per_payload=1000``,
    ``attachments=10``, ``reassembly=30`` seconds, ``json_depth=128``, ``namespaces=64``, and in bytes ``namespace_name=512``,
    ``event_name=1024``; of a WebSocket, ``fragments=1024`` of a message and ``control_frames=50`` a second),
    ``max_header_bytes=16_384``, ``max_headers=100`` and ``header_timeout=10`` (seconds; these three with `serve` alone).
    Not limited unless given: ``max_connections`` (at once; more are answered 503), ``max_handshakes`` (connections at once that
    have joined no namespace yet; 503), ``sessions_per_address`` (new ones a second, or a tuple of that and how many at once;
    429), ``events_per_client`` (the same of a client's events; it is disconnected at one more), ``trusted_proxies=0`` (how many
    in front of the server write ``X-Forwarded-For``). ``max_child_namespaces=100_000`` (namespaces at once that patterns and
    predicates have taken in; who asks for one more is refused). ``ready_path=None``: path on ports of the engine's own that is
    answered 200 while newcomers are let in, and 503 once the server drains; elsewhere ask `ready`.

    Raises `ValueError` for a value that python-socketio refuses too, `NotImplementedError` for an option that it has and
    ferrio has not yet. Other keywords are ignored, as there.
    """

    _namespace_class = AsyncNamespace

    #: Answers the questions of `python-socketio`'s client manager, or is one of the program's own.
    manager: AsyncManager

    def __init__(
        self,
        client_manager: AsyncManager | None = None,
        logger: bool | logging.Logger = False,
        json: Any = None,
        async_handlers: bool = True,
        namespaces: list[str] | str | None = None,
        **kwargs: Any,
    ) -> None:
        async_mode = _options.async_mode(kwargs.get("async_mode"))
        super().__init__(client_manager, logger, json, async_handlers, namespaces, **kwargs)
        self._tasks = set()
        self._stopped: asyncio.Event | None = None
        self.async_mode = async_mode
        #: What programs ask of python-engineio's server.
        self.eio = _eio.AsyncEio(self)
        self._take_manager(client_manager, AsyncManager)

    # ---- out (`emit`, `enter_room`, `leave_room`, `close_room` and `rooms` are the engine's)

    def send(
        self,
        data: Any,
        to: Any = None,
        room: Any = None,
        skip_sid: str | list[str] | None = None,
        namespace: str | None = None,
        callback: Callable[..., Any] | None = None,
        ignore_queue: bool = False,
        **flags: Any,
    ) -> Awaitable[None]:
        """Emits the event ``message``. See `emit`."""
        return self.emit("message", data, to, room, skip_sid, namespace, callback, ignore_queue, **flags)

    async def call(
        self,
        event: str,
        data: Any = None,
        to: str | None = None,
        sid: str | None = None,
        namespace: str | None = None,
        timeout: float | None = 60,
        ignore_queue: bool = False,
    ) -> Any:
        """Emits an event to one client and waits for its answer: ``None``, the value, or a tuple of several values.

        `timeout` in seconds; ``None`` waits as long as the client is there. Raises `exceptions.TimeoutError` when it is over,
        and at once when the client leaves.
        """
        self._check_call(to, sid)
        return answer_of(await self._ask(event, data, to or sid, namespace or "/", timeout))

    async def emit_with_acks(
        self,
        event: str,
        data: Any = None,
        to: Any = None,
        room: Any = None,
        skip_sid: str | Iterable[str] | None = None,
        namespace: str | None = None,
        timeout: float | None = 60,
        *,
        except_: Any = None,
    ) -> list[Any]:
        """Emits an event to several clients and waits for all of them to answer. ferrio's own.

        Whom it goes to, see `emit`. Gives the answers in the order in which they came, each as `call` gives it. `timeout` in
        seconds; ``None`` waits as long as they are there. Raises `exceptions.TimeoutError` when it is over, and at once when
        those who have not answered are gone; its ``responses`` are the answers that came.
        """
        if not self._may_ask_all():
            return []
        ask = {"all": True, "skip_sid": skip_sid, "except_": except_}
        try:
            answers = await self._ask(event, data, to or room, namespace or "/", timeout, **ask)
        except exceptions.TimeoutError as error:
            error.responses = [answer_of(arguments) for arguments in error.responses]
            raise
        return [answer_of(arguments) for arguments in answers]

    # ---- clients by room: ferrio's own, as `sockets_join` and `sockets_leave`

    async def fetch_sockets(
        self, *, to: Any = None, except_: Any = None, namespace: str | None = None
    ) -> list[AsyncRemoteSocket]:
        """The clients in `to` (a sid, a room, or a list of them; everybody in the namespace when omitted), without the
        members of the rooms in `except_`."""
        namespace = namespace or "/"
        members = self._members(namespace, to, except_)
        return [AsyncRemoteSocket(self, sid, eio_sid, namespace) for sid, eio_sid in members]

    async def disconnect_sockets(
        self, close: bool = False, *, to: Any = None, except_: Any = None, namespace: str | None = None
    ) -> None:
        """Disconnects the clients that `fetch_sockets` gives from the namespace, or (`close`) closes their connections, once
        their disconnect handlers have run."""
        namespace = namespace or "/"
        for sid, _ in self._members(namespace, to, except_):
            await self._send_away(sid, namespace, close)

    # ---- sessions

    async def get_session(self, sid: str, namespace: str | None = None) -> Any:
        """The dictionary that belongs to a client, in a namespace. `KeyError` for a client that is gone."""
        return self._session_of(sid, namespace)

    async def save_session(self, sid: str, session: Any, namespace: str | None = None) -> None:
        """Replaces what `get_session` gives. `KeyError` for a client that is gone."""
        self._keep_session(sid, session, namespace)

    def session(self, sid: str, namespace: str | None = None) -> SessionContext:
        """``async with server.session(sid) as session:`` gets the session and saves it at the end."""
        return SessionContext(self, sid, namespace)

    # ---- clients

    async def disconnect(self, sid: str, namespace: str | None = None, ignore_queue: bool = False) -> None:
        """Disconnects a client from a namespace, once its disconnect handler has run. The Engine.IO connection stays."""
        await self._send_away(sid, namespace or "/", ignore_queue=ignore_queue)

    # ---- serving

    async def handle_request(self, *args: Any) -> Any:
        """Serves one request or WebSocket, whatever its path: ASGI's ``(scope, receive, send)``, or the request object of
        aiohttp or of Sanic, whose answer it returns. `ASGIApp`, `attach` and `get_tornado_handler` call it.
        """
        self._start(self._options_text)
        if len(args) == 3:
            await _asgi.serve(self, *args)
            return None
        return await _frameworks.serve(self, *args)

    async def listen(
        self, host: str = "127.0.0.1", port: int = 0, *, ssl_certfile: str | None = None, ssl_keyfile: str | None = None
    ) -> tuple[str, int]:
        """Opens a listener of the engine's own and returns its address; port 0 takes any free one.

        It serves Socket.IO under ``/socket.io/`` and nothing else, with TLS if given a certificate chain and a key (PEM
        files). Raises `OSError` if the address or the files cannot be used.
        """
        return self._bind(host, port, ssl_certfile, ssl_keyfile)

    def _watch(self, door: _door.Door) -> None:
        door.watch()

    async def serve(
        self,
        host: str = "127.0.0.1",
        port: int = 5000,
        *,
        app: Any = None,
        ssl_certfile: str | None = None,
        ssl_keyfile: str | None = None,
        ws_max_size: int = 16_777_216,
    ) -> None:
        """Listens, as `listen` does, until it is cancelled or `shutdown` is called, and then closes every connection.

        `app`: an ASGI application that gets every request and WebSocket outside ``/socket.io/``, and the lifespan.
        `ws_max_size`: bytes of the largest message that a WebSocket of the application's may bring (16 MiB; a larger one closes
        it with 1009). These WebSockets are asked for a sign of life after `ping_interval`, and given `ping_timeout` for it.
        `addresses` tells the address once it listens. Raises `OSError` if the address or the files cannot be used,
        `RuntimeError` if the application fails to start.
        """
        beside = None if app is None else _host.Host(self, app, ws_max_size)
        self._stopped = stopped = asyncio.Event()
        try:
            if beside is not None:
                await beside.start()
            self._bind(host, port, ssl_certfile, ssl_keyfile, beside)
            await stopped.wait()
        finally:
            if beside is not None:
                await beside.retire()
            # Requests under way are answered, new ones find the port closed.
            await self.shutdown()
            if beside is not None:
                await beside.stop()

    async def shutdown(self) -> None:
        """Stops listening, disconnects every client (their disconnect handlers run), and ends the engine's threads.

        python-socketio only ends its background tasks here. The server starts anew at the next request. Connect and
        disconnect handlers that do not end are given five seconds: one that calls this waits for itself so long.
        """
        self.logger.info("Socket.IO is shutting down")
        if self._stopped is not None:
            self._stopped.set()
            self._stopped = None
        self.addresses.clear()
        closed = self._close()
        if closed is not None:
            await _lifecycle.finish(self, closed)
        self._close_doors()

    async def drain(self, grace: float = 10, spread: float = 10, reason: str = "") -> None:
        """Ends the server so that others can take over from it. ferrio's own.

        Nobody new is let in from now on (503, and `ready` is false). Answers to events that ask for one, of clients and of
        handlers, are waited for, at most `grace` seconds. Then connections are closed, in random order over `spread` seconds,
        in a way that makes clients come back, to another server; what is still on its way to them has `grace` seconds to
        arrive. At last comes `shutdown`. `reason`: a few words for the close frame of WebSockets, whose code is 1012.

        `shutdown` ends it at once. While it runs, the web server must still answer: clients that poll need it.
        """
        closed = self._retire(grace, spread, reason)
        if closed is not None:
            await asyncio.wait([closed])
        await self.shutdown()

    def attach(self, app: Any, socketio_path: str = "socket.io") -> None:
        """Adds this server to an `aiohttp.web.Application` or a Sanic application, under ``/socketio_path/``.

        The server closes its connections when the application shuts down. Raises `TypeError` for any other application.
        """
        _frameworks.attach(self, app, f"/{socketio_path.strip('/')}/")

    # ---- what python-socketio calls itself, for client managers that do so

    async def _send_packet(self, eio_sid: str, pkt: Packet) -> None:
        """Sends a packet to a session, past all rules. The answer to an event goes to the manager's `trigger_callback`."""
        if (asks := self._as_question(eio_sid, pkt)) is not None:
            await ServerCore.emit(self, **asks)
            return
        encoded = pkt.encode()
        for part in encoded if isinstance(encoded, list) else [encoded]:
            await self.eio.send(eio_sid, part)

    async def _send_eio_packet(self, eio_sid: str, eio_pkt: Any) -> None:
        """Sends a message to a session, given as a packet of `ferrio.engineio`."""
        if eio_pkt.packet_type != engineio_packet.MESSAGE:
            raise ValueError("only messages can be sent; the other packets are the engine's")
        await self.eio.send(eio_sid, eio_pkt.data)

    async def _answer_of(self, emit: Callable[..., Awaitable[None]], timeout: float | None) -> list[Any]:
        """What a client answers to an event that `emit` sends with a callback."""
        answer: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()

        def answered(*args: Any) -> None:
            if not answer.done():
                answer.set_result(list(args))

        await emit(callback=answered)
        try:
            return await asyncio.wait_for(answer, timeout)
        except asyncio.TimeoutError:
            raise exceptions.TimeoutError() from None

    # ---- called by the engine

    def _report(self, error: BaseException, what: Any) -> None:
        if what in self.reserved_events or not self.async_handlers:
            self._engineio_logger.error("message async handler error", exc_info=error)
            return
        super()._report(error, what)


class SessionContext:
    """``async with``: the session at the beginning, saved at the end."""

    def __init__(self, server: AsyncServer, sid: str, namespace: str | None) -> None:
        self.server = server
        self.sid = sid
        self.namespace = namespace
        self.session: Any = None

    async def __aenter__(self) -> Any:
        self.session = await self.server.get_session(self.sid, namespace=self.namespace)
        return self.session

    async def __aexit__(self, *args: object) -> None:
        await self.server.save_session(self.sid, self.session, namespace=self.namespace)
