"""A poll that waits, where the web server tells no handler that its client has gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

#: Seconds between two looks.
LOOK_EVERY = 1.0


async def wait_for(answer: asyncio.Future[Any], is_gone: Callable[[], bool]) -> None:
    """Waits until the engine has answered. Raises `ConnectionResetError` when the client is found gone first."""
    while not answer.done():
        await asyncio.wait([answer], timeout=LOOK_EVERY)
        if is_gone():
            raise ConnectionResetError("the client did not wait for the answer")
