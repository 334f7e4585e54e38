"""What the simple clients have in common: a client whose events are fetched instead of handled."""

from __future__ import annotations

from collections import deque
from typing import Any, ClassVar

from .exceptions import DisconnectedError, SocketIOError, TimeoutError


class BaseSimpleClient:
    """Not to be used itself: see `AsyncSimpleClient` and `SimpleClient`."""

    #: The class of the client below.
    client_class: ClassVar[Any]

    #: The client below, while there is one.
    client: Any
    #: The namespace that it has joined.
    namespace: str
    #: Whether it is connected, or comes back.
    connected: bool
    #: Set while it is connected, and when it is for good no more.
    connected_event: Any
    #: Events that have not been fetched.
    input_buffer: deque[list[Any]]
    #: Set when one comes, or when none will.
    input_event: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.client_args = args
        self.client_kwargs = kwargs
        self.client = None
        self.namespace = "/"
        self.connected = False
        self.input_buffer = deque()

    @property
    def sid(self) -> str | None:
        """The client's id in its namespace; another one after each reconnection. ``None`` without a connection."""
        sid: str | None = self.client.get_sid(self.namespace) if self.client else None
        return sid

    @property
    def transport(self) -> str:
        """``"polling"`` or ``"websocket"``; empty without a connection."""
        return (self.client.transport() or "") if self.client else ""

    def _new_client(self, namespace: str) -> Any:
        if self.connected:
            raise RuntimeError("Already connected")
        self.namespace = namespace
        self.input_buffer.clear()
        self.input_event.clear()
        self.connected_event.clear()
        client = self.client = self.client_class(*self.client_args, **self.client_kwargs)

        def connect() -> None:
            self.connected = True
            self.connected_event.set()

        def disconnect(reason: str) -> None:
            self.connected_event.clear()

        def disconnect_final() -> None:
            self.connected = False
            self.connected_event.set()
            # Whoever waits for an event looks again.
            self.input_event.set()

        def on_event(event: str, *args: Any) -> None:
            self.input_buffer.append([event, *args])
            self.input_event.set()

        client.on("connect", connect, namespace=namespace)
        client.on("disconnect", disconnect, namespace=namespace)
        client.on("__disconnect_final", disconnect_final, namespace=namespace)
        client.on("*", on_event, namespace=namespace)
        return client

    async def _emit(self, event: str, data: Any) -> None:
        while True:
            await self._connection()
            try:
                await self._do(self.client.emit, event, data, namespace=self.namespace)
                return
            except SocketIOError:
                continue

    async def _call(self, event: str, data: Any, timeout: float | None) -> Any:
        while True:
            await self._connection()
            try:
                return await self._do(self.client.call, event, data, namespace=self.namespace, timeout=timeout)
            except TimeoutError:
                raise
            except SocketIOError:
                continue

    async def _receive(self, timeout: float | None) -> list[Any]:
        while not self.input_buffer:
            if not await self._set(self.connected_event, timeout):
                raise TimeoutError()
            if not self.connected:
                raise DisconnectedError()
            if not await self._set(self.input_event, timeout):
                raise TimeoutError()
            self.input_event.clear()
        return self.input_buffer.popleft()

    async def _connection(self) -> None:
        """Waits until there is one. `DisconnectedError` if there will be none."""
        await self._set(self.connected_event, None)
        if not self.connected:
            raise DisconnectedError()

    def _gone(self) -> None:
        self.client = None
        self.connected = False

    # ---- what each kind does in its own way

    async def _do(self, method: Any, *args: Any, **kwargs: Any) -> Any:
        """Calls a method of the client."""
        raise NotImplementedError

    async def _set(self, event: Any, timeout: float | None) -> bool:
        """Waits until an event is set. False if it was not in time (seconds)."""
        raise NotImplementedError
