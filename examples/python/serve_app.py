"""The application of `fastapi_app.py` without another server: ``python serve_app.py [PORT [CERTFILE KEYFILE]]``.

The engine listens by itself; what is not Socket.IO's goes to FastAPI. Ctrl-C and SIGTERM end it in order.
"""

import asyncio
import contextlib
import sys

import ferrio
from fastapi_app import app


async def main(port: int = 8000, certfile: str | None = None, keyfile: str | None = None) -> None:
    await ferrio.serve(app, "127.0.0.1", port, ssl_certfile=certfile, ssl_keyfile=keyfile)


port, *files = sys.argv[1:] or ["8000"]
with contextlib.suppress(KeyboardInterrupt):
    asyncio.run(main(int(port), *files))
