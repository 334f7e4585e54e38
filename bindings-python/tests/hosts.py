"""The servers that an application may be served by, each as a process of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from peers import patiently

PROGRAMS = Path(__file__).parent / "programs"
PYTHON = [sys.executable, "-W", "ignore"]
# A web server that closes idle connections sooner than its clients do will close one as a request comes, if they are slow: that
# is nobody's fault, and no test's matter. Seconds.
KEEP_ALIVE = "120"
UVICORN = [*PYTHON, "-m", "uvicorn", "--port", "{port}", "--log-level", "warning", "--timeout-graceful-shutdown", "2"]
UVICORN += ["--timeout-keep-alive", KEEP_ALIVE]


@dataclass(frozen=True)
class Host:
    """One way to be served."""

    #: Packages that must be there.
    needs: tuple[str, ...]
    command: list[str]
    #: The function of `programs/served.py`.
    way: str = "asgi"
    #: Its WebSockets can be taken over.
    reachable: bool = True
    path: str = "/socket.io/"
    #: It has another page beside the Socket.IO server.
    page: bool = False

    @property
    def missing(self) -> str | None:
        return next((package for package in self.needs if find_spec(package) is None), None)


def beside(framework: str, **more: Any) -> Host:
    return Host(("uvicorn", framework), [*UVICORN, "served:app"], framework, page=True, **more)


GUNICORN = [*PYTHON, "-m", "gunicorn", "-b", "127.0.0.1:{port}", "--log-level", "warning", "--graceful-timeout", "3"]
GUNICORN += ["--keep-alive", KEEP_ALIVE]

HOSTS = {
    "uvicorn": Host(("uvicorn",), [*UVICORN, "--lifespan", "on", "served:app"]),
    "hypercorn": Host(("hypercorn",), [*PYTHON, "-m", "hypercorn", "-b", "127.0.0.1:{port}", "served:app"]),
    "granian": Host(
        ("granian",),
        [*PYTHON, "-m", "granian", "--interface", "asgi", "--port", "{port}", "--no-log", "served:app"],
        reachable=False,
    ),
    "gunicorn": Host(("gunicorn", "uvicorn_worker"), [*GUNICORN, "-k", "uvicorn_worker.UvicornWorker", "served:app"]),
    "gunicorn-preload": Host(
        ("gunicorn", "uvicorn_worker"), [*GUNICORN, "--preload", "-k", "uvicorn_worker.UvicornWorker", "served:app"]
    ),
    "fastapi": beside("fastapi"),
    "mounted": Host(
        ("uvicorn", "fastapi"), [*UVICORN, "served:app"], "mounted", path="/deep/down/socket.io/", page=True
    ),
    "starlette": beside("starlette"),
    "quart": beside("quart"),
    "django": beside("django"),
    "aiohttp": Host(("aiohttp",), [*PYTHON, "served.py", "aiohttp", "{port}"], page=True),
    "tornado": Host(("tornado",), [*PYTHON, "served.py", "tornado", "{port}"], page=True),
    "sanic": Host(("sanic",), [*PYTHON, "served.py", "sanic", "{port}"], page=True),
    "hosted": Host(("fastapi",), [*PYTHON, "served.py", "hosted", "{port}"], reachable=False, page=True),
    "native": Host((), [*PYTHON, "served.py", "native", "{port}"], reachable=False),
}


class Served:
    """A host that runs."""

    def __init__(self, host: Host, port: int, process: asyncio.subprocess.Process) -> None:
        self.host, self.port, self.process = host, port, process
        self.url = f"http://127.0.0.1:{port}"

    @classmethod
    async def start(cls, host: Host, **environment: str) -> Served:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        process = await asyncio.create_subprocess_exec(
            *[part.replace("{port}", str(port)) for part in host.command],
            cwd=PROGRAMS,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ
            | {"FERRIO_TEST_WAY": host.way, "PYTHONPATH": os.pathsep.join([str(PROGRAMS), *sys.path])}
            | environment,
            start_new_session=True,
            # A shell that runs the tests in its background has them ignore it, and with them what they start.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        served = cls(host, port, process)
        try:
            await patiently(served._listens())
        except BaseException:
            print(await served.kill())
            raise
        return served

    async def _listens(self) -> None:
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                if self.process.returncode is not None:
                    raise RuntimeError("the server ended before it listened") from None
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return

    async def stop(self, name: signal.Signals = signal.SIGTERM) -> tuple[int | None, str, str]:
        """Ends it as an operator does; gives status, output and errors."""
        self.process.send_signal(name)
        return await self.ended()

    async def ended(self) -> tuple[int | None, str, str]:
        """Waits for its end; gives status, output and errors. One that hangs says where (under `faulthandler`)."""
        try:
            output, errors = await patiently(self.process.communicate())
        except asyncio.TimeoutError:
            os.killpg(self.process.pid, signal.SIGABRT)
            _, errors = await patiently(self.process.communicate())
            raise AssertionError(f"it does not end:\n{errors.decode()}") from None
        return self.process.returncode, output.decode(), errors.decode()

    async def kill(self) -> str:
        """Whatever is left of it; gives its errors."""
        if self.process.returncode is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        _, errors = await self.process.communicate()
        return errors.decode()
