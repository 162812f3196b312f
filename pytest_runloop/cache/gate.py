"""A cap on what runs at once over all processes of a run: as many places as it allows, each a held file lock."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from pytest_runloop.cache import lease
from pytest_runloop.cache.lease import Lease, Waiter
from pytest_runloop.errors import ProvisioningError

PATIENCE_S = 600.0
"""Only for a process that holds places itself: two of them may wait for each other for ever."""


class Gate:
    """Let at most *limit* devboxes run at once; whoever comes later waits, and says so once."""

    def __init__(self, directory: Path, limit: int, tell: Callable[[str], object] = lambda _: None) -> None:
        """Make a gate; all processes that share *directory* share its places.

        Args:
            directory: Of the run; made if missing.
            limit: At least 1.
            tell: Given a line when somebody has to wait.
        """
        self._directory = directory
        self._limit = limit
        self._tell = tell
        self._lock = threading.Lock()
        self._mine = 0

    def enter(self, *, stop: threading.Event | None = None) -> Place:
        """Return a place, waiting for one.

        Raises:
            ProvisioningError: Nobody else can give one up, or has for too long while we hold one ourselves.
            lease.NotHad: *stop* was set.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        waiter = Waiter(self._say, stop=stop, patience_s=PATIENCE_S if self._mine else 0)
        while (held := self._free_place()) is None:
            if self._mine >= self._limit:
                raise self._hopeless(why="all of them are this process's own")
            try:
                waiter.pause()
            except lease.NotHad as given_up:
                if stop is not None and stop.is_set():
                    raise
                raise self._hopeless(why=f"none became free; {given_up}") from given_up
        with self._lock:
            self._mine += 1
        return Place(held, self._left)

    def _free_place(self) -> Lease | None:
        for number in range(self._limit):
            held = lease.try_hold(self._directory / f"devbox-{number}.lock")
            if held is not None:
                return held
        return None

    def _left(self) -> None:
        with self._lock:
            self._mine -= 1

    def _say(self) -> None:
        self._tell(f"waiting for a place: {self._limit} devboxes run already, and runloop_max_devboxes allows no more")

    def _hopeless(self, *, why: str) -> ProvisioningError:
        return ProvisioningError(
            f"a devbox more is needed, but runloop_max_devboxes allows {self._limit} at once, and {why}; "
            "raise it, or use fewer sandboxes at the same time"
        )


class Place:
    """A place that is taken until it is left."""

    def __init__(self, held: Lease, left: Callable[[], None]) -> None:
        self._held: Lease | None = held
        self._left = left

    def leave(self) -> None:
        """Give the place up. Idempotent."""
        held, self._held = self._held, None
        if held is not None:
            held.release()
            self._left()
