"""Noticing that nobody has talked to a devbox for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class IdleTimer:
    """Call ``expired`` once, so many seconds after the last ``touch``.

    A touch only notes the time, so it costs nothing on every request; the timer itself looks again when it rings.
    """

    def __init__(self, seconds: float, *, busy: Callable[[], bool], expired: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._seconds = seconds
        self._busy = busy
        self._expired = expired
        self._last = self._loop.time()
        self._timer = self._loop.call_later(seconds, self._ring)

    def touch(self) -> None:
        """Start the time anew."""
        self._last = self._loop.time()

    def stop(self) -> None:
        """Never ring again."""
        self._timer.cancel()

    def _ring(self) -> None:
        if self._busy():
            self.touch()
        left = self._last + self._seconds - self._loop.time()
        if left <= 0:
            self._expired()
        else:
            self._timer = self._loop.call_later(left, self._ring)
