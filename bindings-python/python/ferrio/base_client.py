"""What the clients have in common: how they connect, which handler belongs to an event, how connections end and come back.

A rule that waits or calls a handler is a coroutine here. `AsyncClient` awaits it; `Client`, which blocks where it waits, runs
it from its beginning to its end.

```text
    disconnected --connect()--> connecting --Opened--> connected --disconnect(), the server leaves--> disconnecting
         ^                          | Failed               | the connection breaks                         |
         '--------------------------'----------------------'-----------------------------------------------'
                                                           '--> a task that connects again
```
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import random as chance
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

from . import _dial, _json, _options, exceptions
from ._common import make_logger
from ._ferrio import ClientCore, ServerCore
from ._recovery import Recovery
from ._resend import Resending
from .base_namespace import BaseClientNamespace
from .listeners import Handler, Listeners, Resolved

#: Seconds for the end of a connection that has been told to end. The engine needs less.
CLOSE_TIMEOUT = 5.0

#: Bytes that may wait for a connection (``max_buffered``).
MAX_BUFFERED = 16 << 20


class Reason:
    """Why a client was disconnected: the last argument of a disconnect handler."""

    CLIENT_DISCONNECT = "client disconnect"
    SERVER_DISCONNECT = "server disconnect"
    TRANSPORT_ERROR = "transport error"


def delays(
    first: float, longest: float, randomization_factor: float, random: Callable[[], float] = chance.random
) -> Iterator[float]:
    """Seconds before each attempt to come back: doubled up to the longest, and a random part is added or taken away."""
    for doubled in itertools.count():
        # Beyond any float it is the longest anyway.
        delay = min(first * 2 ** min(doubled, 1000), longest)
        yield delay + randomization_factor * (2 * random() - 1)


class Attempt:
    """One attempt to connect."""

    #: It has led to a connection, all its namespaces included.
    arrived = False


class BaseClient(Listeners, ClientCore):
    """Not to be used itself: see `AsyncClient` and `Client`."""

    reason = Reason
    reserved_events: ClassVar = ["connect", "connect_error", "disconnect", "__disconnect_final"]
    #: An event is acknowledged also where nobody hears it.
    _unheard = None

    #: Whether the client is connected.
    connected: bool
    #: What `connect` was given.
    connection_url: Any
    connection_headers: Any
    connection_auth: Any
    connection_transports: Any
    #: The namespaces that were asked for.
    connection_namespaces: list[str]
    #: Those of them that refused.
    failed_namespaces: list[str]
    socketio_path: str | None
    #: The Engine.IO session's id. `get_sid` gives that of a namespace.
    sid: str | None
    logger: logging.Logger

    def __init__(
        self,
        reconnection: bool = True,
        reconnection_attempts: int = 0,
        reconnection_delay: float = 1,
        reconnection_delay_max: float = 5,
        randomization_factor: float = 0.5,
        logger: bool | logging.Logger = False,
        serializer: Any = "default",
        json: Any = None,
        handle_sigint: bool = True,
        *,
        request_timeout: float = 5,
        http_session: Any = None,
        ssl_verify: bool | str = True,
        websocket_extra_options: Mapping[str, Any] | None = None,
        timestamp_requests: bool = True,
        engineio_logger: bool | logging.Logger = False,
        ssl_cert: str | tuple[str, ...] | None = None,
        proxy: str | None = None,
        random: Callable[[], float] | None = None,
        offline_buffer: bool = False,
        max_buffered: int = MAX_BUFFERED,
        retries: int = 0,
        ack_timeout: float = 10,
        recovery: bool = False,
    ) -> None:
        super().__init__()
        if json is not None and getattr(json, "__name__", "") != "json":
            self._codec = _json.Codec(json)
        self.reconnection = reconnection
        self.reconnection_attempts = reconnection_attempts
        self.reconnection_delay = reconnection_delay
        self.reconnection_delay_max = reconnection_delay_max
        self.randomization_factor = randomization_factor
        self.handle_sigint = handle_sigint
        self._dialling = _dial.Dialling(
            serializer=serializer,
            request_timeout=request_timeout,
            http_session=http_session,
            ssl_verify=ssl_verify,
            ssl_cert=ssl_cert,
            proxy=proxy,
            websocket_extra_options=websocket_extra_options,
            timestamp_requests=timestamp_requests,
            from_environment=not self.is_asyncio_based(),
        )
        #: The class of the packets on the wire. The engine makes them.
        self.packet_class: Any = _options.packet_class(self._dialling.serializer)
        self.logger = make_logger("socketio.client", logger)
        self._engineio_logger = make_logger("engineio.client", engineio_logger or False)
        self._verbose = self._hears_emits = self.logger.isEnabledFor(logging.INFO)
        self._random = random
        self._recovery = Recovery() if recovery else None
        self._resending = Resending(self, offline_buffer, max_buffered, retries, ack_timeout)
        self._detours = bool(retries)
        self._look_around()

        self.connection_url = None
        self.connection_headers = None
        self.connection_auth = None
        self.connection_transports = None
        self.connection_namespaces = []
        self.socketio_path = None
        self.sid = None
        self.connected = False
        self.failed_namespaces = []
        self._state = "disconnected"
        self._reconnect_task: Any = None
        #: To connect: under way, or the last one.
        self._attempt = Attempt()
        self._lost_again = False
        self._returning = threading.Lock()
        # What somebody waits for: a connection that is being made, its move to a WebSocket, an answer of the server's to
        # CONNECT, the end of the connection, of everything that it leads to, and of the attempts to come back.
        self._opening: Any = None
        self._upgrading: Any = None
        self._answered: Any = None
        self._closed: Any = None
        self._over: Any = None
        self._back: Any = None
        #: To be settled to end the attempts to come back.
        self._abort: Any = None
        self._begin()

    def is_asyncio_based(self) -> bool:
        """Whether handlers may be coroutine functions."""
        return False

    # ---- handlers

    def on(  # type: ignore[override]
        self, event: str, handler: Callable[..., Any] | None = None, namespace: str | None = None
    ) -> Callable[[Handler], Handler]:
        """Registers the handler of an event, given here or decorated. The last one wins.

        The event ``"*"`` stands for every event without a handler of its own, whose name is then the first argument; so does
        the namespace ``"*"``, for namespaces without handlers. A handler is called with the server's arguments; what it
        returns is the acknowledgement. The client's own events: ``connect`` (no arguments), ``connect_error`` (what the server
        said, or a text), ``disconnect`` (reason), ``__disconnect_final`` (no arguments: nobody will connect again).

        ferrio's own, for listeners (`add_listener`): ``reconnect_attempt`` (which), ``reconnect`` (after which attempt),
        ``reconnect_error`` (the exception), ``reconnect_failed``.
        """
        return self._handling(event, handler, namespace)

    def register_namespace(self, namespace_handler: BaseClientNamespace[Any]) -> None:
        """Registers a class of handlers. Function handlers of the same namespace come first."""
        if not isinstance(namespace_handler, BaseClientNamespace):
            raise ValueError("Not a namespace instance")
        if namespace_handler.is_asyncio_based() != self.is_asyncio_based():
            raise ValueError("Not a valid namespace class for this client")
        namespace_handler._set_client(self)
        self.namespace_handlers[namespace_handler.namespace] = namespace_handler

    def _resolve(self, event: Any, namespace: str) -> Resolved | None:
        catch_all = event not in self.reserved_events
        # Not as at a server: a namespace with handlers of its own does not look among those of "*".
        place, prefix = (namespace, ()) if namespace in self.handlers else ("*", (namespace,))
        functions = self.handlers.get(place, {})
        if event in functions:
            return functions[event], prefix
        if catch_all and "*" in functions:
            return functions["*"], (event, *prefix)
        for key, prefix in self._places(namespace):
            handler = self.namespace_handlers.get(key)
            if handler is not None:
                return self._method(handler, event, prefix)
        return None

    def _know(self, namespace: Any) -> None:
        if not isinstance(namespace, str):
            raise TypeError(f"a namespace of a client is a name, not {namespace!r}")

    def _look_around(self) -> None:
        super()._look_around()
        self._hears_events = self._hears_events or self._recovery is not None

    async def _on_event(self, namespace: str, event: Any, *args: Any) -> Any:
        if self._recovery is not None:
            self._recovery.heard(namespace, args)
            if namespace not in self.namespaces:
                # One that we have missed: those come before the server lets us in.
                self._recovery.missed.setdefault(namespace, []).append((event, *args))
                return self.not_handled
        return await super()._on_event(namespace, event, *args)

    async def _deliver(self, namespace: str, event: Any, *args: Any) -> Any:
        if self._recovery is not None:
            return await super()._deliver(
                namespace, event, *self._recovery.without_offset(self, namespace, event, args)
            )
        return await super()._deliver(namespace, event, *args)

    async def _trigger(self, event: str, namespace: str, *args: Any) -> None:
        """One of the client's own events."""
        try:
            await self._trigger_event(event, namespace, *args)
        finally:
            await self._tell(event, namespace, *args)

    async def _tell_all(self, event: str, *args: Any) -> None:
        for namespace in self.connection_namespaces:
            await self._tell(event, namespace, *args)

    # ---- who is there

    def get_sid(self, namespace: str | None = None) -> str | None:
        """The client's id in a namespace; ``None`` where it is not connected."""
        sid: str | None = self.namespaces.get(namespace or "/")
        return sid

    def transport(self) -> str | None:
        """``"polling"`` or ``"websocket"``: the one that is used, or was used last; ``None`` before the first connection."""
        transport = self._transport()
        if transport is not None:
            self._last_transport = transport
        return self._last_transport

    _last_transport: str | None = None

    def recovered(self, namespace: str | None = None) -> bool:
        """Whether the client has come back, with ``recovery=True``, to the id and the rooms that it had, and to the events it
        missed. ferrio's own."""
        return self._recovery is not None and self._recovery.has_recovered(namespace or "/")

    # ---- connecting

    async def _connect(
        self,
        url: Any,
        headers: Any,
        auth: Any,
        transports: Any,
        namespaces: str | list[str] | None,
        socketio_path: str,
        wait: bool,
        wait_timeout: float,
        retry: bool,
    ) -> None:
        if self.connected:
            raise exceptions.ConnectionError("Already connected")
        self.connection_url = url
        self.connection_headers = headers
        self.connection_auth = auth
        self.connection_transports = transports
        self.connection_namespaces = self._wanted(namespaces)
        self.socketio_path = socketio_path
        real_url = await self._value(url)
        real_headers = await self._value(headers)
        if self._state != "disconnected":
            raise ValueError("Client is not in a disconnected state")
        names = _options.transports(transports)
        self.namespaces = {}
        self.failed_namespaces = []
        attempt = self._attempt = Attempt()
        try:
            await self._open(real_url, real_headers or {}, names, socketio_path)
        except _dial.Unopened as error:
            for namespace in self.connection_namespaces:
                await self._trigger("connect_error", namespace, error.told)
            if retry and await self._go_on_trying():
                return
            raise exceptions.ConnectionError(error.message) from error
        try:
            if wait:
                await self._all_answered(attempt, wait_timeout)
            elif self._state == "connected":
                self._arrive()
            if not attempt.arrived:
                failed = ", ".join(self.failed_namespaces)
                what = (
                    f"One or more namespaces failed to connect: {failed}" if failed else "Unexpected connection error"
                )
                await self._end(Reason.CLIENT_DISCONNECT)
                if retry and not failed and await self._go_on_trying():
                    return
                raise exceptions.ConnectionError(what)
        except BaseException:
            if not attempt.arrived:
                self._abandon()
            raise

    def _arrive(self) -> None:
        """The client is connected, from here on: the end of the connection is told, and followed by attempts to come back."""
        self._attempt.arrived = self.connected = True
        self._is_here()

    def _wanted(self, namespaces: str | list[str] | None) -> list[str]:
        if isinstance(namespaces, str):
            return [namespaces]
        if namespaces is not None:
            return namespaces
        known = dict.fromkeys([*self.handlers, *self.namespace_handlers])
        known.pop("*", None)
        return list(known) or ["/"]

    async def _open(self, url: str, headers: Mapping[str, str], transports: list[str], path: str) -> None:
        """Makes the connection, by its last transport, and asks to be let into the namespaces. `Unopened` if there is none."""
        session = self._dialling.http_session
        if callable(session):
            session = await self._value(session)
        options = self._dialling.options(headers, transports, path, session)
        self._engineio_logger.info("Attempting %s connection to %s", transports[0], url)
        self._may_upgrade = "websocket" in transports
        opening = self._opening = self._new_future()
        self._upgrading = None
        self._state = "connecting"
        try:
            self._dial(self._host(), url, _options.dump(options))
            await self._until(opening)
            failure = opening.result()
            if failure is not None:
                raise failure
            self.logger.info("Engine.IO connection established")
            try:
                auth = await self._value(self.connection_auth) or {}
            except Exception as error:
                raise _dial.Unopened(f"Connect handler failed: {error}") from error
            if self._upgrading is not None:
                await self._until(self._upgrading)
            for namespace in self.connection_namespaces:
                with_memory = auth if self._recovery is None else self._recovery.remind(namespace, auth)
                self._join(namespace, with_memory)
        except BaseException:
            self._abandon()
            raise

    def _abandon(self) -> None:
        """Nobody wants the connection any more, nor to hear of it."""
        if self._state != "disconnected":
            over = self._over
            self._hang_up(True)
            self._forget()
            self._lost()
            self._settle(over, None)

    async def _all_answered(self, attempt: Attempt, timeout: float) -> None:
        """Waits until every namespace has let us in or not, or none of them has answered for a time."""
        # All may have, and the connection have ended, and a next attempt have begun.
        while self._attempt is attempt and not attempt.arrived:
            answered = self._answered = self._new_future()
            waiting = len(self.connection_namespaces) - len(self.namespaces) - len(self.failed_namespaces)
            if waiting <= 0 or self._state != "connected" or not await self._until(answered, timeout):
                return

    # ---- called by the engine

    def _on_opened(
        self, sid: str, transport: str, upgrades: list[str], ping_interval: float, ping_timeout: float
    ) -> None:
        self._engineio_logger.info("%s connection accepted", transport)
        self.sid = sid
        self._last_transport = transport
        self.eio._opened(upgrades, ping_interval, ping_timeout)
        self._closed, self._over = self._new_future(), self._new_future()
        if transport == "polling" and self._may_upgrade and "websocket" in upgrades:
            self._upgrading = self._new_future()
        self._state = "connected"
        self._settle(self._opening, None)

    def _on_failed(self, kind: str, transport: str | None, message: str, status: int | None, detail: str) -> None:
        self._engineio_logger.info("The connection failed: %s", message)
        self._state = "disconnected"
        self._settle(self._opening, _dial.unopened(kind, transport, message, status, detail))

    def _on_upgrade(self, why_not: str | None) -> None:
        if why_not is None:
            self._last_transport = "websocket"
            self._engineio_logger.info("WebSocket upgrade was successful")
        else:
            self._engineio_logger.warning("WebSocket upgrade failed: %s", why_not)
        self._settle(self._upgrading, None)

    async def _on_joined(self, namespace: str, data: Any) -> None:
        if namespace in self.namespaces:
            return
        self.logger.info("Namespace %s is connected", namespace)
        data = data or {}
        if self._recovery is not None:
            self._recovery.joined(namespace, data)
        self.namespaces[namespace] = data.get("sid", self.sid)
        self._resending.joined(namespace)
        try:
            if self._recovery is not None:
                for event, *args in self._recovery.missed.pop(namespace, ()):
                    try:
                        await super()._on_event(namespace, event, *args)
                    except Exception as error:
                        self._report(error, event)
            await self._trigger("connect", namespace)
        finally:
            everywhere = set(self.namespaces) == set(self.connection_namespaces)
            if everywhere and not self._attempt.arrived and self._state == "connected":
                self._arrive()
            self._settle(self._answered, None)

    async def _on_refused(self, namespace: str, data: Any) -> None:
        self.logger.info("Connection to namespace %s was rejected", namespace)
        args = () if data is None else data if isinstance(data, list) else (data,)
        try:
            await self._trigger("connect_error", namespace, *args)
        finally:
            self.failed_namespaces.append(namespace)
            self.namespaces.pop(namespace, None)
            if namespace == "/":
                self.namespaces = {}
                self.connected = False
            self._settle(self._answered, None)

    async def _on_left(self, namespace: str) -> None:
        """The server has made the client leave a namespace. With the last one the connection ends."""
        if namespace not in self.namespaces:
            return
        last = len(self.namespaces) == 1
        try:
            await self._tell_gone(namespace, Reason.SERVER_DISCONNECT, final=True)
        finally:
            self.namespaces.pop(namespace, None)
            self._left(namespace)
            if last and self._state == "connected":
                self.connected = False
                await self._end(Reason.SERVER_DISCONNECT)

    async def _on_closed(self, by_server: bool, why: str) -> None:
        """The connection has ended."""
        self.logger.info("Engine.IO connection dropped")
        self._engineio_logger.info("The connection has ended: %s", why)
        self._settle(self._upgrading, None)
        self._settle(self._closed, None)
        if self._state != "connected":
            # `_end` says what follows.
            return
        over = self._over
        comes_back = self.reconnection and self.connected and not by_server
        self._state = "disconnected"
        try:
            if self.connected:
                reason = Reason.SERVER_DISCONNECT if by_server else Reason.TRANSPORT_ERROR
                await self._tell_all_gone(reason, final=not comes_back)
        finally:
            self._lost()
            if comes_back:
                self._begin_to_return()
            self._settle(over, None)

    # ---- the end

    async def _end(self, reason: str) -> None:
        """Leaves the server: what waits is sent first."""
        if self._state != "connected":
            return
        self._state = "disconnecting"
        over = self._over
        try:
            for namespace in self.namespaces:
                self._leave(namespace)
            self._hang_up(False)
            if self.connected:
                await self._tell_all_gone(reason, final=True)
            await self._until(self._closed, CLOSE_TIMEOUT)
        finally:
            self._forget()
            self._lost()
            self._settle(over, None)

    def _is_here(self) -> None:
        """There is a connection."""

    def _lost(self) -> None:
        """There is none."""
        self._state = "disconnected"
        self.connected = False
        self.namespaces = {}
        self.sid = None
        self._settle(self._answered, None)

    async def _tell_all_gone(self, reason: str, *, final: bool) -> None:
        for namespace in list(self.namespaces):
            await self._tell_gone(namespace, reason, final=final)

    async def _tell_gone(self, namespace: str, reason: str, *, final: bool) -> None:
        try:
            await self._trigger("disconnect", namespace, reason)
        except Exception as error:
            self._report(error, "disconnect")
        if final:
            await self._tell_final(namespace)

    async def _tell_final(self, namespace: str) -> None:
        try:
            await self._trigger("__disconnect_final", namespace)
        except Exception as error:
            self._report(error, "__disconnect_final")

    async def _disconnect(self) -> None:
        if self._state == "connecting":
            opening = self._opening
            self._abandon()
            self._settle(opening, _dial.Unopened("the client was disconnected"))
        self._give_up()
        await self._end(Reason.CLIENT_DISCONNECT)

    # ---- coming back

    def _begin_to_return(self) -> None:
        with self._returning:
            if self._reconnect_task is not None:
                # It has just been back, and its task does not know yet that it is not any more.
                self._lost_again = True
                return
            self._back, self._abort = self._new_future(), self._new_future()
            self._reconnect_task = self._in_background(self._return)

    async def _return(self) -> None:
        """The task of a client that has lost its connection."""
        try:
            abort = self._abort
            while True:
                # If it was given up meanwhile, this says so to the handlers, and no more.
                await self._come_back(abort)
                with self._returning:
                    if not self._lost_again:
                        self._reconnect_task = None
                        break
                    self._lost_again = False
        finally:
            self._reconnect_task, self._lost_again = None, False
            self._settle(self._back, None)

    async def _go_on_trying(self) -> bool:
        """As if a connection had been there and were lost. Whether there is one then."""
        self._abort = self._new_future()
        await self._come_back(self._abort)
        return self.connected

    async def _come_back(self, abort: Any) -> None:
        longest, factor = self.reconnection_delay_max, self.randomization_factor
        pauses = delays(self.reconnection_delay, longest, factor, self._random or chance.random)
        for attempt, delay in enumerate(pauses, 1):
            self.logger.info("Connection failed, new attempt in %.02f seconds", delay)
            if await self._until(abort, max(delay, 0)):
                self.logger.info("Reconnect task aborted")
                break
            await self._tell_all("reconnect_attempt", attempt)
            try:
                await self._connect(
                    self.connection_url,
                    self.connection_headers,
                    self.connection_auth,
                    self.connection_transports,
                    self.connection_namespaces,
                    self.socketio_path or "socket.io",
                    True,
                    1,
                    False,
                )
            except (exceptions.ConnectionError, ValueError) as error:
                await self._tell_all("reconnect_error", error)
            except Exception as error:
                # Of a handler, or of a function that gives url, headers or auth.
                self._report(error, "connect")
                await self._tell_all("reconnect_error", error)
            else:
                self.logger.info("Reconnection successful")
                await self._tell_all("reconnect", attempt)
                return
            if self.reconnection_attempts and attempt >= self.reconnection_attempts:
                self.logger.info("Maximum reconnection attempts reached, giving up")
                await self._tell_all("reconnect_failed")
                break
        for namespace in self.connection_namespaces:
            await self._tell_final(namespace)

    def _give_up(self) -> None:
        """No further attempt to come back."""
        self._settle(self._abort, None)

    async def _wait(self) -> None:
        while True:
            if self._reconnect_task is not None:
                await self._until(self._back)
            elif self._state in ("connected", "disconnecting"):
                await self._until(self._over)
            else:
                return

    async def _shutdown(self) -> None:
        await self._disconnect()
        if self._reconnect_task is not None:
            await self._until(self._back)

    # ---- out

    def _on_emit(self, event: Any, data: Any, namespace: str) -> None:
        """Called by the engine at each emit that somebody hears."""
        if self._verbose:
            self.logger.info('Emitting event "%s" [%s]', event, namespace)
        self._tell_outgoing(namespace, data, event)

    def _log_event(self, event: Any, namespace: str) -> None:
        """Called by the engine for each event, with ``logger=True``."""
        self.logger.info('Received event "%s" [%s]', event, namespace)

    def _emit_otherwise(
        self, event: Any, data: Any, namespace: str, callback: Callable[..., Any] | None, volatile: bool
    ) -> None:
        """Called by the engine for an event that it cannot simply send: the namespace is not connected, or it is to be sent
        until it is answered."""
        self._resending.emit(event, data, namespace, callback, volatile)

    # ---- what each kind of client does in its own way

    eio: Any

    def _begin(self) -> None:
        """The last part of its making."""
        raise NotImplementedError

    def _host(self) -> ServerCore:
        """The engine that connects us."""
        raise NotImplementedError

    def _new_future(self) -> Any:
        """What can be waited for by `_until`."""
        raise NotImplementedError

    async def _until(self, future: Any, timeout: float | None = None) -> bool:
        """Waits until a future is settled. False if it was not in time (seconds)."""
        raise NotImplementedError

    async def _value(self, value: Any) -> Any:
        """A value that may be given as a function."""
        return await self._run(value) if callable(value) else value

    def _in_background(self, rule: Callable[..., Any], *args: Any) -> Any:
        """Runs a rule beside the caller."""
        raise NotImplementedError

    @staticmethod
    def _settle(future: Any, result: Any) -> None:
        """Gives a future its result, if there is one and it has none."""
        if future is not None and not future.done():
            # Another thread may do so at the same time.
            with contextlib.suppress(RuntimeError):
                future.set_result(result)
