"""A Socket.IO server with a Rust engine, in the place of python-socketio.

``import ferrio as socketio`` runs a server program that was written for python-socketio 5.18. `install` does the same for
packages that import it themselves.
"""

from . import exceptions, packet
from ._ferrio import __version__ as __version__
from ._frameworks import get_tornado_handler
from ._install import install
from .asgi import ASGIApp
from .async_manager import AsyncManager
from .async_namespace import AsyncNamespace
from .async_pubsub_manager import AsyncAioPikaManager, AsyncRedisManager
from .async_server import AsyncServer
from .manager import Manager
from .namespace import Namespace
from .pubsub_manager import KafkaManager, KombuManager, PubSubManager, RedisManager, ZmqManager
from .remote import AsyncRemoteSocket, RemoteSocket
from .server import Server
from .serving import serve
from .wsgi import Middleware, WSGIApp

__all__ = [
    "ASGIApp",
    "AsyncAioPikaManager",
    "AsyncManager",
    "AsyncNamespace",
    "AsyncRedisManager",
    "AsyncRemoteSocket",
    "AsyncServer",
    "KafkaManager",
    "KombuManager",
    "Manager",
    "Middleware",
    "Namespace",
    "PubSubManager",
    "RedisManager",
    "RemoteSocket",
    "Server",
    "WSGIApp",
    "ZmqManager",
    "exceptions",
    "get_tornado_handler",
    "install",
    "packet",
    "serve",
]

_CLIENTS = {
    "AsyncClient",
    "AsyncClientNamespace",
    "AsyncSimpleClient",
    "Client",
    "ClientNamespace",
    "SimpleClient",
}


def __getattr__(name: str) -> object:
    if name in _CLIENTS:
        raise AttributeError(f"ferrio has no {name} yet: python-socketio's can be used beside it, under its own name")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
