"""The client of a program with threads."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from . import _clients, _eio, _modes, _sigint, exceptions
from ._common import answer_of
from ._crew import Blocking, completed
from ._ferrio import ClientCore
from .base_client import BaseClient
from .namespace import ClientNamespace

#: A value, or a function that gives it: it is called again at each attempt to connect.
Url = str | Callable[[], str]
Headers = Mapping[str, str] | Callable[[], Mapping[str, str]]


class Client(Blocking, BaseClient):
    """A Socket.IO client whose handlers are plain functions.

    One thread runs the handlers of all clients in the process; while one of them blocks another thread goes on with the next,
    so that any number of them may block at once. After monkey-patching by gevent or eventlet they are greenlets.

    The arguments are those of `AsyncClient`, with `http_session` a `requests.Session` (or a function that makes one) whose
    headers, cookies, authentication, certificates and proxies are used, and `websocket_extra_options` keywords of
    websocket-client's ``create_connection``. The proxy is the environment's, if nobody says which.
    """

    _namespace_class = ClientNamespace
    _emit = ClientCore.emit

    # ---- connecting

    def connect(
        self,
        url: Url,
        headers: Headers | None = None,
        auth: Any = None,
        transports: str | list[str] | None = None,
        namespaces: str | list[str] | None = None,
        socketio_path: str = "socket.io",
        wait: bool = True,
        wait_timeout: float = 1,
        retry: bool = False,
    ) -> None:
        """Connects to a server. See `AsyncClient.connect`; `url`, `headers` and `auth` may be plain functions."""
        completed(self._connect(url, headers, auth, transports, namespaces, socketio_path, wait, wait_timeout, retry))

    def wait(self) -> None:
        """Waits until the connection has ended and the client does not come back."""
        completed(self._wait())

    def disconnect(self) -> None:
        """Leaves the server, once the disconnect handlers have run. A client that is about to come back does not."""
        completed(self._disconnect())

    def shutdown(self) -> None:
        """Disconnects, or ends the attempts to come back, and waits for their end."""
        completed(self._shutdown())

    # ---- out

    def emit(  # type: ignore[override]
        self,
        event: str,
        data: Any = None,
        namespace: str | None = None,
        callback: Callable[..., Any] | None = None,
        *,
        volatile: bool = False,
    ) -> None:
        """Emits an event to the server. It blocks only while the server does not keep up. May be called from any thread.

        `data`: a tuple is several arguments, ``None`` is none, anything else is one. `callback`: called with the server's
        answer. Raises `exceptions.BadNamespaceError` where the namespace is not connected; `TypeError` or `ValueError`, as
        `json.dumps` does, for data that is no JSON.

        ferrio's own: `volatile`: dropped if it cannot be sent right now, or if the namespace is not connected.
        """
        behind = self._emit(event, data, namespace, callback, volatile=volatile)
        if behind is not None:
            completed(self._until(behind))

    def send(
        self,
        data: Any,
        namespace: str | None = None,
        callback: Callable[..., Any] | None = None,
        **flags: Any,
    ) -> None:
        """Emits the event ``message``. See `emit`."""
        self.emit("message", data, namespace, callback, **flags)

    def call(self, event: str, data: Any = None, namespace: str | None = None, timeout: float | None = 60) -> Any:
        """Emits an event and waits for the server's answer: ``None``, the value, or a tuple of several values.

        `timeout` in seconds; ``None`` waits as long as the connection stands. Raises `exceptions.TimeoutError` when it is over,
        and at once when the connection ends; `exceptions.BadNamespaceError` where the namespace is not connected.
        """
        namespace = namespace or "/"
        if self._has_to_wait(namespace):
            answer = self._mode.promise()
            no_answer = exceptions.TimeoutError()

            def answered(*args: Any) -> None:
                self._settle(answer, list(args))

            self._resending.emit(event, data, namespace, answered, False, lambda: self._settle(answer, no_answer))
            result = self._awaited(answer, timeout)
            if result is no_answer:
                raise no_answer
            return answer_of(result)
        number, answer = self._call(event, data, namespace)
        try:
            return answer_of(self._awaited(answer, timeout))
        finally:
            self._drop_ask(namespace, number)

    def _awaited(self, answer: _modes.Promise, timeout: float | None) -> Any:
        _clients.step_aside()
        try:
            result = answer.result(timeout)
        except _modes.Cancelled:
            raise exceptions.TimeoutError() from None
        if not answer.done():
            raise exceptions.TimeoutError()
        return result

    # ---- tasks

    def start_background_task(self, target: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Runs a function in a thread or greenlet of its own and returns that; it has a `join` method."""
        return self._mode.start(target, *args, **kwargs)

    def sleep(self, seconds: float = 0) -> None:
        """Lets the thread or greenlet sleep."""
        _clients.step_aside()
        self._mode.sleep(seconds)

    # ---- what `BaseClient` asks for

    def _begin(self) -> None:
        self._mode = _modes.patched()
        self.eio = _eio.ClientEio(self)
        if self.handle_sigint:
            _sigint.install()

    def _host(self) -> _clients.ClientCrewHost:
        return _clients.of_threads(self._mode)

    def _new_future(self) -> _modes.Promise:
        return self._mode.promise()

    async def _until(self, future: Any, timeout: float | None = None) -> bool:
        if not future.done():
            _clients.step_aside()
            with contextlib.suppress(exceptions.TimeoutError, _modes.Cancelled):
                future.result(timeout)
        return bool(future.done())

    def _in_background(self, rule: Callable[..., Any], *args: Any) -> Any:
        return self._mode.start(lambda: completed(rule(*args)))

    def _is_here(self) -> None:
        _sigint.clients.add(self)

    def _lost(self) -> None:
        super()._lost()
        _sigint.clients.discard(self)
