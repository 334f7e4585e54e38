"""Where the programs of this folder are played: a server of either kind and module, python-socketio's clients, a transcript."""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import logging
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import socketio as original
import uvicorn
from werkzeug.serving import make_server

sys.path.insert(0, str(Path(__file__).parent.parent))

from peers import PATIENCE, Client, Polling, Raw, until

PROGRAMS = Path(__file__).parent / "programs"


class Stage:
    """What a program is given. `say` writes its transcript."""

    def __init__(self, socketio: ModuleType, threads: bool) -> None:
        self.socketio = socketio
        #: The server is a `Server`.
        self.threads = threads
        self.Server = socketio.Server if threads else socketio.AsyncServer
        self.Namespace = socketio.Namespace if threads else socketio.AsyncNamespace
        self.Manager = socketio.Manager if threads else socketio.AsyncManager
        self.refused = socketio.exceptions.ConnectionRefusedError
        self.lines: list[str] = []
        self.url = ""
        self._names: dict[str, str] = {}
        self._loop = asyncio.get_running_loop()
        self._heard: asyncio.Queue[Any] = asyncio.Queue()
        self._leaving: list[Callable[[], Any]] = []
        self._ends: list[Callable[[], Any]] = []

    # ---- the transcript

    def say(self, *things: Any) -> None:
        """A line. Ids that were given a name are written by it."""
        line = " ".join(thing if isinstance(thing, str) else repr(thing) for thing in things)
        for sid, name in self._names.items():
            line = line.replace(sid, f"<{name}>")
        self.lines.append(line)

    def name(self, sid: str | None, name: str) -> None:
        if sid:
            self._names[sid] = name

    def error(self, error: BaseException) -> None:
        self.say(f"{type(error).__module__.split('.')[-1]}.{type(error).__name__}: {error}")

    async def attempt(self, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Calls a method of the server, here or in a thread, and says what it raises."""
        try:
            return await self.do(function, *args, **options)
        except Exception as error:
            self.error(error)

    # ---- what handlers tell the program

    def put(self, *thing: Any) -> None:
        """From a handler, in whatever thread."""
        self._loop.call_soon_threadsafe(self._heard.put_nowait, thing[0] if len(thing) == 1 else thing)

    async def get(self) -> Any:
        return await asyncio.wait_for(self._heard.get(), PATIENCE)

    # ---- the server

    def new_server(self, **options: Any) -> Any:
        mode = "threading" if self.threads else "asgi"
        return self.Server(**{"async_mode": mode, "cors_allowed_origins": "*"} | options)

    async def do(self, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Calls a method of the server as the application would."""
        if self.threads:
            return await asyncio.to_thread(function, *args, **options)
        result = function(*args, **options)
        return await result if inspect.isawaitable(result) else result

    async def serve(self, sio: Any, **options: Any) -> str:
        """Serves it under werkzeug or uvicorn; gives its URL."""
        app = self.socketio.WSGIApp(sio, **options) if self.threads else self.socketio.ASGIApp(sio, **options)
        self.url = await self.serve_wsgi(app) if self.threads else await self.serve_asgi(app)
        if self.threads and self.socketio.__name__ == "ferrio":
            self._ends.insert(0, lambda: asyncio.to_thread(sio.shutdown))
        return self.url

    async def serve_asgi(self, app: Any) -> str:
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical", timeout_graceful_shutdown=1))
        task = asyncio.create_task(server.serve())
        await until(lambda: server.started or task.done())

        async def end() -> None:
            server.should_exit = True
            await task

        self._ends.append(end)
        return f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"

    async def serve_wsgi(self, app: Any) -> str:
        logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
        server = make_server("127.0.0.1", 0, app, threaded=True)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()

        async def end() -> None:
            await asyncio.to_thread(server.shutdown)
            server.server_close()

        self._ends.append(end)
        return f"http://127.0.0.1:{server.server_port}"

    # ---- clients

    async def client(self, name: str = "", **options: Any) -> Client:
        """Connects python-socketio's client, over a WebSocket unless told otherwise; its sids are written `<name>`."""
        client = Client()
        self._leaving.append(client.disconnect)
        await client.connect(self.url, **{"transports": ["websocket"], "wait_timeout": 10} | options)
        for namespace in client.namespaces:
            self.name(client.get_sid(namespace), name if namespace == "/" else name + namespace)
        return client

    def own_client(self, **options: Any) -> Any:
        """A client of the module that is played: a `Client` for threads."""
        kind = self.socketio.Client if self.threads else self.socketio.AsyncClient
        client = kind(**{"reconnection": False, "handle_sigint": False} | options)
        self._leaving.append(lambda: self.do(client.shutdown))
        return client

    def tells(self, name: str) -> Callable[..., None]:
        """A handler that puts its arguments behind a name."""
        return lambda *args: self.put(name, *args)

    async def say_next(self, count: int = 1) -> None:
        """What handlers put next."""
        for _ in range(count):
            self.say(await self.get())

    async def serve_original(self, **options: Any) -> Any:
        """python-socketio's server, for clients of the module, with a few handlers; gives the server."""
        settings = {"async_mode": "asgi", "cors_allowed_origins": "*", "namespaces": "*"} | options
        sio = original.AsyncServer(**settings)

        async def echo(sid: str, *args: Any) -> Any:
            await sio.emit("echo", args, to=sid)
            return args

        async def ask(sid: str, event: str, *args: Any) -> None:
            async def answered() -> None:
                self.put("the server hears", await sio.call(event, args, to=sid))

            sio.start_background_task(answered)

        async def leave(sid: str) -> None:
            await sio.disconnect(sid)

        async def refuse(sid: str, environ: Any, auth: Any) -> None:
            raise original.exceptions.ConnectionRefusedError("no entry", {"code": 7})

        for handler in (echo, ask, leave):
            sio.on(handler.__name__, handler)
        sio.on("connect", refuse, namespace="/refused")
        self.url = await self.serve_asgi(original.ASGIApp(sio))
        return sio

    async def raw(self, **options: Any) -> Raw:
        raw = await Raw.open(self.url, **options)
        self._leaving.append(raw.close)
        return raw

    async def polling(self) -> Polling:
        polling = Polling(self.url)
        self._leaving.append(polling.close)
        return polling

    async def end(self) -> None:
        """The clients go at once, then the server."""
        await asyncio.gather(*(leave() for leave in self._leaving), return_exceptions=True)
        for end in self._ends:
            await end()


# ---- programs


class Plain(ast.NodeTransformer):
    """`async` and `await` taken out: the same handlers for a server with threads."""

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        self.generic_visit(node)
        return ast.copy_location(ast.FunctionDef(**{field: getattr(node, field, None) for field in node._fields}), node)

    def visit_AsyncWith(self, node: ast.AsyncWith) -> ast.AST:
        self.generic_visit(node)
        return ast.copy_location(ast.With(items=node.items, body=node.body), node)

    def visit_Await(self, node: ast.Await) -> ast.AST:
        self.generic_visit(node)
        return node.value


def load(path: Path, threads: bool) -> dict[str, Any]:
    """A program's names. For threads its functions `serve` and `options` are made plain."""
    tree = ast.parse(path.read_text())
    if threads:
        for index, node in enumerate(tree.body):
            if isinstance(node, ast.FunctionDef) and node.name in ("serve", "options"):
                tree.body[index] = Plain().visit(node)
    names: dict[str, Any] = {"__name__": path.stem}
    exec(compile(ast.fix_missing_locations(tree), str(path), "exec"), names)
    return names


async def play(path: Path, socketio: ModuleType, threads: bool) -> list[str]:
    """The transcript of a program."""
    program = load(path, threads)
    stage = Stage(socketio, threads)
    try:
        if "serve" in program:
            options = program["options"](stage) if "options" in program else program.get("OPTIONS", {})
            sio = stage.new_server(**options)
            program["serve"](sio, stage)
            await stage.serve(sio)
            await asyncio.wait_for(program["play"](stage, sio), 3 * PATIENCE)
        else:
            await asyncio.wait_for(program["play"](stage), 3 * PATIENCE)
    except Exception as error:
        stage.say("the program fails:", repr(error))
    finally:
        await stage.end()
    return stage.lines


def kinds(path: Path) -> list[bool]:
    """With threads and without, unless the program is for one of them."""
    text = path.read_text()
    return [threads for threads in (False, True) if ("\nONLY = " not in text or f"\nONLY = {threads}" in text)]


async def play_all(socketio: ModuleType, chosen: list[str]) -> dict[str, list[str]]:
    """The transcripts of all programs (or those named), several at a time: some wait for the original's clients to leave."""
    places = asyncio.Semaphore(8)
    transcripts: dict[str, list[str]] = {}

    async def take_place(path: Path, threads: bool) -> None:
        async with places:
            transcripts[f"{path.stem} ({'threads' if threads else 'asyncio'})"] = await play(path, socketio, threads)

    paths = [path for path in sorted(PROGRAMS.glob("*.py")) if not chosen or path.stem in chosen]
    await asyncio.gather(*(take_place(path, threads) for path in paths for threads in kinds(path)))
    return transcripts


def main() -> None:
    """Plays programs with the module named first; writes the transcripts as JSON."""
    module, *chosen = sys.argv[1:]
    socketio = __import__(module)
    transcripts = asyncio.run(play_all(socketio, chosen))
    json.dump(transcripts, sys.stdout, sort_keys=True)
    sys.stdout.flush()
    # The original's threads may wait for a timeout of their own.
    os._exit(0)


if __name__ == "__main__":
    main()
