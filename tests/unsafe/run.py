"""Plays a program on the wheel, or on the addon, under valgrind's memcheck: python tests/unsafe/run.py python|node

What memcheck says of the hosts themselves is theirs: reports count whose innermost frames are in the addon or the
wheel, or a little below them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
#: How deep below our code a report may be for it to be ours: memcpy and the host's function that we gave bad memory.
DEPTH = 3


def command(host: str) -> tuple[list[str], dict[str, str]]:
    if host == "python":
        # Its own allocator hides what is freed.
        return [sys.executable, str(HERE / "program.py")], {"PYTHONMALLOC": "malloc"}
    # Machine code that is written while it runs would be checked by what it was.
    node = shutil.which("node") or "node"
    return [node, "--jitless", "--no-warnings", str(HERE / "program.mjs")], {}


def is_ours(error: ElementTree.Element) -> bool:
    stack = error.find("stack")
    frames = [] if stack is None else stack.findall("frame")[:DEPTH]
    return any(Path(frame.findtext("obj", "")).name.startswith(("_ferrio.", "ferrio.")) for frame in frames)


def tell(error: ElementTree.Element) -> None:
    print(error.findtext("what") or error.findtext("xwhat/text"))
    for frame in error.findall("stack/frame")[:12]:
        print(f"    {frame.findtext('fn', '?')} ({Path(frame.findtext('obj', '')).name})")


def main(host: str) -> int:
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        print("valgrind is not here: the unsafe code of the bindings is not checked")
        return 0
    arguments, environment = command(host)
    with tempfile.NamedTemporaryFile(suffix=".xml") as report:
        checker = [valgrind, "--xml=yes", f"--xml-file={report.name}", "--leak-check=no", "--error-limit=no"]
        where = {"cwd": ROOT / "bindings-node", "env": os.environ | environment}
        played = subprocess.run([*checker, *arguments], **where, capture_output=True, text=True)
        if played.returncode != 0 or not played.stdout.endswith("done\n"):
            print(f"{host}: the program ended with {played.returncode}\n{played.stdout[-2000:]}{played.stderr[-4000:]}")
            return 1
        errors = ElementTree.parse(report.name).findall("error")
    # What lives as long as the process is none.
    errors = [error for error in errors if not error.findtext("kind", "").startswith("Leak_")]
    ours = [error for error in errors if is_ours(error)]
    for error in ours:
        tell(error)
    print(f"{host}: {len(ours)} errors, and {len(errors) - len(ours)} of the host's own")
    return 1 if ours else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
