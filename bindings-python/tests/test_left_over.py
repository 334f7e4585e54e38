"""What comes and goes leaves nothing: acks that nobody answers, rooms, namespaces, clients.

``FERRIO_TEST_TIMES=1000000`` does it a million times each.
"""

from __future__ import annotations

import asyncio
import gc
import os
import re
import sys
from pathlib import Path

import pytest

from conftest import ORIGINAL
from peers import Raw, until

TIMES = int(os.environ.get("FERRIO_TEST_TIMES", "3000"))


class Scene:
    def __init__(self, sio, url: str) -> None:
        self.sio, self.url = sio, url
        self.left = 0

    async def join(self) -> tuple[Raw, str]:
        raw = await Raw.open(self.url)
        answer = await raw.join()
        return raw, answer.split('"')[3]

    async def leave(self, raw: Raw) -> None:
        before = self.left
        await raw.close()
        await until(lambda: self.left > before)


async def acks_that_nobody_answers(scene: Scene, times: int) -> None:
    raw, sid = await scene.join()

    def answered(*args):
        raise AssertionError("nobody answers")

    for start in range(0, times, 500):
        for _ in range(start, start + 500):
            await scene.sio.emit("?", to=sid, callback=answered)
        for _ in range(start, start + 500):
            await raw.read()
    await scene.leave(raw)


async def calls_that_are_too_late(scene: Scene, times: int) -> None:
    raw, sid = await scene.join()
    calls = [scene.sio.call("?", to=sid, timeout=0.05) for _ in range(times // 20)]
    assert all(isinstance(late, Exception) for late in await asyncio.gather(*calls, return_exceptions=True))
    for _ in calls:
        await raw.read()
    await scene.leave(raw)


async def rooms_that_are_entered_and_left(scene: Scene, times: int) -> None:
    raw, sid = await scene.join()
    for n in range(times):
        await scene.sio.enter_room(sid, f"room {n}")
        await scene.sio.leave_room(sid, f"room {n}")
    await scene.leave(raw)


async def rooms_that_are_left_by_leaving(scene: Scene, times: int) -> None:
    raw, sid = await scene.join()
    for n in range(times):
        await scene.sio.enter_room(sid, f"room {n}")
    await scene.leave(raw)


async def namespaces_that_are_not_there(scene: Scene, times: int) -> None:
    raw, _ = await scene.join()
    for n in range(times):
        assert (await raw.join(f"/unknown-{n}")).startswith("44")
    await scene.leave(raw)


async def namespaces_by_pattern(scene: Scene, times: int) -> None:
    raw, _ = await scene.join()
    for n in range(times):
        assert (await raw.join(f"/child-{n}")).startswith("40")
        await raw.send(f"41/child-{n}")
    await scene.leave(raw)


async def clients(scene: Scene, times: int) -> None:
    for _ in range(times // 100):
        raw, _ = await scene.join()
        await scene.leave(raw)


KINDS = [
    acks_that_nobody_answers,
    calls_that_are_too_late,
    rooms_that_are_entered_and_left,
    rooms_that_are_left_by_leaving,
    namespaces_that_are_not_there,
    pytest.param(namespaces_by_pattern, marks=pytest.mark.ferrio_only),
    # python-engineio looks for sessions that have ended once in a ping_interval.
    pytest.param(clients, marks=pytest.mark.ferrio_only),
]


async def memory() -> tuple[int, int]:
    """Blocks that Python holds, and bytes that the process holds."""
    # Tasks that have ended are let go of in the loop's next rounds.
    for _ in range(3):
        await asyncio.sleep(0)
        gc.collect()
    return sys.getallocatedblocks(), resident()


def resident() -> int:
    status = Path("/proc/self/status")
    return int(status.read_text().partition("VmRSS:")[2].split()[0]) << 10 if status.exists() else 0


@pytest.fixture(autouse=True)
def only_ours():
    """What was there before is not looked through at each collection: after a thousand tests that takes a second."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.parametrize("churn", KINDS)
async def test_nothing_is_left(new_server, serve, churn):
    sio = new_server(ping_interval=3600)
    scene = Scene(sio, await serve(sio))

    @sio.event
    async def disconnect(sid, reason):
        scene.left += 1

    if not ORIGINAL:
        sio.on("connect", lambda namespace, sid, environ: None, namespace=re.compile(r"/child-\d+"))

    # The first rounds are for what is there from then on. What an allocator keeps goes up and down.
    before = [await after_one_round(scene, churn) for _ in range(2)]
    after = [await after_one_round(scene, churn) for _ in range(2)]
    blocks = min(blocks for blocks, _ in after) - before[-1][0]
    held = min(held for _, held in after) - max(held for _, held in before)
    print(f"{churn.__name__}: {blocks} blocks, {held} bytes more after {TIMES}")
    assert blocks < 500 + TIMES // 20
    assert held < (8 << 20) + 20 * TIMES


async def after_one_round(scene: Scene, churn) -> tuple[int, int]:
    await churn(scene, TIMES)
    return await memory()
