"""Installs a wheel in a clean virtual environment of every CPython at hand from 3.10 on, and runs `smoke.py` there.

``python try_wheel.py WHEEL``. Interpreters are looked for on the PATH (``python3.10``…) and among pyenv's; absent ones are
skipped. It fails if the wheel fails on one of them, or if there is none.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SMOKE = Path(__file__).with_name("smoke.py")
MINORS = range(10, 16)


def interpreters() -> dict[str, str]:
    """The first interpreter of each version, by the version."""
    candidates = [sys.executable]
    for minor in MINORS:
        candidates += filter(None, [shutil.which(f"python3.{minor}"), shutil.which(f"python3.{minor}t")])
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates += map(str, sorted(pyenv.glob("3.*/bin/python")))
    ask = (
        "import sys, sysconfig; free_threaded = sysconfig.get_config_var('Py_GIL_DISABLED') or 0; "
        "print(sys.implementation.name, *sys.version_info[:2], free_threaded)"
    )
    found: dict[str, str] = {}
    for candidate in candidates:
        done = subprocess.run([candidate, "-c", ask], capture_output=True, text=True)
        if done.returncode:
            continue
        name, major, minor, free_threaded = done.stdout.split()
        if name == "cpython" and (int(major), int(minor)) >= (3, 10):
            found.setdefault(f"{major}.{minor}{'t' * int(free_threaded)}", candidate)
    return found


def try_on(interpreter: str, wheel: str) -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([interpreter, "-m", "venv", folder], check=True)
        python = str(Path(folder) / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index", wheel]
        done = subprocess.run(install, capture_output=True, text=True)
        if done.returncode:
            return done
        return subprocess.run(
            [python, "-W", "error", str(SMOKE)], capture_output=True, text=True, cwd=folder, timeout=120
        )


def main() -> int:
    [wheel] = sys.argv[1:]
    failed = tried = 0
    for version, interpreter in interpreters().items():
        done = try_on(interpreter, str(Path(wheel).resolve()))
        if version.endswith("t"):
            # The wheel is for builds with the GIL: pip must say so, not the program.
            print(
                f"{version}: refused by pip, as declared"
                if done.returncode
                else f"{version}: installed, and must not be"
            )
            failed += done.returncode == 0
            continue
        tried += 1
        failed += done.returncode != 0
        print(f"{version}: {(done.stdout + done.stderr).strip()}")
    print(f"{tried - failed} passed, {failed} failed")
    return 1 if failed or not tried else 0


if __name__ == "__main__":
    sys.exit(main())
