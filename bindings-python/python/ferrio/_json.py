"""A JSON module of the application's (``json=``), in the place of the engine's own JSON."""

from __future__ import annotations

from typing import Any, Protocol


class JSONModule(Protocol):
    """What `json` has to have, as the standard module does."""

    def dumps(self, value: Any, /) -> str | bytes: ...
    def loads(self, text: str, /) -> Any: ...


class Codec:
    """What the engine asks of it: text and attachments of a value, and the value of a text."""

    def __init__(self, module: Any) -> None:
        self._module = module
        self._options: dict[str, Any] = {"separators": (",", ":")}
        try:
            module.dumps([], **self._options)
        except TypeError:
            # python-socketio cannot use such a module (orjson is one); its text is compact anyway.
            self._options = {}

    def dumps(self, value: Any) -> tuple[str, list[bytes]]:
        attachments: list[bytes] = []
        text = self._module.dumps(without_bytes(value, attachments), **self._options)
        return text.decode() if isinstance(text, bytes) else text, attachments

    def loads(self, text: str) -> Any:
        return self._module.loads(text)


def without_bytes(value: Any, attachments: list[bytes]) -> Any:
    """The value with placeholders in the places of bytes, which are appended to `attachments`."""
    if isinstance(value, bytes | bytearray | memoryview):
        attachments.append(bytes(value))
        return {"_placeholder": True, "num": len(attachments) - 1}
    if isinstance(value, list | tuple):
        return [without_bytes(item, attachments) for item in value]
    if isinstance(value, dict):
        return {key: without_bytes(item, attachments) for key, item in value.items()}
    return value
