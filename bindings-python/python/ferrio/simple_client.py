"""A client for threads whose events are fetched instead of handled."""

from __future__ import annotations

from typing import Any, ClassVar

from . import _clients
from ._crew import completed
from ._modes import patched
from .base_simple_client import BaseSimpleClient
from .client import Client, Headers, Url


class SimpleClient(BaseSimpleClient):
    """A Socket.IO client in one namespace: events queue up until `receive` fetches them.

    The arguments are those of `Client`, which is in `client` while there is a connection. ``with`` disconnects it at the end.
    """

    client_class: ClassVar[type[Client]] = Client

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        mode = patched()
        self.connected_event = mode.event()
        self.input_event = mode.event()

    def connect(
        self,
        url: Url,
        headers: Headers | None = None,
        auth: Any = None,
        transports: str | list[str] | None = None,
        namespace: str = "/",
        socketio_path: str = "socket.io",
        wait_timeout: float = 5,
    ) -> None:
        """Connects to a server. See `Client.connect`. `RuntimeError` if it is connected already."""
        client = self._new_client(namespace)
        client.connect(
            url,
            headers=headers,
            auth=auth,
            transports=transports,
            namespaces=[namespace],
            socketio_path=socketio_path,
            wait_timeout=wait_timeout,
        )

    def emit(self, event: str, data: Any = None) -> None:
        """Emits an event, as `Client.emit`. While the client comes back it waits for that; `exceptions.DisconnectedError` if
        it does not."""
        completed(self._emit(event, data))

    def call(self, event: str, data: Any = None, timeout: float | None = 60) -> Any:
        """Emits an event and waits for the server's answer, as `Client.call`. `exceptions.TimeoutError` if none comes in
        `timeout` seconds, `exceptions.DisconnectedError` if there is no connection any more."""
        return completed(self._call(event, data, timeout))

    def receive(self, timeout: float | None = None) -> list[Any]:
        """Waits for the next event: ``[event, *args]``. `exceptions.TimeoutError` if none comes in `timeout` seconds,
        `exceptions.DisconnectedError` if none can come any more."""
        return completed(self._receive(timeout))

    def disconnect(self) -> None:
        """Leaves the server."""
        if self.connected:
            self.client.disconnect()
            self._gone()

    def __enter__(self) -> SimpleClient:
        return self

    def __exit__(self, *args: object) -> None:
        self.disconnect()

    async def _do(self, method: Any, *args: Any, **kwargs: Any) -> Any:
        return method(*args, **kwargs)

    async def _set(self, event: Any, timeout: float | None) -> bool:
        if not event.is_set():
            _clients.step_aside()
        return bool(event.wait(timeout))
