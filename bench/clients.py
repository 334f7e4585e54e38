#!/usr/bin/env python3
"""ferrio's clients beside their peers on one machine.

    clients.py               measure, then report
    clients.py measure         interleaved rounds, one JSON line each, into results/clients.jsonl
    clients.py report         the medians, as a section of RESULTS.md

Options narrow a run: --programs a,b --cases c,d --rounds 3 --seconds 4. A program that is not built is left out.

One server, ferrio's in Rust, runs on core 0, the client program on core 1. CPU is user + system time of the program's
process, with its children.

A program is started as PROGRAM URL TRANSPORT CLIENTS WINDOW. It connects CLIENTS clients, at most 100 at once, and says
`ready`. On `go` each of them emits WINDOW times `echo` with a text of 32 characters, and again whenever an `echo` comes
back. On `count` it tells how many have come back in all; on `quit` it ends.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from peers import BINARIES, HERE, PYTHON
from report import NOISY
from run import Running, busy_seconds, wait_for_quiet

RESULTS = HERE / "results" / "clients.jsonl"
BEGIN, END = "<!-- clients: written by bench/clients.py -->", "<!-- clients: end -->"

Line = dict[str, Any]


@dataclass
class Program:
    title: str
    command: str
    peer: str  # the program it is compared with: itself for an original
    module: str = ""  # for texts that peer and ferrio share

    @property
    def is_built(self) -> bool:
        return all(Path(part).exists() for part in self.command.split() if part.startswith("/"))


def rust(name: str) -> str:
    return str(BINARIES / f"bench-client-{name}")


NODE = f"node --expose-gc {HERE / 'clients/node/client.cjs'}"
ASYNCIO = f"{PYTHON} {HERE / 'clients/python/asyncio_client.py'}"
THREADS = f"{PYTHON} {HERE / 'clients/python/threads_client.py'}"

PROGRAMS = {
    "rust_socketio": Program("rust_socketio", rust("rust-socketio"), "rust_socketio"),
    "ferrio-rust": Program("**ferrio**, Rust", rust("ferrio"), "rust_socketio"),
    "socket.io-client": Program("socket.io-client (Node)", NODE, "socket.io-client", "socket.io-client"),
    "ferrio-node": Program("**ferrio**, Node", NODE, "socket.io-client", "ferrio/client"),
    "python-asyncio": Program("python-socketio, AsyncClient", ASYNCIO, "python-asyncio", "socketio"),
    "ferrio-asyncio": Program("**ferrio**, AsyncClient", ASYNCIO, "python-asyncio", "ferrio"),
    "python-threads": Program("python-socketio, Client", THREADS, "python-threads", "socketio"),
    "ferrio-threads": Program("**ferrio**, Client", THREADS, "python-threads", "ferrio"),
}


@dataclass
class Case:
    title: str
    clients: int
    window: int
    transport: str = "websocket"
    programs: frozenset[str] = frozenset(PROGRAMS)


# python-socketio's Client has two threads for each client, and a process not so many.
MANY = frozenset(PROGRAMS) - {"python-threads"}
CASES = {
    "one-w1": Case("1 client, 1 in flight", 1, 1),
    "one-w16": Case("1 client, 16 in flight", 1, 16),
    "fifty-w1": Case("50 clients, 1 in flight each", 50, 1),
    "fifty-w16": Case("50 clients, 16 in flight each", 50, 16),
    "idle-5000": Case("5,000 idle, KiB each", 5000, 0, "websocket", MANY),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", nargs="?", default="all", choices=["all", "measure", "report"])
    parser.add_argument("--programs", type=lambda names: names.split(","), default=list(PROGRAMS))
    parser.add_argument("--cases", type=lambda names: names.split(","), default=list(CASES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--hold", type=float, default=30, help="seconds that idle clients must stay (heartbeat: 25)")
    parser.add_argument("--keep", action="store_true", help="add to the measurements that are there")
    args = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if args.command != "report":
        built = [name for name in args.programs if PROGRAMS[name].is_built]
        for name in set(args.programs).difference(built):
            print(f"{name}: not built, left out")
        measure(built, args)
    if args.command != "measure":
        report()


# --- measure


def measure(programs: list[str], args: argparse.Namespace) -> None:
    RESULTS.parent.mkdir(exist_ok=True)
    with RESULTS.open("a" if args.keep else "w") as out:
        for number in range(args.rounds):
            for case in args.cases:
                for name in programs:  # innermost, so that a noisy minute hits all of them
                    if name not in CASES[case].programs or (not CASES[case].window and number):
                        continue
                    line = once(name, CASES[case], args) | {"program": name, "case": case, "round": number}
                    out.write(json.dumps(line) + "\n")
                    out.flush()
                    print(number, case, name, {key: line[key] for key in line if key in SHOWN}, flush=True)


SHOWN = ("error", "cpu_us", "user_us", "per_s", "kib", "connect_us", "other_pct")


def once(name: str, case: Case, args: argparse.Namespace) -> Line:
    wait_for_quiet(5)
    try:
        with Running("ferrio-rust", pinned=True) as server:
            if case.window:
                return echo(name, case, server, args.seconds)
            return idle(name, case, server.port, args.hold)
    except (Died, TimeoutError) as error:
        return {"error": str(error)}


def echo(name: str, case: Case, server: Running, seconds: float) -> Line:
    with Measured(name, case, server.port, case.clients) as client:
        client.say("go")
        time.sleep(1)  # it warms up

        def now() -> tuple[float, ...]:
            user, whole = cpu(client.process.pid)
            return client.count(), user, whole, cpu(server.pid)[1], busy_seconds(), time.monotonic()

        before = now()
        time.sleep(seconds)
        echoes, user, own, servers, busy, elapsed = (after - then for then, after in zip(before, now(), strict=True))
        if echoes == 0:
            return {"error": "no echo came back"}
        return {
            "cpu_us": 1e6 * own / echoes,
            "user_us": 1e6 * user / echoes,
            "per_s": echoes / elapsed,
            "other_pct": 100 * (busy - own - servers) / elapsed,
        }


def idle(name: str, case: Case, port: int, hold: float) -> Line:
    with Measured(name, case, port, 1) as alone:
        base = alone.memory()
    with Measured(name, case, port, case.clients) as client:
        time.sleep(hold)
        held = client.sockets()
        if held < case.clients:
            return {"error": f"{held} of {case.clients} connections are left after {hold:.0f} s"}
        each = (client.memory() - base) / (case.clients - 1) / 1024
        return {"kib": each, "connect_us": 1e6 * cpu(client.process.pid)[1] / case.clients}


def cpu(pid: int) -> tuple[float, float]:
    """Seconds of a process, with its children: outside of the kernel, and all."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    user, system, user_below, system_below = (int(field) / os.sysconf("SC_CLK_TCK") for field in fields[11:15])
    return user + user_below, user + user_below + system + system_below


