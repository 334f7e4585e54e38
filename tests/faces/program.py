"""The test server in Python. What it must do is written in ../scenarios/README.md; the JavaScript and the Rust
program do the same. The module under test comes in as an argument, so the original and ferrio run one text."""

import asyncio
import ctypes
import gc
import json
import os
import re
import signal
import sys
import threading
import time
from urllib.parse import parse_qs

import servers

NAMESPACES = ["/", "/custom", "/admin", "/slow", "/silent"] + [f"/dyn-{n}" for n in range(100)]
COLLECTING = threading.Lock()


def milliseconds(name: str, fallback: int) -> float:
    return int(os.environ.get(name, fallback)) / 1000


def limits() -> dict:
    """Options that only ferrio has, by their names in Node."""
    given = json.loads(os.environ.get("FERRIO_TEST_LIMITS", "{}"))
    return {re.sub("[A-Z]", lambda letter: "_" + letter[0].lower(), name): value for name, value in given.items()}


def collect() -> None:
    """Leaves no garbage, and gives back what the allocator keeps for the next time: neither is held by the server."""
    # The next signal may come while garbage is collected: handlers that begin anew each time would get no further.
    if not COLLECTING.acquire(blocking=False):
        return
    try:
        gc.collect()
        if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
            trim(0)
    finally:
        COLLECTING.release()


def main(socketio) -> None:
    # The original waits for ever; ferrio has an option for it.
    ours = socketio.__name__ == "ferrio"
    more = {"connect_timeout": milliseconds("FERRIO_TEST_CONNECT_TIMEOUT", 1000)} | limits() if ours else {}
    if ours and os.environ.get("FERRIO_TEST_RECOVERY") == "1":
        more["connection_state_recovery"] = {"max_disconnection_duration": 120}
    sio = socketio.AsyncServer(
        async_mode=servers.mode(),
        ping_interval=milliseconds("FERRIO_TEST_PING_INTERVAL", 300),
        ping_timeout=milliseconds("FERRIO_TEST_PING_TIMEOUT", 200),
        max_http_buffer_size=1_000_000,
        cors_allowed_origins="*",
        serializer=os.environ.get("FERRIO_TEST_SERIALIZER", "default"),
        **more,
    )
    signal.signal(signal.SIGUSR2, lambda *_: collect())
    reasons: list = []  # [sid, namespace, reason] of every disconnect, oldest first
    lives: dict = {}  # sid -> what happened to it, in order
    for namespace in NAMESPACES:
        serve(socketio, sio, namespace, reasons, lives)
    run = servers.SERVERS[os.environ.get("FERRIO_TEST_SERVER", "uvicorn")]
    run(socketio, sio, int(sys.argv[1]) if len(sys.argv) > 1 else 0)


