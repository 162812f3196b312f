"""Which emulators on one state directory are alive, by locks that the operating system drops when a process ends."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class Membership:
    """This emulator's sign of life. Owns one locked file."""

    def __init__(self, directory: Path, *, owner: str) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory = directory
        self._path = directory / f"{owner}.alive"
        self._lock = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def close(self) -> None:
        """Give the sign of life up."""
        self._path.unlink(missing_ok=True)
        os.close(self._lock)

    def dead(self, owners: Iterable[str]) -> frozenset[str]:
        """Say which of these emulators are gone, and tidy up after them."""
        return frozenset(owner for owner in owners if self._is_dead(self._directory / f"{owner}.alive"))

    def _is_dead(self, path: Path) -> bool:
        try:
            lock = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return True
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
        except BlockingIOError:
            return False
        finally:
            os.close(lock)
        return True
