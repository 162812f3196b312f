"""A test's turn with the suspended devbox: from its first resume to its end, for only then is it known how it went."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_runloop.cache.lease import NotHad
from pytest_runloop.errors import SandboxError
from pytest_runloop.preparing import sweeping
from pytest_runloop.sandbox import resuming as claims

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from pytest_runloop.cache.lease import Lease
    from pytest_runloop.preparing.prepared import Prepared

CLEANUP_S = 30.0
PATIENCE_S = 60.0
"""How long to wait for a turn that this process has itself: mostly it is the waiting test that would have to end it."""


class Turn:
    """The right of one test to the suspended devbox.

    While it lasts, the devbox's metadata name its holder: nobody gets what the test has left before it has ended well.

    Attributes:
        lasts: Whether it goes on when the devbox is suspended, until ``close``; else it ends with each use.
        failed: Whether the test has failed so far.
    """

    def __init__(self, prepared: Prepared, *, failed: Callable[[], bool] | None) -> None:
        """Make a turn, which has not begun.

        Args:
            prepared: Which prepared sandbox.
            failed: Whether the test has failed; None if nobody will tell, nor close this.
        """
        self.lasts = failed is not None
        self.failed = failed or _never
        self._prepared = prepared
        self._bench = prepared.bench
        self._holder = ""
        self._lease: Lease | None = None
        self._kept: str | None = None

    @property
    def holder(self) -> str:
        """What stands for this turn in the metadata of a devbox."""
        self._holder = self._holder or self._bench.holder()
        return self._holder

    def begin(self, *, stop: threading.Event) -> None:
        """Wait until nobody else on this computer has the turn; again, it does nothing.

        Raises:
            NotHad: *stop* was set.
            SandboxError: This process has it, and does not end it.
        """
        if self._lease is not None:
            return
        key, test = self._prepared.key, self._prepared.spec.test
        saying = f"waiting for another test that has resumed the sandbox {test} wants ({key})"
        patience_s = PATIENCE_S if key in self._bench.turns else 0.0
        try:
            self._lease = self._bench.hold(key, "resume", saying=saying, stop=stop, patience_s=patience_s)
        except NotHad as reason:
            if stop.is_set():
                raise
            message = (
                f"{test}: this process has resumed the same sandbox already ({key}); {reason}. Only one can have it "
                "at a time: resume it once, and hand that one on; or fork() it"
            )
            raise SandboxError(message) from None
        self._bench.turns.add(key)

    def keep(self, devbox_id: str | None) -> None:
        """Note which devbox is suspended and waits for the test's end."""
        self._kept = devbox_id

    def forget(self) -> None:
        """Note for all that there is no suspended devbox."""
        self._kept = None
        if not self.is_outdated():
            self._prepared.entry = replace(self._prepared.entry, devbox_id=None, state=None)
            self._bench.remember(self._prepared.entry)

    def is_outdated(self) -> bool:
        """Say whether the sandbox was prepared anew meanwhile, so that this devbox has nothing to do with it."""
        if self._bench.habits.alone:
            return False
        known = self._bench.indexed(self._prepared.key)
        return known is not None and known.snapshot_id != self._prepared.entry.snapshot_id

    def end_use(self) -> None:
        """End the turn with the use, unless it lasts."""
        if not self.lasts:
            self.close()

    def close(self) -> None:
        """Hand the devbox on if the test has ended well; else delete it. Idempotent."""
        lease, self._lease = self._lease, None
        if lease is None:
            return
        try:
            if self._kept is not None:
                self._decide(self._kept)
        finally:
            self._bench.turns.discard(self._prepared.key)
            lease.release()

    def _decide(self, devbox_id: str) -> None:
        if self.failed() or self.is_outdated():
            self.forget()
            sweeping.drop_devbox(self._bench, devbox_id)
            return
        snapshot_id = self._prepared.entry.snapshot_id
        reason = self._bench.provisioner.finish(
            lambda provider: claims.vouch(
                provider.account.devbox(devbox_id), snapshot_id=snapshot_id, cleanup_s=CLEANUP_S
            )
        )
        if reason is not None:
            self._bench.notes.problem(f"{reason}; the next resume() starts another one from the disk snapshot")
            self.forget()


def _never() -> bool:
    return False
