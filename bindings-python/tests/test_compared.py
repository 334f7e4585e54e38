"""The programs of `compared/programs`, played on python-socketio and on ferrio, with the same clients: their transcripts agree,
save for what DIFFERENCES.md says line by line.
"""

from __future__ import annotations

import difflib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
STAGE = HERE / "compared" / "stage.py"
DIFFERENCES = HERE.parent / "DIFFERENCES.md"

pytestmark = pytest.mark.ferrio_only


@pytest.fixture(scope="module")
def transcripts() -> dict[str, dict[str, list[str]]]:
    """By module, then by program."""
    playing = {
        module: subprocess.Popen(
            [sys.executable, str(STAGE), module],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
        for module in ("socketio", "ferrio")
    }
    played = {}
    for module, process in playing.items():
        output, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors.decode()
        played[module] = json.loads(output)
    return played


def differences_listed() -> dict[str, list[str]]:
    """The blocks of the section: programs and the lines in which they differ."""
    blocks = DIFFERENCES.read_text().partition("## Line by line")[2].split("```diff\n")[1:]
    listed = {}
    for block in blocks:
        head, *lines = block.partition("\n```")[0].splitlines()
        for program in head.removeprefix("# ").split(", "):
            listed[program] = lines
    return listed


def difference(original: list[str], ours: list[str]) -> list[str]:
    return [line for line in difflib.ndiff(original, ours) if line[0] in "-+"]


def test_every_program_plays_to_its_end(transcripts):
    assert transcripts["socketio"].keys() == transcripts["ferrio"].keys()
    assert len(transcripts["ferrio"]) > 50
    for module, programs in transcripts.items():
        for program, lines in programs.items():
            assert lines, (module, program)
            assert not any("the program fails" in line for line in lines), (module, program, lines)


def test_transcripts_differ_where_it_is_said_and_nowhere_else(transcripts):
    found = {
        program: difference(lines, transcripts["ferrio"][program]) for program, lines in transcripts["socketio"].items()
    }
    assert {program: lines for program, lines in found.items() if lines} == differences_listed()
