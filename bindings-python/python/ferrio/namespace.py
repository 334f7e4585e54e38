"""Handlers of a `Server` or a `Client` as methods of a class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .base_namespace import BaseClientNamespace, BaseServerNamespace, Methods

if TYPE_CHECKING:
    from .client import Client
    from .server import Server, SessionContext


class Namespace(Methods, BaseServerNamespace[None]):
    """The handlers of one namespace: methods named ``on_<event>``.

    `namespace` is ``/`` when omitted; ``*`` means every namespace that has no handlers of its own, which is then each
    handler's first argument. One instance serves all clients. Every method that the server has too takes the namespace of
    the class where none is given.
    """

    #: Set by `Server.register_namespace`.
    server: Server = None  # type: ignore[assignment]

    def call(
        self,
        event: str,
        data: Any = None,
        to: str | None = None,
        sid: str | None = None,
        namespace: str | None = None,
        timeout: float | None = None,
        ignore_queue: bool = False,
    ) -> Any:
        """See `Server.call`. `timeout` in seconds; ``None``, the default here, waits as long as the client is there."""
        return self.server.call(event, data, to, sid, namespace or self.namespace, timeout, ignore_queue)

    def get_session(self, sid: str, namespace: str | None = None) -> Any:
        """See `Server.get_session`."""
        return self.server.get_session(sid, namespace or self.namespace)

    def save_session(self, sid: str, session: Any, namespace: str | None = None) -> None:
        """See `Server.save_session`."""
        self.server.save_session(sid, session, namespace or self.namespace)

    def session(self, sid: str, namespace: str | None = None) -> SessionContext:
        """See `Server.session`."""
        return self.server.session(sid, namespace or self.namespace)

    def disconnect(self, sid: str, namespace: str | None = None) -> None:
        """See `Server.disconnect`."""
        self.server.disconnect(sid, namespace or self.namespace)


class ClientNamespace(Methods, BaseClientNamespace[None]):
    """The handlers of one namespace of a `Client`: methods named ``on_<event>``.

    `namespace` is ``/`` when omitted; ``*`` means every namespace that has no handlers of its own, which is then each
    handler's first argument. The methods that the client has too take the namespace of the class where none is given.
    """

    #: Set by `Client.register_namespace`.
    client: Client = None  # type: ignore[assignment]

    def call(self, event: str, data: Any = None, namespace: str | None = None, timeout: float | None = None) -> Any:
        """See `Client.call`. `timeout` in seconds; ``None``, the default here, waits as long as the connection stands."""
        return self.client.call(event, data, namespace or self.namespace, timeout)

    def disconnect(self) -> None:
        """See `Client.disconnect`: the whole client leaves."""
        self.client.disconnect()
