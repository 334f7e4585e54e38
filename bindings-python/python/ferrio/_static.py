"""Which file a path means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CONTENT_TYPES = {
    "css": "text/css",
    "gif": "image/gif",
    "html": "text/html",
    "jpg": "image/jpeg",
    "js": "application/javascript",
    "json": "application/json",
    "png": "image/png",
    "txt": "text/plain",
}


def find(path: str, rules: Mapping[str, Any]) -> dict[str, str] | None:
    """The file (``filename`` and ``content_type``) that the rules have for a path, which need not exist.

    The longest rule wins; what follows it in the path is looked for in its directory. ``..`` leads nowhere.
    """
    rule, below = longest_rule(path, rules)
    if rule is None or ".." in below.replace("\\", "/").split("/"):
        return None
    file = {"filename": rule} if isinstance(rule, str) else dict(rule)
    name = file["filename"]
    name = name + below.lstrip("/") if name.endswith("/") else name + below
    if name.endswith("/"):
        index = rules.get("", "index.html")
        if isinstance(index, str):
            name += index
        else:
            name += index["filename"]
            if "content_type" in index:
                file["content_type"] = index["content_type"]
    file["filename"] = name
    file.setdefault("content_type", CONTENT_TYPES.get(name.rsplit(".", 1)[-1], "application/octet-stream"))
    return file


def longest_rule(path: str, rules: Mapping[str, Any]) -> tuple[Any, str]:
    """The rule of a path or of the nearest directory above it, and the rest of the path."""
    if path in rules:
        return rules[path], ""
    below = ""
    while path:
        path, _, last = path.rpartition("/")
        below = f"/{last}{below}"
        for candidate in (path, path + "/"):
            if candidate in rules:
                return rules[candidate], below
    return None, ""
