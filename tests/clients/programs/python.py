"""The client program of Python: see ../README.md. FERRIO_TEST_MODULE: ferrio or socketio."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gc
import importlib
import json
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

MODULE = os.environ.get("FERRIO_TEST_MODULE", "ferrio")
ORIGINAL = MODULE == "socketio"
#: `Client` instead of `AsyncClient`.
THREADS = False
SPEAKING = threading.Lock()
socketio: Any = importlib.import_module(MODULE)

#: What neither client has: a connection for several clients is one client with several namespaces, the answer to an
#: event is what its handler returns, and a question without an answer ends by `TimeoutError`, whatever the reason.
ALWAYS = ["share", "break", "answer", "disconnected"]
#: What python-socketio's client has no way to do.
CANNOT = [*ALWAYS, "retries", "recovery", "volatile", "buffer", "reconnect_attempt", "reconnect_failed"]

REASONS = {"client disconnect": "io client disconnect", "server disconnect": "io server disconnect"}
OPTIONS = {
    "do", "client", "url", "namespace", "transports", "auth", "query", "headers", "path", "timeout", "reconnection",
    "attempts", "delay", "retries", "ackTimeout", "recovery",
}  # fmt: skip


def tell(client: str | None, event: str, **more: Any) -> None:
    line = json.dumps({"client": client, "event": event, **more})
    # Several threads tell.
    with SPEAKING:
        print(line, flush=True)


def outward(value: Any) -> Any:
    """Bytes as JSON."""
    if isinstance(value, (bytes, bytearray)):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, (list, tuple)):
        return [outward(item) for item in value]
    if isinstance(value, dict):
        return {key: outward(item) for key, item in value.items()}
    return value


def inward(value: Any) -> Any:
    if isinstance(value, list):
        return [inward(item) for item in value]
    if isinstance(value, dict):
        if "$bytes" in value:
            return base64.b64decode(value["$bytes"])
        return {key: inward(item) for key, item in value.items()}
    return value


class Told:
    """A client that does what it is told."""

    def __init__(self, name: str, options: dict[str, Any]) -> None:
        if unknown := options.keys() - OPTIONS:
            raise ValueError(f"unknown options: {unknown}")
        self.name = name
        self.namespace = options.get("namespace", "/")
        self.url = options["url"]
        if query := options.get("query"):
            self.url += "?" + urlencode(query)
        self.auth = options.get("auth")
        self.headers = options.get("headers", {})
        self.transports = options.get("transports")
        self.path = options.get("path", "socket.io").strip("/")
        self.replies: dict[str, Any] = {}
        #: Told that it is out for good. The client itself is so when its handlers have been told.
        self.out = False
        first, longest = (each / 1000 for each in options.get("delay", (1000, 5000)))
        settings: dict[str, Any] = {
            "reconnection": options.get("reconnection", True),
            "reconnection_attempts": options.get("attempts", 0),
            "reconnection_delay": first,
            "reconnection_delay_max": longest,
            "randomization_factor": 0,
            "handle_sigint": False,
        }
        if "timeout" in options:
            settings["request_timeout"] = options["timeout"] / 1000
        if not ORIGINAL:
            settings |= {"offline_buffer": True, "retries": options.get("retries", 0)}
            settings |= {"ack_timeout": options.get("ackTimeout", 10_000) / 1000}
            settings["recovery"] = options.get("recovery", False)
        self.sio = (socketio.Client if THREADS else socketio.AsyncClient)(**settings)
        self.sio.on("connect", self.connected, namespace=self.namespace)
        self.sio.on("connect_error", self.refused, namespace=self.namespace)
        self.sio.on("disconnect", self.gone, namespace=self.namespace)
        self.sio.on("*", self.heard, namespace=self.namespace)
        if not ORIGINAL:
            for event in ("reconnect_attempt", "reconnect"):
                listener = lambda attempt, event=event: tell(self.name, event, attempt=attempt)  # noqa: E731
                self.sio.add_listener(event, listener, namespace=self.namespace)
            failed = lambda: tell(self.name, "reconnect_failed")  # noqa: E731
            self.sio.add_listener("reconnect_failed", failed, namespace=self.namespace)

    async def do(self, method: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Calls a method of the client, in a thread if it is one for threads."""
        if THREADS:
            return await asyncio.to_thread(method, *args, **options)
        return await method(*args, **options)

    async def connect(self, *, again: bool = False) -> None:
        if again:
            # The connection before is just ending.
            await self.do(self.sio.wait)
        # Of an error the handlers have been told.
        with contextlib.suppress(socketio.exceptions.ConnectionError):
            await self.do(
                self.sio.connect,
                self.url,
                headers=self.headers,
                auth=lambda: self.auth,
                transports=self.transports,
                namespaces=[self.namespace],
                socketio_path=self.path,
                wait_timeout=10,
                retry=self.sio.reconnection,
            )

    def connected(self) -> None:
        self.out = False
        recovered = not ORIGINAL and self.sio.recovered(self.namespace)
        tell(self.name, "connect", id=self.sio.get_sid(self.namespace), recovered=recovered)
        if self.sio.transport() == "websocket" and (self.transports or [""])[0] == "polling":
            tell(self.name, "upgrade")

    def refused(self, *said: Any) -> None:
        what = said[0] if said else None
        by_server = isinstance(what, dict) or self.sio.eio.state == "connected"
        told = {"message": what["message"] if isinstance(what, dict) else str(what), "refused": by_server}
        if isinstance(what, dict) and what.get("data") is not None:
            told["data"] = outward(what["data"])
        tell(self.name, "connect_error", **told)

    def gone(self, reason: str) -> None:
        reason = REASONS.get(reason, reason)
        self.out = reason in ("io server disconnect", "io client disconnect")
        tell(self.name, "disconnect", reason=reason)

    def heard(self, event: str, *args: Any) -> Any:
        tell(self.name, "message", args=outward([event, *args]))
        return self.replies.get(event)

    async def ask(self, number: int, args: list[Any], timeout: float | None) -> None:
        try:
            answer = await self.do(self.sio.call, args[0], tuple(args[1:]), namespace=self.namespace, timeout=timeout)
        except socketio.exceptions.TimeoutError:
            tell(self.name, "answer", ask=number, error="timeout")
        except socketio.exceptions.BadNamespaceError:
            tell(self.name, "answer", ask=number, error="disconnected")
        else:
            several = answer if isinstance(answer, tuple) else () if answer is None else (answer,)
            tell(self.name, "answer", ask=number, args=outward(several))

    async def leave(self) -> None:
        await self.do(self.sio.shutdown)
        await self.do(self.sio.disconnect)

    def state(self) -> None:
        gc.collect()
        active = (self.sio.connected and not self.out) or self.sio._reconnect_task is not None
        buffered = 0 if ORIGINAL else self.sio._resending.bytes
        memory = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        sid = self.sio.get_sid(self.namespace)
        transport = self.sio.transport() if self.sio.connected else None
        told = {"connected": sid is not None, "active": active, "id": sid, "transport": transport}
        tell(self.name, "state", buffered=buffered, memory=memory, **told)


