"""How greenlets share the handlers among themselves, played without an engine."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest

from conftest import ORIGINAL

if not ORIGINAL:
    from ferrio import _crew, _modes

pytestmark = pytest.mark.ferrio_only


class Host:
    """An engine as greenlets see it. What is called is here before the bell rings, if it does."""

    def __init__(self, mode: Any) -> None:
        self._mode = mode
        self._running = True
        self.calls: deque[tuple[Callable[..., Any], tuple[Any, ...]]] = deque()
        self.results: list[Any] = []
        self.read, self.write = os.pipe()

    def ring(self) -> None:
        os.write(self.write, b"!")

    def _descriptor(self) -> int:
        return self.read

    def _silence(self) -> None:
        os.read(self.read, 64)

    def _seat(self) -> Host:
        return self

    def next(self) -> tuple[Callable[..., Any], tuple[Any, ...]] | None:
        return self.calls.popleft() if self.calls else None

    def done(self, result: Any) -> bool:
        self.results.append(result)
        return True

    def ends(self, count: int) -> bool:
        """So many handlers end."""
        for _ in range(1000):
            if len(self.results) == count:
                return True
            self._mode.sleep(0.002)
        return False


def a_greenlet_is_quicker_than_the_bell(kind: str) -> None:
    mode = _modes.MODES[kind]()
    host = Host(mode)
    first, second = mode.event(), mode.event()
    mode.start(_crew.attend_as_greenlet, host)
    host.calls.append((first.wait, (60,)))
    host.ring()
    mode.sleep(0.01)
    assert not host.calls, "the handler waits"
    # Its greenlet finds these when it goes on, before anybody has been told; one of them waits for the other.
    host.calls += [(second.wait, (60,)), (second.set, ())]
    first.set()
    assert host.ends(3), "nobody runs what came behind a handler that waits"
    host._running = False
    host.ring()
    mode.sleep(0.01)
    os.close(host.read)
    os.close(host.write)


@pytest.mark.parametrize("kind", ["gevent", "eventlet"])
async def test_a_greenlet_is_quicker_than_the_bell(kind):
    pytest.importorskip(kind)
    await asyncio.to_thread(a_greenlet_is_quicker_than_the_bell, kind)
