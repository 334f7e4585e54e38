"""JSON as python-engineio reads it: the standard module, with a limit to the length of whole numbers."""

from __future__ import annotations

import json
from json import JSONDecodeError as JSONDecodeError
from json import JSONDecoder as JSONDecoder
from json import JSONEncoder as JSONEncoder
from json import dump as dump
from json import dumps as dumps
from json import load as load
from typing import Any

#: Digits of the longest number: Python's own reading takes quadratic time.
MOST_DIGITS = 100


def loads(*args: Any, **kwargs: Any) -> Any:
    """`json.loads`, with `ValueError` for whole numbers of more than 100 digits."""
    kwargs.setdefault("parse_int", whole_number)
    return json.loads(*args, **kwargs)


def whole_number(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise ValueError("Integer is too large")
    return int(digits)
