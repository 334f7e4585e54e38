"""One HTTP request to a hosted ASGI application, and its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from ._ferrio import HostedAnswer
from ._lifespan import Application, Message, logger


class Exchange:
    """A request of an application's, how it is answered, and who waits for something of it."""

    __slots__ = ("answer", "full", "gone", "waiters")

    def __init__(self, answer: HostedAnswer) -> None:
        self.answer = answer
        #: The client does not take what it is sent.
        self.full = False
        #: It has left.
        self.gone = False
        self.waiters: list[asyncio.Future[None]] = []

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            waiter = asyncio.get_running_loop().create_future()
            self.waiters.append(waiter)
            await waiter

    async def _until_taken(self) -> None:
        if self.full:
            await self._until(lambda: not self.full or self.gone)

    def wake(self) -> None:
        waiters, self.waiters = self.waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _write_body(self, message: Message) -> bool:
        """Adds ASGI's next piece of an answer to it. Whether that was the last."""
        if (body := message.get("body", b"")) and not self.gone:
            self.full = not self.answer.write(bytes(body))
        if message.get("more_body", False):
            return False
        self.answer.end()
        return True

    def _answer_failure(self) -> None:
        self.answer.start(500, [(b"content-type", b"text/plain; charset=utf-8")])
        self.answer.write(b"Internal Server Error")
        self.answer.end()


def scope(head: tuple[Any, ...], state: dict[str, Any]) -> dict[str, Any]:
    """What ASGI's scopes of requests and of WebSockets have in common."""
    version, _, path, query, headers, client, server, secure = head
    return {
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": version,
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


class Cycle(Exchange):
    """One request and its answer."""

    __slots__ = ("chunk", "complete", "more_body", "pulled", "scope", "started")

    def __init__(self, answer: HostedAnswer, head: tuple[Any, ...], bodiless: bool, state: dict[str, Any]) -> None:
        super().__init__(answer)
        self.scope = scope(head, state) | {"type": "http", "method": head[1]}
        # In.
        self.chunk: bytes | None = b"" if bodiless else None
        self.more_body = not bodiless
        self.pulled = False
        # Out.
        self.started = False
        self.complete = False

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
            self._answer_failure()
        elif not self.complete:
            # The client must see that it is not whole.
            self.answer.abort()

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
        if self._write_body(message):
            self.complete = True
            self.wake()
        else:
            await self._until_taken()