def serve(socketio, sio, namespace: str, reasons: list, lives: dict) -> None:
    seen: dict = {}

    def on(event):
        return lambda handler: sio.on(event, handler, namespace=namespace)

    async def emit(sid, event, *args):
        await sio.emit(event, args, to=sid, namespace=namespace)

    def members(room):
        return [sid for sid, _ in sio.manager.get_participants(namespace, room)]

    @on("connect")
    async def connect(sid, environ, auth):
        if namespace == "/admin" and (auth or {}).get("token") == "bad":
            raise socketio.exceptions.ConnectionRefusedError("refused", {"code": 401})
        lives[sid] = ["connection"]
        if namespace == "/slow":
            await asyncio.sleep(0.2)
        if namespace == "/silent":
            await asyncio.Event().wait()
        await sio.save_session(sid, {"auth": auth or {}}, namespace=namespace)
        await emit(sid, "auth", auth or {})

    @on("disconnect")
    async def disconnect(sid, reason):
        lives[sid].append(f"disconnect {reason} rooms={len(sio.rooms(sid, namespace=namespace))}")
        if os.environ.get("FERRIO_TEST_FORGETFUL") == "1":
            lives.pop(sid)
            seen.pop(sid, None)
            return
        reasons.append([sid, namespace, reason])

    # What comes in goes back.
    @on("message")
    async def message(sid, *args):
        await emit(sid, "message-back", *args)

    @on("echo")
    async def echo(sid, *args):
        await emit(sid, "echo", *args)

    on("message-with-ack")(lambda sid, *args: args)
    on("ack")(lambda sid, first: first)

    # Rooms and targets.
    @on("join")
    async def join(sid, rooms):
        for room in rooms if isinstance(rooms, list) else [rooms]:
            await sio.enter_room(sid, room, namespace=namespace)

    @on("leave")
    async def leave(sid, room):
        await sio.leave_room(sid, room, namespace=namespace)

    on("rooms")(lambda sid: sio.rooms(sid, namespace=namespace))
    on("fetch")(lambda sid, room: members(room))

    @on("bcast")
    async def bcast(sid, rooms, data):
        await sio.emit("bcast", data, to=rooms, namespace=namespace)

    @on("to")
    async def to(sid, rooms, data):
        await sio.emit("to", data, to=rooms, skip_sid=sid, namespace=namespace)

    @on("except")
    async def except_(sid, rooms, excepted, data):
        skip = [member for room in excepted for member in members(room)]
        await sio.emit("except", data, to=rooms or None, skip_sid=skip, namespace=namespace)

    @on("broadcast")
    async def broadcast(sid, *args):
        await sio.emit("broadcast", args, skip_sid=sid, namespace=namespace)

    @on("volatile")
    async def volatile(sid, *args):
        await emit(sid, "volatile", *args)  # Python knows no volatile

    # The program stands still, and nothing else of it runs.
    on("block")(lambda sid, ms: time.sleep(ms / 1000))

    # The server asks. Python collects no answers of a broadcast, so this program asks each member.
    async def ask(sid, ms, args):
        answer = await sio.call("question", args, to=sid, namespace=namespace, timeout=ms / 1000)
        return answer if isinstance(answer, tuple) else (answer,)

    @on("emit-ack")
    async def emit_ack(sid, ms, *args):
        try:
            await emit(sid, "answer", "ok", *await ask(sid, ms, args))
        except socketio.exceptions.TimeoutError:
            await emit(sid, "answer", "timeout")

    @on("bcast-ack")
    async def bcast_ack(sid, room, ms, *args):
        asked = await asyncio.gather(*(ask(member, ms, args) for member in members(room)), return_exceptions=True)
        answers = [answer[0] for answer in asked if isinstance(answer, tuple)]
        await emit(sid, "answers", "ok" if len(answers) == len(asked) else "timeout", answers)

    # Order: `burst` sends at once, `ticks` over time, `seq` remembers what came.
    @on("burst")
    async def burst(sid, count):
        for n in range(count):
            await emit(sid, "burst", n)

    @on("ticks")
    async def ticks(sid, count, ms):
        for n in range(count):
            await asyncio.sleep(ms / 1000)
            await emit(sid, "tick", n)

    on("seq")(lambda sid, n: seen.setdefault(sid, []).append(n))
    on("seq-log")(lambda sid: seen.get(sid, []))

    # The whole program stands still.
    on("block")(lambda sid, ms: time.sleep(ms / 1000))

    # What the server knows.
    on("transport")(lambda sid: sio.transport(sid, namespace=namespace))

    @on("handshake")
    async def handshake(sid):
        environ = sio.get_environ(sid, namespace=namespace)
        session = await sio.get_session(sid, namespace=namespace)
        x = parse_qs(environ["QUERY_STRING"]).get("x", [None])[-1]
        return {"auth": session["auth"], "x": x, "header": environ.get("HTTP_X_TEST")}

    @on("vitals")
    def vitals(sid):
        collect()
        tasks = len(asyncio.all_tasks())
        return {"connections": len(sio.eio.sockets), "tasks": tasks, "heap": sys.getallocatedblocks()}

    on("reasons")(lambda sid: reasons)
    on("lives")(lambda sid: lives)
    on("life")(lambda sid, whose: lives.get(whose, []))

    # The end. Python never closes the connection beneath, whatever `close` says.
    @on("server-disconnect")
    async def server_disconnect(sid, close):
        await sio.disconnect(sid, namespace=namespace)
