"""An ASGI application on the listener of ferrio's own: the HTTP requests that are not Socket.IO's.

ASGI 3.0, its HTTP and lifespan parts. WebSockets of the application's own are not served: their handshakes are answered with
501.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import unquote

from ._ferrio import HostedAnswer, Hosting

logger = logging.getLogger("ferrio.host")

Message = MutableMapping[str, Any]
Application = Callable[
    [MutableMapping[str, Any], Callable[[], Awaitable[Message]], Callable[[Any], Awaitable[None]]], Any
]

#: Seconds that requests under way are given at the end.
GRACE = 5.0


class Host:
    """Runs an application for the requests that a listener brings, on the running loop."""

    def __init__(self, app: Application) -> None:
        self.app = app
        self.hosting = Hosting()
        self.cycles: dict[int, Cycle] = {}
        self.tasks: set[asyncio.Task[None]] = set()
        self.lifespan = Lifespan(app)
        self.loop = asyncio.get_running_loop()

    async def start(self) -> None:
        """Starts the application. `RuntimeError` if it says that it cannot."""
        await self.lifespan.startup()
        descriptor = self.hosting.fileno()
        if descriptor is not None:
            try:
                self.loop.add_reader(descriptor, self.drain)
            except NotImplementedError:
                pass
            else:
                return
        self.hosting.use_thread()
        threading.Thread(target=self._listen, name="ferrio-host", daemon=True).start()

    def _listen(self) -> None:
        while self.hosting.wait():
            try:
                self.loop.call_soon_threadsafe(self.drain)
            except RuntimeError:  # the loop is closed
                return

    async def stop(self) -> None:
        """Waits for requests under way, no longer than `GRACE`; then ends the application."""
        if self.tasks:
            _, late = await asyncio.wait(self.tasks, timeout=GRACE)
            for task in late:
                task.cancel()
        descriptor = self.hosting.fileno()
        if descriptor is not None:
            self.loop.remove_reader(descriptor)
        self.hosting.retire()
        await self.lifespan.shutdown()

    def drain(self) -> None:
        self.hosting.drain(self)

    # Called by `Hosting.drain`.

    def request(self, number: int, answer: HostedAnswer, head: tuple[Any, ...], bodiless: bool) -> None:
        if asks_for_websocket(head):
            refuse_websocket(answer)
            return
        cycle = self.cycles[number] = Cycle(answer, head, bodiless, self.lifespan.state)
        task = self.loop.create_task(cycle.run(self.app))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def body(self, number: int, chunk: bytes, end: bool) -> None:
        if (cycle := self.cycles.get(number)) is not None:
            cycle.chunk, cycle.more_body = chunk, not end
            cycle.wake()

    def room(self, number: int) -> None:
        if (cycle := self.cycles.get(number)) is not None:
            cycle.full = False
            cycle.wake()

    def over(self, number: int) -> None:
        if (cycle := self.cycles.pop(number, None)) is not None:
            cycle.gone = True
            cycle.wake()


def asks_for_websocket(head: tuple[Any, ...]) -> bool:
    headers: list[tuple[bytes, bytes]] = head[4]
    return any(name == b"upgrade" and value.lower() == b"websocket" for name, value in headers)


def refuse_websocket(answer: HostedAnswer) -> None:
    """Not the application's page: a client would take it for an answer to its handshake."""
    logger.warning("A WebSocket of the application's own was asked for, which serve() does not serve")
    answer.start(501, [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")])
    answer.write(b"WebSockets of the application are not served here: only those of Socket.IO are")
    answer.end()


class Cycle:
    """One request and its answer."""

    __slots__ = ("answer", "chunk", "complete", "full", "gone", "more_body", "pulled", "scope", "started", "waiters")

    def __init__(self, answer: HostedAnswer, head: tuple[Any, ...], bodiless: bool, state: dict[str, Any]) -> None:
        version, method, path, query, headers, client, server, secure = head
        self.answer = answer
        self.scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": version,
            "method": method,
            "scheme": "https" if secure else "http",
            "path": unquote(path.decode("latin-1")),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": headers,
            "client": client,
            "server": server,
            "state": state.copy(),
        }
        # In.
        self.chunk: bytes | None = b"" if bodiless else None
        self.more_body = not bodiless
        self.pulled = False
        self.gone = False
        # Out.
        self.started = False
        self.complete = False
        self.full = False
        self.waiters: list[asyncio.Future[None]] = []

    async def run(self, app: Application) -> None:
        try:
            await app(self.scope, self.receive, self.send)
        except asyncio.CancelledError:
            self.answer.abort()
            raise
        except Exception:
            logger.exception("Exception in the ASGI application")
            self._fail()
        else:
            if not self.complete and not self.gone:
                logger.error("The ASGI application returned without completing its answer")
                self._fail()

    def _fail(self) -> None:
        if not self.started:
            self.started = True
            self.answer.start(500, [(b"content-type", b"text/plain; charset=utf-8")])
            self.answer.write(b"Internal Server Error")
            self.answer.end()
        elif not self.complete:
            # The client must see that it is not whole.
            self.answer.abort()

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            waiter = asyncio.get_running_loop().create_future()
            self.waiters.append(waiter)
            await waiter

    def wake(self) -> None:
        waiters, self.waiters = self.waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def receive(self) -> Message:
        """ASGI's: the next piece of the body, then, when the client has gone or has its answer, the disconnect."""
        if self.chunk is None and self.more_body and not self.gone and not self.complete:
            if not self.pulled:
                self.pulled = True
                self.answer.pull()
            await self._until(lambda: self.chunk is not None or self.gone or self.complete)
        if self.chunk is not None and not self.gone and not self.complete:
            chunk, self.chunk, self.pulled = self.chunk, None, False
            return {"type": "http.request", "body": chunk, "more_body": self.more_body}
        await self._until(lambda: self.gone or self.complete)
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """ASGI's. Waits while the client does not take what it was sent."""
        kind = message["type"]
        if self.complete:
            raise RuntimeError(f"Unexpected ASGI message {kind!r} after the answer was completed")
        if not self.started:
            if kind != "http.response.start":
                raise RuntimeError(f"Expected ASGI message 'http.response.start', got {kind!r}")
            self.answer.start(message["status"], message.get("headers", ()))
            self.started = True
            return
        if kind != "http.response.body":
            raise RuntimeError(f"Expected ASGI message 'http.response.body', got {kind!r}")
        if (body := message.get("body", b"")) and not self.gone:
            self.full = not self.answer.write(bytes(body))
        if not message.get("more_body", False):
            self.complete = True
            self.answer.end()
            self.wake()
        elif self.full:
            await self._until(lambda: not self.full or self.gone)


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
