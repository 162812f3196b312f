"""Which recording the code that runs now belongs to. Knows no recording.

Context variables, because requests are sent from several threads and loops at once. What hands work to another loop
hands these on.
"""

from __future__ import annotations

import time
from contextvars import ContextVar

CURRENT: ContextVar[object | None] = ContextVar("pytest_runloop_cassette", default=None)
"""The cassette that requests sent from here belong to; None is the one of the running test."""

_skipped_s: ContextVar[float] = ContextVar("pytest_runloop_skipped_s", default=0.0)


def clock() -> float:
    """Return monotonic seconds, counting those that a replay has left out in this task."""
    return time.monotonic() + _skipped_s.get()


def skip(seconds: float) -> None:
    """Leave out seconds that a recording had waited, for the running task only."""
    _skipped_s.set(_skipped_s.get() + seconds)
