"""What the processes of one computer agree on: locks, and what must outlive a cleared index."""

from __future__ import annotations

import time
import uuid
from pathlib import Path

from pytest_runloop.cache import lease
from pytest_runloop.cache.lease import Lease, Waiter
from pytest_runloop.cache.texts import make_private, replace_text, text_of


class Locks:
    """The locks in one directory; nothing in it may be deleted while somebody uses it."""

    def __init__(self, directory: Path) -> None:
        """Use a directory, which is made by the first use."""
        self._directory = directory

    def hold(self, key: str, purpose: str, waiter: Waiter) -> Lease:
        """Return the exclusive right to do something with a key, waiting for it.

        Raises:
            lease.NotHad: The waiter gave up.
        """
        make_private(self._directory)
        return lease.hold(self._directory / f"{key}.{purpose}.lock", waiter)

    def machine(self) -> str:
        """Return the name under which everybody who shares these locks is known in the account."""
        path = self._directory / "machine"
        with self.hold("machine", "name", Waiter()):
            name = text_of(path)
            if not name:
                name = uuid.uuid4().hex
                replace_text(path, name)
        return name

    def renewed_by(self, key: str) -> str:
        """Return the run that last prepared a key anew because it was told to, or an empty string."""
        return text_of(self._directory / f"{key}.renewed")

    def mark_renewed(self, key: str, *, run: str) -> None:
        """Remember that a run has prepared a key anew."""
        replace_text(self._directory / f"{key}.renewed", run)

    def due(self, what: str, *, every_s: float) -> bool:
        """Say whether something was last done longer ago than that, and note that it is done now."""
        path = self._directory / what
        try:
            if time.time() - path.stat().st_mtime < every_s:
                return False
        except FileNotFoundError:
            pass
        replace_text(path, "")
        return True
