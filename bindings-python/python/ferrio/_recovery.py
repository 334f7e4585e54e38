"""Connection state recovery, from the client's side: what it shows a server that may remember it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .base_client import BaseClient


class Recovery:
    """What a client knows of its earlier connections, by namespace."""

    def __init__(self) -> None:
        #: Private ids. A server that keeps state gives one.
        self._pids: dict[str, str] = {}
        #: The last event that came, by the server's name for it.
        self._offsets: dict[str, str] = {}
        self._recovered: set[str] = set()
        #: Events that came before we were let in.
        self.missed: dict[str, list[tuple[Any, ...]]] = {}

    def remind(self, namespace: str, auth: Any) -> Any:
        """What is sent with CONNECT, and the private id in it."""
        if namespace not in self._pids or not isinstance(auth, Mapping):
            return auth
        known = {"pid": self._pids[namespace]}
        if namespace in self._offsets:
            known["offset"] = self._offsets[namespace]
        return {**known, **auth}

    def joined(self, namespace: str, data: Mapping[str, Any]) -> None:
        pid = data.get("pid")
        if pid is not None and self._pids.get(namespace) == pid:
            self._recovered.add(namespace)
            return
        self._recovered.discard(namespace)
        self._offsets.pop(namespace, None)
        if isinstance(pid, str):
            self._pids[namespace] = pid
        else:
            self._pids.pop(namespace, None)

    def has_recovered(self, namespace: str) -> bool:
        return namespace in self._recovered

    def heard(self, namespace: str, args: tuple[Any, ...]) -> None:
        """An event. Those that the server remembers end with their offset."""
        if namespace in self._pids and args and isinstance(args[-1], str):
            self._offsets[namespace] = args[-1]

    def without_offset(self, client: BaseClient, namespace: str, event: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments that a handler gets.

        An offset looks like any text, and volatile events have none, so it is left out only where it is one argument more
        than the handler takes.
        """
        if namespace not in self._pids or not args or not isinstance(args[-1], str):
            return args
        handler = client._resolve(event, namespace)
        if handler is not None and len(handler[1]) + len(args) == takes_at_most(handler[0]) + 1:
            return args[:-1]
        return args


@functools.lru_cache(maxsize=512)
def takes_at_most(function: Callable[..., Any]) -> float:
    """Positional arguments that a function takes."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return float("inf")
    if any(each.kind is each.VAR_POSITIONAL for each in parameters):
        return float("inf")
    return sum(each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD) for each in parameters)
