"""What everything here works with: who we are, where we look, and what is told to the user."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_runloop.cache.entry import SCHEMA, Damaged, Entry
from pytest_runloop.cache.expiry import is_over
from pytest_runloop.cache.lease import Lease, Waiter
from pytest_runloop.preparing.habits import USUAL, Habits
from pytest_runloop.sandbox import labels

if TYPE_CHECKING:
    from pytest_runloop.cache.index import Index
    from pytest_runloop.cache.locks import Locks
    from pytest_runloop.provisioning import Provisioner


class Notes:
    """What happened, for the summary of a run; any thread may write.

    Attributes:
        made: Preparations.
        found: Prepared sandboxes that were found.
        forked: Sandboxes made from a disk snapshot.
        resumed: Sandboxes resumed.
        problems: What was wrong and has been mended, each once.
        swept: What was deleted because it had expired.
    """

    def __init__(self, tell: Callable[[str], object]) -> None:
        self.made = 0
        self.found = 0
        self.forked = 0
        self.resumed = 0
        self.problems: tuple[str, ...] = ()
        self.swept: tuple[str, ...] = ()
        self.tell = tell
        self._lock = threading.Lock()
        self._known: set[str] = set()

    def count(self, *, forked: int = 0, resumed: int = 0) -> None:
        """Add to the counters."""
        with self._lock:
            self.forked += forked
            self.resumed += resumed

    def count_made(self, key: str) -> None:
        """Count a preparation."""
        with self._lock:
            self.made += 1
            self._known.add(key)

    def count_found(self, key: str) -> None:
        """Count a prepared sandbox that was found, once in this process, and not if it was made here."""
        with self._lock:
            self.found += key not in self._known
            self._known.add(key)

    def problem(self, text: str) -> None:
        """Note what was wrong, once."""
        with self._lock:
            if text not in self.problems:
                self.problems = (*self.problems, text)

    def sweep(self, text: str) -> None:
        """Note what was deleted because it had expired."""
        with self._lock:
            self.swept = (*self.swept, text)


class Bench:
    """The tools of one process.

    Attributes:
        provisioner: Makes devboxes.
        index: What is known on this computer.
        locks: What the processes of this computer agree on.
        owner: Whose prepared things these are.
        max_age_s: How old they may get.
        habits: What is done differently where requests are recorded.
        notes: What happened.
        machine: Stands in the account for all who share ``locks``.
        turns: The keys whose suspended devboxes this process has resumed.
    """

    def __init__(
        self,
        provisioner: Provisioner,
        *,
        index: Index,
        locks: Locks,
        owner: str,
        max_age_s: float,
        tell: Callable[[str], object],
        habits: Habits = USUAL,
    ) -> None:
        self.provisioner = provisioner
        self.habits = habits
        self.index = index
        self.locks = locks
        self.owner = owner
        self.max_age_s = max_age_s
        self.notes = Notes(tell)
        self.turns: set[str] = set()
        self._machine = ""

    @property
    def machine(self) -> str:
        """The name in the account of all who share the locks."""
        if not self._machine:
            self._machine = self.locks.machine()
        return self._machine

    def holder(self) -> str:
        """Return a name for somebody who runs a prepared devbox now."""
        return f"{self.machine}:{uuid.uuid4().hex}"

    def hold(
        self, key: str, purpose: str, *, saying: str, stop: threading.Event | None, patience_s: float = 0.0
    ) -> Lease:
        """Return the right to do something with a key, waiting for whoever on this computer does it.

        Raises:
            lease.NotHad: *stop* was set, or it took longer than *patience_s*, unless that is 0.
        """
        return self.locks.hold(key, purpose, Waiter(lambda: self.notes.tell(saying), stop=stop, patience_s=patience_s))

    def indexed(self, key: str) -> Entry | None:
        """Return what the index knows of a key, if that may still be used."""
        try:
            entry = self.index.read(key)
        except Damaged as damage:
            self.notes.problem(f"{damage}; it counts as absent")
            return None
        return entry if entry is not None and not self.is_over(entry) else None

    def remember(self, entry: Entry) -> None:
        """Write to the index; without it, everything is looked up in the account."""
        # Alone, the next test must not find what this one has made of it.
        if not self.habits.alone:
            self._write(entry)

    def first(self, entry: Entry) -> Entry:
        """Return what was found or prepared as every test gets it, before any had it."""
        if not self.habits.alone:
            return entry
        same = replace(entry, state=None)
        self._write(same)
        return same

    def _write(self, entry: Entry) -> None:
        try:
            self.index.write(entry)
        except OSError as error:
            # Without the name of its temporary file, so that it is told once.
            reason = error.strerror or error
            self.notes.problem(f"the index could not be written ({reason}); prepared sandboxes are looked up instead")

    def is_over(self, entry: Entry) -> bool:
        """Say whether an entry is too old."""
        return self.habits.ages and is_over(
            created_s=entry.created_s, expires_s=entry.expires_s, max_age_s=self.max_age_s, now_s=time.time()
        )

    def wanted(self, key: str) -> dict[str, str]:
        """Return the metadata of the disk snapshots of a key that may be used."""
        wanted = {labels.KEY: key, labels.SCHEMA: str(SCHEMA), labels.OWNER_NAME: self.owner}
        return {**wanted, labels.RUN: self.provisioner.run} if self.habits.alone else wanted

    def marks(self, entry: Entry, *, kind: str) -> dict[str, str]:
        """Return the metadata by which a prepared thing is found again."""
        return {
            labels.OWNER: "1",
            labels.RUN: entry.run,
            labels.KEY: entry.key,
            labels.SCHEMA: str(SCHEMA),
            labels.OWNER_NAME: self.owner,
            labels.CREATED: str(entry.created_s),
            labels.EXPIRES: str(entry.expires_s),
            labels.KIND: kind,
        }
