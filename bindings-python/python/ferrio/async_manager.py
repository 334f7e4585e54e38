"""The client manager of an `AsyncServer`."""

from __future__ import annotations

from .base_manager import BaseManager


class AsyncManager(BaseManager):
    """Answers questions. It is not a class to subclass for other places of rooms, which python-socketio's is."""

    async def can_disconnect(self, sid: str, namespace: str) -> bool:
        """Whether `disconnect` finds the client."""
        return self._can_disconnect(sid, namespace)
