"""A whole application in one process, without another server."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Mapping
from typing import Any

from .asgi import ASGIApp


async def serve(
    app: ASGIApp,
    host: str = "127.0.0.1",
    port: int = 8000,
    *,
    ssl_certfile: str | None = None,
    ssl_keyfile: str | None = None,
    ws_max_size: int = 16_777_216,
    drain: Mapping[str, Any] | None = None,
) -> None:
    """Serves an `ASGIApp`, its other application and static files included, on the engine's own listener.

    ``asyncio.run(ferrio.serve(ferrio.ASGIApp(sio, fastapi_app)))``: Socket.IO stays in the engine, every other request and
    WebSocket goes to the application, which also gets its lifespan. `ws_max_size`: see `AsyncServer.serve`.

    It ends when it is cancelled (Ctrl-C does that), by SIGTERM, or by `AsyncServer.shutdown`, in order: the port is closed,
    clients are disconnected and requests under way answered, the application is told. `drain`: arguments of
    `AsyncServer.drain`, which SIGTERM then does first; the second SIGTERM ends it at once. `ssl_certfile`, `ssl_keyfile`: PEM
    files for TLS. Raises `OSError` if the address or the files cannot be used, `RuntimeError` if the application fails to
    start, `TypeError` for an application that is no `ASGIApp`.
    """
    if not isinstance(app, ASGIApp):
        raise TypeError("serve() takes an ASGIApp: ASGIApp(server, other_asgi_app)")
    server = app.engineio_server
    if app.engineio_path is not None:
        server._path = app.engineio_path.strip("/")
    serving = asyncio.ensure_future(
        server.serve(host, port, app=app, ssl_certfile=ssl_certfile, ssl_keyfile=ssl_keyfile, ws_max_size=ws_max_size)
    )
    loop = asyncio.get_running_loop()
    told = False
    draining: list[asyncio.Task[None]] = []

    def tell() -> None:
        nonlocal told
        if drain is not None and not draining:
            # It ends with a shutdown, and so does the serving.
            draining.append(loop.create_task(server.drain(**drain)))
            return
        told = True
        serving.cancel()

    # Not in the main thread, or not on this platform: then somebody else sees to it.
    with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
        loop.add_signal_handler(signal.SIGTERM, tell)
    try:
        await serving
    except asyncio.CancelledError:
        if not told:
            raise
    finally:
        for task in draining:
            await task
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.remove_signal_handler(signal.SIGTERM)
