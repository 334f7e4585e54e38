"""The client of an asyncio application."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from . import _clients, _eio, _sigint, exceptions
from ._common import answer_of
from ._loop import Background, Looping
from .async_namespace import AsyncClientNamespace
from .base_client import BaseClient

#: A value, or a plain or coroutine function that gives it: it is called again at each attempt to connect.
Url = str | Callable[[], str | Awaitable[str]]
Headers = Mapping[str, str] | Callable[[], Mapping[str, str] | Awaitable[Mapping[str, str]]]


class AsyncClient(Looping, Background, BaseClient):
    """A Socket.IO client on the running event loop.

    `reconnection`: connect again when the connection breaks; `reconnection_attempts`: how often, 0 for ever. The pause before
    an attempt is `reconnection_delay` seconds, doubled each time up to `reconnection_delay_max`, and a random part of at most
    `randomization_factor` seconds is added or taken away. `logger`: ``True`` logs every event at INFO to ``socketio.client``,
    ``False`` errors only; or a logger of your own. `serializer`: ``"default"`` or ``"msgpack"``. `json`: a module to read and
    write JSON with. `handle_sigint`: Ctrl-C ends the connection before the program.

    `request_timeout`: seconds for the connection to be made. `http_session`: an `aiohttp.ClientSession` (or a function that
    makes one) whose headers, cookies and authentication are used. `ssl_verify`: ``False`` believes every server; a path is a
    file of certificates to believe. `websocket_extra_options`: keywords of aiohttp's ``ws_connect`` that say how to reach the
    server. `timestamp_requests`: a parameter ``t`` in the query of each request. `engineio_logger`: as `logger`, for
    ``engineio.client``.

    ferrio's own: `ssl_cert`: a client certificate (PEM file with its key, or the two files). `proxy`: its URL. `random`: a
    function like `random.random`, for the pauses. `offline_buffer`: `emit` and `call` wait for the connection where
    python-socketio raises `BadNamespaceError`; `max_buffered`: bytes that may wait, beyond which they raise it after all.
    `retries`: each event is sent up to so many times more, until the server acknowledges it within `ack_timeout` seconds, one
    event after the other (at least once, in order). `recovery`: come back to the server's connection state recovery.

    Raises `ValueError` and `NotImplementedError` for options that cannot be carried out.
    """

    _namespace_class = AsyncClientNamespace
    _loop: asyncio.AbstractEventLoop

    # ---- connecting

    async def connect(
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
        """Connects to a server.

        `url`, `headers` and `auth` may be (coroutine) functions, called again at each attempt. `transports`: ``"polling"``,
        ``"websocket"`` or a list; both by default: polling first, then a WebSocket where the server offers it. `namespaces`:
        those to join, one or a list; by default those that have handlers, or ``/``. `wait`: until all of them are joined, for
        at most `wait_timeout` seconds between two of them. `retry`: go on as after a broken connection if it fails.

        Raises `exceptions.ConnectionError` if there is no connection, or a namespace does not let us in; `ValueError` for
        unknown transports, or while another `connect` is under way.
        """
        self._loop = asyncio.get_running_loop()
        if self.handle_sigint:
            _sigint.install_on_loop()
        await self._connect(url, headers, auth, transports, namespaces, socketio_path, wait, wait_timeout, retry)

    async def wait(self) -> None:
        """Waits until the connection has ended and the client does not come back."""
        await self._wait()

    async def disconnect(self) -> None:
        """Leaves the server, once the disconnect handlers have run. A client that is about to come back does not."""
        await self._disconnect()

    async def shutdown(self) -> None:
        """Disconnects, or ends the attempts to come back, and waits for their end."""
        await self._shutdown()

    # ---- out (`emit` is the engine's)

    def send(
        self,
        data: Any,
        namespace: str | None = None,
        callback: Callable[..., Any] | None = None,
        **flags: Any,
    ) -> Awaitable[None]:
        """Emits the event ``message``. See `emit`."""
        return self.emit("message", data, namespace, callback, **flags)

    async def call(self, event: str, data: Any = None, namespace: str | None = None, timeout: float | None = 60) -> Any:
        """Emits an event and waits for the server's answer: ``None``, the value, or a tuple of several values.

        `timeout` in seconds; ``None`` waits as long as the connection stands. Raises `exceptions.TimeoutError` when it is over,
        and at once when the connection ends; `exceptions.BadNamespaceError` where the namespace is not connected.
        """
        namespace = namespace or "/"
        if self._has_to_wait(namespace):
            return answer_of(await self._call_otherwise(event, data, namespace, timeout))
        number, answer = self._call(event, data, namespace)
        expiry = None if timeout is None else self._loop.call_later(timeout, fail, answer)
        try:
            return answer_of(await answer)
        finally:
            if expiry is not None:
                expiry.cancel()
            self._drop_ask(namespace, number)

    async def _call_otherwise(self, event: str, data: Any, namespace: str, timeout: float | None) -> Any:
        answer = asyncio.get_running_loop().create_future()

        def answered(*args: Any) -> None:
            self._settle(answer, list(args))

        self._resending.emit(event, data, namespace, answered, False, lambda: fail(answer))
        if not await self._until(answer, timeout):
            raise exceptions.TimeoutError()
        return answer.result()

    # ---- what `BaseClient` asks for

    def _begin(self) -> None:
        self._tasks = set()
        self.eio = _eio.AsyncClientEio(self)

    def _host(self) -> _clients.ClientLoopHost:
        return _clients.of_loop()

    def _new_future(self) -> asyncio.Future[Any]:
        return asyncio.get_running_loop().create_future()

    async def _until(self, future: Any, timeout: float | None = None) -> bool:
        if not future.done():
            await asyncio.wait([future], timeout=timeout)
        return bool(future.done())

    def _in_background(self, rule: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        return self.start_background_task(rule, *args)

    def _is_here(self) -> None:
        _sigint.async_clients.add(self)

    def _lost(self) -> None:
        super()._lost()
        _sigint.async_clients.discard(self)
        _clients.rest_of_loop()


def fail(answer: asyncio.Future[Any]) -> None:
    """There will be no answer."""
    if not answer.done():
        answer.set_exception(exceptions.TimeoutError())
