"""What servers and clients have in common beside their listeners."""

from __future__ import annotations

import logging
from typing import Any


def answer_of(arguments: list[Any]) -> Any:
    """What `call` returns: ``None``, the value, or a tuple of several values."""
    return tuple(arguments) if len(arguments) > 1 else arguments[0] if arguments else None


def make_logger(name: str, logger: bool | logging.Logger) -> logging.Logger:
    """python-socketio's rule: a bool sets up the named logger, unless the application has done so."""
    if not isinstance(logger, bool):
        return logger
    named = logging.getLogger(name)
    if named.level == logging.NOTSET:
        named.setLevel(logging.INFO if logger else logging.ERROR)
        named.addHandler(logging.StreamHandler())
    return named
