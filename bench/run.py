#!/usr/bin/env python3
"""ferrio beside its peers on one machine.

    run.py                   verify, measure, report
    run.py verify            every server against the official client, before its speed counts
    run.py measure           interleaved rounds, one JSON line each, appended to results/latest.jsonl
    run.py report            the medians, as RESULTS.md, as plots and as the table in ../README.md
    run.py smoke             every scenario for a moment, against ferrio alone: does the benchmark work? Judges no times

Options narrow a run: --servers a,b --scenarios c,d --rounds 3 --seconds 4. A server whose program is not
built is left out. `--scenarios all` adds the rare ones (20,000 connections).

The server runs on core 0, the load on core 1. CPU is user + system time of the server's process tree, so it does not
depend on how fast the machine happens to be scheduled; speed and latency do. The servers are started by this program
on free ports of the loopback address and stopped by it.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from peers import CEILINGS, COMMON, HERE, SCENARIOS, SERVERS, Scenario
from report import RESULTS, Line, report

LOAD = HERE / "target/release/sioload"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", nargs="?", default="all", choices=["all", "verify", "measure", "report", "smoke"])
    parser.add_argument("--servers", type=lambda names: names.split(","), default=list(SERVERS))
    parser.add_argument("--scenarios", type=lambda names: names.split(","), default=COMMON)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--keep", action="store_true", help="add to the measurements that are there")
    args = parser.parse_args()

    if args.command == "report":
        return report()
    if args.command == "smoke":
        return smoke()
    if args.scenarios == ["all"]:
        args.scenarios = list(SCENARIOS)
    built = [name for name in args.servers if SERVERS[name].needs.exists()]
    for name in args.servers:
        if name not in built:
            print(f"{name}: not built, left out")
    official = [name for name in built if name not in CEILINGS]
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
    timing = "" if SCENARIOS[scenario].is_idle else f"--secs {seconds} --warm 1"
    with Running(name, pinned=True) as server:
        result = load(server, f"{SCENARIOS[scenario].load} {timing}", "taskset", "-c", "1")
    return result | {"server": name, "scenario": scenario}


def load(server: "Running", arguments: str, *pinned: str) -> Line:
    command = [*pinned, str(LOAD), *arguments.split(), "--port", str(server.port), "--pid", str(server.pid)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=180)
        return json.loads(done.stdout.splitlines()[-1]) if done.stdout.strip() else {"error": done.stderr[-300:]}
    except subprocess.TimeoutExpired:
        return {"error": "timeout"}


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


# --- smoke


# What it needs of a scenario is that it runs: few connections, a moment.
SMALL = {"--n": 32, "--warm": 0.1, "--secs": 0.3, "--settle": 0.1, "--warmconns": 10}


def smoke() -> None:
    failed = []
    for name in ("ferrio-rust", "ferrio-node", "ferrio-node-native", "ferrio-python", "ferrio-python-native"):
        if not SERVERS[name].needs.exists():
            print(f"{name}: not built, left out")
            continue
        with Running(name, pinned=False) as server:
            for scenario in COMMON:
                line = load(server, small(SCENARIOS[scenario]))
                if "error" in line or line["errors"] or line["bad"] or not line["units"]:
                    failed.append(f"{name}, {scenario}: {line}")
        print(f"{name}: {len(COMMON)} scenarios", flush=True)
    if failed:
        sys.exit("\n".join(failed))


def small(scenario: Scenario) -> str:
    words = [word for word in scenario.load.split() if word != "--gc"]
    options = dict(zip(words[1::2], words[2::2], strict=True)) | {key: str(value) for key, value in SMALL.items()}
    return " ".join([words[0], *(word for pair in options.items() for word in pair)])


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


if __name__ == "__main__":
    main()
