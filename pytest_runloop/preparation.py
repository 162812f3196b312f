"""Sandboxes prepared once, and found again by later tests, workers, runs and machines. Knows no pytest."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_runloop.cache.index import Index
from pytest_runloop.cache.key import key_of
from pytest_runloop.cache.locks import Locks
from pytest_runloop.preparing import making, sweeping
from pytest_runloop.preparing.bench import Bench
from pytest_runloop.preparing.forking import Fork
from pytest_runloop.preparing.habits import USUAL, Habits
from pytest_runloop.preparing.lending import Lent
from pytest_runloop.preparing.prepared import Prepared
from pytest_runloop.preparing.resuming import Resumption, state_of
from pytest_runloop.preparing.turn import Turn
from pytest_runloop.target import Endpoint, Target

if TYPE_CHECKING:
    from pytest_runloop.provisioning import Provisioner
    from pytest_runloop.sandbox.handle import Sandbox
    from pytest_runloop.spec import SandboxSpec

__all__ = ["Lent", "Preparations", "SuspendedSnapshot"]


def _nobody(_: Sandbox) -> None:
    """Nobody wants to know of a sandbox."""


class Preparations:
    """Find or make prepared sandboxes; one per process."""

    def __init__(
        self,
        provisioner: Provisioner,
        *,
        cache_dir: Path,
        locks_dir: Path | None = None,
        owner: str,
        max_age_s: float,
        fresh: bool = False,
        tell: Callable[[str], object] = lambda _: None,
        habits: Habits = USUAL,
    ) -> None:
        """Make them; nothing is looked at before the first is wanted.

        Args:
            provisioner: Makes the sandboxes; it is closed after this.
            cache_dir: What is known on this computer; may vanish at any time.
            locks_dir: What the processes of this computer lock; must not vanish. By default in *cache_dir*.
            owner: Whose prepared sandboxes these are; those of others in the account are neither used nor swept.
            max_age_s: How old they may get.
            fresh: Whether what earlier runs prepared is prepared anew, once in this run, and replaced.
            tell: Given a line when there is something to wait for.
            habits: What is done differently where requests are recorded.
        """
        locks_dir = locks_dir or cache_dir / "locks"
        place = _place(provisioner.endpoint, locks_dir)
        self._fresh = fresh
        self._awaited: list[Lent] = []
        self._bench = Bench(
            provisioner,
            index=Index(cache_dir / place),
            locks=Locks(locks_dir / place),
            owner=owner,
            max_age_s=max_age_s,
            tell=tell,
            habits=habits,
        )

    @property
    def made(self) -> int:
        """How many sandboxes were prepared here."""
        return self._bench.notes.made

    @property
    def found(self) -> int:
        """How many were found prepared."""
        return self._bench.notes.found

    @property
    def forked(self) -> int:
        """How many sandboxes were made from a disk snapshot."""
        return self._bench.notes.forked

    @property
    def resumed(self) -> int:
        """How many were resumed."""
        return self._bench.notes.resumed

    @property
    def problems(self) -> tuple[str, ...]:
        """What was wrong with prepared things and has been mended, each once."""
        return self._bench.notes.problems

    @property
    def swept(self) -> tuple[str, ...]:
        """What was deleted in the account because it had expired."""
        return self._bench.notes.swept

    def prepared(
        self,
        spec: SandboxSpec,
        *,
        failed: Callable[[], bool] | None = None,
        lend: Callable[[Sandbox], object] = _nobody,
    ) -> SuspendedSnapshot:
        """Find what a spec describes prepared, or prepare it; if another process is at it, wait.

        Args:
            spec: What to prepare. Its names, metadata, ports and timeouts count for every sandbox made from it.
            failed: Whether the test has failed, asked when a resumed sandbox is given back and again when the result is
                closed: only then other tests get it. If left out, they get it when it is given back.
            lend: Called with each sandbox that is handed out.

        Raises:
            SpecError: It can't be met, or its setup can't be told apart from others by later runs.
            ProvisioningError: It could not be prepared; nothing is kept of it.
        """
        run = self._bench.provisioner.run if self._fresh else ""
        entry = making.ready(self._bench, spec, self.key(spec), run=run)
        return SuspendedSnapshot(Prepared(self._bench, spec, entry), failed=failed, lend=lend, keep=self._keep)

    def key(self, spec: SandboxSpec) -> str:
        """Return what stands for everything that shapes the disk of such a sandbox.

        Raises:
            SpecError: It can't be met, or its setup can't be told apart from others by later runs.
        """
        return key_of(self._bench.habits.cleaned(self._bench.provisioner.shape(spec)))

    def close(self) -> None:
        """End what was lent and not given back. Idempotent.

        Raises:
            TeardownError: A devbox could not be verified as ended; the others are.
        """
        with ExitStack() as stack:
            while self._awaited:
                stack.callback(self._awaited.pop(0).close)

    def sweep(self) -> None:
        """Delete this owner's prepared things in the account that expired a good while ago; see ``swept``."""
        sweeping.sweep(self._bench)

    def _keep(self, lent: Lent) -> None:
        self._awaited = [*(one for one in self._awaited if one.is_open), lent]


