"""Pristine sandboxes from a disk snapshot, any number at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_runloop.errors import ProvisioningError

if TYPE_CHECKING:
    import threading

    from pytest_runloop.preparing.prepared import Prepared
    from pytest_runloop.sandbox.handle import Sandbox
    from pytest_runloop.sandbox.running import Running


class Fork:
    """One new devbox from the disk snapshot; implements ``lending.Opening``."""

    def __init__(self, prepared: Prepared, *, number: int | None = None) -> None:
        self._prepared = prepared
        # Now, because several may be opened at once.
        self._number = number or prepared.bench.provisioner.number(prepared.spec)
        self._running: Running | None = None

    def open(self, *, stop: threading.Event) -> Sandbox:
        """Return the sandbox."""
        running = self._made(stop) or self._made(stop)
        if running is None:
            message = (
                f"{self._prepared.spec.test}: the disk snapshot is deleted as soon as it is taken; see who does that"
            )
            raise ProvisioningError(message)
        self._running = running
        self._prepared.bench.notes.count(forked=1)
        return running.sandbox

    def close(self, *, raised: bool) -> None:  # noqa: ARG002 - a fork is nobody's afterwards
        """End the devbox as its mark says, whether the test failed or not."""
        if self._running is None:
            message = f"the fork of {self._prepared.key} is not open"
            raise ProvisioningError(message)
        self._prepared.bench.provisioner.end(self._running)

    def _made(self, stop: threading.Event) -> Running | None:
        return self._prepared.from_disk(marks={}, spec=self._prepared.spec, stop=stop, number=self._number)
