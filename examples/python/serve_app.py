"""The application of `fastapi_app.py` without another server: ``python serve_app.py [PORT [CERTFILE KEYFILE]]``.

The engine listens by itself; what is not Socket.IO's goes to FastAPI. Ctrl-C ends it in order; SIGTERM first sends the
clients to other servers, over half a minute.
"""

import asyncio
import contextlib
import sys

import ferrio
from fastapi_app import app


async def main(port: int = 8000, certfile: str | None = None, keyfile: str | None = None) -> None:
    drain = {"grace": 10, "spread": 30, "reason": "update"}
    await ferrio.serve(app, "127.0.0.1", port, ssl_certfile=certfile, ssl_keyfile=keyfile, drain=drain)


port, *files = sys.argv[1:] or ["8000"]
with contextlib.suppress(KeyboardInterrupt):
    asyncio.run(main(int(port), *files))
