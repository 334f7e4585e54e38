"""A WebSocket that the host's server frames."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .async_server import AsyncServer


class Link(ABC):
    """Messages go to and from the engine; a subclass knows how the host's server sends one."""

    __slots__ = ("accepted", "finished", "number", "outgoing", "sending", "server")

    def __init__(self, server: AsyncServer) -> None:
        self.server = server
        self.number = 0
        #: The client has been told that it may speak.
        self.accepted = False
        #: The engine is done with it.
        self.finished = False
        #: Messages and their sizes in bytes.
        self.outgoing: deque[tuple[str | bytes, int]] = deque()
        #: A Task is sending what stands in `outgoing`.
        self.sending = False

    @abstractmethod
    async def accept(self) -> None:
        """Answers the handshake, and sets `accepted`."""

    @abstractmethod
    async def send(self, frame: str | bytes) -> None:
        """Sends one message."""

    @abstractmethod
    async def close(self) -> None:
        """Closes it: with a refusal if it was not accepted."""

    async def feed(self, message: str | bytes) -> None:
        """Gives the engine a message. Waits while it wants no more of this client: the host's server then reads no more."""
        held = self.server._feed(self.number, message)
        if held is not None:
            await held

    # Called by the engine.

    async def write(self, frames: list[tuple[str | bytes, int]]) -> None:
        """Sends messages, in order, whoever waits for the host's server."""
        self.outgoing.extend(frames)
        await self._flush()

    async def finish(self) -> None:
        """Closes it, once everything has been sent."""
        self.finished = True
        await self._flush()

    async def _flush(self) -> None:
        if self.sending:
            return
        self.sending = True
        try:
            if not self.accepted and self.outgoing:
                await self.accept()
            while self.outgoing:
                frame, size = self.outgoing.popleft()
                await self.send(frame)
                self.server._link_sent(self.number, size)
            if self.finished:
                await self.close()
        except Exception:
            # The client has gone, or the server has closed it meanwhile; each server says so with an exception of its own.
            # Whoever reads hears of it.
            self.outgoing.clear()
        finally:
            self.sending = False
