"""Fresh ids, keys and the time of day: the only place the service gets them from."""

from __future__ import annotations

import re
import secrets
import string
import time

_ALPHABET = "".join(sorted(string.ascii_letters + string.digits))
_TIME_DIGITS = 11
_RANDOM_DIGITS = 11
_MADE_HERE = re.compile(rf"[a-z]+_[0-9A-Za-z]{{{_TIME_DIGITS + _RANDOM_DIGITS}}}")


def fresh_id(prefix: str) -> str:
    """Make an id in the API's style, such as ``dbx_31AbX…``. Ids of one prefix sort by the time they are made."""
    time_ns, digits = time.time_ns(), ""
    for _ in range(_TIME_DIGITS):
        time_ns, digit = divmod(time_ns, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return f"{prefix}_{digits}{fresh_key(_RANDOM_DIGITS)}"


def is_fresh(some_id: str) -> bool:
    """Whether an id looks as those that are made here."""
    return _MADE_HERE.fullmatch(some_id) is not None


def fresh_key(length: int) -> str:
    """Make a random string of letters and digits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def now_ms() -> int:
    """Give Unix time in milliseconds."""
    return time.time_ns() // 1_000_000
