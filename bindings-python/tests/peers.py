"""The other side: python-socketio's client, and the protocol spoken by hand."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import socketio as original
import websockets
from engineio.payload import Payload

# The client's own limit for what it receives: 16.
Payload.max_decode_packets = 1000

#: Seconds after which a test that waits has failed. Nothing is asserted about time.
PATIENCE = 20.0


async def patiently(awaitable: Any) -> Any:
    return await asyncio.wait_for(awaitable, PATIENCE)


async def until(condition: Any) -> None:
    """Waits for something that has no event of its own."""

    async def look() -> None:
        while not condition():
            await asyncio.sleep(0.002)

    await patiently(look())


class Client(original.AsyncClient):
    """python-socketio's client. Events that have no handler queue up in `received`, as `(event, *args)`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"reconnection": False} | options)
        self.received: asyncio.Queue[tuple[Any, ...]] = asyncio.Queue()
        self.on("*", self.receive)
        self.on("*", self._receive_elsewhere, namespace="*")
        self.errors: asyncio.Queue[Any] = asyncio.Queue()
        self.on("connect_error", self.errors.put_nowait)
        self.gone: asyncio.Queue[str] = asyncio.Queue()
        self.on("disconnect", self.gone.put_nowait)

    def receive(self, *event: Any) -> None:
        self.received.put_nowait(event)

    def _receive_elsewhere(self, event: str, namespace: str, *args: Any) -> None:
        self.received.put_nowait((namespace, event, *args))

    async def next(self) -> tuple[Any, ...]:
        """The next event."""
        return await patiently(self.received.get())

    async def take(self, count: int) -> list[tuple[Any, ...]]:
        return [await self.next() for _ in range(count)]

    def sid_in(self, namespace: str = "/") -> str:
        sid = self.get_sid(namespace)
        assert sid
        return sid


class Raw:
    """A WebSocket whose packets are written and read as they stand on the wire. Heartbeats are answered."""

    def __init__(self, socket: Any) -> None:
        self.socket = socket
        self.handshake: dict[str, Any] = {}

    @classmethod
    async def open(cls, url: str, query: str = "EIO=4&transport=websocket", **options: Any) -> Raw:
        address = url.replace("http", "ws", 1) + "/socket.io/?" + query
        raw = cls(await websockets.connect(address, compression=None, open_timeout=PATIENCE, **options))
        if "sid=" not in query:
            opened = await raw.read()
            assert opened[0] == "0", opened
            raw.handshake = json.loads(opened[1:])
        return raw

    async def join(self, namespace: str = "/", auth: str = "") -> str:
        """Joins a namespace; gives the packets' text up to the answer."""
        where = "" if namespace == "/" else namespace + ","
        await self.send(f"40{where}{auth}")
        return await self.read()

    async def send(self, *packets: str | bytes) -> None:
        for packet in packets:
            await self.socket.send(packet)

    async def read(self) -> Any:
        while True:
            packet = await patiently(self.socket.recv())
            if packet != "2":
                return packet
            await self.socket.send("3")

    async def ended(self) -> int:
        """Waits for the close; gives its code."""
        await patiently(self.socket.wait_closed())
        return self.socket.close_code

    async def close(self) -> None:
        await self.socket.close()


class Polling:
    """Long-polling whose requests are made by hand."""

    def __init__(self, url: str) -> None:
        self.base = url + "/socket.io/"
        self.session = aiohttp.ClientSession()
        self.sid = ""
        self.handshake: dict[str, Any] = {}

    async def request(self, method: str, query: str, **options: Any) -> tuple[int, str, Any]:
        """Status, body and headers."""
        async with self.session.request(method, f"{self.base}?{query}", **options) as response:
            return response.status, await response.text(), response.headers

    async def open(self, **options: Any) -> Any:
        status, body, headers = await patiently(self.request("GET", "EIO=4&transport=polling", **options))
        assert status == 200, body
        self.handshake = json.loads(body[1:])
        self.sid = self.handshake["sid"]
        return headers

    async def get(self) -> list[str]:
        """The packets of one poll."""
        status, body, _ = await patiently(self.request("GET", f"EIO=4&transport=polling&sid={self.sid}"))
        assert status == 200, body
        return body.split("\x1e")

    async def post(self, *packets: str) -> None:
        body = "\x1e".join(packets)
        status, answer, _ = await patiently(self.request("POST", f"EIO=4&transport=polling&sid={self.sid}", data=body))
        assert (status, answer) == (200, "OK")

    async def close(self) -> None:
        await self.session.close()
