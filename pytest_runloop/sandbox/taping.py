"""What sandboxes tell whoever records their requests. Knows no recording."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pytest_runloop.target import Target


class Taping(Protocol):
    """Whoever records; any thread may call."""

    def number(self, test: str) -> int:
        """Return which sandbox of its recording the next one is: equal creations are told apart by it."""

    def created(self, devbox_id: str, *, number: int) -> None:
        """Note a new devbox."""

    def exposed(self, url: str, *, devbox_id: str, port: int) -> None:
        """Note a URL that leads into a devbox."""

    def recorded_on(self) -> Target | None:
        """Return where the requests were recorded that are replayed now; None if none are."""


class Untaped:
    """Nobody records."""

    def __init__(self) -> None:
        self._made: Counter[str] = Counter()
        self._lock = threading.Lock()

    def number(self, test: str) -> int:
        """Count the sandboxes of a test."""
        with self._lock:
            self._made[test] += 1
            return self._made[test]

    def created(self, devbox_id: str, *, number: int) -> None:
        """Nobody wants to know."""

    def exposed(self, url: str, *, devbox_id: str, port: int) -> None:
        """Nobody wants to know."""

    def recorded_on(self) -> Target | None:
        """Nothing is replayed."""
        return None
