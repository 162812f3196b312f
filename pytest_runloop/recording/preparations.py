"""Prepared sandboxes in a run that records or replays: each folder of tests has its own, with their cassettes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from pytest_runloop.recording.others import Vein

if TYPE_CHECKING:
    from pytest_runloop.preparation import Preparations, SuspendedSnapshot
    from pytest_runloop.recording.recorder import Recorder
    from pytest_runloop.sandbox.handle import Sandbox
    from pytest_runloop.spec import SandboxSpec


def _nobody(_: Sandbox) -> None:
    """Nobody wants to know of a sandbox."""


class RecordedPreparations:
    """Find or make prepared sandboxes, as ``Preparations`` does; what that takes has a cassette of its own."""

    def __init__(self, recorder: Recorder, make: Callable[[Vein], Preparations]) -> None:
        """Make them; nothing is looked at before the first is wanted.

        Args:
            recorder: Whose cassettes.
            make: Makes what prepares for a vein.
        """
        self._recorder = recorder
        self._make = make
        self._veins: dict[Vein, Preparations] = {}

    @property
    def made(self) -> int:
        """How many sandboxes were prepared here."""
        return sum(one.made for one in self._veins.values())

    @property
    def found(self) -> int:
        """How many were found prepared."""
        return sum(one.found for one in self._veins.values())

    @property
    def forked(self) -> int:
        """How many sandboxes were made from a disk snapshot."""
        return sum(one.forked for one in self._veins.values())

    @property
    def resumed(self) -> int:
        """How many were resumed."""
        return sum(one.resumed for one in self._veins.values())

    @property
    def problems(self) -> tuple[str, ...]:
        """What was wrong with prepared things and has been mended."""
        return tuple(problem for one in self._veins.values() for problem in one.problems)

    @property
    def swept(self) -> tuple[str, ...]:
        """What was deleted in the account because it had expired."""
        return tuple(text for one in self._veins.values() for text in one.swept)

    def key(self, spec: SandboxSpec) -> str:
        """Return what stands for everything that shapes the disk of such a sandbox."""
        return self._here().key(spec)

    def prepared(
        self,
        spec: SandboxSpec,
        *,
        failed: Callable[[], bool] | None = None,
        lend: Callable[[Sandbox], object] = _nobody,
    ) -> SuspendedSnapshot:
        """Find what a spec describes prepared, or prepare it; see ``Preparations``."""
        preparations = self._here()
        cassette = self._recorder.prepared(preparations.key(spec))
        with ExitStack() as stack:
            stack.callback(cassette.close, keep=False)
            with cassette.open():
                snapshot = preparations.prepared(spec, failed=failed, lend=lend)
            cassette.name(snapshot.snapshot_id, "snapshot")
            if snapshot.devbox_id is not None:
                cassette.name(snapshot.devbox_id, "devbox-1")
            stack.pop_all()
        cassette.close(keep=True)
        return snapshot

    def close(self) -> None:
        """End what was lent and not given back. Idempotent."""
        with ExitStack() as stack:
            for one in self._veins.values():
                stack.callback(one.close)

    def sweep(self) -> None:
        """Do nothing: what is recorded must not depend on what expires."""

    def _here(self) -> Preparations:
        vein = self._recorder.vein()
        if vein not in self._veins:
            self._veins[vein] = self._make(vein)
        return self._veins[vein]
