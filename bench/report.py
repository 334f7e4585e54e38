"""The medians of what was measured: RESULTS.md, its plots, and the table in the README of the whole."""

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from peers import GOALS, HERE, MODULES, PYTHON, ROOT, SCENARIOS, SERVERS
from plot import Bar, bars

RESULTS = HERE / "results" / "latest.jsonl"
PLOTS = HERE / "plots"

Line = dict[str, Any]  # what one run printed, with its server, scenario and round
Cells = dict[tuple[str, str], list[Line]]  # by scenario and server

NOISY = 30.0  # per cent of one core that others used meanwhile


def report() -> None:
    lines = [json.loads(line) for line in RESULTS.read_text().splitlines()]
    cells: Cells = {}
    for line in lines:
        if "error" not in line:
            cells.setdefault((line["scenario"], line["server"]), []).append(line)
    summary = summary_table(cells)
    measured = [scenario for scenario in SCENARIOS if any(key[0] == scenario for key in cells)]
    details = [f"{detail_table(cells, scenario)}\n\n{plot(cells, scenario)}" for scenario in measured]
    failed = [f"- {line['server']}, {line['scenario']}: {line['error']}" for line in lines if "error" in line]
    parts = ["# Results", INTRODUCTION, machine(lines), *noise(lines), "## In short", SHORT, summary]
    parts += ["## Against the goals", goals_table(cells), "## In full", *details]
    if failed:
        parts += ["## Failed", "\n".join(failed)]
    results = HERE / "RESULTS.md"
    # The clients' figures are another program's (clients.py), in the same file.
    _, marker, clients = results.read_text().partition("<!-- clients:") if results.exists() else ("", "", "")
    results.write_text("\n\n".join([*parts, *filter(None, [(marker + clients).strip()])]) + "\n")
    put_into_readme(summary)
    print(f"\n{summary}\n\nwritten: bench/RESULTS.md")


INTRODUCTION = """\
Written by `make bench` (`run.py` tells how it measures). Server on core 0, load on core 1, over the loopback address,
so both ends of the network cost are in it. CPU is what the server's processes used, user and system; what it costs per
message says how many messages a core can carry, and is steadier than messages per second."""

SHORT = """\
CPU microseconds of the server per message or delivery, and memory per idle connection, half a minute after a
collection. In brackets: the share of the peer in the same language. `~`: others used over 30 % of a core during every
run of that cell."""


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
        ask = "import importlib.metadata as m; print(*(f'{d.name}={d.version}' for d in m.distributions()))"
        answer = subprocess.run([str(PYTHON), "-c", ask], capture_output=True, text=True).stdout.split()
        installed = dict(line.split("=", 1) for line in answer)
        names = ("python-socketio", "uvicorn", "granian", "aiohttp", "Werkzeug")
        found |= {name.lower(): installed[name] for name in names if name in installed}
    lock = (HERE / "Cargo.lock").read_text().split("[[package]]")
    for block in lock:
        for name in ("socketioxide", "tungstenite"):
            if f'name = "{name}"\n' in block:
                found[name] = block.split('version = "')[1].split('"')[0]
    return found


def noise(lines: list[Line]) -> list[str]:
    """A warning, if there is reason for one."""
    loads = [line for line in lines if "other_cpu_pct" in line and not SCENARIOS[line["scenario"]].is_idle]
    noisy = sum(line["other_cpu_pct"] > NOISY for line in loads)
    if 5 * noisy <= len(loads):
        return []
    return [
        f"**Too noisy to judge**: during {noisy} of {len(loads)} runs others used more than {NOISY:.0f} % of a core."
        " Read the shares, not the figures, and neither where the spread is wide."
    ]


def goals_table(cells: Cells) -> str:
    rows = ["| scenario | server | goal | measured | |", "|---|---|--:|--:|---|"]
    for scenario, goals in GOALS.items():
        for server, peer, limit in goals:
            own, other = cost(cells, scenario, server), cost(cells, scenario, peer)
            if own is None or (peer and not other):
                continue
            wanted, found, value = f"{limit:.0f} KiB", f"{own:.1f} KiB", own
            if other:
                value = own / other
                of = SERVERS[peer].title
                wanted, found = f"{share(limit)} of {of}", share(value)
            verdict = "met" if value <= limit else "missed"
            rows.append(f"| {SCENARIOS[scenario].title} | {SERVERS[server].title} | {wanted} | {found} | {verdict} |")
    return "\n".join(rows)


def share(ratio: float) -> str:
    """As the goals are said: in per cent, or as a fraction where little is left."""
    return f"{100 * ratio:.0f} %" if ratio > 0.115 or not ratio else f"1/{1 / ratio:.0f}"


def plot(cells: Cells, scenario: str) -> str:
    rows: list[Bar] = []
    for name, server in SERVERS.items():
        if (own := cost(cells, scenario, name)) is not None:
            label = server.title.replace("**", "")
            spread = (own, own)
            if not SCENARIOS[scenario].is_idle:
                costs = [line["cpu_us_per_unit"] for line in best(cells[scenario, name])]
                spread = (min(costs), max(costs))
            rows.append(Bar(label, own, spread, name.startswith("ferrio")))
    PLOTS.mkdir(exist_ok=True)
    idle = SCENARIOS[scenario].is_idle
    what = "KiB per connection" if idle else f"CPU microseconds per {SCENARIOS[scenario].unit}"
    title = f"{SCENARIOS[scenario].title}: {what}"
    (PLOTS / f"{scenario}.svg").write_text(bars(title, rows))
    return f"![{title}](plots/{scenario}.svg)"


def summary_table(cells: Cells) -> str:
    first = [name for name, scenario in SCENARIOS.items() if scenario.column]
    scenarios = [scenario for scenario in first if any(key[0] == scenario for key in cells)]
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
    if SCENARIOS[scenario].is_idle:
        return statistics.median(line["pss_gc_per_conn_b"] for line in lines) / 1024
    return statistics.median(line["cpu_us_per_unit"] for line in best(lines))


def best(lines: list[Line]) -> list[Line]:
    """The quiet runs, where there are any: in a noisy one CPU is off both ways."""
    return [line for line in lines if line["other_cpu_pct"] <= NOISY] or lines


def detail_table(cells: Cells, scenario: str) -> str:
    idle = SCENARIOS[scenario].is_idle
    unit = SCENARIOS[scenario].unit
    heads = [f"{unit}/s", f"CPU us/{unit}", "lowest-highest", "user+system", "first thread"]
    heads += ["p50 us", "p99 us", "p99.9 us", "runs (quiet)"]
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
        f"{middle('p999_us'):,.0f}",
        f"{len(lines)} ({calm})" + (f", **{wrong} wrong**" if wrong else ""),
    ]


def put_into_readme(table: str) -> None:
    readme = ROOT / "README.md"
    begin, end = "<!-- bench: written by make bench -->", "<!-- bench: end -->"
    if not readme.exists() or begin not in (text := readme.read_text()):
        return
    head, rest = text.split(begin)
    readme.write_text(f"{head}{begin}\n{table}\n{end}{rest.split(end)[1]}")
