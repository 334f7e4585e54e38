"""Clients of several loops, of a process that was forked, of greenlets; and what remains when a program ends."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

from peers import patiently

PROGRAMS = {
    "several loops": """
async def ask(number):
    sio = socketio.AsyncClient(handle_sigint=False)
    await sio.connect(url)
    print(await sio.call("echo", number))
    if number != 2:
        await sio.disconnect()

for number in range(4):
    asyncio.run(ask(number))
print("the end")
""",
    "a client whose loop was closed, and another": """
async def leave():
    sio = socketio.AsyncClient(handle_sigint=False)
    await sio.connect(url)

asyncio.run(leave())
with socketio.SimpleClient(handle_sigint=False) as sio:
    sio.connect(url)
    print(sio.call("echo", "other"))
print("the end")
""",
    "fork": """
sio = socketio.Client(handle_sigint=False)
sio.connect(url)
print(sio.call("echo", "parent"), flush=True)
child = os.fork()
if child == 0:
    own = socketio.Client(handle_sigint=False)
    own.connect(url)
    print(own.call("echo", "child"), flush=True)
    own.disconnect()
    sys.exit()
assert os.waitpid(child, 0)[1] == 0
print(sio.call("echo", "parent again"))
sio.disconnect()
print("the end")
""",
    "without a goodbye": """
sio = socketio.Client(handle_sigint=False)
sio.connect(url)
print(sio.call("echo", "x"))
print("the end")
sys.exit()
""",
    "a thread of the program's": """
heard = []
sio = socketio.Client(handle_sigint=False)
sio.on("echo", heard.append)
sio.connect(url)
threads = [threading.Thread(target=sio.call, args=("echo", number)) for number in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
sio.disconnect()
print(sorted(heard))
print("the end")
""",
}
OUTPUT = {
    "several loops": ["0", "1", "2", "3"],
    "a client whose loop was closed, and another": ["other"],
    "fork": ["parent", "child", "parent again"],
    "without a goodbye": ["x"],
    "a thread of the program's": ["[0, 1, 2, 3, 4, 5, 6, 7]"],
}
HEAD = """
import asyncio, importlib, os, sys, threading
socketio = importlib.import_module(sys.argv[1])
url = sys.argv[2]
"""


async def run(program: str, socketio, url: str, head: str = "") -> list[str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        head + HEAD + program,
        socketio.__name__,
        url,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    output, errors = await patiently(process.communicate())
    assert process.returncode == 0, errors.decode()
    return output.decode().splitlines()


@pytest.mark.ferrio_only
@pytest.mark.parametrize("name", PROGRAMS)
async def test_programs(socketio, site, name):
    if name == "fork" and not hasattr(os, "fork"):
        pytest.skip("no fork here")
    assert await run(PROGRAMS[name], socketio, site.url) == [*OUTPUT[name], "the end"]


GREEN = """
heard = []
sio = socketio.Client(handle_sigint=False)

def slow(number):
    sio.sleep(0.01)
    heard.append(sio.call("echo", number))

sio.on("echo", lambda *args: None)
sio.on("slow", slow)
sio.connect(url)
for number in range(5):
    sio.emit("ask", ("slow", number))
while len(heard) < 5:
    sio.sleep(0.01)
print(sorted(heard))
sio.disconnect()
print("the end")
"""


@pytest.mark.ferrio_only
@pytest.mark.parametrize("green", ["gevent", "eventlet"])
async def test_greenlets(socketio, site, green):
    if find_spec(green) is None:
        pytest.skip(f"{green} is not here")
    patch = {
        "gevent": "from gevent import monkey; monkey.patch_all()",
        "eventlet": "import eventlet; eventlet.monkey_patch()",
    }
    assert await run(GREEN, socketio, site.url, patch[green]) == ["[0, 1, 2, 3, 4]", "the end"]
