"""Web frameworks that are no ASGI servers: which one an application or a request belongs to.

A framework is imported when it is used, never to find out.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .async_server import AsyncServer

#: The class of its applications, and of what its handlers are called with.
FRAMEWORKS = {
    "aiohttp": ("aiohttp.web", "Application", "BaseRequest"),
    "sanic": ("sanic", "Sanic", "Request"),
    "tornado": ("tornado.web", None, "RequestHandler"),
}


def attach(server: AsyncServer, app: Any, path: str) -> None:
    name = find(app, of_application=True)
    if name is None:
        raise TypeError(
            "attach() takes an aiohttp.web.Application or a Sanic application; serve others by ASGIApp, get_tornado_handler "
            "or AsyncServer.serve"
        )
    import_module(f"._{name}", __package__).attach(server, app, path)


def get_tornado_handler(socketio_server: AsyncServer) -> Any:
    """A Tornado handler class that serves a server: ``Application([(r"/socket.io/", get_tornado_handler(sio))])``.

    With a ``client_bundle`` the pattern is ``r"/socket.io/.*"``.
    """
    return import_module("._tornado", __package__).handler_for(socketio_server)


async def serve(server: AsyncServer, *args: Any) -> Any:
    name = find(args[0]) if len(args) == 1 else None
    if name is None:
        raise TypeError(
            "handle_request() takes ASGI's (scope, receive, send), or a request of aiohttp, Sanic or Tornado"
        )
    return await import_module(f"._{name}", __package__).serve(server, args[0])


def find(thing: Any, of_application: bool = False) -> str | None:
    """The framework whose application or request it is."""
    for name, (module, application, request) in FRAMEWORKS.items():
        wanted = application if of_application else request
        # Whoever made the thing has imported the module.
        if wanted is not None and module in sys.modules and isinstance(thing, getattr(sys.modules[module], wanted)):
            return name
    return None
