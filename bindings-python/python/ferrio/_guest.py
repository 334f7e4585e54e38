"""One WebSocket of a hosted ASGI application. Its frames are the engine's matter, its messages the application's."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from ._cycle import Exchange, scope
from ._ferrio import HostedAnswer
from ._lifespan import Application, Message, logger

NORMAL = 1000
#: No code came; the connection was lost; the application failed.
NO_STATUS, LOST, INTERNAL_ERROR = 1005, 1006, 1011
#: "websocket.close" in place of "websocket.accept".
FORBIDDEN = 403


class ClientDisconnected(OSError):
    """An application sends to a client that has gone: ASGI wants an `OSError`."""


class Guest(Exchange):
    """A handshake, and the WebSocket that may come of it."""

    __slots__ = ("accepted", "closed", "code", "messages", "opened", "reason", "refusing", "scope")

    def __init__(self, answer: HostedAnswer, head: tuple[Any, ...], state: dict[str, Any]) -> None:
        super().__init__(answer)
        common = scope(head, state)
        self.scope: dict[str, Any] = common | {
            "type": "websocket",
            "scheme": "wss" if common["scheme"] == "https" else "ws",
            "subprotocols": subprotocols(common["headers"]),
            "extensions": {"websocket.http.response": {}},
        }
        #: Messages and their sizes that the application has not taken.
        self.messages: deque[tuple[str | bytes, int]] = deque()
        #: The application knows of the handshake; has accepted it; answers it with something else; has closed or refused.
        self.opened = False
        self.accepted = False
        self.refusing = False
        self.closed = False
        #: How it ended.
        self.code: int | None = None
        self.reason = ""

    async def run(self, app: Application) -> None:
        try:
            await app(self.scope, self.receive, self.send)
        except asyncio.CancelledError:
            self.answer.abort()
            raise
        except ClientDisconnected:
            self.answer.abort()
        except Exception:
            logger.exception("Exception in the ASGI application")
            self._fail(INTERNAL_ERROR)
        else:
            if not self.accepted and not self.closed and not self.gone:
                logger.error("The ASGI application returned without accepting or closing its WebSocket")
            self._fail(NORMAL)

    def _fail(self, code: int) -> None:
        """It goes no further."""
        if self.closed:
            return
        self.closed = True
        if self.accepted:
            self.answer.close(code, "")
        elif not self.refusing:
            self._answer_failure()
        else:
            self.answer.abort()

    # ---- called by the host

    def end(self, code: int, reason: str) -> None:
        """The WebSocket has ended."""
        if self.code is None:
            self.code, self.reason = code, reason
        self.gone = True
        self.wake()

    def leave(self, code: int) -> None:
        """The server ends. A handshake that is not answered yet is the application's to answer."""
        if self.accepted and not self.closed:
            self.closed = True
            self.answer.close(code, "")
            self.end(code, "")

    # ---- ASGI's

    async def receive(self) -> Message:
        """The handshake; then messages as they come; then, again and again, the disconnect."""
        if not self.opened:
            self.opened = True
            return {"type": "websocket.connect"}
        await self._until(lambda: bool(self.messages) or self.gone)
        if self.messages:
            message, size = self.messages.popleft()
            self.answer.took(size)
            kind = "text" if isinstance(message, str) else "bytes"
            return {"type": "websocket.receive", kind: message}
        code = LOST if self.code is None else self.code
        return {"type": "websocket.disconnect", "code": code, "reason": self.reason}

    async def send(self, message: Message) -> None:
        """Waits while the client does not take what it was sent."""
        kind = message["type"]
        if self.closed:
            if self.gone and kind == "websocket.send":
                raise ClientDisconnected
            raise RuntimeError(f"Unexpected ASGI message {kind!r} after the WebSocket was closed")
        if self.refusing:
            await self._send_refusal(message)
        elif not self.accepted:
            self._answer_handshake(message)
        elif kind == "websocket.send":
            await self._send_message(message)
        elif kind == "websocket.close":
            self.answer.close(message.get("code", NORMAL), message.get("reason") or "")
            self.closed = True
        else:
            raise RuntimeError(f"Expected ASGI message 'websocket.send' or 'websocket.close', got {kind!r}")

    def _answer_handshake(self, message: Message) -> None:
        kind = message["type"]
        if kind == "websocket.accept":
            headers = list(message.get("headers", ()))
            if (protocol := message.get("subprotocol")) is not None:
                headers.append((b"sec-websocket-protocol", protocol.encode()))
            self.answer.accept(headers)
            self.accepted = True
        elif kind == "websocket.close":
            self.answer.start(FORBIDDEN, [])
            self.answer.end()
            self.closed = True
        elif kind == "websocket.http.response.start":
            self.answer.start(message["status"], message.get("headers", ()))
            self.refusing = True
        else:
            expected = "'websocket.accept', 'websocket.close' or 'websocket.http.response.start'"
            raise RuntimeError(f"Expected ASGI message {expected}, got {kind!r}")

    async def _send_refusal(self, message: Message) -> None:
        if message["type"] != "websocket.http.response.body":
            raise RuntimeError(f"Expected ASGI message 'websocket.http.response.body', got {message['type']!r}")
        if self._write_body(message):
            self.closed = True
        else:
            await self._until_taken()

    async def _send_message(self, message: Message) -> None:
        if self.gone:
            raise ClientDisconnected
        data, text = message.get("bytes"), message.get("text")
        if data is not None:
            self.full = not self.answer.send_bytes(bytes(data))
        elif text is not None:
            self.full = not self.answer.send_text(text)
        else:
            raise RuntimeError("ASGI message 'websocket.send' has neither 'bytes' nor 'text'")
        await self._until_taken()


def subprotocols(headers: list[tuple[bytes, bytes]]) -> list[str]:
    """Those that the client offers, in its order."""
    offered = [value.decode("latin-1") for name, value in headers if name == b"sec-websocket-protocol"]
    return [name.strip() for line in offered for name in line.split(",") if name.strip()]
