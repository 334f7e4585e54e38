"""The client program of Python with threads: `Client` in the place of `AsyncClient`, and otherwise python.py."""

from __future__ import annotations

import asyncio

import python

python.THREADS = True
# Handlers start in the order of the events; one that has not ended within a millisecond goes on beside the next.
python.ALWAYS.append("order")
# Each question is a thread's, and threads begin in any order.
python.ALWAYS.append("questions in order")

if __name__ == "__main__":
    asyncio.run(python.main())
