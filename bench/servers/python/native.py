"""ferrio's own listener, without an ASGI server: python native.py PORT"""

import asyncio
import sys

from handlers import make

try:
    import uvloop
except ImportError:
    uvloop = asyncio

uvloop.run(make("asgi").serve("127.0.0.1", int(sys.argv[1])))
