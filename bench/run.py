#!/usr/bin/env python3
"""ferrio beside its peers on one machine.

    run.py                   verify, measure, report
    run.py verify            every server against the official client, before its speed counts
    run.py measure           interleaved rounds, one JSON line each, appended to results/latest.jsonl
    run.py report            the medians, as RESULTS.md and as the table in ../README.md

Options narrow a run: --servers a,b --scenarios c,d --rounds 3 --seconds 4. A server whose program is not
built is left out.

The server runs on core 0, the load on core 1. CPU is user + system time of the server's process tree, so it does not
depend on how fast the machine happens to be scheduled; speed and latency do. The servers are started by this program
on free ports of the loopback address and stopped by it.
"""

import argparse
import json
import os
import platform
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
RESULTS = HERE / "results" / "latest.jsonl"
LOAD = HERE / "target/release/sioload"
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

# The bare loop is no Socket.IO server; werkzeug has a thread for each connection, and closes after each request.
TEXT = {"echo-w1", "echo-w16", "echo-1k-w1", "echo-1k-w16", "ack-w1"}
KERNEL_ALONE = frozenset(TEXT | {"fanout-1000-w1", "fanout-1000"})
FEW_THREADS = frozenset(TEXT | {"binary-1k-w1"})

SERVERS = {
    "socketioxide": Server(
        "socketioxide (axum)",
        f"{BINARIES}/bench-socketioxide {{port}}",
        "socketioxide",
        BINARIES / "bench-socketioxide",
    ),
    "ferrio-rust": Server("**ferrio**, Rust (serve)", f"{FERRIO} {{port}}", "socketioxide", FERRIO),
    "ferrio-rust-axum": Server("**ferrio**, Rust (axum)", f"{FERRIO} {{port}} axum", "socketioxide", FERRIO),
    "socket.io": Server("socket.io (Node)", f"{NODE} socket.io", "socket.io", MODULES),
    "bun": Server("socket.io (Bun's engine)", BUN, "socket.io", MODULES / "@oven"),
    "ferrio-node": Server("**ferrio**, Node", f"{NODE} ferrio", "socket.io", ADDON),
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


SCENARIOS = {
    "echo-w1": Scenario(
        "Echo, 33 bytes, 50 connections, one in flight each", "echo --n 50 --window 1", "echo, 1 in flight"
    ),
    "echo-w16": Scenario(
        "Echo, 33 bytes, 50 connections, sixteen in flight each", "echo --n 50 --window 16", "echo, 16 in flight"
    ),
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
    "idle-5000": Scenario("5,000 idle connections", "idle --n 5000 --gc", "idle, KiB", "connection"),
    "echo-1k-w1": Scenario(
        "Echo, 1 KiB of JSON, one in flight", "echo --n 50 --window 1 --payload medium", "echo, 1 KiB"
    ),
    "polling": Scenario("Echo by long-polling, 50 clients", "polling --n 50", "polling"),
    "echo-1k-w16": Scenario("Echo, 1 KiB of JSON, sixteen in flight", "echo --n 50 --window 16 --payload medium"),
    "binary-1k-w1": Scenario("Echo, 1 KiB of bytes, one in flight", "echo --n 50 --window 1 --payload binary"),
    "ack-w1": Scenario("Acknowledged event, one in flight", "ack --n 50 --window 1"),
}
FIRST = [name for name, scenario in SCENARIOS.items() if scenario.column]

Line = dict[str, Any]  # what one run printed, with its server, scenario and round
Cells = dict[tuple[str, str], list[Line]]  # by scenario and server

NOISY = 30.0  # per cent of one core that others used meanwhile


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", nargs="?", default="all", choices=["all", "verify", "measure", "report"])
    parser.add_argument("--servers", type=lambda names: names.split(","), default=list(SERVERS))
    parser.add_argument("--scenarios", type=lambda names: names.split(","), default=FIRST)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--keep", action="store_true", help="add to the measurements that are there")
    args = parser.parse_args()

    if args.command == "report":
        return report()
    built = [name for name in args.servers if SERVERS[name].needs.exists()]
    for name in args.servers:
        if name not in built:
            print(f"{name}: not built, left out")
    official = [name for name in built if name != "floor"]  # which is no server
    if args.command in ("all", "verify") and not all([verify(name) for name in official]):
        sys.exit("a server failed against the official client: its speed would mean nothing")
    if args.command in ("all", "measure"):
        measure(built, args.scenarios, args.rounds, args.seconds, args.keep)
    if args.command == "all":
        report()


# --- verify


def verify(name: str) -> bool:
    with Running(name, pinned=False) as server:
        command = ["node", "servers/node/verify.mjs", str(server.port)]
        done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=120)
    print(f"{name:22}", (done.stdout + done.stderr).strip()[-2000:], flush=True)
    return done.returncode == 0


