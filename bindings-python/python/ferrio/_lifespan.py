"""The beginning and the end of a hosted ASGI application."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

logger = logging.getLogger("ferrio.host")

Message = MutableMapping[str, Any]
Application = Callable[
    [MutableMapping[str, Any], Callable[[], Awaitable[Message]], Callable[[Any], Awaitable[None]]], Any
]


class Lifespan:
    """The beginning and the end of an application that wants to know of them."""

    def __init__(self, app: Application) -> None:
        self.app = app
        self.state: dict[str, Any] = {}
        self.asked: asyncio.Queue[Message] = asyncio.Queue()
        self.said: asyncio.Queue[Message | None] = asyncio.Queue()
        self.task: asyncio.Task[None] | None = None
        self.started = False

    async def startup(self) -> None:
        self.task = asyncio.get_running_loop().create_task(self._run())
        await self._ask("startup")
        self.started = True

    async def shutdown(self) -> None:
        if self.task is None:
            return
        if self.started and not self.task.done():
            await self._ask("shutdown")
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    async def _ask(self, what: str) -> None:
        self.asked.put_nowait({"type": f"lifespan.{what}"})
        said = await self.said.get()
        if said is not None and said["type"] == f"lifespan.{what}.failed":
            raise RuntimeError(f"the ASGI application failed in its {what}: {said.get('message', '')}".rstrip(": "))

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        try:
            await self.app(scope, self.asked.get, self._hear)
        except Exception:
            # It knows no lifespan, as ASGI allows.
            logger.debug("The ASGI application has no lifespan", exc_info=True)
        finally:
            self.said.put_nowait(None)

    async def _hear(self, message: Message) -> None:
        self.said.put_nowait(message)
