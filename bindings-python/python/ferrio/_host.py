"""An ASGI application on the listener of ferrio's own: the requests that are not Socket.IO's.

ASGI 3.0: HTTP (`_cycle`), WebSockets (`_guest`) and the lifespan (`_lifespan`).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ._cycle import Cycle
from ._door import Door
from ._ferrio import HostedAnswer
from ._guest import Guest
from ._lifespan import Application, Lifespan

if TYPE_CHECKING:
    from .async_server import AsyncServer

#: Seconds that requests under way are given at the end.
GRACE = 5.0
#: The close code of WebSockets whose server ends: "service restart".
SERVICE_RESTART = 1012


class Host(Door):
    """Runs an application for the requests that a listener brings, on the running loop."""

    def __init__(self, server: AsyncServer, app: Application, max_message: int) -> None:
        super().__init__(server, max_message)
        self.app = app
        self.cycles: dict[int, Cycle | Guest] = {}
        self.tasks: set[asyncio.Task[None]] = set()
        self.lifespan = Lifespan(app)
        self.retiring = False
        #: Wakes whoever waits for WebSockets to end.
        self.left = asyncio.Event()

    async def start(self) -> None:
        """Starts the application. `RuntimeError` if it says that it cannot."""
        await self.lifespan.startup()
        self.watch()

    async def retire(self) -> None:
        """Closes the WebSockets of the application, while there is an engine to do so."""
        self.retiring = True
        guests = {number: guest for number, guest in self.cycles.items() if isinstance(guest, Guest)}
        for guest in guests.values():
            guest.leave(SERVICE_RESTART)
        deadline = asyncio.get_running_loop().time() + GRACE
        while guests.keys() & self.cycles.keys():
            self.left.clear()
            try:
                await asyncio.wait_for(self.left.wait(), deadline - asyncio.get_running_loop().time())
            except asyncio.TimeoutError:
                return

    async def stop(self) -> None:
        """Waits for requests under way, no longer than `GRACE`; then ends the application."""
        if self.tasks:
            _, late = await asyncio.wait(self.tasks, timeout=GRACE)
            for task in late:
                task.cancel()
        self.close()
        await self.lifespan.shutdown()

    # ---- called by `Hosting.drain`

    def request(
        self, number: int, answer: HostedAnswer, head: tuple[Any, ...], bodiless: bool, websocket: bool
    ) -> None:
        if websocket and self.retiring:
            answer.start(503, [(b"connection", b"close")])
            answer.end()
            return
        state = self.lifespan.state
        cycle = Guest(answer, head, state) if websocket else Cycle(answer, head, bodiless, state)
        self.cycles[number] = cycle
        task = asyncio.get_running_loop().create_task(cycle.run(self.app))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def body(self, number: int, chunk: bytes, end: bool) -> None:
        if isinstance(cycle := self.cycles.get(number), Cycle):
            cycle.chunk, cycle.more_body = chunk, not end
            cycle.wake()

    def room(self, number: int) -> None:
        if (cycle := self.cycles.get(number)) is not None:
            cycle.full = False
            cycle.wake()

    def message(self, number: int, message: str | bytes, size: int) -> None:
        if isinstance(guest := self.cycles.get(number), Guest):
            guest.messages.append((message, size))
            guest.wake()

    def closed(self, number: int, code: int, reason: str) -> None:
        if isinstance(guest := self.cycles.get(number), Guest):
            guest.end(code, reason)

    def over(self, number: int) -> None:
        if (cycle := self.cycles.pop(number, None)) is not None:
            cycle.gone = True
            cycle.wake()
            self.left.set()
