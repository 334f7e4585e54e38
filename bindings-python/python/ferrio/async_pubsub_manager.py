"""As `pubsub_manager`, for an `AsyncServer`."""

from __future__ import annotations

from typing import Any

from . import _options
from .async_manager import AsyncManager


class AsyncPubSubManager(AsyncManager):
    """The base of all. Making one raises `NotImplementedError`."""

    name = "asyncpubsub"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise _options.unsupported(f"client managers with a queue ({type(self).__name__})")


class AsyncRedisManager(AsyncPubSubManager):
    """See `AsyncPubSubManager`."""

    name = "aioredis"


class AsyncAioPikaManager(AsyncPubSubManager):
    """See `AsyncPubSubManager`."""

    name = "asyncaiopika"
