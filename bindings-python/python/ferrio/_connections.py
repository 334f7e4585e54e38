"""The connections of a client: how one is made, what happens to it, how it ends, and how the client comes back.

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
from typing import Any

from . import _dial, _options, exceptions
from ._ferrio import ClientCore, ServerCore
from ._recovery import Recovery
from ._resend import Resending
from .listeners import Listeners

#: Seconds for the end of a connection that has been told to end. The engine needs less.
CLOSE_TIMEOUT = 5.0


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

    def __init__(self) -> None:
        #: It has led to a connection, all its namespaces included.
        self.arrived = False
        #: The namespaces that have let us in, and whose handlers know.
        self.through: set[str] = set()


class Connections(Listeners, ClientCore):
    """The part of a client that connects."""

    # Of the client.
    reconnection: bool
    reconnection_attempts: int
    reconnection_delay: float
    reconnection_delay_max: float
    randomization_factor: float
    _dialling: _dial.Dialling
    _engineio_logger: logging.Logger
    _random: Callable[[], float] | None
    _recovery: Recovery | None
    _resending: Resending
    _may_upgrade: bool
    _last_transport: str | None = None

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

    def __init__(self) -> None:
        super().__init__()
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
        #: How often it was told not to come back.
        self._farewells = 0
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
            through = attempt.through & self.namespaces.keys()
            waiting = len(self.connection_namespaces) - len(through) - len(self.failed_namespaces)
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
        self._resending.joined(namespace, data.get("sid", self.sid))
        try:
            if self._recovery is not None:
                for event, *args in self._recovery.missed.pop(namespace, ()):
                    try:
                        await super()._on_event(namespace, event, *args)
                    except Exception as error:
                        self._report(error, event)
            await self._trigger("connect", namespace)
        finally:
            self._attempt.through.add(namespace)
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
        over, farewells = self._over, self._farewells
        comes_back = self.reconnection and self.connected and not by_server
        self._state = "disconnected"
        try:
            if self.connected:
                reason = Reason.SERVER_DISCONNECT if by_server else Reason.TRANSPORT_ERROR
                await self._tell_all_gone(reason, final=not comes_back)
        finally:
            self._lost()
            if comes_back and not self._begin_to_return(farewells):
                await self._tell_all_final()
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

    async def _tell_all_final(self) -> None:
        for namespace in self.connection_namespaces:
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

    def _begin_to_return(self, farewells: int) -> bool:
        """Unless it was told to leave while others were told of the end, by them perhaps."""
        with self._returning:
            if self._farewells != farewells:
                return False
            if self._reconnect_task is not None:
                # It has just been back, and its task does not know yet that it is not any more.
                self._lost_again = True
                return True
            self._back, self._abort = self._new_future(), self._new_future()
            self._reconnect_task = self._in_background(self._return)
            return True

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
        await self._tell_all_final()

    def _give_up(self) -> None:
        """No further attempt to come back."""
        with self._returning:
            self._farewells += 1
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

    # ---- the client's own events

    async def _trigger(self, event: str, namespace: str, *args: Any) -> None:
        """One of the client's own events."""
        try:
            await self._trigger_event(event, namespace, *args)
        finally:
            await self._tell(event, namespace, *args)

    async def _tell_all(self, event: str, *args: Any) -> None:
        for namespace in self.connection_namespaces:
            await self._tell(event, namespace, *args)

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
