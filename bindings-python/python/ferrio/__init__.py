"""Socket.IO servers and clients with a Rust engine, in the place of python-socketio.

``import ferrio as socketio`` runs a program that was written for python-socketio 5.18. `install` does the same for
packages that import it themselves.
"""

from . import exceptions, packet
from ._ferrio import __version__ as __version__
from ._frameworks import get_tornado_handler
from ._install import install
from .asgi import ASGIApp
from .async_client import AsyncClient
from .async_manager import AsyncManager
from .async_namespace import AsyncClientNamespace, AsyncNamespace
from .async_pubsub_manager import AsyncAioPikaManager, AsyncRedisManager
from .async_server import AsyncServer
from .async_simple_client import AsyncSimpleClient
from .client import Client
from .manager import Manager
from .namespace import ClientNamespace, Namespace
from .pubsub_manager import KafkaManager, KombuManager, PubSubManager, RedisManager, ZmqManager
from .remote import AsyncRemoteSocket, RemoteSocket
from .server import Server
from .serving import serve
from .simple_client import SimpleClient
from .wsgi import Middleware, WSGIApp

__all__ = [
    "ASGIApp",
    "AsyncAioPikaManager",
    "AsyncClient",
    "AsyncClientNamespace",
    "AsyncManager",
    "AsyncNamespace",
    "AsyncRedisManager",
    "AsyncRemoteSocket",
    "AsyncServer",
    "AsyncSimpleClient",
    "Client",
    "ClientNamespace",
    "KafkaManager",
    "KombuManager",
    "Manager",
    "Middleware",
    "Namespace",
    "PubSubManager",
    "RedisManager",
    "RemoteSocket",
    "Server",
    "SimpleClient",
    "WSGIApp",
    "ZmqManager",
    "exceptions",
    "get_tornado_handler",
    "install",
    "packet",
    "serve",
]
