"""Who is measured, doing what, and what we want to have reached."""

from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PYTHON = ROOT / ".venv/bin/python"

NODE = "node --expose-gc servers/node/server.cjs {port}"
BUN = "servers/node/node_modules/@oven/bun-linux-x64/bin/bun servers/node/bun.mjs {port}"
UVICORN = (
    f"{PYTHON} -m uvicorn --app-dir servers/python --host 127.0.0.1 --port {{port}} --backlog 4096"
    " --loop uvloop --http httptools --ws websockets --no-access-log --log-level warning asgi:app"
)
GRANIAN = (
    f"{PYTHON} -m granian --working-dir servers/python --host 127.0.0.1 --port {{port}} --backlog 4096"
    " --interface asgi --loop uvloop --no-access-log --log-level warning asgi:app"
)
AIOHTTP = f"{PYTHON} servers/python/aio.py {{port}}"
THREADS = f"{PYTHON} servers/python/threads.py {{port}}"
NATIVE = f"{PYTHON} servers/python/native.py {{port}}"


@dataclass
class Server:
    title: str
    command: str
    peer: str  # the server it is compared with: itself for an original
    needs: Path  # what must have been built
    module: str = ""  # for the Python servers, which share their handlers
    only: frozenset[str] = frozenset()  # the scenarios it can take part in, if not all


ADDON = ROOT / "bindings-node/package.json"
WHEEL = next(iter((ROOT / ".venv/lib").glob("python3*/site-packages/ferrio")), ROOT / ".venv/no-ferrio")
BINARIES = HERE / "target/release"
MODULES = HERE / "servers/node/node_modules"
FERRIO = BINARIES / "bench-ferrio"

# The two ceilings are no Socket.IO servers; werkzeug has a thread for each connection, and closes after each request.
CEILINGS = ("tungstenite", "floor")
ECHOES = frozenset({"echo-w1", "echo-w16", "echo-1k-w1", "echo-1k-w16"})
KERNEL_ALONE = ECHOES | {"ack-w1", "fanout-1000-w1", "fanout-1000", "fanout-1000-w16"}
FEW_THREADS = ECHOES | {"ack-w1", "binary-1k-w1", "binary-1k-w16"}

SERVERS = {
    "socketioxide": Server(
        "socketioxide (axum)",
        f"{BINARIES}/bench-socketioxide {{port}}",
        "socketioxide",
        BINARIES / "bench-socketioxide",
    ),
    "ferrio-rust": Server("**ferrio**, Rust (serve)", f"{FERRIO} {{port}}", "socketioxide", FERRIO),
    "ferrio-rust-axum": Server("**ferrio**, Rust (axum)", f"{FERRIO} {{port}} axum", "socketioxide", FERRIO),
    "ferrio-rust-sealed": Server(
        "**ferrio**, Rust (payloads unopened)", f"{FERRIO} {{port}} sealed", "socketioxide", FERRIO
    ),
    "socket.io": Server("socket.io (Node)", f"{NODE} socket.io", "socket.io", MODULES),
    "bun": Server("socket.io (Bun's engine)", BUN, "socket.io", MODULES / "@oven"),
    "ferrio-node": Server("**ferrio**, Node", f"{NODE} ferrio", "socket.io", ADDON),
    "ferrio-node-native": Server("**ferrio**, Node (its own port)", f"{NODE} ferrio native", "socket.io", ADDON),
    "python-socketio": Server("python-socketio (uvicorn)", UVICORN, "python-socketio", PYTHON),
    "ferrio-python": Server("**ferrio**, Python (uvicorn)", UVICORN, "python-socketio", WHEEL, "ferrio"),
    "ferrio-python-native": Server("**ferrio**, Python (serve)", NATIVE, "python-socketio", WHEEL, "ferrio"),
    "python-socketio-granian": Server("python-socketio (granian)", GRANIAN, "python-socketio-granian", PYTHON),
    "ferrio-python-granian": Server(
        "**ferrio**, Python (granian)", GRANIAN, "python-socketio-granian", WHEEL, "ferrio"
    ),
    "python-socketio-aiohttp": Server("python-socketio (aiohttp)", AIOHTTP, "python-socketio-aiohttp", PYTHON),
    "ferrio-python-aiohttp": Server(
        "**ferrio**, Python (aiohttp)", AIOHTTP, "python-socketio-aiohttp", WHEEL, "ferrio"
    ),
    "python-socketio-threads": Server(
        "python-socketio (threads)", THREADS, "python-socketio-threads", PYTHON, "", FEW_THREADS
    ),
    "ferrio-python-threads": Server(
        "**ferrio**, Python (threads)", THREADS, "python-socketio-threads", WHEEL, "ferrio", FEW_THREADS
    ),
    "tungstenite": Server(
        "tungstenite, nothing else",
        f"{BINARIES}/bench-tungstenite {{port}}",
        "tungstenite",
        BINARIES / "bench-tungstenite",
        "",
        ECHOES,
    ),
    "floor": Server(
        "a bare epoll loop", f"{BINARIES}/bench-floor {{port}}", "floor", BINARIES / "bench-floor", "", KERNEL_ALONE
    ),
}


@dataclass
class Scenario:
    title: str
    load: str
    column: str = ""  # its head in the short table
    unit: str = "message"
    rare: bool = False  # only measured when asked for by name, or with `--scenarios all`

    @property
    def is_idle(self) -> bool:
        return self.load.startswith("idle")


