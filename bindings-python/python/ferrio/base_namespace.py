"""What classes of handlers have in common."""

from __future__ import annotations

from typing import Any


class BaseNamespace:
    """Not to be used itself: see `AsyncNamespace`."""

    namespace: str
    #: Set by `register_namespace`.
    server: Any = None

    def __init__(self, namespace: str | None = None) -> None:
        self.namespace = namespace or "/"

    def is_asyncio_based(self) -> bool:
        """Whether handlers may be coroutine functions."""
        return False

    def _set_server(self, server: Any) -> None:
        self.server = server

    def trigger_event(self, event: str, *args: Any) -> Any:
        """Calls the method of an event and returns its result."""
        raise NotImplementedError("a namespace class is Namespace or AsyncNamespace, or a subclass of one")
