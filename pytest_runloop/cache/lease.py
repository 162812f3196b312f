"""Exclusive rights of one process, as held file locks: the operating system drops one when its holder dies.

The only module that knows filelock. On NFS a held lock may be advisory or absent.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

    from filelock import BaseFileLock

POLL_S = 0.05
QUIET_S = 1.0
"""A wait shorter than this is not worth a line."""


class NotHad(Exception):
    """Report a lease that could not be had in time, or is no longer wanted."""


class Lease:
    """A right that is held; ``with`` or ``release`` gives it up. Any thread may do so."""

    def __init__(self, lock: BaseFileLock) -> None:
        self._lock = lock

    def release(self) -> None:
        """Give the right up. Idempotent."""
        self._lock.release()

    def __enter__(self) -> Lease:  # noqa: PYI034 - typing.Self needs Python 3.11
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class Waiter:
    """How a process waits: what it says once, and what makes it give up."""

    def __init__(
        self, say: Callable[[], object] = lambda: None, *, stop: threading.Event | None = None, patience_s: float = 0.0
    ) -> None:
        """Make a waiter for one wait.

        Args:
            say: Called once, if the wait becomes worth a line.
            stop: Set from another thread when nobody wants the result any more.
            patience_s: Seconds after which to give up; 0 waits as long as it takes.
        """
        self._say = say
        self._stop = stop or threading.Event()
        self._began = time.monotonic()
        self._patience_s = patience_s
        self._said = False

    def pause(self) -> None:
        """Wait a moment.

        Raises:
            NotHad: It is time to give up.
        """
        waited = time.monotonic() - self._began
        if not self._said and waited >= QUIET_S:
            self._said = True
            self._say()
        if self._stop.wait(POLL_S) or (self._patience_s and waited >= self._patience_s):
            message = f"given up after {waited:.0f} s"
            raise NotHad(message)


def try_hold(path: Path) -> Lease | None:
    """Return the right that a file stands for, or None if somebody holds it; the file's directory exists."""
    from filelock import FileLock, Timeout

    # Not local to the thread: an asynchronous test gives it up in another than it took it in.
    lock = FileLock(path, thread_local=False)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return None
    return Lease(lock)


def hold(path: Path, waiter: Waiter) -> Lease:
    """Return the right that a file stands for, waiting for whoever holds it.

    Raises:
        NotHad: The waiter gave up.
    """
    while (lease := try_hold(path)) is None:
        waiter.pause()
    return lease
