"""Flask-SocketIO on top: with python-socketio below and with ferrio installed for it, programs print the same."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest

PROGRAMS = pathlib.Path(__file__).parent / "programs"


def transcript(*command):
    done = subprocess.run([sys.executable, *command], cwd=PROGRAMS, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.ferrio_only
def test_the_test_client():
    """`SocketIO.test_client`, which reaches below python-socketio's public methods."""
    ours = transcript("-m", "ferrio", "flask_scripted.py")
    assert len(ours) > 40
    assert ours == transcript("flask_scripted.py")