class Died(Exception):
    pass


class Measured:
    """A client program, connected, and gone afterwards."""

    def __init__(self, name: str, case: Case, port: int, clients: int):
        program = PROGRAMS[name]
        argv = [*program.command.split(), f"http://127.0.0.1:{port}", case.transport, str(clients), str(case.window)]
        self.process = subprocess.Popen(
            ["taskset", "-c", "1", *argv],
            cwd=HERE,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"NODE_ENV": "production", "FERRIO_BENCH_MODULE": program.module},
        )
        try:
            self.expect("ready")
        except Died:
            self.process.kill()
            raise

    def __enter__(self) -> "Measured":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self.say("quit")
            self.process.wait(5)
        except (OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()

    def say(self, line: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def line(self) -> str:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise Died(f"the program ended with {self.process.wait()}")
        return line.strip()

    def expect(self, word: str) -> None:
        line = self.line()
        if line != word:
            raise Died(f"the program said {line!r} instead of {word!r}")

    def count(self) -> int:
        self.say("count")
        return int(self.line())

    def memory(self) -> int:
        """Bytes, what is shared counted in part."""
        rollup = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text()
        return 1024 * int(next(line for line in rollup.splitlines() if line.startswith("Pss:")).split()[1])

    def sockets(self) -> int:
        links = Path(f"/proc/{self.process.pid}/fd").iterdir()
        return sum(os.readlink(link).startswith("socket:") for link in links)


# --- report


def report() -> None:
    cells: dict[tuple[str, str], list[Line]] = {}
    for line in map(json.loads, RESULTS.read_text().splitlines()):
        cells.setdefault((line["case"], line["program"]), []).append(line)
    cases = [case for case in CASES if any(key[0] == case for key in cells)]
    rows = [f"| client | {' | '.join(CASES[case].title for case in cases)} |", "|---|" + "--:|" * len(cases)]
    for name, program in PROGRAMS.items():
        row = [shown(cells, case, name, program.peer) for case in cases]
        if any(row):
            rows.append(f"| {program.title} | {' | '.join(row)} |")
    text = "\n\n".join(["## Clients", INTRODUCTION, "\n".join(rows)])
    put(HERE / "RESULTS.md", text)
    print(f"\n{text}\n\nwritten: bench/RESULTS.md")


INTRODUCTION = """\
Written by `make bench-clients`. CPU microseconds of the client's process per echo of 32 characters on a WebSocket, and
behind them what of it was spent outside of the kernel; memory per idle connection. In brackets: the share of the peer
in the same language. `~`: others used over 30 % of a core in every run. With one echo in flight each costs a `recv`, a
`send` (the sender pays for the delivery to the other end of the loopback) and a share of an `epoll_wait`, whoever the
client is."""


def shown(cells: dict[tuple[str, str], list[Line]], case: str, name: str, peer: str) -> str:
    lines, others = cells.get((case, name)), cells.get((case, peer)) if name != peer else None
    if not lines:
        return ""
    if all("error" in line for line in lines):
        return "failed"
    if not CASES[case].window:
        return figure(lines, others, "kib")
    noisy = "~" if all(line["other_pct"] > NOISY for line in lines if "error" not in line) else ""
    return f"{noisy}{figure(lines, others, 'cpu_us')}, {figure(lines, others, 'user_us')}"


def figure(lines: list[Line], others: list[Line] | None, key: str) -> str:
    own, of_peer = median(lines, key), median(others, key)
    return f"{own:.1f}" + (f" ({100 * own / of_peer:.0f} %)" if own is not None and of_peer else "")


def median(lines: list[Line] | None, key: str) -> float | None:
    good = [line for line in lines or [] if key in line]
    quiet = [line for line in good if line.get("other_pct", 0) <= NOISY] or good
    return statistics.median(line[key] for line in quiet) if quiet else None


def put(results: Path, text: str) -> None:
    """Into its place, or at the end."""
    old = results.read_text() if results.exists() else "# Results\n"
    head, _, rest = old.partition(BEGIN)
    tail = rest.partition(END)[2].strip() if rest else ""
    results.write_text("\n\n".join(filter(None, [head.rstrip(), f"{BEGIN}\n{text}\n{END}", tail])) + "\n")


if __name__ == "__main__":
    main()
