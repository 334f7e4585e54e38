"""A chat beside FastAPI: ``uvicorn fastapi_app:app`` (or hypercorn, granian, gunicorn with uvicorn's worker)."""

from typing import Any

import ferrio
from fastapi import FastAPI

sio = ferrio.AsyncServer(async_mode="asgi")
api = FastAPI()
names: dict[str, str] = {}


@api.get("/people")
async def people() -> list[str]:
    return sorted(names.values())


@api.post("/announce")
async def announce(text: str) -> dict[str, int]:
    """Emits from a route."""
    await sio.emit("announcement", text)
    return {"told": len(names)}


@sio.event
async def connect(sid: str, environ: dict[str, Any], auth: Any) -> None:
    name = (auth or {}).get("name")
    if not name:
        raise ferrio.exceptions.ConnectionRefusedError("a name, please")
    names[sid] = name
    await sio.emit("joined", name, skip_sid=sid)


@sio.event
async def disconnect(sid: str, reason: str) -> None:
    await sio.emit("left", names.pop(sid))


@sio.event
async def say(sid: str, text: str) -> str:
    await sio.emit("said", {"name": names[sid], "text": text})
    return "heard"


# Socket.IO under /socket.io/, everything else to FastAPI.
app = ferrio.ASGIApp(sio, api)