class Program:
    def __init__(self) -> None:
        self.clients: dict[str, Told] = {}
        self.tasks: set[asyncio.Task[None]] = set()

    def beside(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def carry_out(self, line: dict[str, Any]) -> bool:
        if line["do"] == "end":
            for client in self.clients.values():
                await client.leave()
            return False
        if line["do"] == "client":
            client = self.clients[line["client"]] = Told(line["client"], line)
            self.beside(client.connect())
            return True
        client = self.clients[line["client"]]
        args = inward(line.get("args", []))
        match line["do"]:
            case "auth":
                client.auth = line["auth"]
            case "emit":
                flags = {"volatile": True} if line.get("volatile") else {}
                await client.do(client.sio.emit, args[0], tuple(args[1:]), namespace=client.namespace, **flags)
            case "ask":
                timeout = line.get("timeout")
                self.beside(client.ask(line["ask"], args, 60 if timeout is None else timeout / 1000))
            case "replies":
                client.replies[line["event"]] = tuple(args)
            case "disconnect":
                await client.leave()
            case "connect":
                self.beside(client.connect(again=True))
            case "state":
                client.state()
            case other:
                raise ValueError(f"unknown command: {other}")
        return True


async def main() -> None:
    print(json.dumps({"ready": True, "cannot": CANNOT if ORIGINAL else ALWAYS}), flush=True)
    program = Program()
    loop = asyncio.get_running_loop()
    # Each call of a client for threads may wait in one.
    loop.set_default_executor(ThreadPoolExecutor(256))
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        if not await program.carry_out(json.loads(line)):
            break


if __name__ == "__main__":
    asyncio.run(main())
