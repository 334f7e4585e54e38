"""A server in one of the ways that an application may choose: the same handlers, on whatever serves them.

``python served.py WAY PORT`` for those that are a program, ``app`` for an ASGI server (``FERRIO_TEST_WAY``). The module under
test is named by ``FERRIO_TEST_MODULE``.
"""

import asyncio
import contextlib
import importlib
import os
import signal
import sys

socketio = importlib.import_module(os.environ.get("FERRIO_TEST_MODULE", "ferrio"))
sys.path.insert(0, os.path.dirname(__file__))

#: A directory of client files (ferrio only).
BUNDLE = os.environ.get("FERRIO_TEST_BUNDLE")
#: Where the Socket.IO server is found, and another page of the same application.
PATHS = {"mounted": "/deep/down/socket.io/"}


def make_server(mode):
    options = {"client_bundle": BUNDLE} if BUNDLE else {}
    sio = socketio.AsyncServer(async_mode=mode, cors_allowed_origins="*", **options)

    @sio.event
    async def connect(sid, environ, auth):
        await sio.save_session(sid, environ)

    @sio.event
    async def echo(sid, *args):
        await sio.emit("echo", args, to=sid)
        return args

    @sio.event
    async def environ(sid, name):
        found = await sio.get_session(sid)
        assert found is sio.get_environ(sid)
        value = found.get(name)
        return value if isinstance(value, str) else type(value).__name__

    @sio.event
    def transport(sid):
        return sio.transport(sid)

    @sio.event
    def pid(sid):
        return os.getpid()

    @sio.event
    def disconnect(sid, reason):
        # Nobody may be reading what thousands of clients would fill a pipe with.
        if "FERRIO_TEST_QUIET" not in os.environ:
            print("gone", reason, flush=True)

    return sio


# ---- ASGI


def asgi():
    return socketio.ASGIApp(make_server("asgi"))


def fastapi():
    from fastapi import FastAPI

    application = FastAPI()

    @application.get("/page")
    async def page():
        return "page"

    return socketio.ASGIApp(make_server("asgi"), application)


def mounted():
    from fastapi import FastAPI

    application = FastAPI()

    @application.get("/page")
    async def page():
        return "page"

    application.mount("/deep", socketio.ASGIApp(make_server("asgi"), socketio_path="/deep/down/socket.io"))
    return application


def starlette():
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Mount, Route

    async def page(request):
        return PlainTextResponse("page")

    server = socketio.ASGIApp(make_server("asgi"))
    return Starlette(routes=[Route("/page", page), Mount("/socket.io", server)])


def quart():
    from quart import Quart

    application = Quart(__name__)

    @application.get("/page")
    async def page():
        return "page"

    return socketio.ASGIApp(make_server("asgi"), application)


def django():
    import django
    from django.conf import settings
    from django.core.asgi import get_asgi_application
    from django.http import HttpResponse
    from django.urls import path

    settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="only a test's")
    globals()["urlpatterns"] = [path("page", lambda request: HttpResponse("page"))]
    django.setup()
    return socketio.ASGIApp(make_server("asgi"), get_asgi_application())


# ---- others


async def aiohttp(port):
    from aiohttp import web

    async def page(request):
        return web.Response(text="page")

    sio = make_server("aiohttp")
    application = web.Application()
    application.router.add_get("/page", page)
    sio.attach(application)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await until_told()
    await runner.cleanup()


async def tornado(port):
    from tornado.web import Application, RequestHandler

    class Page(RequestHandler):
        def get(self):
            self.write("page")

    sio = make_server("tornado")
    application = Application([("/page", Page), ("/socket.io/.*", socketio.get_tornado_handler(sio))])
    server = application.listen(port, "127.0.0.1")
    await until_told()
    server.stop()
    if socketio.__name__ == "ferrio":
        await sio.shutdown()


async def native(port):
    sio = make_server("asgi")
    serving = asyncio.create_task(sio.serve("127.0.0.1", port))
    await until_told()
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)


async def hosted(port):
    app = fastapi()
    await socketio.serve(app, "127.0.0.1", port)


async def until_told():
    told = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, told.set)
    await told.wait()


def sanic(port):
    from sanic import Sanic
    from sanic.response import text

    application = Sanic("served")
    application.config.CORS_SUPPORTS_CREDENTIALS = True

    @application.get("/page")
    async def page(request):
        return text("page")

    make_server("sanic").attach(application)
    application.run("127.0.0.1", port, single_process=True, access_log=False, motd=False, debug=False)


if __name__ == "__main__":
    way, port = sys.argv[1], int(sys.argv[2])
    if way == "sanic":
        sanic(port)
    else:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(globals()[way](port))
elif (way := os.environ.get("FERRIO_TEST_WAY")) is not None:
    app = globals()[way]()
