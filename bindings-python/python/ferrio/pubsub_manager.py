"""The client managers of python-socketio that reach several processes through a queue: their names, to be told apart by.

None of them can be made yet.
"""

from __future__ import annotations

from typing import Any

from . import _options
from .manager import Manager


class PubSubManager(Manager):
    """The base of all. Making one raises `NotImplementedError`."""

    name = "pubsub"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise _options.unsupported(f"client managers with a queue ({type(self).__name__})")


class RedisManager(PubSubManager):
    """See `PubSubManager`."""

    name = "redis"


class KombuManager(PubSubManager):
    """See `PubSubManager`."""

    name = "kombu"


class KafkaManager(PubSubManager):
    """See `PubSubManager`."""

    name = "kafka"


class ZmqManager(PubSubManager):
    """See `PubSubManager`."""

    name = "zmq"
