"""The server of an asyncio application."""

from __future__ import annotations

import asyncio
import builtins
import logging
import threading
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from typing import Any, ClassVar, TypeVar

from . import _asgi, _environ, _lifecycle, _options, exceptions
from ._ferrio import ServerCore
from .async_manager import AsyncManager
from .async_namespace import AsyncNamespace, finished

Handler = TypeVar("Handler", bound=Callable[..., Any])
Resolved = tuple[Callable[..., Any], tuple[Any, ...]]


class Reason:
    """Why a client was disconnected: the last argument of a disconnect handler."""

    SERVER_DISCONNECT = "server disconnect"
    CLIENT_DISCONNECT = "client disconnect"
    PING_TIMEOUT = "ping timeout"
    TRANSPORT_CLOSE = "transport close"
    TRANSPORT_ERROR = "transport error"


class AsyncServer(ServerCore):
    """A Socket.IO server on the running event loop. It starts at its first request, or in `listen` and `serve`.

    `logger`: ``True`` logs every event at INFO to ``socketio.server``, ``False`` errors only; or a logger of your own.
    `async_handlers`: ``False`` runs the handlers of one client one after the other. `namespaces`: names that clients may
    join without a handler for them, ``"*"`` for all; ``["/"]`` by default.

    Keywords, with python-socketio's defaults: ``ping_interval=25`` and ``ping_timeout=20`` (seconds),
    ``max_http_buffer_size=1_000_000`` (bytes), ``allow_upgrades=True``, ``http_compression=True``,
    ``compression_threshold=1024`` (bytes), ``cookie=None`` (a name, or a dictionary of ``name`` and attributes),
    ``cors_allowed_origins=None`` (``None``: the same origin; ``"*"``: all; one or a list; ``[]``: no handling),
    ``cors_credentials=True``, ``transports=["polling", "websocket"]``, ``always_connect=False``.
    ferrio's own: ``connect_timeout=45`` (seconds a connection may stay without a namespace), ``upgrade_timeout=10``
    (seconds), ``io_threads=1``, ``eager=True`` (``False`` gives every handler a Task of its own; see the guide).

    Raises `ValueError` for a value that python-socketio refuses too, `NotImplementedError` for an option that it has and
    ferrio has not yet. Other keywords are ignored, as there.
    """

    reason = Reason
    reserved_events: ClassVar = ["connect", "disconnect"]

    #: Answers the questions of `python-socketio`'s client manager.
    manager: AsyncManager
    #: The `environ` of each Engine.IO session.
    environ: MutableMapping[str, dict[str, Any]]
    namespace_handlers: dict[str, AsyncNamespace]
    #: Namespaces that need no handler; ``"*"`` means every name.
    namespaces: list[str] | str
    always_connect: bool
    logger: logging.Logger
    #: ``("127.0.0.1", 8000)`` of each listener that `listen` or `serve` opened.
    addresses: list[tuple[str, int]]

    def __init__(
        self,
        client_manager: AsyncManager | None = None,
        logger: bool | logging.Logger = False,
        json: Any = None,
        async_handlers: bool = True,
        namespaces: list[str] | str | None = None,
        **kwargs: Any,
    ) -> None:
        if client_manager is not None and type(client_manager) is not AsyncManager:
            raise _options.unsupported("client managers of other kinds")
        if json is not None and getattr(json, "__name__", "") != "json":
            raise _options.unsupported("other modules for JSON")
        if kwargs.get("serializer", "default") != "default":
            raise _options.unsupported(f"serializer={kwargs['serializer']!r}")
        self._options = _options.engine_options(kwargs)
        self._path = "socket.io"
        self._take_over = _asgi.take_over_enabled()
        self._eager = bool(kwargs.get("eager", True))
        #: uvicorn's sets of connections, one for each of its servers, in which somebody hears of the shutdown.
        self._heralded: list[set[Any]] = []
        self._tasks: set[asyncio.Future[Any]] = set()
        self._stopped: asyncio.Event | None = None
        self.async_handlers = async_handlers
        self.always_connect = bool(kwargs.get("always_connect", False))
        self.namespaces = namespaces or ["/"]
        self.namespace_handlers = {}
        self.environ = _environ.Environs(self)
        self.not_handled = object()
        self.async_mode = "asgi"
        self.addresses = []
        self.logger = make_logger("socketio.server", logger)
        self._engineio_logger = make_logger("engineio.server", kwargs.get("engineio_logger") or False)
        self._verbose = self.logger.isEnabledFor(logging.INFO)
        self.manager = client_manager or AsyncManager()
        self.manager.set_server(self)
        _lifecycle.watch(self)

    def is_asyncio_based(self) -> bool:
        return True

    # ---- handlers

    def on(
        self, event: str, handler: Callable[..., Any] | None = None, namespace: str | None = None
    ) -> Callable[[Handler], Handler]:
        """Registers the handler of an event, given here or decorated. The last one wins.

        The event ``"*"`` stands for every event without a handler of its own, whose name is then the first argument; so does
        the namespace ``"*"``. A handler is called with the sid and the client's arguments (``connect``: sid, environ, auth;
        ``disconnect``: sid, reason); what it returns is the client's acknowledgement.
        """

        def register(handler: Handler) -> Handler:
            self.handlers.setdefault(namespace or "/", {})[event] = handler
            return handler

        if handler is not None:
            register(handler)
        return register

    def event(self, *args: Any, **kwargs: Any) -> Any:
        """Registers the handler of the event that is named as the decorated function. ``@event`` or ``@event(namespace=…)``."""
        if len(args) == 1 and not kwargs and callable(args[0]):
            return self.on(args[0].__name__)(args[0])

        def register(handler: Handler) -> Handler:
            return self.on(handler.__name__, *args, **kwargs)(handler)

        return register

    def register_namespace(self, namespace_handler: AsyncNamespace) -> None:
        """Registers an `AsyncNamespace`. Function handlers of the same namespace come first."""
        if not isinstance(namespace_handler, AsyncNamespace):
            raise ValueError("Not a namespace instance")
        if not namespace_handler.is_asyncio_based():
            raise ValueError("Not a valid namespace class for this server")
        namespace_handler._set_server(self)
        self.namespace_handlers[namespace_handler.namespace] = namespace_handler

    def _resolve(self, event: Any, namespace: str) -> Resolved | None:
        """The handler of an event and the arguments before the sid."""
        own = self.handlers.get(namespace, {})
        every = self.handlers.get("*", {})
        catch_all = event not in self.reserved_events
        if event in own:
            return own[event], ()
        if catch_all and "*" in own:
            return own["*"], (event,)
        if event in every:
            return every[event], (namespace,)
        if catch_all and "*" in every:
            return every["*"], (event, namespace)
        if (handler := self.namespace_handlers.get(namespace)) is not None:
            return of_class(handler, event, ())
        if (handler := self.namespace_handlers.get("*")) is not None:
            return of_class(handler, event, (namespace,))
        return None

    async def _trigger_event(self, event: str, namespace: str, *args: Any) -> Any:
        """Runs the handler of `connect` or `disconnect`."""
        found = self._resolve(event, namespace)
        if found is None:
            return self.not_handled
        handler, prefix = found
        try:
            try:
                return await finished(handler, *prefix, *args)
            except TypeError:
                if event != "disconnect":
                    raise
                # Written before the handler was given a reason.
                return await finished(handler, *prefix, *args[:-1])
        except asyncio.CancelledError:
            return None

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
    ) -> Awaitable[None]:
        """Emits the event ``message``. See `emit`."""
        return self.emit("message", data, to, room, skip_sid, namespace, callback, ignore_queue)

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
        if to is None and sid is None:
            raise ValueError("Cannot use call() to broadcast.")
        if not self.async_handlers:
            raise RuntimeError("Cannot use call() when async_handlers is False.")
        if not self._running:
            raise exceptions.TimeoutError()
        answer = await self._ask(event, data, to or sid, namespace or "/", timeout)
        return tuple(answer) if len(answer) > 1 else answer[0] if answer else None

    # ---- sessions

    async def get_session(self, sid: str, namespace: str | None = None) -> Any:
        """The dictionary that belongs to a client, in a namespace. `KeyError` for a client that is gone."""
        namespace = namespace or "/"
        return self._sessions(sid, namespace).setdefault(namespace, {})

    async def save_session(self, sid: str, session: Any, namespace: str | None = None) -> None:
        """Replaces what `get_session` gives. `KeyError` for a client that is gone."""
        namespace = namespace or "/"
        self._sessions(sid, namespace)[namespace] = session

    def session(self, sid: str, namespace: str | None = None) -> SessionContext:
        """``async with server.session(sid) as session:`` gets the session and saves it at the end."""
        return SessionContext(self, sid, namespace)

    # ---- clients

    async def disconnect(self, sid: str, namespace: str | None = None, ignore_queue: bool = False) -> None:
        """Disconnects a client from a namespace, once its disconnect handler has run. The Engine.IO connection stays."""
        namespace = namespace or "/"
        socket = self._leave(sid, namespace)
        if socket is None:
            return
        self.logger.info("Disconnecting %s [%s]", sid, namespace)
        try:
            await self._trigger_event("disconnect", namespace, sid, Reason.SERVER_DISCONNECT)
        finally:
            self._release(socket)

    def transport(self, sid: str, namespace: str | None = None) -> str:
        """``"polling"`` or ``"websocket"``. `KeyError` for a client that is gone."""
        return self._transport(sid, namespace or "/")

    def get_environ(self, sid: str, namespace: str | None = None) -> dict[str, Any] | None:
        """The one `environ` of a client's connection; ``None`` for a client that is gone."""
        eio_sid = self._eio_sid(sid, namespace or "/")
        return None if eio_sid is None else self.environ.get(eio_sid)

    # ---- tasks

    def start_background_task(
        self, target: Callable[..., Coroutine[Any, Any, Any]], *args: Any, **kwargs: Any
    ) -> asyncio.Future[Any]:
        """Runs a coroutine function in a Task of its own, which it returns."""
        task = asyncio.ensure_future(target(*args, **kwargs))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def sleep(self, seconds: float = 0) -> None:
        """`asyncio.sleep`."""
        await asyncio.sleep(seconds)

    # ---- serving

    async def handle_request(self, scope: Any, receive: Any, send: Any) -> None:
        """Serves one ASGI request or WebSocket, whatever its path. `ASGIApp` calls it."""
        self._start(self._options_text)
        await _asgi.serve(self, scope, receive, send)

    async def listen(
        self, host: str = "127.0.0.1", port: int = 0, *, ssl_certfile: str | None = None, ssl_keyfile: str | None = None
    ) -> tuple[str, int]:
        """Opens a listener of the engine's own and returns its address; port 0 takes any free one.

        It serves Socket.IO under ``/socket.io/`` and nothing else, with TLS if given a certificate chain and a key (PEM
        files). Raises `OSError` if the address or the files cannot be used.
        """
        if (ssl_certfile is None) != (ssl_keyfile is None):
            raise ValueError("ssl_certfile and ssl_keyfile go together")
        self._start(self._options_text)
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        bound = self._listen(address, ssl_certfile, ssl_keyfile)
        self.addresses.append(bound)
        return bound

    async def serve(
        self,
        host: str = "127.0.0.1",
        port: int = 5000,
        *,
        ssl_certfile: str | None = None,
        ssl_keyfile: str | None = None,
    ) -> None:
        """Listens, as `listen` does, until it is cancelled or `shutdown` is called, and then closes every connection.

        `addresses` tells the address once it listens.
        """
        await self.listen(host, port, ssl_certfile=ssl_certfile, ssl_keyfile=ssl_keyfile)
        self._stopped = stopped = asyncio.Event()
        try:
            await stopped.wait()
        finally:
            await self.shutdown()

    async def shutdown(self) -> None:
        """Stops listening, disconnects every client (their disconnect handlers run), and ends the engine's threads.

        python-socketio only ends its background tasks here. The server starts anew at the next request.
        """
        self.logger.info("Socket.IO is shutting down")
        if self._stopped is not None:
            self._stopped.set()
            self._stopped = None
        self.addresses.clear()
        closed = self._close()
        if closed is not None:
            await _lifecycle.finish(self, closed)

    def attach(self, app: Any, socketio_path: str = "socket.io") -> None:
        """Not there yet: python-socketio attaches to aiohttp and sanic."""
        raise _options.unsupported("attach() (serve ASGIApp, or use AsyncServer.serve)")

    def instrument(self, *args: Any, **kwargs: Any) -> Any:
        """Not there yet: python-socketio's admin interface."""
        raise _options.unsupported("instrument()")

    def _options_text(self) -> str:
        return _options.dump(self._options | {"path": self._path})

    # ---- called by the engine

    async def _on_connect(self, socket: int, sid: str, namespace: str, eio_sid: str, auth: Any) -> None:
        """Asks the connect handler, and lets the client in or refuses it."""
        if not (
            namespace in self.handlers
            or namespace in self.namespace_handlers
            or self.namespaces == "*"
            or namespace in self.namespaces
        ):
            self._reject(socket, "Unable to connect")
            return
        if self.always_connect:
            self._accept(socket)
        refusal: Any = exceptions.ConnectionRefusedError().error_args
        try:
            accepted = await self._ask_connect(namespace, sid, eio_sid, auth)
        except exceptions.ConnectionRefusedError as error:
            accepted, refusal = False, error.error_args
        except builtins.ConnectionRefusedError:
            accepted, refusal = False, {"message": "Connection refused by server"}
        if accepted is not False:
            if not self.always_connect:
                self._accept(socket)
        elif self.always_connect:
            self._expel(socket)
        else:
            self._reject(socket, refusal)

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

    async def _on_disconnect(self, socket: int, sid: str, namespace: str, reason: str) -> None:
        try:
            await self._trigger_event("disconnect", namespace, sid, reason)
        finally:
            self._release(socket)

    def _report(self, error: BaseException, what: Any) -> None:
        """An exception that a handler did not catch. It costs nobody else anything."""
        if what in self.reserved_events or not self.async_handlers:
            self._engineio_logger.error("message async handler error", exc_info=error)
            return
        # No "task" in there: since 3.12 the loop would enter its context, in which we are.
        context = {"message": f"Exception in the handler of the Socket.IO event {what!r}", "exception": error}
        asyncio.get_running_loop().call_exception_handler(context)

    def _log_event(self, event: Any, sid: str, namespace: str) -> None:
        self.logger.info('received event "%s" from %s [%s]', event, sid, namespace)

    def _log_emit(self, event: Any, room: Any, namespace: str) -> None:
        self.logger.info('emitting event "%s" to %s [%s]', event, room or "all", namespace)

    def _make_environ(self, source: tuple[Any, ...] | None) -> dict[str, Any]:
        return _environ.make(source)

    def _listen_in_thread(self, loop: asyncio.AbstractEventLoop, drain: Callable[[], None]) -> None:
        """Hears the engine in place of a loop that can watch no descriptor."""

        def listen() -> None:
            while self._wait():
                try:
                    loop.call_soon_threadsafe(drain)
                except RuntimeError:  # the loop is closed
                    return

        threading.Thread(target=listen, name="ferrio-listener", daemon=True).start()


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


def of_class(handler: AsyncNamespace, event: Any, prefix: tuple[Any, ...]) -> Resolved:
    """A class's handler of an event: its method, or `trigger_event` where the class dispatches in its own way."""
    if type(handler).trigger_event is not AsyncNamespace.trigger_event or "trigger_event" in vars(handler):
        return handler.trigger_event, (event, *prefix)
    return getattr(handler, "on_" + (event or ""), nothing), prefix


def nothing(*args: Any) -> None:
    """The handler of an event that a class has no method for: its acknowledgement is empty."""


def make_logger(name: str, logger: bool | logging.Logger) -> logging.Logger:
    """python-socketio's rule: a bool sets up the named logger, unless the application has done so."""
    if not isinstance(logger, bool):
        return logger
    named = logging.getLogger(name)
    if named.level == logging.NOTSET:
        named.setLevel(logging.INFO if logger else logging.ERROR)
        named.addHandler(logging.StreamHandler())
    return named