# --- measure


def measure(servers: list[str], scenarios: list[str], rounds: int, seconds: float, keep: bool) -> None:
    RESULTS.parent.mkdir(exist_ok=True)
    with RESULTS.open("a" if keep else "w") as out:
        for number in range(rounds):
            for scenario in scenarios:
                for name in servers:  # innermost, so that a noisy minute hits all of them
                    if SERVERS[name].only and scenario not in SERVERS[name].only:
                        continue
                    line = once(name, scenario, seconds)
                    out.write(json.dumps(line | {"round": number}) + "\n")
                    out.flush()
                    print(number, scenario, name, shown(line), flush=True)


def once(name: str, scenario: str, seconds: float) -> Line:
    wait_for_quiet(10)
    timing = "" if scenario.startswith("idle") else f"--secs {seconds} --warm 1"
    with Running(name, pinned=True) as server:
        load = f"{LOAD} {SCENARIOS[scenario].load} {timing} --port {server.port} --pid {server.pid}"
        command = ["taskset", "-c", "1", *load.split()]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=180)
            result = json.loads(done.stdout.splitlines()[-1]) if done.stdout.strip() else {"error": done.stderr[-300:]}
        except subprocess.TimeoutExpired:
            result = {"error": "timeout"}
    return result | {"server": name, "scenario": scenario}


def shown(line: Line) -> str:
    keys = "error per_s cpu_us_per_unit p50_us p99_us pss_gc_per_conn_b other_cpu_pct errors bad"
    return " ".join(f"{key}={line[key]}" for key in keys.split() if key in line)


