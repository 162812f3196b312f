"""One prepared sandbox as one test knows it: what it asked for, and where the disk of it is."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from pytest_runloop.errors import ProvisioningError, SandboxError
from pytest_runloop.preparing import making
from pytest_runloop.sandbox import creation, snapshots
from pytest_runloop.sandbox.boundary import ApiFailure
from pytest_runloop.sandbox.starting import FromSnapshot

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_runloop.cache.entry import Entry
    from pytest_runloop.preparing.bench import Bench
    from pytest_runloop.sandbox.running import Running
    from pytest_runloop.spec import SandboxSpec


class Prepared:
    """A prepared sandbox.

    Attributes:
        spec: What the test asked for; its names, ports and timeouts count for every sandbox made from this.
        entry: What is prepared, as it was when this was last looked at.
    """

    def __init__(self, bench: Bench, spec: SandboxSpec, entry: Entry) -> None:
        self.bench = bench
        self.spec = spec
        self.entry = entry
        self._resumed = threading.Lock()

    @property
    def key(self) -> str:
        """The key."""
        return self.entry.key

    def look_again(self) -> None:
        """Take in what other processes have done: they resume the same devbox, or prepare anew."""
        if not self.bench.habits.alone:
            self.entry = self.bench.indexed(self.key) or self.entry

    def take(self) -> None:
        """Begin to use the suspended devbox, once at a time.

        Raises:
            SandboxError: The same test uses it already.
        """
        if not self._resumed.acquire(blocking=False):
            message = f"{self.spec.test}: it is resumed already, and would wait for itself; use fork() for another"
            raise SandboxError(message)

    def give_back(self) -> None:
        """End what ``take`` began."""
        self._resumed.release()

    def renew(self) -> None:
        """Prepare anew and replace what there is."""
        self.entry = making.renewed(self.bench, self.spec, self.key)

    def from_disk(
        self, *, marks: Mapping[str, str], spec: SandboxSpec, stop: threading.Event, number: int | None = None
    ) -> Running | None:
        """Return a new devbox from the disk snapshot, or None if that was gone: then it has been prepared again.

        Args:
            marks: Labels for it.
            spec: What the devbox shall be like beside its disk.
            stop: Set from another thread to give up waiting.
            number: Which sandbox of its test it is; the next one if left out.

        Raises:
            ProvisioningError: It could not be had.
        """
        entry = self.entry
        try:
            return self.bench.provisioner.begin(
                spec, source=FromSnapshot(entry.snapshot_id), marks=marks, number=number, stop=stop
            )
        except ProvisioningError as error:
            status = self._disk_status(entry, error)
            if status == snapshots.COMPLETE:
                raise
        self.bench.notes.problem(
            f"disk snapshot {entry.snapshot_id} is '{status}': somebody deleted it; the sandbox was prepared again"
        )
        self.entry = making.mended(self.bench, self.spec, entry)
        return None

    def _disk_status(self, entry: Entry, error: ProvisioningError) -> str:
        """Return how the disk snapshot is, as far as that may have been the reason; else ``complete``."""
        cause = error.__cause__
        if not isinstance(cause, ApiFailure) or cause.status in creation.REFUSALS:
            return snapshots.COMPLETE
        try:
            return self.bench.provisioner.ask(lambda provider: provider.account.snapshot_status(entry.snapshot_id))
        except ApiFailure:
            return snapshots.COMPLETE
