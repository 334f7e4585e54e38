"""A ticker in an aiohttp application: ``python aiohttp_app.py [PORT]``."""

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

import ferrio
from aiohttp import web

sio = ferrio.AsyncServer(async_mode="aiohttp")
app = web.Application()
sio.attach(app)


@sio.event
async def subscribe(sid: str, symbol: str) -> dict[str, Any]:
    """The answer is the client's acknowledgement."""
    await sio.enter_room(sid, symbol)
    request: web.Request = (sio.get_environ(sid) or {})["aiohttp.request"]
    return {"symbol": symbol, "to": request.headers.get("User-Agent", "somebody")}


@sio.event
async def unsubscribe(sid: str, symbol: str) -> None:
    await sio.leave_room(sid, symbol)


async def tick(price: int = 100) -> None:
    while True:
        await sio.emit("price", {"symbol": "FRIO", "price": price}, to="FRIO")
        price += 1
        await asyncio.sleep(0.1)


async def ticking(app: web.Application) -> AsyncIterator[None]:
    task = sio.start_background_task(tick)
    yield
    task.cancel()


async def index(request: web.Request) -> web.Response:
    return web.Response(text="subscribe to FRIO")


app.cleanup_ctx.append(ticking)
app.router.add_get("/", index)

if __name__ == "__main__":
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]) if len(sys.argv) > 1 else 8080, print=lambda line: None)
