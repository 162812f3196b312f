"""JSON as structure, where that loses nothing but spaces and the spelling of strings. Pure."""

from __future__ import annotations

import json
import re
from typing import NoReturn

DEEPEST = 50
"""Deeper bodies stay text: Python's parser stops at a depth that depends on who calls it."""

LONGEST_NUMBER = 600
LARGEST = 1 << 20
"""Bytes. Nobody reads more than that as structure."""

_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"')
_BRACKETS = re.compile(r"[\[\]{}]")
_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


class Lossy(ValueError):
    """Report a text that Python's values can't stand for: twice the same key, ``1.10``, ``-0``, NaN."""


def parse(data: bytes) -> object:
    """Return what *data* means as JSON.

    Raises:
        ValueError: It is no JSON, or something of it would be lost; :class:`Lossy` is one.
    """
    if len(data) > LARGEST:
        msg = "it is long"
        raise Lossy(msg)
    text = data.decode()
    if _depth(text) > DEEPEST:
        msg = "it is deep"
        raise Lossy(msg)
    value: object = _EXACT.decode(text)
    to_bytes(value)
    return value


def to_bytes(value: object) -> bytes:
    """Return the shortest text of a value.

    Raises:
        ValueError: It holds half of a surrogate pair, which has no bytes.
    """
    return _compact(value).encode()


def is_json(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json")


def _depth(text: str) -> int:
    deepest = depth = 0
    for bracket in _BRACKETS.findall(_STRINGS.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        msg = "it has a key twice"
        raise Lossy(msg)
    return found


def _integer(text: str) -> int:
    # Some Pythons read no longer ones, and users may lower that to 640 digits.
    number = int(text) if len(text) <= LONGEST_NUMBER else 0
    if str(number) != text:
        msg = f"{text} would become {number}"
        raise Lossy(msg)
    return number


def _float(text: str) -> float:
    number = float(text)
    if repr(number) != text:
        msg = f"{text} would become {number!r}"
        raise Lossy(msg)
    return number


def _constant(text: str) -> NoReturn:
    msg = f"{text} is not JSON"
    raise Lossy(msg)


_EXACT = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant)
