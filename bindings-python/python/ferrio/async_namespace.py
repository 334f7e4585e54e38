"""Handlers as methods of a class."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from .base_namespace import AsyncMethods, BaseClientNamespace, BaseServerNamespace

if TYPE_CHECKING:
    from .async_client import AsyncClient
    from .async_server import AsyncServer, SessionContext


class AsyncNamespace(AsyncMethods, BaseServerNamespace[Awaitable[None]]):
    """The handlers of one namespace: methods named ``on_<event>``, plain or ``async``.

    `namespace` is ``/`` when omitted; ``*`` means every namespace that has no handlers of its own, which is then each
    handler's first argument. One instance serves all clients. Every method that the server has too takes the namespace of
    the class where none is given.
    """

    server: AsyncServer

    async def call(
        self,
        event: str,
        data: Any = None,
        to: str | None = None,
        sid: str | None = None,
        namespace: str | None = None,
        timeout: float | None = None,
        ignore_queue: bool = False,
    ) -> Any:
        """See `AsyncServer.call`. `timeout` in seconds; ``None``, the default here, waits as long as the client is there."""
        namespace = namespace or self.namespace
        return await self.server.call(event, data, to, sid, namespace, timeout, ignore_queue)

    async def get_session(self, sid: str, namespace: str | None = None) -> Any:
        """See `AsyncServer.get_session`."""
        return await self.server.get_session(sid, namespace or self.namespace)

    async def save_session(self, sid: str, session: Any, namespace: str | None = None) -> None:
        """See `AsyncServer.save_session`."""
        await self.server.save_session(sid, session, namespace or self.namespace)

    def session(self, sid: str, namespace: str | None = None) -> SessionContext:
        """See `AsyncServer.session`."""
        return self.server.session(sid, namespace or self.namespace)

    async def disconnect(self, sid: str, namespace: str | None = None) -> None:
        """See `AsyncServer.disconnect`."""
        await self.server.disconnect(sid, namespace or self.namespace)


class AsyncClientNamespace(AsyncMethods, BaseClientNamespace[Awaitable[None]]):
    """The handlers of one namespace of an `AsyncClient`: methods named ``on_<event>``, plain or ``async``.

    `namespace` is ``/`` when omitted; ``*`` means every namespace that has no handlers of its own, which is then each
    handler's first argument. The methods that the client has too take the namespace of the class where none is given.
    """

    client: AsyncClient

    async def call(
        self, event: str, data: Any = None, namespace: str | None = None, timeout: float | None = None
    ) -> Any:
        """See `AsyncClient.call`. `timeout` in seconds; ``None``, the default here, waits as long as the connection stands."""
        return await self.client.call(event, data, namespace or self.namespace, timeout)

    async def disconnect(self) -> None:
        """See `AsyncClient.disconnect`: the whole client leaves."""
        await self.client.disconnect()
