"""Events that cannot simply be sent: they wait for the connection (``offline_buffer``), or are sent until they are answered
(``retries``).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import exceptions

if TYPE_CHECKING:
    from ._ferrio import Sealed
    from .base_client import BaseClient

Callback = Callable[..., Any]


class Waiting:
    """One event."""

    __slots__ = ("callback", "failed", "sealed", "tries")

    def __init__(self, sealed: Sealed, callback: Callback | None, failed: Callable[[], None] | None) -> None:
        self.sealed = sealed
        self.callback = callback
        #: Called when there will be no answer.
        self.failed = failed
        self.tries = 0


class Resending:
    """What of a client's events waits."""

    def __init__(self, client: BaseClient, offline: bool, max_buffered: int, retries: int, ack_timeout: float) -> None:
        if retries < 0 or max_buffered < 0 or ack_timeout <= 0:
            raise ValueError("retries and max_buffered are at least 0, ack_timeout is more than 0")
        self.client = client
        self.offline = offline
        self.max_buffered = max_buffered
        self.retries = retries
        self.ack_timeout = ack_timeout
        self.bytes = 0
        # An event is sent or kept, and what was kept is sent, by one thread at a time: none overtakes another.
        self.lock = threading.RLock()
        #: By namespace: waiting for it to be connected, and (with `retries`) for an answer, the first of them.
        self.unsent: dict[str, deque[Waiting]] = {}
        self.queues: dict[str, deque[Waiting]] = {}
        #: Namespaces whose queue is being worked on.
        self.at_work: set[str] = set()

    def emit(
        self,
        event: Any,
        data: Any,
        namespace: str,
        callback: Callback | None,
        volatile: bool,
        failed: Callable[[], None] | None = None,
    ) -> None:
        """Keeps an event. `BadNamespaceError` if it cannot wait."""
        client = self.client
        joined = namespace in client.namespaces
        if volatile and not joined:
            return
        expected = not client.connection_namespaces or namespace in client.connection_namespaces
        if not joined and not (self.offline and expected):
            raise exceptions.BadNamespaceError(f"{namespace} is not a connected namespace.")
        if client._hears_emits:
            client._on_emit(event, data, namespace)
        waiting = Waiting(client._seal(event, data), callback, failed)
        with self.lock:
            # It may have been connected while we were on the way here, or have ended without anybody being told yet.
            if volatile or (not self.retries and self._is_up(namespace)):
                client._send(waiting.sealed, namespace, callback, volatile)
            elif self.retries:
                self._keep(waiting, self.queues.setdefault(namespace, deque()), namespace)
                self._work(namespace)
            elif self.offline:
                self._keep(waiting, self.unsent.setdefault(namespace, deque()), namespace)

    def _is_up(self, namespace: str) -> bool:
        return namespace in self.client.namespaces and self.client._linked()

    def _keep(self, waiting: Waiting, queue: deque[Waiting], namespace: str) -> None:
        if self.bytes + waiting.sealed.size > self.max_buffered:
            raise exceptions.BadNamespaceError(
                f"{namespace}: {self.bytes} bytes wait for the connection already, and max_buffered is {self.max_buffered}"
            )
        self.bytes += waiting.sealed.size
        queue.append(waiting)

    def joined(self, namespace: str, sid: Any) -> None:
        """A namespace is connected: everything that has waited goes out first."""
        with self.lock:
            unsent = self.unsent.get(namespace)
            while unsent:
                waiting = unsent.popleft()
                self.bytes -= waiting.sealed.size
                self.client._send(waiting.sealed, namespace, waiting.callback, False)
            self.client.namespaces[namespace] = sid
            self._work(namespace)

    def _work(self, namespace: str) -> None:
        if namespace in self.client.namespaces and self.queues.get(namespace) and namespace not in self.at_work:
            self.at_work.add(namespace)
            self.client._in_background(self._deliver, namespace)

    async def _deliver(self, namespace: str) -> None:
        """Sends the events of a queue, each until it is answered, while the namespace is connected."""
        client, queue = self.client, self.queues[namespace]
        ended = True
        try:
            while queue and namespace in client.namespaces:
                waiting = queue[0]
                try:
                    number, answer = client._ask(waiting.sealed, namespace)
                except exceptions.TimeoutError:
                    # The connection has ended just now. It goes on with the next one.
                    return
                waiting.tries += 1
                arguments = None
                if await client._until(answer, self.ack_timeout):
                    arguments = answer_or_none(answer)
                else:
                    client._drop_ask(namespace, number)
                if arguments is None and waiting.tries <= self.retries:
                    continue
                with self.lock:
                    queue.popleft()
                    self.bytes -= waiting.sealed.size
                if arguments is None:
                    client.logger.warning("an event was not acknowledged in %d tries, and is given up", waiting.tries)
                    if waiting.failed is not None:
                        waiting.failed()
                elif waiting.callback is not None:
                    await client._contained(waiting.callback, *arguments, what="an acknowledgement")
            ended = False
        finally:
            with self.lock:
                self.at_work.discard(namespace)
                if not ended:
                    # What was added since we looked.
                    self._work(namespace)


def answer_or_none(answer: Any) -> list[Any] | None:
    """What came, or nothing where the connection ended first."""
    try:
        arguments: list[Any] = answer.result()
    except exceptions.SocketIOError:
        return None
    return arguments
