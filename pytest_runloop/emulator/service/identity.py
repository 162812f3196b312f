"""Fresh ids, keys and the time of day: the only place the service gets them from."""

from __future__ import annotations

import secrets
import string
import time

_ALPHABET = string.ascii_letters + string.digits


def fresh_id(prefix: str) -> str:
    """Make an id in the API's style, such as ``dbx_31AbX…``."""
    return f"{prefix}_{fresh_key(22)}"


def fresh_key(length: int) -> str:
    """Make a random string of letters and digits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def now_ms() -> int:
    """Give Unix time in milliseconds."""
    return time.time_ns() // 1_000_000
