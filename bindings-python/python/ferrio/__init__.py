"""A Socket.IO server with a Rust engine, in the place of python-socketio.

``import ferrio as socketio`` runs a server program that was written for python-socketio 5.18.
"""

from . import exceptions
from ._ferrio import __version__ as __version__
from ._frameworks import get_tornado_handler
from .asgi import ASGIApp
from .async_manager import AsyncManager
from .async_namespace import AsyncNamespace
from .async_server import AsyncServer
from .manager import Manager
from .namespace import Namespace
from .remote import AsyncRemoteSocket, RemoteSocket
from .server import Server
from .serving import serve
from .wsgi import Middleware, WSGIApp

__all__ = [
    "ASGIApp",
    "AsyncManager",
    "AsyncNamespace",
    "AsyncRemoteSocket",
    "AsyncServer",
    "Manager",
    "Middleware",
    "Namespace",
    "RemoteSocket",
    "Server",
    "WSGIApp",
    "exceptions",
    "get_tornado_handler",
    "serve",
]
