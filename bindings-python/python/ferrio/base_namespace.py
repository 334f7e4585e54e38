"""What classes of handlers have in common."""

from __future__ import annotations

from typing import Any

from .listeners import NamespaceKey


class BaseNamespace:
    """Not to be used itself: see `AsyncNamespace`."""

    #: What it was made with: a name, mostly.
    namespace: Any
    #: Set by `register_namespace`.
    server: Any = None

    def __init__(self, namespace: NamespaceKey | None = None) -> None:
        self.namespace = namespace or "/"

    def is_asyncio_based(self) -> bool:
        """Whether handlers may be coroutine functions."""
        return False

    def _set_server(self, server: Any) -> None:
        self.server = server

    def trigger_event(self, event: str, *args: Any) -> Any:
        """Calls the method of an event and returns its result."""
        raise NotImplementedError("a namespace class is Namespace or AsyncNamespace, or a subclass of one")
