"""Starts a face, as ../harness/face.mjs does for the programs in JavaScript."""

import asyncio
import os
import shutil
import signal
import socket
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
CALM = {  # full seconds, for Python tells its clients no others; and few, for its original ends no poll before
    "FERRIO_TEST_PING_INTERVAL": "2000",
    "FERRIO_TEST_PING_TIMEOUT": "2000",
    "FERRIO_TEST_CONNECT_TIMEOUT": "45000",
}


def newest_rust() -> list[str]:
    if named := os.environ.get("FERRIO_TEST_RUST"):
        return [named]
    built = [p for p in (TESTS.parent / "target").glob("*/examples/ferrio-face") if p.is_file()]
    if not built:
        raise SystemExit("the Rust face is not built: no target/*/examples/ferrio-face")
    return [str(max(built, key=lambda path: path.stat().st_mtime))]


NODE = shutil.which("node") or "node"
FACES = {
    "socketio": ("node", True, lambda: [NODE, str(TESTS / "faces/socketio.cjs")], {}),
    "python-socketio": ("python", True, lambda: [sys.executable, str(TESTS / "faces/python_socketio.py")], {}),
    "node": ("node", False, lambda: [NODE, str(TESTS / "faces/node.cjs")], {}),
    "python": ("python", False, lambda: [sys.executable, str(TESTS / "faces/python.py")], {}),
    "rust": ("node", False, newest_rust, {}),
}
#: As in ../harness/face.mjs.
UNDER = ["native", "hosted", "hypercorn", "granian", "gunicorn", "aiohttp", "tornado"]
for name, env in {
    "framed": {"FERRIO_NO_TAKEOVER": "1"},
    **{name: {"FERRIO_TEST_SERVER": name} for name in UNDER},
}.items():
    FACES[f"python-{name}"] = ("python", False, FACES["python"][2], env)


class Face:
    def __init__(self, name, dialect, original, command, env):
        self.name, self.dialect, self.original = name, dialect, original
        self._command, self._env = command, env

    async def start(self, port: int = 0) -> "Server":
        port = port or free_port()
        process = await asyncio.create_subprocess_exec(
            *self._command(),
            str(port),
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, **CALM, **self._env},
            start_new_session=True,  # gunicorn's workers would outlive it
        )
        line = await asyncio.wait_for(process.stdout.readline(), 30)
        if not line.startswith(b"ready"):
            raise RuntimeError(f"the face {self.name} did not start: {line!r}")
        return Server(process, port)


class Server:
    def __init__(self, process, port):
        self._process, self.port = process, port
        self.url = f"http://127.0.0.1:{port}"

    async def crash(self):
        os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()

    async def stop(self):
        if self._process.returncode is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self._process.wait(), 5)
        except asyncio.TimeoutError:
            await self.crash()


def find_face(name: str, dialect: str | None) -> Face:
    if name in FACES:
        return Face(name, *FACES[name])
    if dialect is None:
        raise SystemExit(f"no face {name}; it is one of {', '.join(FACES)}, or a command with --dialect")
    return Face("command", dialect, False, lambda: name.split(), {})


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]