class SuspendedSnapshot:
    """A prepared sandbox: an immutable disk snapshot, and one suspended devbox."""

    def __init__(
        self,
        prepared: Prepared,
        *,
        failed: Callable[[], bool] | None,
        lend: Callable[[Sandbox], object],
        keep: Callable[[Lent], object],
    ) -> None:
        """Make it for one test; only ``Preparations`` does."""
        self._prepared = prepared
        self._turn = Turn(prepared, failed=failed)
        self._lend = lend
        self._keep_longest = keep
        self._awaited: list[Lent] = []

    @property
    def key(self) -> str:
        """What stands for everything that shapes the disk: equal keys, equal sandboxes."""
        return self._prepared.key

    @property
    def snapshot_id(self) -> str:
        """The disk snapshot's id."""
        return self._prepared.entry.snapshot_id

    @property
    def devbox_id(self) -> str | None:
        """The suspended devbox's id, if it is known here already."""
        return self._prepared.entry.devbox_id

    @property
    def created(self) -> bool:
        """Whether it was prepared in this run."""
        return self._prepared.entry.run == self._prepared.bench.provisioner.run

    @property
    def age_s(self) -> float:
        """Seconds since it was prepared."""
        return max(0.0, time.time() - self._prepared.entry.created_s)

    @property
    def state_json(self) -> str:
        """The suspended devbox's session, exactly as the Agents SDK serialises it.

        ``client.resume(client.deserialize_session_state(json.loads(state_json)))`` resumes it anywhere; what that
        leaves on the disk is there for the next ``resume()``. If no devbox is suspended, one is.
        """
        return state_of(self._prepared, self._turn)

    def fork(self, *, number: int | None = None) -> Lent:
        """Give a pristine sandbox; any number at once. It is deleted at its end.

        Args:
            number: What ``Provisioner.number`` gave, if it was asked before.
        """
        return Lent(Fork(self._prepared, number=number), keep=self._keep, lend=self._lend)

    def resume(self, *, failed: Callable[[], bool] | None = None) -> Lent:
        """Give the suspended sandbox with what earlier tests left on its disk, to nobody else at the same time.

        At its end it is suspended again, and other tests may have it when this one has ended, in ``close``. If this one
        fails, also after it gave the sandbox back, it is deleted, and the next one starts from the disk snapshot.

        Args:
            failed: Asked whether the test has failed; by default the one that asked for all of this.
        """
        use = Resumption(self._prepared, self._turn, failed=failed)
        return Lent(use, keep=self._keep, lend=self._lend)

    def rebuild(self) -> None:
        """Prepare it anew, and replace what there is."""
        self._prepared.renew()

    def close(self) -> None:
        """End everything that was awaited, last first, and hand the suspended devbox on. Idempotent.

        Raises:
            TeardownError: A devbox could not be verified as ended; the others are.
        """
        with ExitStack() as stack:
            # Pushed first, so called last.
            stack.callback(self._turn.close)
            while self._awaited:
                # Pushed first to last, so called last to first.
                stack.callback(self._awaited.pop(0).close)

    def _keep(self, lent: Lent) -> None:
        self._awaited.append(lent)
        # Should nobody close this.
        self._keep_longest(lent)


def _place(endpoint: Endpoint, locks_dir: Path) -> str:
    """Return a name for where prepared things are: an account, or an emulator's disks."""
    where = f"{endpoint.base_url}\n{endpoint.api_key}"
    if endpoint.target is Target.EMULATOR:
        # Its address and key are of one run only. But two with different disks have different locks.
        where = str(locks_dir.absolute())
    return f"{endpoint.target.value}-{hashlib.sha256(where.encode()).hexdigest()[:16]}"
