"""What the clients have in common: their options, which handler belongs to an event, and what is sent."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from . import _dial, _json, _options
from ._common import make_logger
from ._connections import Connections, Reason
from ._recovery import Recovery
from ._resend import Resending
from .base_namespace import BaseClientNamespace
from .listeners import Handler, Resolved

#: Bytes that may wait for a connection (``max_buffered``).
MAX_BUFFERED = 16 << 20


class BaseClient(Connections):
    """Not to be used itself: see `AsyncClient` and `Client`."""

    reason = Reason
    reserved_events: ClassVar = ["connect", "connect_error", "disconnect", "__disconnect_final"]
    #: An event is acknowledged also where nobody hears it.
    _unheard = None

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

    def recovered(self, namespace: str | None = None) -> bool:
        """Whether the client has come back, with ``recovery=True``, to the id and the rooms that it had, and to the events it
        missed. ferrio's own."""
        return self._recovery is not None and self._recovery.has_recovered(namespace or "/")

    # ---- out

    def _on_emit(self, event: Any, data: Any, namespace: str) -> None:
        """Called by the engine at each emit that somebody hears."""
        if self._verbose:
            self.logger.info('Emitting event "%s" [%s]', event, namespace)
        self._tell_outgoing(namespace, data, event)

    def _log_event(self, event: Any, namespace: str) -> None:
        """Called by the engine for each event, with ``logger=True``."""
        self.logger.info('Received event "%s" [%s]', event, namespace)

    def _has_to_wait(self, namespace: str) -> bool:
        """Whether an event cannot simply be sent: the namespace is not connected, the connection has ended and those who
        listen to that are only being told, or it is to be sent until it is answered."""
        ended = self._resending.offline and not self._linked()
        return self._detours or ended or namespace not in self.namespaces

    def _emit_otherwise(
        self, event: Any, data: Any, namespace: str, callback: Callable[..., Any] | None, volatile: bool
    ) -> None:
        """Called by the engine for an event that it cannot simply send (see `_has_to_wait`)."""
        self._resending.emit(event, data, namespace, callback, volatile)
