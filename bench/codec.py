#!/usr/bin/env python3
"""Guards the codecs by the instructions they take, which no busy machine disturbs.

    codec.py            compare with codec.json; fails where a call takes over 5 % more than written there
    codec.py --write    write codec.json anew

Counted by callgrind: the difference between 300 and 100 calls, so that what the program does besides falls out. The
count depends on the compiler and the allocator of the C library: with others than codec.json was written with, it is
shown and not judged.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
EXPECTED = HERE / "codec.json"
TOLERANCE = 0.05
FEW, MANY = 100, 300


def main() -> None:
    if not shutil.which("valgrind"):
        print("valgrind is not here: the instructions of the codecs are not counted")
        return
    compiler = output("rustc", "--version").split(" (")[0]
    made_with = " ".join([compiler, *platform.libc_ver(), platform.machine()])
    program = build()
    counts = {name: count(program, name) for name in output(program, "--list").splitlines()}
    if "--write" in sys.argv:
        EXPECTED.write_text(json.dumps({"made_with": made_with, "instructions": counts}, indent=2) + "\n")
        return
    expected = json.loads(EXPECTED.read_text())
    judged = expected["made_with"] == made_with
    if not judged:
        print(f"codec.json was written with {expected['made_with']}, this is {made_with}: shown, not judged")
    worse = [name for name, found in counts.items() if not shown(name, found, expected["instructions"].get(name))]
    if worse and judged:
        names = ", ".join(worse)
        sys.exit(f"over {TOLERANCE:.0%} dearer than before: {names}. If that is what it takes: codec.py --write")


def shown(name: str, found: int, before: int | None) -> bool:
    """Prints a line; false if it is one to complain about."""
    change = f"{found / before - 1:+.1%}" if before else "new"
    print(f"{name:42} {found:>10,} {change:>8}")
    return before is None or found <= before * (1 + TOLERANCE)


def build() -> str:
    command = ["cargo", "bench", "--quiet", "-p", "ferrio-protocol", "--bench", "decode", "--no-run"]
    # Counts hold for the profile as the workspace has it, whatever the environment makes of it otherwise.
    for name in [name for name in os.environ if name.startswith("CARGO_PROFILE_")]:
        del os.environ[name]
    artifacts = map(json.loads, output(*command, "--message-format=json", cwd=HERE.parent).splitlines())
    return next(found["executable"] for found in artifacts if found.get("target", {}).get("name") == "decode")


def count(program: str, name: str) -> int:
    return round((instructions(program, name, MANY) - instructions(program, name, FEW)) / (MANY - FEW))


def instructions(program: str, name: str, calls: int) -> int:
    with tempfile.NamedTemporaryFile() as out:
        tool = ["valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={out.name}"]
        output(*tool, program, "--calls", str(calls), name)
        lines = Path(out.name).read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(("totals:", "summary:")))


def output(*command: str, cwd: Path | None = None) -> str:
    return subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main()