SCENARIOS = {
    "echo-w1": Scenario(
        "Echo, 33 bytes, 50 connections, one in flight each", "echo --n 50 --window 1", "echo, 1 in flight"
    ),
    "echo-w16": Scenario(
        "Echo, 33 bytes, 50 connections, sixteen in flight each", "echo --n 50 --window 16", "echo, 16 in flight"
    ),
    "echo-1k-w1": Scenario(
        "Echo, 1 KiB of JSON, one in flight", "echo --n 50 --window 1 --payload medium", "echo, 1 KiB"
    ),
    "echo-1k-w16": Scenario("Echo, 1 KiB of JSON, sixteen in flight", "echo --n 50 --window 16 --payload medium"),
    "binary-1k-w1": Scenario(
        "Echo, 1 KiB of bytes, one in flight", "echo --n 50 --window 1 --payload binary", "1 KiB of bytes"
    ),
    "binary-1k-w16": Scenario("Echo, 1 KiB of bytes, sixteen in flight", "echo --n 50 --window 16 --payload binary"),
    "ack-w1": Scenario("Acknowledged event, one in flight", "ack --n 50 --window 1", "acknowledged"),
    "fanout-1000-w1": Scenario(
        "Broadcast to a room of 1,000, one in flight",
        "fanout --n 1000 --window 1",
        "fan-out to 1,000, 1 in flight",
        "delivery",
    ),
    "fanout-1000": Scenario(
        "Broadcast to a room of 1,000, four in flight",
        "fanout --n 1000 --window 4",
        "fan-out to 1,000, 4 in flight",
        "delivery",
    ),
    "fanout-1000-w16": Scenario(
        "Broadcast to a room of 1,000, sixteen in flight", "fanout --n 1000 --window 16", "", "delivery"
    ),
    "slow-1000": Scenario(
        "Broadcast to a room of 1,000, four in flight, of whom one takes nothing",
        "fanout --n 1000 --window 4 --slow 1",
        "",
        "delivery",
    ),
    "rooms-64": Scenario("64 rooms of 16, a sender in each", "rooms --n 1024 --size 16", "64 rooms of 16", "delivery"),
    "polling": Scenario("Echo by long-polling, 50 clients", "polling --n 50", "polling"),
    "storm": Scenario("Connections that come and go, 64 at a time", "storm --n 64", "connect", "connection"),
    "idle-5000": Scenario("5,000 idle connections", "idle --n 5000 --gc", "idle, KiB", "connection"),
    "idle-20000": Scenario("20,000 idle connections", "idle --n 20000 --gc", "", "connection", rare=True),
    # Does a message cost the same with more connections?
    "scale-100": Scenario("Echo, 100 connections", "echo --n 100 --window 1", rare=True),
    "scale-1000": Scenario("Echo, 1,000 connections", "echo --n 1000 --window 1", rare=True),
    "scale-10000": Scenario("Echo, 10,000 connections", "echo --n 10000 --window 1", rare=True),
    "scale-20000": Scenario("Echo, 20,000 connections", "echo --n 20000 --window 1", rare=True),
}
COMMON = [name for name, scenario in SCENARIOS.items() if not scenario.rare]

# What one of ours may cost: as a share of another server's figure, or (idle) in KiB for each connection.
Goal = tuple[str, str, float]

GOALS: dict[str, list[Goal]] = {
    "echo-w1": [
        ("ferrio-rust", "socketioxide", 0.85),
        ("ferrio-node", "socket.io", 0.30),
        ("ferrio-node", "bun", 1),
        ("ferrio-python", "python-socketio", 1 / 15),
    ],
    "echo-w16": [
        ("ferrio-rust", "socketioxide", 0.65),
        ("ferrio-rust", "tungstenite", 1.4),
        ("ferrio-node", "socket.io", 0.12),
        ("ferrio-node", "bun", 1),
        ("ferrio-python", "python-socketio", 1 / 60),
    ],
    "echo-1k-w1": [
        ("ferrio-rust", "socketioxide", 0.5),
        ("ferrio-node", "socket.io", 0.35),
        ("ferrio-node", "bun", 1),
        ("ferrio-python", "python-socketio", 1 / 11),
    ],
    "echo-1k-w16": [
        ("ferrio-rust", "socketioxide", 0.5),
        ("ferrio-node", "socket.io", 0.25),
        ("ferrio-node", "bun", 1),
        ("ferrio-python", "python-socketio", 1 / 11),
    ],
    "binary-1k-w1": [
        ("ferrio-rust", "socketioxide", 0.85),
        ("ferrio-node", "socket.io", 0.25),
        ("ferrio-node", "bun", 1),
        ("ferrio-python", "python-socketio", 1 / 15),
    ],
    "ack-w1": [
        ("ferrio-rust", "socketioxide", 0.85),
        ("ferrio-node", "socket.io", 0.30),
        ("ferrio-python", "python-socketio", 1 / 12),
    ],
    "fanout-1000-w1": [
        ("ferrio-rust", "socketioxide", 0.7),
        ("ferrio-rust", "floor", 1.3),
        ("ferrio-node", "socket.io", 0.60),
        ("ferrio-python", "python-socketio", 1 / 9),
    ],
    "fanout-1000": [
        ("ferrio-rust", "socketioxide", 0.8),
        ("ferrio-node", "socket.io", 0.30),
        ("ferrio-python", "python-socketio", 1 / 25),
    ],
    "polling": [
        ("ferrio-rust", "socketioxide", 0.7),
        ("ferrio-node", "socket.io", 0.7),
        ("ferrio-node-native", "socket.io", 0.25),
        ("ferrio-node-native", "bun", 1),
        ("ferrio-python", "python-socketio", 1 / 6),
    ],
    "storm": [
        ("ferrio-rust", "socketioxide", 0.8),
        ("ferrio-node", "socket.io", 0.35),
        ("ferrio-node", "bun", 1),
        ("ferrio-python", "python-socketio", 1 / 10),
    ],
    "idle-5000": [("ferrio-rust", "", 5), ("ferrio-node", "", 7), ("ferrio-python", "", 6)],
}
