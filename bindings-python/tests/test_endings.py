"""Every way in which a server may end, under traffic: no crash, no hang, nothing said that is not the program's own.

``FERRIO_TEST_ENDINGS=100`` ends each a hundred times.
"""

from __future__ import annotations

import asyncio
import os
import signal
from importlib.util import find_spec

import pytest

from hosts import HOSTS, PYTHON, Host, Served
from peers import Raw, patiently

pytestmark = pytest.mark.ferrio_only

ROUNDS = int(os.environ.get("FERRIO_TEST_ENDINGS", "1"))
CLIENTS = 4

#: What a process that crashed says; and what an interpreter says of threads that came too late.
CRASHES = ("Fatal Python error", "Segmentation", "panicked", "core dumped", "SystemError", "Exception ignored")


class Traffic:
    """Clients that send as fast as they are answered, until their connection ends."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.sockets: list[Raw] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def begin(self) -> None:
        for _ in range(CLIENTS):
            socket = await Raw.open(self.url)
            assert (await socket.join()).startswith("40{")
            self.sockets.append(socket)
        self.tasks = [asyncio.create_task(self._run(socket)) for socket in self.sockets]

    async def _run(self, socket: Raw) -> None:
        import websockets

        try:
            while True:
                await socket.send('42["echo",1]', '42["echo",2]')
                await socket.read()
                await socket.read()
        except websockets.ConnectionClosed:
            pass

    async def over(self) -> None:
        """Waits for the end of every connection."""
        await patiently(asyncio.gather(*self.tasks))

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for socket in self.sockets:
            await socket.close()


async def anew(url: str) -> Traffic:
    """Traffic with a new worker: an old one that is about to end may still be the one who accepts."""
    import websockets

    while True:
        traffic = Traffic(url)
        try:
            await traffic.begin()
        except (OSError, websockets.WebSocketException):
            await traffic.stop()
        else:
            return traffic


def program(way: str) -> Host:
    return Host(("uvloop",) if way == "uvloop" else (), [*PYTHON, "-X", "faulthandler", "endings.py", way, "{port}"])


OWN = [
    "exit",
    "exit-in-a-handler",
    "exception",
    "return",
    "os-exit",
    "fork",
    "shutdown",
    "executor",
    "loop-closed",
    "uvloop",
]


@pytest.mark.parametrize("ending", OWN)
async def test_a_program_that_ends(ending):
    if ending == "fork" and not hasattr(os, "fork"):
        pytest.skip("no fork")
    if ending == "uvloop" and find_spec("uvloop") is None:
        pytest.skip("uvloop is not here")
    for _ in range(ROUNDS):
        served = await Served.start(program(ending))
        traffic = Traffic(served.url)
        try:
            await traffic.begin()
            await traffic.sockets[0].send('42["end"]')
            _, output, says = await served.ended()
            await traffic.over()
        finally:
            await traffic.stop()
            await served.kill()
        assert served.process.returncode == (1 if ending == "exception" else 0), says
        # asyncio says of any Task that ends by it that nobody fetched its exception.
        last = {"exception": "ValueError: on purpose\n", "exit-in-a-handler": "SystemExit: 0\n"}.get(ending)
        assert says == "" or (last is not None and says.endswith(last)), says
        assert output == ""


SIGNALLED = {
    "native": ("SIGTERM", "SIGINT"),
    "hosted": ("SIGTERM", "SIGINT"),
    "uvicorn": ("SIGTERM", "SIGINT"),
    "fastapi": ("SIGTERM",),
    "mounted": ("SIGTERM",),
    "hypercorn": ("SIGTERM",),
    "gunicorn": ("SIGTERM", "SIGINT", "SIGHUP"),
    "gunicorn-preload": ("SIGTERM",),
    "aiohttp": ("SIGTERM",),
    "tornado": ("SIGTERM",),
}


@pytest.mark.parametrize(("name", "number"), [(name, number) for name in SIGNALLED for number in SIGNALLED[name]])
async def test_a_server_that_is_told_to_end(name, number):
    host = HOSTS[name]
    if host.missing is not None:
        pytest.skip(f"{host.missing} is not here")
    for _ in range(ROUNDS):
        served = await Served.start(host, WEB_CONCURRENCY="2", PYTHONFAULTHANDLER="1")
        traffic = Traffic(served.url.removesuffix("/"))
        traffic.url = served.url + host.path.removesuffix("socket.io/").removesuffix("/")
        try:
            await traffic.begin()
            if number == "SIGHUP":
                # gunicorn replaces its workers; the new ones serve.
                served.process.send_signal(signal.SIGHUP)
                await traffic.over()
                await traffic.stop()
                traffic = await anew(served.url)
            status, _, errors = await served.stop(signal.SIGINT if number == "SIGINT" else signal.SIGTERM)
            await traffic.over()
        finally:
            await traffic.stop()
            await served.kill()
        assert status in (0, -signal.SIGTERM, -signal.SIGINT, 130), errors
        assert not any(crash in errors for crash in CRASHES), errors