def wait_for_quiet(seconds: float) -> None:
    """Waits until others use less than a quarter of a core, but no longer than `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        before, since = busy_seconds(), time.monotonic()
        time.sleep(0.4)
        if (busy_seconds() - before) / (time.monotonic() - since) < 0.25:
            return


def busy_seconds() -> float:
    user, nice, system, _idle, _wait, irq, softirq, steal = map(float, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


class Running:
    """A server that listens, and is gone afterwards with everything it started."""

    def __init__(self, name: str, pinned: bool):
        self.server, self.name, self.pinned = SERVERS[name], name, pinned

    def __enter__(self) -> "Running":
        self.port = free_port()
        argv = self.server.command.replace("{port}", str(self.port)).split()
        log = (HERE / "results" / f"{self.name}.log").open("ab") if RESULTS.parent.exists() else subprocess.DEVNULL
        self.process = subprocess.Popen(
            (["taskset", "-c", "0"] if self.pinned else []) + argv,
            cwd=HERE,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=os.environ | {"NODE_ENV": "production", "FERRIO_BENCH": self.server.module},
        )
        self.pid = self.process.pid
        end = time.monotonic() + 20
        while time.monotonic() < end and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 0.3).close()
                time.sleep(0.3)
                return self
            except OSError:
                time.sleep(0.05)
        self.__exit__()
        raise SystemExit(f"{self.name} did not listen; see results/{self.name}.log")

    def __exit__(self, *_: object) -> None:
        for sign in (signal.SIGTERM, signal.SIGKILL):  # its own session, so the group is exactly what it started
            try:
                os.killpg(self.pid, sign)
                self.process.wait(2)
                return
            except subprocess.TimeoutExpired:
                continue
            except ProcessLookupError:
                self.process.wait()
                return


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


# --- report


def report() -> None:
    lines = [json.loads(line) for line in RESULTS.read_text().splitlines()]
    cells: Cells = {}
    for line in lines:
        if "error" not in line:
            cells.setdefault((line["scenario"], line["server"]), []).append(line)
    summary = summary_table(cells)
    details = [detail_table(cells, scenario) for scenario in SCENARIOS if any(key[0] == scenario for key in cells)]
    failed = [f"- {line['server']}, {line['scenario']}: {line['error']}" for line in lines if "error" in line]
    parts = ["# Results", INTRODUCTION, machine(lines), "## In short", SHORT, summary, "## In full", *details]
    if failed:
        parts += ["## Failed", "\n".join(failed)]
    (HERE / "RESULTS.md").write_text("\n\n".join(parts) + "\n")
    put_into_readme(summary)
    print(f"\n{summary}\n\nwritten: bench/RESULTS.md")


INTRODUCTION = """\
Written by `make bench` (`run.py` tells how it measures). Server on core 0, load on core 1, over the loopback address,
so both ends of the network cost are in it. CPU is what the server's processes used, user and system; what it costs per
message says how many messages a core can carry, and is steadier than messages per second."""

SHORT = """\
CPU microseconds of the server per message or delivery, and memory per idle connection after a collection. In brackets:
the share of the peer in the same language. `~`: others used over 30 % of a core during every run of that cell."""


def machine(lines: list[Line]) -> str:
    cpuinfo = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(": ")[1] for line in cpuinfo if line.startswith("model name")), platform.machine())
    programs = ["node", str(PYTHON) if PYTHON.exists() else sys.executable, "rustc"]
    rounds = max((line["round"] for line in lines), default=0) + 1
    return f"""\
