"""The client program of Python with threads: `Client` in the place of `AsyncClient`, and otherwise python.py."""

from __future__ import annotations

import asyncio

import python

python.THREADS = True

if __name__ == "__main__":
    asyncio.run(python.main())
