"""The one suspended devbox of a prepared sandbox: resumed by one test at a time, and given back in good order or never.

"One" is on this computer, where a held file lock says so. Another machine may have taken the devbox at the same time;
then a second one is made from the disk snapshot rather than waiting for somebody we know nothing of.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from pytest_runloop.errors import ProvisioningError
from pytest_runloop.preparing import finding, sweeping
from pytest_runloop.sandbox import labels
from pytest_runloop.sandbox import resuming as claims
from pytest_runloop.sandbox.boundary import ApiFailure, StateUnusable
from pytest_runloop.sandbox.resuming import Claim, Fate, NotResumed
from pytest_runloop.sandbox.starting import Suspended

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_runloop.cache.entry import Entry
    from pytest_runloop.preparing.prepared import Prepared
    from pytest_runloop.preparing.turn import Turn
    from pytest_runloop.sandbox.boundary import DevboxApi, Provider, Timeouts
    from pytest_runloop.sandbox.handle import Sandbox
    from pytest_runloop.sandbox.running import Running

MENDED = {
    Fate.GONE: "another one was started from the disk snapshot",
    Fate.OTHERS: "it was left alone, and another one was started from the disk snapshot",
    Fate.DISCARD: "it was deleted, and another one was started from the disk snapshot",
}
"""What is said of a devbox that could not be resumed. That another machine has it is no problem."""


class Resumption:
    """One use of the suspended devbox; implements ``lending.Opening``."""

    def __init__(self, prepared: Prepared, turn: Turn, *, failed: Callable[[], bool] | None = None) -> None:
        """Make a use; nothing is done yet.

        Args:
            prepared: Which prepared sandbox.
            turn: The test's right to it, which ends after this.
            failed: Asked at the end of this use: whether nobody may get what it left. By default the turn's.
        """
        self._failed = failed or turn.failed
        self._prepared = prepared
        self._turn = turn
        self._bench = prepared.bench
        # The SDK's mark of a session that is meant to be resumed; it is part of the state.
        self._spec = replace(prepared.spec, options={**prepared.spec.options, "pause_on_exit": True})
        self._running: Running | None = None
        self._end = ExitStack()

    def open(self, *, stop: threading.Event) -> Sandbox:
        """Return the sandbox, once nobody else on this computer has it.

        Raises:
            ProvisioningError: It could not be had.
            SandboxError: The test that asks has it already.
        """
        with ExitStack() as undo:
            self._prepared.take()
            undo.callback(self._prepared.give_back)
            undo.callback(self._turn.end_use)
            self._turn.begin(stop=stop)
            self._prepared.look_again()
            # A second time, because the disk may have been gone as well; what is prepared then is suspended.
            running = self._had(stop) or self._had(stop)
            if running is None:
                message = (
                    f"{self._prepared.spec.test}: the disk snapshot is deleted as soon as it is taken; see who does"
                )
                raise ProvisioningError(message)
            self._turn.keep(None)
            self._running = running
            self._end = undo.pop_all()
        self._bench.notes.count(resumed=1)
        return running.sandbox

    def close(self, *, raised: bool) -> None:
        """Suspend the devbox until the test's end; or delete it, if anything went wrong.

        Raises:
            TeardownError: It could be verified neither as suspended nor as gone.
        """
        running = self._running
        if running is None:
            message = f"the sandbox {self._prepared.key} is not resumed"
            raise ProvisioningError(message)
        with self._end:
            if raised or self._failed() or self._turn.is_outdated():
                self._turn.forget()
                self._bench.provisioner.delete(running)
            else:
                self._set_aside(running)

    def _had(self, stop: threading.Event) -> Running | None:
        return self._resumed(stop) or self._replaced(stop)

    def _resumed(self, stop: threading.Event) -> Running | None:
        for devbox_id, state in self._candidates():
            running = self._tried(devbox_id, state, stop)
            if running is not None:
                return running
        return None

    def _candidates(self) -> Iterator[tuple[str, str | None]]:
        """Go through the suspended devboxes: the one known here, then what the account has of other machines."""
        entry = self._prepared.entry
        if entry.devbox_id is not None:
            yield entry.devbox_id, entry.state
        if self._bench.habits.alone:
            return
        try:
            listed = self._bench.provisioner.ask(lambda provider: finding.put_aside(provider.account, entry))
        except ApiFailure as failure:
            raise self._unanswered(failure) from failure
        for devbox in listed:
            if devbox.id != entry.devbox_id:
                yield devbox.id, None

    def _tried(self, devbox_id: str, state: str | None, stop: threading.Event) -> Running | None:
        try:
            return self._begin(devbox_id, state, stop)
        except StateUnusable as error:
            self._bench.notes.problem(
                f"the session state of devbox {devbox_id} can't be used by this version of the Agents SDK ({error}); "
                "it was made anew"
            )
            return self._tried(devbox_id, None, stop)
        except NotResumed as reason:
            self._mend(devbox_id, reason)
            return None
        except ApiFailure as failure:
            raise self._unanswered(failure) from failure

    def _begin(self, devbox_id: str, state: str | None, stop: threading.Event) -> Running:
        entry = self._prepared.entry
        bench = self._bench
        claim = Claim(key=entry.key, snapshot_id=entry.snapshot_id, machine=bench.machine, holder=self._turn.holder)

        async def wake(api: DevboxApi, limits: Timeouts) -> None:
            await claims.resume(api, claim=claim, seconds=limits.resume_s)

        marks = bench.marks(entry, kind=labels.PREPARED)
        running = bench.provisioner.begin(self._spec, source=Suspended(devbox_id, state, wake), marks=marks, stop=stop)
        if state is None or devbox_id != entry.devbox_id:
            self._remember(running)
        return running

    def _mend(self, devbox_id: str, reason: NotResumed) -> None:
        words = MENDED.get(reason.fate)
        if words is not None:
            self._bench.notes.problem(f"devbox {devbox_id} {reason}; {words}")
        if reason.fate is Fate.DISCARD:
            sweeping.drop_devbox(self._bench, devbox_id)

    def _replaced(self, stop: threading.Event) -> Running | None:
        marks = {
            **self._bench.marks(self._prepared.entry, kind=labels.PREPARED),
            labels.HOLDER: self._turn.holder,
        }
        running = self._prepared.from_disk(marks=marks, spec=self._spec, stop=stop)
        if running is not None:
            self._remember(running)
        return running

    def _set_aside(self, running: Running) -> None:
        snapshot_id = None if self._turn.lasts else self._prepared.entry.snapshot_id
        reason = self._bench.provisioner.put_aside(running, snapshot_id=snapshot_id)
        if self._turn.lasts:
            self._turn.keep(running.api.devbox_id)
        if reason is not None:
            self._bench.notes.problem(f"{reason}; the next resume() starts another one from the disk snapshot")
            self._turn.forget()

    def _remember(self, running: Running) -> None:
        """Note which devbox is the suspended one; that it is in use now, its own metadata says."""
        if self._turn.is_outdated():
            return
        state = self._bench.provisioner.ask(partial(_serialised, running=running))
        self._prepared.entry = replace(self._prepared.entry, devbox_id=running.api.devbox_id, state=state)
        self._bench.remember(self._prepared.entry)

    def _unanswered(self, failure: ApiFailure) -> ProvisioningError:
        return ProvisioningError(
            f"{self._prepared.spec.test}: no sandbox could be resumed: {failure}; check the API's state"
        )


async def _serialised(provider: Provider, *, running: Running) -> str:
    return provider.serialise(running.started)


def state_of(prepared: Prepared, turn: Turn) -> str:
    """Return the serialised session state of the suspended devbox, making one if there is none.

    Raises:
        ProvisioningError: It could not be had.
    """
    prepared.look_again()
    known = _known_state(prepared.entry)
    if known is not None:
        return known
    use = Resumption(prepared, turn, failed=lambda: False)
    use.open(stop=threading.Event())
    use.close(raised=False)
    made = _known_state(prepared.entry)
    if made is None:
        message = f"{prepared.spec.test}: the sandbox could not be suspended, so there is no state to store"
        raise ProvisioningError(message)
    return made


def _known_state(entry: Entry) -> str | None:
    return entry.state if entry.devbox_id is not None else None