- {time.strftime("%Y-%m-%d")}, {os.cpu_count()} cores, {model}, Linux {platform.release().split("-")[0]}
- {", ".join(filter(None, map(version, programs)))}
- {", ".join(f"{name} {found}" for name, found in peer_versions().items())}
- {rounds} {"round" if rounds == 1 else "rounds"}, interleaved; medians"""


def version(program: str) -> str:
    if not shutil.which(program):
        return ""
    text = subprocess.run([program, "--version"], capture_output=True, text=True).stdout.strip()
    return f"Node {text[1:]}" if program == "node" else text.split(" (")[0]


def peer_versions() -> dict[str, str]:
    found = {}
    for title, name in {"socket.io": "socket.io", "Bun": "@oven/bun-linux-x64"}.items():
        package = MODULES / name / "package.json"
        if package.exists():
            found[title] = json.loads(package.read_text())["version"]
    if PYTHON.exists():
        names = ("python-socketio", "uvicorn", "granian", "aiohttp", "werkzeug")
        ask = f"import importlib.metadata as m; print(*(m.version(n) for n in {names}))"
        answer = subprocess.run([str(PYTHON), "-c", ask], capture_output=True, text=True).stdout.split()
        found |= dict(zip(names, answer, strict=True))
    lock = (HERE / "Cargo.lock").read_text().split("[[package]]")
    for block in lock:
        if 'name = "socketioxide"\n' in block:
            found["socketioxide"] = block.split('version = "')[1].split('"')[0]
    return found


def summary_table(cells: dict) -> str:
    scenarios = [scenario for scenario in FIRST if any(key[0] == scenario for key in cells)]
    heads = [SCENARIOS[scenario].column for scenario in scenarios]
    rows = [f"| server | {' | '.join(heads)} |", "|---|" + "--:|" * len(scenarios)]
    for name, server in SERVERS.items():
        row = [summary_cell(cells, scenario, name, server.peer) for scenario in scenarios]
        if any(row):
            rows.append(f"| {server.title} | " + " | ".join(row) + " |")
    return "\n".join(rows)


def summary_cell(cells: Cells, scenario: str, name: str, peer: str) -> str:
    own, others = cost(cells, scenario, name), cost(cells, scenario, peer)
    if own is None:
        return ""
    noisy = "~" if all(line["other_cpu_pct"] > NOISY for line in cells[scenario, name]) else ""
    share = f" ({100 * own / others:.0f} %)" if others and name != peer else ""
    return f"{noisy}{own:.1f}{share}"


def cost(cells: Cells, scenario: str, name: str) -> float | None:
    lines = cells.get((scenario, name))
    if not lines:
        return None
    if scenario.startswith("idle"):
        return statistics.median(line["pss_gc_per_conn_b"] for line in lines) / 1024
    return statistics.median(line["cpu_us_per_unit"] for line in best(lines))


def best(lines: list[Line]) -> list[Line]:
    """The quiet runs, where there are any: in a noisy one CPU is off both ways."""
    return [line for line in lines if line["other_cpu_pct"] <= NOISY] or lines


def detail_table(cells: Cells, scenario: str) -> str:
    idle = scenario.startswith("idle")
    unit = SCENARIOS[scenario].unit
    heads = [f"{unit}/s", f"CPU us/{unit}", "lowest-highest", "user+system", "first thread"]
    heads += ["p50 us", "p99 us", "runs (quiet)"]
    if idle:
        heads = ["connections/s", "CPU us/connect", "KiB each", "KiB each, collected", "runs"]
    rows = [f"### {SCENARIOS[scenario].title}\n", f"| server | {' | '.join(heads)} |", "|---|" + "--:|" * len(heads)]
    for name, server in SERVERS.items():
        if lines := cells.get((scenario, name)):
            row = idle_row(lines) if idle else load_row(lines)
            rows.append(f"| {server.title} | " + " | ".join(row) + " |")
    return "\n".join(rows)


def idle_row(lines: list[Line]) -> list[str]:
    def middle(key: str) -> float:
        return statistics.median(line[key] for line in lines)

    memory = [f"{middle(key) / 1024:.1f}" for key in ("pss_per_conn_b", "pss_gc_per_conn_b")]
    return [f"{middle('per_s'):,.0f}", f"{middle('cpu_us_per_unit'):.0f}", *memory, str(len(lines))]


def load_row(lines: list[Line]) -> list[str]:
    quiet = best(lines)

    def middle(key: str) -> float:
        return statistics.median(line[key] for line in quiet)

    costs = [line["cpu_us_per_unit"] for line in quiet]
    user, system = (
        statistics.median(1e6 * line[key] / line["units"] for line in quiet) for key in ("srv_user_s", "srv_sys_s")
    )
    wrong = sum(line["bad"] + line["errors"] for line in lines)
    calm = sum(line["other_cpu_pct"] <= NOISY for line in lines)
    return [
        f"{middle('per_s'):,.0f}",
        f"{middle('cpu_us_per_unit'):.2f}",
        f"{min(costs):.1f}-{max(costs):.1f}",
        f"{user:.1f}+{system:.1f}",
        f"{middle('main_us_per_unit'):.2f}",
        f"{middle('p50_us'):,.0f}",
        f"{middle('p99_us'):,.0f}",
        f"{len(lines)} ({calm})" + (f", **{wrong} wrong**" if wrong else ""),
    ]


def put_into_readme(table: str) -> None:
    readme = ROOT / "README.md"
    begin, end = "<!-- bench: written by make bench -->", "<!-- bench: end -->"
    if not readme.exists() or begin not in (text := readme.read_text()):
        return
    head, rest = text.split(begin)
    readme.write_text(f"{head}{begin}\n{table}\n{end}{rest.split(end)[1]}")


if __name__ == "__main__":
    main()
