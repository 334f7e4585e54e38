"""The client manager of a `Server`."""

from __future__ import annotations

from .base_manager import BaseManager


class Manager(BaseManager):
    """Answers questions. It is not a class to subclass for other places of rooms, which python-socketio's is."""

    def can_disconnect(self, sid: str, namespace: str) -> bool:
        """Whether `disconnect` finds the client."""
        return self._can_disconnect(sid, namespace)
