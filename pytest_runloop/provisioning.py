"""From a spec to a running sandbox and back to nothing.

Every devbox that is created is ended and *verified* as ended, whatever happens in between: a silent failure here is a
machine somebody pays for.
"""

from __future__ import annotations

import inspect
import uuid
from collections.abc import Mapping
from contextlib import contextmanager
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_runloop.cache.gate import Gate
from pytest_runloop.sandbox import doors, ending, labels, resuming, starting
from pytest_runloop.sandbox.handle import Sandbox
from pytest_runloop.sandbox.operations import Operations
from pytest_runloop.sandbox.portal import Portal, ThreadLoops
from pytest_runloop.sandbox.running import Running
from pytest_runloop.sandbox.starting import Source, Suspended
from pytest_runloop.sandbox.taping import Taping, Untaped

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Coroutine, Iterator

    from pytest_runloop.sandbox.boundary import Provider, Request
    from pytest_runloop.spec import SandboxSpec
    from pytest_runloop.target import Endpoint

__all__ = ["Gate", "Provisioner", "Running"]

T = TypeVar("T")

_NO_MARKS: Mapping[str, str] = MappingProxyType({})


class Provisioner:
    """Provide sandboxes; one per process.

    Attributes:
        run: What the devboxes of one pytest run are labelled with.
        created: How many devboxes were created.
        deleted: How many were verified as gone.
        suspended: How many were verified as suspended, because the mark said ``pause_on_exit``, or to be resumed.
        left_behind: The ids of those that could not be verified as either.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        run: str = "",
        open_provider: Callable[[Endpoint], Provider] | None = None,
        gate: Gate | None = None,
        taping: Taping | None = None,
    ) -> None:
        """Make a provisioner; it imports no SDK and starts no thread before it is used.

        Args:
            endpoint: Where the API is.
            run: Names the pytest run in the devboxes' labels; made up if left out.
            open_provider: Makes the provider on the portal's loop; by default the Agents SDK's Runloop client.
            gate: Caps the devboxes that run at once.
            taping: Records what is sent.
        """
        self.run = run or uuid.uuid4().hex[:12]
        self.endpoint = endpoint
        self.created = 0
        self.deleted = 0
        self.suspended = 0
        self._gate = gate
        self._taping = taping or Untaped()
        self._open = open_provider or doors.opened
        self._portal = Portal("pytest-runloop")
        self._loops = ThreadLoops()
        self._provider: Provider | None = None
        self.left_behind: tuple[str, ...] = ()
        self._alive: dict[str, Running] = {}

    def check(self, spec: SandboxSpec) -> None:
        """Refuse a spec that can't be met, by a SpecError, before anything is provisioned."""
        doors.checked(spec)

    def shape(self, spec: SandboxSpec) -> Mapping[str, object]:
        """Return what shapes the disk of such a sandbox, as JSON.

        Raises:
            SpecError: The spec can't be met, or later runs could not tell whether it is still the same.
        """
        return doors.shaped(spec)

    def number(self, spec: SandboxSpec) -> int:
        """Return the next number among the sandboxes of a test; to be taken in the order of the program."""
        return self._taping.number(spec.test)

    @contextmanager
    def provide(self, spec: SandboxSpec, *, number: int | None = None) -> Iterator[Sandbox]:
        """Create a sandbox with its files and set-up, and end it afterwards.

        Raises:
            SpecError: The spec can't be met. Nothing was created.
            ProvisioningError: The sandbox could not be made ready. What had been created is deleted.
            TeardownError: The devbox could not be verified as deleted (or suspended); its id is in ``left_behind``.
        """
        running = self.begin(spec, number=number)
        try:
            yield running.sandbox
        finally:
            self.end(running)

    def begin(
        self,
        spec: SandboxSpec,
        *,
        source: Source = None,
        marks: Mapping[str, str] = _NO_MARKS,
        number: int | None = None,
        stop: threading.Event | None = None,
    ) -> Running:
        """Return a sandbox that is ready; the caller ends it, ``close`` does at the latest.

        Args:
            spec: What is wanted.
            source: What its disk comes from; by default its blueprint, and then its files and set-up are put there.
            marks: Labels beside those that every devbox has.
            number: What ``number`` gave, if it was asked before.
            stop: Set from another thread to give up waiting for a place.

        Raises:
            SpecError: The spec can't be met. Nothing was created.
            ProvisioningError: The sandbox could not be made ready. What had been created is deleted.
            StateUnusable: The suspended devbox's state is of no use; nothing was done to it.
            NotResumed: It was not resumed.
        """
        request = doors.checked(spec)
        if not isinstance(source, Suspended):
            number = number or self.number(spec)
            marks = {labels.NR: str(number), **marks}
        place = self._gate.enter(stop=stop) if self._gate is not None else None
        leave = place.leave if place is not None else _stay
        try:
            running = self._portal.call(self._started(request, source, marks, leave))
        except BaseException:
            leave()
            raise
        if number is not None:
            self._taping.created(running.api.devbox_id, number=number)
        try:
            self._make_ready(running, source=source)
        except BaseException:
            # Deleted even under pause_on_exit: nobody ever held it.
            self.delete(running)
            raise
        return running

    def end(self, running: Running) -> None:
        """End a devbox as its mark says.

        Raises:
            TeardownError: It could not be verified as deleted, or as suspended.
        """
        self._end(running, self._suspended if running.request.pause_on_exit else self._deleted)

    def delete(self, running: Running) -> None:
        """Delete a devbox, verified, whatever its mark says; raises as ``end``."""
        self._end(running, self._deleted)

    def put_aside(self, running: Running, *, snapshot_id: str | None) -> str | None:
        """Suspend a prepared devbox, verified, for the next who resumes it; or delete it and return why.

        Args:
            running: Which one.
            snapshot_id: The disk snapshot it belongs to; None if nobody vouches for its disk yet.

        Raises:
            TeardownError: It could be verified neither as suspended nor as gone.
        """
        return self._end(running, partial(self._put_aside, snapshot_id=snapshot_id))

    def ask(self, work: Callable[[Provider], Coroutine[Any, Any, T]]) -> T:
        """Run work with the provider on its own loop."""
        return self._portal.call(self._asked(work))

    def finish(self, work: Callable[[Provider], Coroutine[Any, Any, T]]) -> T:
        """Do the same to its end, even if the caller is interrupted: for deleting what costs money."""
        return self._portal.finish(self._asked(work))

    def close(self) -> None:
        """End what is still there, then the client, the thread and its loop. Idempotent.

        Raises:
            TeardownError: A devbox could not be verified as ended.
        """
        try:
            for running in list(self._alive.values()):
                self.delete(running)
        finally:
            provider, self._provider = self._provider, None
            if provider is not None:
                self._portal.finish(provider.close())
                self._portal.close()
                provider.close_elsewhere()
            self._loops.close()

    async def _started(
        self, request: Request, source: Source, marks: Mapping[str, str], leave: Callable[[], None]
    ) -> Running:
        own = labels.labels_for(test=request.test, run=self.run, sandbox=uuid.uuid4().hex)
        started = await starting.start(self._opened(), request, source=source, marks={**own, **marks})
        operations = Operations(request, started, taping=self._taping)
        sandbox = Sandbox(operations, started.native, portal=self._portal, loops=self._loops)
        running = Running(sandbox=sandbox, started=started, operations=operations, leave=leave)
        self._alive[started.api.devbox_id] = running
        if isinstance(source, Suspended):
            await self._wake(running, source)
        else:
            self.created += 1
        return running

    async def _wake(self, running: Running, source: Suspended) -> None:
        try:
            await source.wake(running.api, running.request.timeouts)
        except BaseException as failure:
            # An answer, whatever it was: what becomes of the devbox is the caller's to decide. A replay has none.
            if isinstance(failure, Exception) or self._taping.recorded_on() is not None:
                del self._alive[source.devbox_id]
                running.started.native.close()
            raise

    def _make_ready(self, running: Running, *, source: Source) -> None:
        request = running.request
        with starting.told(request, running.api.devbox_id):
            self.ask(partial(starting.fill, started=running.started, operations=running.operations, source=source))
            if source is None and not callable(request.setup):
                for command in request.setup:
                    running.sandbox.exec(command, check=True)
        if source is None and callable(request.setup):
            outcome = request.setup(running.sandbox)
            if inspect.iscoroutine(outcome):
                self._portal.call(outcome)

    def _end(self, running: Running, how: Callable[[Running], Coroutine[Any, Any, T]]) -> T | None:
        if self._alive.pop(running.api.devbox_id, None) is None:
            # close() was first.
            return None
        try:
            return self._portal.finish(self._ended(running, how))
        finally:
            running.leave()
            running.started.native.close()

    async def _ended(self, running: Running, how: Callable[[Running], Coroutine[Any, Any, T]]) -> T:
        devbox_id = running.api.devbox_id
        # Until it is proven otherwise; counted here because all of this runs in one thread.
        self.left_behind = (*self.left_behind, devbox_id)
        outcome = await how(running)
        self.left_behind = tuple(other for other in self.left_behind if other != devbox_id)
        return outcome

    async def _deleted(self, running: Running) -> None:
        request = running.request
        if not request.pause_on_exit:
            await self._opened().release(running.started)
        await ending.delete(running.api, seconds=request.timeouts.cleanup_s)
        self.deleted += 1

    async def _suspended(self, running: Running) -> None:
        await self._opened().release(running.started)
        await ending.verify_suspended(running.api, seconds=running.request.timeouts.suspend_s)
        self.suspended += 1

    async def _put_aside(self, running: Running, *, snapshot_id: str | None) -> str | None:
        limits = running.request.timeouts
        reason = await resuming.put_aside(
            running.api, snapshot_id=snapshot_id, suspend_s=limits.suspend_s, cleanup_s=limits.cleanup_s
        )
        if reason is None:
            self.suspended += 1
        else:
            self.deleted += 1
        return reason

    async def _asked(self, work: Callable[[Provider], Coroutine[Any, Any, T]]) -> T:
        return await work(self._opened())

    def _opened(self) -> Provider:
        # Only on the portal: the provider's client belongs to its loop.
        if self._provider is None:
            self._provider = self._open(self.endpoint)
        return self._provider


def _stay() -> None:
    """Give up a place where there is no gate."""
