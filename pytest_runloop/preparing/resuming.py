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

    def __init__(self, prepared: Prepared, *, failed: Callable[[], bool]) -> None:
        """Make a use; nothing is done yet.

        Args:
            prepared: Which prepared sandbox.
            failed: Asked at the end: whether the test has failed, so that nobody may get what it left.
        """
        self._prepared = prepared
        self._bench = prepared.bench
        # The SDK's mark of a session that is meant to be resumed; it is part of the state.
        self._spec = replace(prepared.spec, options={**prepared.spec.options, "pause_on_exit": True})
        self._failed = failed
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
            key, test = self._prepared.key, self._prepared.spec.test
            saying = f"waiting for another test that has resumed the sandbox {test} wants ({key})"
            lease = self._bench.hold(key, "resume", saying=saying, stop=stop)
            undo.callback(lease.release)
            self._prepared.look_again()
            # A second time, because the disk may have been gone as well; what is prepared then is suspended.
            running = self._had(stop) or self._had(stop)
            if running is None:
                message = f"{test}: the disk snapshot is deleted as soon as it is taken; see who does that"
                raise ProvisioningError(message)
            self._running = running
            self._end = undo.pop_all()
        self._bench.notes.count(resumed=1)
        return running.sandbox

    def close(self, *, raised: bool) -> None:
        """Suspend the devbox for the next one; or delete it, if anything went wrong.

        Raises:
            TeardownError: It could be verified neither as suspended nor as gone.
        """
        running = self._running
        if running is None:
            message = f"the sandbox {self._prepared.key} is not resumed"
            raise ProvisioningError(message)
        with self._end:
            if raised or self._failed() or self._is_outdated():
                self._remember(None)
                self._bench.provisioner.delete(running)
            else:
                self._put_aside(running)

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
        claim = Claim(key=entry.key, snapshot_id=entry.snapshot_id, machine=bench.machine, holder=bench.holder())

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
            labels.HOLDER: self._bench.holder(),
        }
        running = self._prepared.from_disk(marks=marks, spec=self._spec, stop=stop)
        if running is not None:
            self._remember(running)
        return running

    def _is_outdated(self) -> bool:
        """Say whether the sandbox was prepared anew meanwhile, so that this devbox has nothing to do with it."""
        known = self._bench.indexed(self._prepared.key)
        return known is not None and known.snapshot_id != self._prepared.entry.snapshot_id

    def _put_aside(self, running: Running) -> None:
        reason = self._bench.provisioner.put_aside(running, snapshot_id=self._prepared.entry.snapshot_id)
        if reason is not None:
            self._bench.notes.problem(f"{reason}; the next resume() starts another one from the disk snapshot")
            self._remember(None)

    def _remember(self, running: Running | None) -> None:
        """Note which devbox is the suspended one; that it is in use now, its own metadata says."""
        if self._is_outdated():
            return
        state = None if running is None else self._bench.provisioner.ask(partial(_serialised, running=running))
        devbox_id = None if running is None else running.api.devbox_id
        self._prepared.entry = replace(self._prepared.entry, devbox_id=devbox_id, state=state)
        self._bench.remember(self._prepared.entry)

    def _unanswered(self, failure: ApiFailure) -> ProvisioningError:
        return ProvisioningError(
            f"{self._prepared.spec.test}: no sandbox could be resumed: {failure}; check the API's state"
        )


async def _serialised(provider: Provider, *, running: Running) -> str:
    return provider.serialise(running.started)


def state_of(prepared: Prepared) -> str:
    """Return the serialised session state of the suspended devbox, making one if there is none.

    Raises:
        ProvisioningError: It could not be had.
    """
    prepared.look_again()
    known = _known_state(prepared.entry)
    if known is not None:
        return known
    use = Resumption(prepared, failed=lambda: False)
    use.open(stop=threading.Event())
    use.close(raised=False)
    made = _known_state(prepared.entry)
    if made is None:
        message = f"{prepared.spec.test}: the sandbox could not be suspended, so there is no state to store"
        raise ProvisioningError(message)
    return made


def _known_state(entry: Entry) -> str | None:
    return entry.state if entry.devbox_id is not None else None
