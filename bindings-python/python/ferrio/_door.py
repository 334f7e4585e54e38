"""What a listener of the engine's own asks the program about requests of Socket.IO."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from ._ferrio import Hosting

if TYPE_CHECKING:
    from .base_server import BaseServer
    from .server import Server

#: What stands in a request that belongs to a session.
SID = "sid="


class Door:
    """Hears the listeners of a server: on a loop, in a thread or in a greenlet."""

    def __init__(self, server: BaseServer, max_message: int | None = None) -> None:
        self.server = server
        cookies = bool(server._late_attributes)
        self.hosting = Hosting(max_message=max_message, origins=server._origin_rule is not None, cookies=cookies)
        self.retired = False
        #: The loop that watches, if one does.
        self.loop: asyncio.AbstractEventLoop | None = None

    # ---- hearing

    def watch(self) -> None:
        """Lets the running loop hear."""
        loop = asyncio.get_running_loop()
        descriptor = self.hosting.fileno()
        if descriptor is not None:
            try:
                loop.add_reader(descriptor, self.drain)
            except NotImplementedError:
                pass
            else:
                self.loop = loop
                return
        self.hosting.use_thread()
        threading.Thread(target=self._listen, args=(loop,), name="ferrio-host", daemon=True).start()

    def watch_apart(self, server: Server) -> None:
        """Lets a thread or greenlet of the server's hear."""
        descriptor = self.hosting.fileno()
        if server._mode.kind == "greenlets" and descriptor is not None:
            server._mode.start(self._attend, descriptor, server._mode.wait_readable)
            return
        self.hosting.use_thread()
        threading.Thread(target=self._attend_blocking, name="ferrio-door", daemon=True).start()

    def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        while self.hosting.wait():
            try:
                loop.call_soon_threadsafe(self.drain)
            except RuntimeError:  # the loop is closed
                return

    def _attend(self, descriptor: int, wait_readable: Callable[[int], None]) -> None:
        while not self.retired:
            wait_readable(descriptor)
            self.drain()

    def _attend_blocking(self) -> None:
        while self.hosting.wait():
            self.drain()

    def close(self) -> None:
        """Nobody listens any more."""
        self.retired = True
        descriptor = self.hosting.fileno()
        if self.loop is not None and descriptor is not None:
            self.loop.remove_reader(descriptor)
        self.hosting.retire()

    def drain(self) -> None:
        self.hosting.drain(self)

    # ---- called by `Hosting.drain`

    def question(self, head: tuple[str, str, list[tuple[str, str]], str, bool]) -> tuple[bool | None, str] | None:
        """What the program says to a request: whether its origin may come, and what is added to a cookie.

        ``None``, and the client gets 500, if a function fails.
        """
        server, target = self.server, head[1]
        opens = SID not in target
        origin = next((value for name, value in head[2] if name == "origin"), None)
        allowed = None
        try:
            if server._origin_rule is not None and origin:
                allowed = server._allows_origin(origin, head if opens else None, target)
            return allowed, server._late_cookie_attributes() if opens else ""
        except Exception:
            server._engineio_logger.exception("A function in cors_allowed_origins or cookie failed")
            return None
