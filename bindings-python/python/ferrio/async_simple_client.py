"""A client for asyncio whose events are fetched instead of handled."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from .async_client import AsyncClient, Headers, Url
from .base_simple_client import BaseSimpleClient


class AsyncSimpleClient(BaseSimpleClient):
    """A Socket.IO client in one namespace: events queue up until `receive` fetches them.

    The arguments are those of `AsyncClient`, which is in `client` while there is a connection. ``async with`` disconnects it
    at the end.
    """

    client_class: ClassVar[type[AsyncClient]] = AsyncClient

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.connected_event = asyncio.Event()
        self.input_event = asyncio.Event()

    async def connect(
        self,
        url: Url,
        headers: Headers | None = None,
        auth: Any = None,
        transports: str | list[str] | None = None,
        namespace: str = "/",
        socketio_path: str = "socket.io",
        wait_timeout: float = 5,
    ) -> None:
        """Connects to a server. See `AsyncClient.connect`. `RuntimeError` if it is connected already."""
        client = self._new_client(namespace)
        await client.connect(
            url,
            headers=headers,
            auth=auth,
            transports=transports,
            namespaces=[namespace],
            socketio_path=socketio_path,
            wait_timeout=wait_timeout,
        )

    async def emit(self, event: str, data: Any = None) -> None:
        """Emits an event, as `AsyncClient.emit`. While the client comes back it waits for that; `exceptions.DisconnectedError`
        if it does not."""
        await self._emit(event, data)

    async def call(self, event: str, data: Any = None, timeout: float | None = 60) -> Any:
        """Emits an event and waits for the server's answer, as `AsyncClient.call`. `exceptions.TimeoutError` if none comes in
        `timeout` seconds, `exceptions.DisconnectedError` if there is no connection any more."""
        return await self._call(event, data, timeout)

    async def receive(self, timeout: float | None = None) -> list[Any]:
        """Waits for the next event: ``[event, *args]``. `exceptions.TimeoutError` if none comes in `timeout` seconds,
        `exceptions.DisconnectedError` if none can come any more."""
        return await self._receive(timeout)

    async def disconnect(self) -> None:
        """Leaves the server."""
        if self.connected:
            await self.client.disconnect()
            self._gone()

    async def __aenter__(self) -> AsyncSimpleClient:
        return self

    async def __aexit__(self, *args: object) -> None:
        await self.disconnect()

    async def _do(self, method: Any, *args: Any, **kwargs: Any) -> Any:
        return await method(*args, **kwargs)

    async def _set(self, event: Any, timeout: float | None) -> bool:
        try:
            await asyncio.wait_for(event.wait(), timeout)
        except asyncio.TimeoutError:
            return False
        return True
