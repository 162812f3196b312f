"""Small checks of JSON values. Each takes the field's name for its message and raises a 400. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TypeAlias

from pytest_runloop.emulator.domain.problems import ApiProblem, bad_request

Check: TypeAlias = Callable[[str, object], object]
"""Takes a field's name and its value, gives the value back or raises."""

_TYPE_NAMES = {
    str: "a string",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    dict: "an object",
    list: "a list",
}


def text(field: str, value: object) -> str:
    """Accept a string the operating system can carry: no NUL, no half surrogates."""
    if not isinstance(value, str):
        raise wrong_type(field, value, str)
    try:
        broken = b"\0" in value.encode()
    except UnicodeEncodeError:
        broken = True
    if broken:
        raise bad_request(f"{field}: the text holds a NUL or an unpaired surrogate; remove it.")
    return value


def content(field: str, value: object) -> str:
    """Accept a string that a file can hold: no half surrogates."""
    if not isinstance(value, str):
        raise wrong_type(field, value, str)
    text(field, value.replace("\0", ""))
    return value


def boolean(field: str, value: object) -> bool:
    """Accept true or false."""
    if not isinstance(value, bool):
        raise wrong_type(field, value, bool)
    return value


def number(field: str, value: object) -> float:
    """Accept a whole or fractional number that isn't negative."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise wrong_type(field, value, float)
    if not value >= 0:
        raise bad_request(f"{field}: {value} is negative.")
    return float(value)


def integer(minimum: int, maximum: int) -> Check:
    """Accept a whole number in a range, both ends included."""

    def check(field: str, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise wrong_type(field, value, int)
        if not minimum <= value <= maximum:
            raise bad_request(f"{field}: {value} is not between {minimum} and {maximum}.")
        return value

    return check


def choice(allowed: Collection[str]) -> Check:
    """Accept one of several words."""

    def check(field: str, value: object) -> str:
        if not isinstance(value, str) or value not in allowed:
            raise bad_request(f"{field}: {value!r} is not one of {', '.join(allowed)}.")
        return value

    return check


def list_of(item: Check) -> Check:
    """Accept a list whose items all pass."""

    def check(field: str, value: object) -> list[object]:
        if not isinstance(value, list):
            raise wrong_type(field, value, list)
        return [item(f"{field}[{index}]", one) for index, one in enumerate(value)]

    return check


def text_map(field: str, value: object) -> dict[str, str]:
    """Accept an object whose values are strings."""
    return {text(f"{field} key", key): text(f"{field}[{key!r}]", one) for key, one in mapping(field, value).items()}


def environment(field: str, value: object) -> dict[str, str]:
    """Accept an object of environment variables."""
    variables = text_map(field, value)
    for name in variables:
        if not name or "=" in name:
            raise bad_request(f"{field}: {name!r} can't name an environment variable.")
    return variables


def mapping(field: str, value: object) -> Mapping[str, object]:
    """Accept any object."""
    if not isinstance(value, dict):
        raise wrong_type(field, value, dict)
    return value


def record(fields: Mapping[str, Check], *, required: Collection[str] = ()) -> Check:
    """Accept an object with these fields and no others. Fields given as null count as absent."""

    def check(field: str, value: object) -> dict[str, object]:
        prefix = f"{field}." if field else ""
        given = {name: one for name, one in mapping(field or "the body", value).items() if one is not None}
        for name in given:
            if name not in fields:
                raise bad_request(f"{prefix}{name}: unknown field; known are {', '.join(fields)}.")
        for name in required:
            if name not in given:
                raise bad_request(f"{prefix}{name}: required, but missing.")
        return {name: fields[name](f"{prefix}{name}", one) for name, one in given.items()}

    return check


def wrong_type(field: str, value: object, wanted: type) -> ApiProblem:
    """Make the 400 for a value of the wrong type."""
    got = "null" if value is None else _TYPE_NAMES.get(type(value), type(value).__name__)
    return bad_request(f"{field}: expected {_TYPE_NAMES[wanted]}, got {got}.")
