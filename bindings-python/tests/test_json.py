"""Values to JSON and back, beside Python's own `json`."""

from __future__ import annotations

import collections
import enum
import json
import math
import random
import sys
from typing import Any

import pytest

pytestmark = pytest.mark.ferrio_only


@pytest.fixture(scope="module")
def native() -> Any:
    return pytest.importorskip("ferrio._ferrio")


def text(native: Any, value: Any) -> str:
    encoded, attachments = native.dumps(value)
    assert attachments == []
    return encoded


class Str(str):
    pass


class Int(int):
    def __repr__(self) -> str:
        return "not a number"


class Float(float):
    pass


class Reversed(dict):
    def items(self) -> Any:
        return list(reversed(list(super().items())))


class Kind(str, enum.Enum):
    A = "a"


class Number(enum.IntEnum):
    ONE = 1


Point = collections.namedtuple("Point", "x y")


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, False, 0, -1, 2**53, 2**63 - 1, 2**63, -(2**63) - 1, 10**100, 0.0, -0.0, 1.5, 1e-7, 1e16, 1e300),
        *("", "a", "ünï", "\u2028\u2029", '\x00\x1f\x7f"\\/\b\f\n\r\t', "\U0001f600", "\ud800", "a\udc00b\ud83d"),
        *([], {}, [[]], {"a": {}}, (1, (2,)), {"k": [1, {"n": None}]}, {"": 0}),
        *({1: 2, 1.5: 3, False: 4, None: 5}, {10**30: 1}, {1e16: 1}),
        *(Str("s"), Int(5), Int(10**30), Float(1.5), Kind.A, Number.ONE, {Kind.A: Number.ONE}, {Int(7): 1}),
        *(collections.OrderedDict(b=1, a=2), collections.defaultdict(int, a=1), Reversed(a=1, b=2), Point(1, 2)),
        *([math.nan], [math.inf, -math.inf], {math.nan: 1}),
    ],
)
def test_as_json_dumps(native, value):
    expected = json.dumps(value, separators=(",", ":"))
    # The same text, save for what `json.dumps` escapes without need: so both are read.
    assert repr(json.loads(text(native, value))) == repr(json.loads(expected))
    if expected.isascii() and "\\u" not in expected and not contains_float(value):
        assert text(native, value) == expected


def contains_float(value: Any) -> bool:
    return "." in repr(value) or "e" in repr(value)


@pytest.mark.parametrize(
    "value", [object(), {1}, 1j, lambda: 0, [object()], {"a": {1}}, {(1,): 2}, {b"k": 1}, {object(): 1}]
)
def test_type_errors_in_the_same_words(native, value):
    with pytest.raises(TypeError) as expected:
        json.dumps(value)
    with pytest.raises(TypeError) as got:
        native.dumps(value)
    assert str(got.value) == str(expected.value)


def test_circles(native):
    circle: list[Any] = []
    circle.append({"deeper": circle})
    with pytest.raises(ValueError, match="Circular reference detected"):
        native.dumps(circle)
    # Twice the same is no circle.
    shared = [1]
    assert text(native, [shared, shared]) == "[[1],[1]]"


def test_depth(native):
    def nest(depth: int) -> Any:
        value: Any = 0
        for _ in range(depth):
            value = [value]
        return value

    assert text(native, nest(900)) == "[" * 900 + "0" + "]" * 900
    with pytest.raises(RecursionError):
        native.dumps(nest(100_000))


def test_a_container_that_changes_meanwhile(native):
    class Mean(dict):
        def items(self) -> Any:
            outer.pop(next(iter(outer)))
            outer["new"] = 1
            outer["newer"] = 1
            return []

    outer: dict[Any, Any] = {n: n for n in range(5)}
    outer["mean"] = Mean()
    with pytest.raises(RuntimeError, match="changed size"):
        native.dumps(outer)

    class Shrinks(dict):
        def items(self) -> Any:
            several.clear()
            return []

    several: list[Any] = [Shrinks(), 1, 2]
    assert text(native, several) == "[{}]"


def test_digits_of_an_integer_are_limited_as_everywhere(native):
    limit = getattr(sys, "get_int_max_str_digits", lambda: 0)()
    if not limit:
        pytest.skip("no limit")
    with pytest.raises(ValueError, match="digits"):
        native.dumps(10 ** (limit + 1))


def test_bytes_are_attachments(native):
    value = {"a": b"one", "b": [bytearray(b"two"), (memoryview(b"_three_")[1:6],)], "c": b""}
    encoded, attachments = native.dumps(value)
    assert attachments == [b"one", b"two", b"three", b""]
    assert json.loads(encoded)["b"][1] == [{"_placeholder": True, "num": 2}]
    [back] = native.loads(f"[{encoded}]", attachments)
    assert back == {"a": b"one", "b": [b"two", [b"three"]], "c": b""}


def test_placeholders_without_attachments_are_data(native):
    assert native.loads('[{"_placeholder":true,"num":0}]') == [{"_placeholder": True, "num": 0}]
    assert native.loads('[{"_placeholder":false,"num":0},{"num":0}]', [b"x"]) == [
        {"_placeholder": False, "num": 0},
        {"num": 0},
    ]
    with pytest.raises(IndexError):
        native.loads('[{"_placeholder":true,"num":3}]', [b"x"])


@pytest.mark.parametrize(
    "written",
    [
        "[]",
        '["\\ud83d\\ude00","\\ud800","\\udc00x","\\u0000"]',
        "[NaN,Infinity,-Infinity]",
        "[1e999,-0,-0.0,1E2,12345678901234567890123,0.1]",
        '[{"a":1,"a":2}]',
        ' [ 1 , { "k" : [ ] } ] ',
        '["\\b\\f\\n\\r\\t\\/\\"\\\\"]',
    ],
)
def test_as_json_loads(native, written):
    assert repr(native.loads(written)) == repr(json.loads(written))


def test_random_values_come_back(native):
    choose = random.Random(1).choice
    letters = 'a"\\\n\x00ü€\U0001f600'

    def value(depth: int) -> Any:
        kind = choose("nbisfLD" if depth else "nbisf")
        if kind == "L":
            return [value(depth - 1) for _ in range(choose(range(4)))]
        if kind == "D":
            return {"".join(choose(letters) for _ in range(choose(range(5)))): value(depth - 1) for _ in range(3)}
        return {
            "n": None,
            "b": choose([True, False]),
            "i": choose([0, 1, -1, 2**31, 2**64, -(10**20)]),
            "s": "".join(choose(letters) for _ in range(choose(range(20)))),
            "f": choose([0.5, 1e-300, 123456.789, 1e22, -2.5]),
        }[kind]

    for _ in range(500):
        given = [value(4)]
        encoded = text(native, given)
        assert json.loads(encoded) == given
        assert native.loads(encoded) == given
