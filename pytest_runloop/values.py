"""What the words of a setting mean. Pure.

Each function raises ``ValueError`` with what is wrong and what would be right, ready to be shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from pytest_runloop.target import RECORD_MODES

NONE = "none"
_FLAGS = {"yes": True, "true": True, "on": True, "1": True, "no": False, "false": False, "off": False, "0": False}
_UNITS_S = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def as_choice(text: str, choices: Iterable[str]) -> str:
    if text not in choices:
        msg = f"{text!r} is not one of {', '.join(choices)}"
        raise ValueError(msg)
    return text


def as_record(text: str) -> str:
    """Read what to record, in vcrpy's words as far as they make sense here."""
    if text == "new_episodes":
        msg = (
            "'new_episodes' can't be had: a sandbox session is recorded whole, because what is added to an old one "
            "would go to a devbox that is long gone; use all"
        )
        raise ValueError(msg)
    return as_choice(text, RECORD_MODES)


def as_flag(text: str) -> bool:
    known = _FLAGS.get(text.strip().lower())
    if known is None:
        msg = f"{text!r} is not one of {', '.join(_FLAGS)}"
        raise ValueError(msg)
    return known


def as_seconds(text: str) -> float:
    """Read an age, such as 7d, 12h, 90m, or seconds."""
    found = re.fullmatch(r"(\d+)\s*([smhd]?)", text.strip().lower(), flags=re.ASCII)
    seconds = int(found[1]) * _UNITS_S[found[2]] if found else 0
    if not seconds:
        msg = f"{text!r} is not an age, such as 7d, 12h, 90m, or seconds"
        raise ValueError(msg)
    return float(seconds)


def as_count(text: str) -> int | None:
    """Read how many there may be; ``none`` means any number."""
    if text.strip().lower() == NONE:
        return None
    if not re.fullmatch(r"[1-9]\d*", text.strip(), flags=re.ASCII):
        msg = f"{text!r} is not a whole number, at least 1, or {NONE}"
        raise ValueError(msg)
    return int(text)


def as_dockerfiles(text: str) -> Mapping[str, str]:
    """Read lines of ``name = path``."""
    lines = [] if text.strip().lower() == NONE else [line.strip() for line in text.splitlines() if line.strip()]
    found: dict[str, str] = {}
    for line in lines:
        name, _, path = (part.strip() for part in line.partition("="))
        if not name or not path:
            msg = f"{line!r} is not a line such as name = path/to/Dockerfile"
            raise ValueError(msg)
        if name in found:
            msg = f"{name!r} is there twice, as {found[name]} and as {path}; keep one of them"
            raise ValueError(msg)
        found[name] = path
    return MappingProxyType(found)
