"""Who serves the test server in Python, by `FERRIO_TEST_SERVER`. Each prints ``ready <port>`` and ends on SIGTERM."""

import asyncio
import json
import os
import signal

HOST = os.environ.get("FERRIO_TEST_HOST", "127.0.0.1")


def mode() -> str:
    """What the original must be told of it."""
    return {"aiohttp": "aiohttp", "tornado": "tornado"}.get(os.environ.get("FERRIO_TEST_SERVER", ""), "asgi")


def ready(port: int) -> None:
    print("ready", port, flush=True)


def drain() -> dict | None:
    """Arguments of ferrio's `drain`, if SIGTERM is to do that first."""
    given = json.loads(os.environ.get("FERRIO_TEST_DRAIN", "null"))
    return given and given | {"grace": given["grace"] / 1000, "spread": given["spread"] / 1000}


async def until_told() -> None:
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    await told.wait()


async def listens(port: int) -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.01)
        else:
            writer.close()
            return ready(port)


def application(socketio, sio):
    return socketio.ASGIApp(sio, socketio_path="/socket.io/")


def uvicorn(socketio, sio, port: int) -> None:
    import uvicorn

    app = application(socketio, sio)
    config = uvicorn.Config(app, host=HOST, port=port, log_level="critical", timeout_graceful_shutdown=1)

    class Draining(uvicorn.Server):
        async def drain(self):
            await sio.drain(**drain())
            self.should_exit = True

        def handle_exit(self, number, frame):
            asyncio.run_coroutine_threadsafe(self.drain(), self.loop)

    server = Draining(config) if drain() else uvicorn.Server(config)

    async def announce():
        while not server.started:
            await asyncio.sleep(0.01)
        ready(server.servers[0].sockets[0].getsockname()[1])

    async def main():
        server.loop = asyncio.get_running_loop()
        await asyncio.gather(server.serve(), announce())

    asyncio.run(main())


def hypercorn(socketio, sio, port: int) -> None:
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    config = Config.from_mapping(bind=[f"{HOST}:{port}"], accesslog=None, errorlog=None, graceful_timeout=1)

    async def main():
        await asyncio.gather(
            serve(application(socketio, sio), config, shutdown_trigger=until_told), asyncio.create_task(listens(port))
        )

    asyncio.run(main())


def granian(socketio, sio, port: int) -> None:
    from granian.server.embed import Server

    async def main():
        server = Server(application(socketio, sio), address=HOST, port=port, interface="asgi", log_enabled=False)
        serving = asyncio.create_task(server.serve())
        await listens(port)
        await until_told()
        server.stop()
        await serving
        await sio.shutdown()

    asyncio.run(main())


def gunicorn(socketio, sio, port: int) -> None:
    from gunicorn.app.base import BaseApplication

    class Application(BaseApplication):
        def load_config(self):
            self.cfg.set("bind", f"{HOST}:{port}")
            self.cfg.set("worker_class", "uvicorn_worker.UvicornWorker")
            self.cfg.set("graceful_timeout", 2)
            self.cfg.set("loglevel", "critical")
            self.cfg.set("post_worker_init", lambda worker: ready(port))

        def load(self):
            return application(socketio, sio)

    Application().run()


def aiohttp(socketio, sio, port: int) -> None:
    from aiohttp import web

    async def main():
        app = web.Application()
        sio.attach(app)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, HOST, port).start()
        ready(port)
        await until_told()
        await runner.cleanup()

    asyncio.run(main())


def tornado(socketio, sio, port: int) -> None:
    from tornado.web import Application

    async def main():
        handler = socketio.get_tornado_handler(sio)
        server = Application([(r"/socket.io/?", handler)], log_function=lambda handler: None).listen(port, HOST)
        ready(port)
        await until_told()
        server.stop()
        await sio.shutdown()

    asyncio.run(main())


def native(socketio, sio, port: int) -> None:
    """ferrio's own listener."""

    async def main():
        serving = asyncio.create_task(sio.serve(HOST, port))
        await listens(port)
        await until_told()
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)

    asyncio.run(main())


def hosted(socketio, sio, port: int) -> None:
    """ferrio's own listener, with another application beside the server."""

    async def other(scope, receive, send):
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 404})
        await send({"type": "http.response.body"})

    async def main():
        app = socketio.ASGIApp(sio, other)
        await asyncio.gather(socketio.serve(app, HOST, port, drain=drain()), listens(port))

    asyncio.run(main())


SERVERS = {
    "uvicorn": uvicorn,
    "hypercorn": hypercorn,
    "granian": granian,
    "gunicorn": gunicorn,
    "aiohttp": aiohttp,
    "tornado": tornado,
    "native": native,
    "hosted": hosted,
}
