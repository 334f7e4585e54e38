"""The server of an application with threads."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from . import _door, _eio, _lifecycle, _modes, _script, _wsgi, packet
from ._common import answer_of
from ._crew import Blocking, CrewHost, completed
from ._ferrio import ServerCore
from .base_server import BaseServer
from .engineio import packet as engineio_packet
from .exceptions import TimeoutError
from .manager import Manager
from .namespace import Namespace
from .remote import RemoteSocket


class Server(Blocking, BaseServer, CrewHost):
    """A Socket.IO server whose handlers are plain functions. It starts at its first request, or in `listen` and `serve`.

    One thread runs the handlers; while one of them blocks another thread goes on with the next, so that any number of them
    may block at once. The events of a client start in the order in which they came; with ``async_handlers=False`` each ends
    before the next begins.

    `async_mode`: ``"threading"``, ``"gevent"`` or ``"eventlet"`` (greenlets run the handlers then); by default eventlet or
    gevent where one is installed, as in python-socketio. The other arguments are those of `AsyncServer`, save `eager`.

    Raises `ValueError` for a value that python-socketio refuses too, `NotImplementedError` for an option that it has and
    ferrio has not yet. Other keywords are ignored, as there.
    """

    _namespace_class = Namespace
    _emit = ServerCore.emit

    #: Answers the questions of `python-socketio`'s client manager, or is one of the program's own.
    manager: Manager
    #: ``"threading"``, ``"gevent"`` or ``"eventlet"``.
    async_mode: str

    def __init__(
        self,
        client_manager: Manager | None = None,
        logger: bool | logging.Logger = False,
        serializer: Any = "default",
        json: Any = None,
        async_handlers: bool = True,
        always_connect: bool = False,
        namespaces: list[str] | str | None = None,
        **kwargs: Any,
    ) -> None:
        self._set_mode(_modes.choose(kwargs.pop("async_mode", None)))
        kwargs |= {"serializer": serializer, "always_connect": always_connect}
        super().__init__(client_manager, logger, json, async_handlers, namespaces, **kwargs)
        self.async_mode = self._mode.name
        self._stopped: _modes.Event | None = None
        #: Sessions that a program plays, from the first one on.
        self._scripts: _script.Scripts | None = None
        self.eio = _eio.Eio(self)
        self._take_manager(client_manager, Manager)

    # ---- out (`leave_room`, `close_room`, `enter_room` and `rooms` are the engine's)

    if TYPE_CHECKING:
        # Of one class with `AsyncServer`'s, but with nothing to await.
        def enter_room(self, sid: str, room: Any, namespace: str | None = None) -> None: ...  # type: ignore[override]
        def leave_room(self, sid: str, room: Any, namespace: str | None = None) -> None: ...  # type: ignore[override]
        def close_room(self, room: Any, namespace: str | None = None) -> None: ...  # type: ignore[override]
        def sockets_join(  # type: ignore[override]
            self, rooms: Any, *, to: Any = None, except_: Any = None, namespace: str | None = None
        ) -> None: ...
        def sockets_leave(  # type: ignore[override]
            self, rooms: Any, *, to: Any = None, except_: Any = None, namespace: str | None = None
        ) -> None: ...

    def emit(  # type: ignore[override]
        self,
        event: str,
        data: Any = None,
        to: Any = None,
        room: Any = None,
        skip_sid: str | Iterable[str] | None = None,
        namespace: str | None = None,
        callback: Callable[..., Any] | None = None,
        ignore_queue: bool = False,
        *,
        except_: Any = None,
        volatile: bool = False,
        compress: bool = True,
    ) -> None:
        """Emits an event to one or more clients. It blocks only while the one client addressed does not keep up.

        `data`: a tuple is several arguments, ``None`` is none, anything else is one. `to` (or `room`): a sid, a room, or a
        list of them; everybody in the namespace when omitted. `skip_sid`: a sid or a list of sids left out. `callback`:
        called with the client's answer. Raises `TypeError` or `ValueError`, as `json.dumps` does, for data that is no JSON.

        ferrio's own: `except_`: a room or a list of rooms whose members are left out. `volatile`: dropped for clients that
        cannot be written to right now. `compress`: false keeps the body of a poll from being compressed for its sake.
        """
        behind = self._emit(
            event,
            data,
            to,
            room,
            skip_sid,
            namespace,
            callback,
            ignore_queue,
            except_=except_,
            volatile=volatile,
            compress=compress,
        )
        if behind is not None:
            self._wait_for(behind)
        if self._scripts is not None:
            self._scripts.settle()

    def _wait_for(self, promise: Any) -> Any:
        self._step_aside()
        return promise.result()

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
    ) -> None:
        """Emits the event ``message``. See `emit`."""
        self.emit("message", data, to, room, skip_sid, namespace, callback, ignore_queue, **flags)

    def call(
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
        try:
            return answer_of(self._wait_for(self._ask(event, data, to or sid, namespace or "/", timeout)))
        except _modes.Cancelled:
            raise TimeoutError() from None

    def emit_with_acks(
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
        """Emits an event to several clients and waits for all of them to answer. See `AsyncServer.emit_with_acks`."""
        if not self._may_ask_all():
            return []
        ask = {"all": True, "skip_sid": skip_sid, "except_": except_}
        try:
            answers = self._wait_for(self._ask(event, data, to or room, namespace or "/", timeout, **ask))
        except TimeoutError as error:
            error.responses = [answer_of(arguments) for arguments in error.responses]
            raise
        except _modes.Cancelled:
            raise TimeoutError() from None
        return [answer_of(arguments) for arguments in answers]

    # ---- clients by room: ferrio's own, as `sockets_join` and `sockets_leave`

    def fetch_sockets(self, *, to: Any = None, except_: Any = None, namespace: str | None = None) -> list[RemoteSocket]:
        """The clients in `to` (a sid, a room, or a list of them; everybody in the namespace when omitted), without the
        members of the rooms in `except_`."""
        namespace = namespace or "/"
        members = self._members(namespace, to, except_)
        return [RemoteSocket(self, sid, eio_sid, namespace) for sid, eio_sid in members]

    def disconnect_sockets(
        self, close: bool = False, *, to: Any = None, except_: Any = None, namespace: str | None = None
    ) -> None:
        """Disconnects the clients that `fetch_sockets` gives from the namespace, or (`close`) closes their connections, once
        their disconnect handlers have run."""
        namespace = namespace or "/"
        for sid, _ in self._members(namespace, to, except_):
            completed(self._send_away(sid, namespace, close))

    # ---- sessions

    def get_session(self, sid: str, namespace: str | None = None) -> Any:
        """The dictionary that belongs to a client, in a namespace. `KeyError` for a client that is gone."""
        return self._session_of(sid, namespace)

    def save_session(self, sid: str, session: Any, namespace: str | None = None) -> None:
        """Replaces what `get_session` gives. `KeyError` for a client that is gone."""
        self._keep_session(sid, session, namespace)

    def session(self, sid: str, namespace: str | None = None) -> SessionContext:
        """``with server.session(sid) as session:`` gets the session and saves it at the end."""
        return SessionContext(self, sid, namespace)

    # ---- clients

    def disconnect(self, sid: str, namespace: str | None = None, ignore_queue: bool = False) -> None:
        """Disconnects a client from a namespace, once its disconnect handler has run. The Engine.IO connection stays."""
        completed(self._send_away(sid, namespace or "/", ignore_queue=ignore_queue))
        if self._scripts is not None:
            self._scripts.settle()

    # ---- tasks

    def start_background_task(self, target: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Runs a function in a thread or greenlet of its own and returns that; it has a `join` method."""
        return self._mode.start(target, *args, **kwargs)

    def sleep(self, seconds: float = 0) -> None:
        """Lets the thread or greenlet sleep."""
        self._step_aside()
        self._mode.sleep(seconds)

    # ---- serving

    def handle_request(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Serves one WSGI request or WebSocket, whatever its path. `WSGIApp` calls it."""
        self._start(self._options_text)
        return _wsgi.serve(self, environ, start_response)

    def listen(
        self, host: str = "127.0.0.1", port: int = 0, *, ssl_certfile: str | None = None, ssl_keyfile: str | None = None
    ) -> tuple[str, int]:
        """Opens a listener of the engine's own and returns its address; port 0 takes any free one.

        It serves Socket.IO under ``/socket.io/`` and nothing else, with TLS if given a certificate chain and a key (PEM
        files). Raises `OSError` if the address or the files cannot be used.
        """
        return self._bind(host, port, ssl_certfile, ssl_keyfile)

    def _watch(self, door: _door.Door) -> None:
        door.watch_apart(self)

    def serve(
        self,
        host: str = "127.0.0.1",
        port: int = 5000,
        *,
        ssl_certfile: str | None = None,
        ssl_keyfile: str | None = None,
    ) -> None:
        """Listens, as `listen` does, until `shutdown` is called or Ctrl-C is typed, and then closes every connection.

        `addresses` tells the address once it listens.
        """
        self.listen(host, port, ssl_certfile=ssl_certfile, ssl_keyfile=ssl_keyfile)
        self._stopped = stopped = self._mode.event()
        try:
            stopped.wait()
        finally:
            self.shutdown()

    def shutdown(self) -> None:
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
            self._step_aside()
            _lifecycle.finish_blocking(self, closed, self._mode.sleep)
        self._close_doors()

    def drain(self, grace: float = 10, spread: float = 10, reason: str = "") -> None:
        """Ends the server so that others can take over from it. ferrio's own.

        Nobody new is let in from now on (503, and `ready` is false). Answers to events that ask for one, of clients and of
        handlers, are waited for, at most `grace` seconds. Then connections are closed, in random order over `spread` seconds,
        in a way that makes clients come back, to another server; what is still on its way to them has `grace` seconds to
        arrive. At last comes `shutdown`. `reason`: a few words for the close frame of WebSockets, whose code is 1012.

        It blocks; not to be called in a signal handler, but in a thread or after one. `shutdown` ends it at once.
        """
        closed = self._retire(grace, spread, reason)
        if closed is not None:
            self._step_aside()
            closed.result()
        self.shutdown()

    # ---- what python-socketio calls itself, for programs that do so in its place

    def _handle_eio_connect(self, eio_sid: str, environ: dict[str, Any]) -> None:
        """Opens a session whose client the caller plays. Its handlers run in the calls."""
        if self._scripts is None:
            self._scripts = _script.Scripts(self)
        self._scripts.connect(eio_sid, environ)

    def _handle_eio_message(self, eio_sid: str, data: str | bytes) -> None:
        """What the client of such a session sends. `KeyError` for a session that is not there."""
        if self._scripts is None:
            raise KeyError(eio_sid)
        self._scripts.receive(eio_sid, data)

    def _handle_eio_disconnect(self, eio_sid: str, reason: str | None = None) -> None:
        """The client of such a session goes away."""
        if self._scripts is not None:
            self._scripts.disconnect(eio_sid)

    def _send_packet(self, eio_sid: str, pkt: packet.Packet) -> None:
        """Sends a packet to a session, past all rules. Whoever puts a function in its place gets what scripted sessions do."""
        if (asks := self._as_question(eio_sid, pkt)) is not None:
            self._emit(**asks)
            return
        encoded = pkt.encode()
        for part in encoded if isinstance(encoded, list) else [encoded]:
            self.eio.send(eio_sid, part)

    def _send_eio_packet(self, eio_sid: str, eio_pkt: Any) -> None:
        """Sends a message to a session, given as a packet of `ferrio.engineio`."""
        if eio_pkt.packet_type != engineio_packet.MESSAGE:
            raise ValueError("only messages can be sent; the other packets are the engine's")
        self.eio.send(eio_sid, eio_pkt.data)

    def _answer_of(self, emit: Callable[..., None], timeout: float | None) -> Answer:
        """What a client answers to an event that `emit` sends with a callback."""
        promise = self._mode.promise()
        emit(callback=lambda *args: promise.set_result(list(args)))
        return Answer(promise, timeout)

    # ---- called by the engine

    def _report(self, error: BaseException, what: Any) -> None:
        if what in self.reserved_events or not self.async_handlers:
            self._engineio_logger.error("message handler error", exc_info=error)
        else:
            super()._report(error, what)


class SessionContext:
    """``with``: the session at the beginning, saved at the end."""

    def __init__(self, server: Server, sid: str, namespace: str | None) -> None:
        self.server = server
        self.sid = sid
        self.namespace = namespace
        self.session: Any = None

    def __enter__(self) -> Any:
        self.session = self.server.get_session(self.sid, namespace=self.namespace)
        return self.session

    def __exit__(self, *args: object) -> None:
        self.server.save_session(self.sid, self.session, namespace=self.namespace)


class Answer:
    """The answer of a client, to be waited for."""

    def __init__(self, promise: _modes.Promise, timeout: float | None) -> None:
        self.promise = promise
        self.timeout = timeout

    def result(self) -> Any:
        """`TimeoutError` if it does not come."""
        answer = self.promise.result(self.timeout)
        if not self.promise.done():
            raise TimeoutError()
        return answer
