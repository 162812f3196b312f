"""The devboxes: those this emulator runs, in memory; all others as the store knows them."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from typing import TYPE_CHECKING

from pytest_runloop.emulator.domain.lifecycle import Event, Status
from pytest_runloop.emulator.domain.problems import bad_request, not_found
from pytest_runloop.emulator.service.changes import Changes
from pytest_runloop.emulator.service.identity import now_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from pytest_runloop.emulator.domain.records import Devbox, LogEntry
    from pytest_runloop.emulator.machine.machines import Machine
    from pytest_runloop.emulator.service.execution import Execution, NamedShell
    from pytest_runloop.emulator.service.idle import IdleTimer
    from pytest_runloop.emulator.service.store import Store

_log = logging.getLogger(__name__)
_ENDED_KEPT = 100
"""How many ended devboxes keep their executions and logs in memory."""


class Runtime:
    """What this emulator holds of a devbox beyond its record.

    Attributes:
        machine: The running machine; None before it booted and after it went.
        shown: While a resume is young: the record as it was before, which is what clients see.
        settled: Set while no boot is under way.
        setup: Executions of launch commands and entrypoint, for the logs.
        notes: Log entries of the devbox itself.
        snapshotting: Disk snapshots being taken.
        when_over: Called once the devbox has ended.
    """

    def __init__(self, record: Devbox) -> None:
        self.record = record
        self.machine: Machine | None = None
        self.shown: Devbox | None = None
        self.settled = asyncio.Event()
        self.executions: dict[str, Execution] = {}
        self.shells: dict[str, NamedShell] = {}
        self.setup: list[Execution] = []
        self.notes: list[LogEntry] = []
        self.snapshotting = 0
        self.idle: IdleTimer | None = None
        self.when_over: list[Callable[[], None]] = []

    def touch(self) -> None:
        """Note that somebody talked to the devbox."""
        if self.idle is not None:
            self.idle.touch()

    @property
    def busy(self) -> bool:
        """Whether a command is running or waiting."""
        return any(not execution.done.done() for execution in self.executions.values())


class Roster:
    """All devboxes. The only place where a devbox's status changes."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.changes = Changes()
        self._runtimes: OrderedDict[str, Runtime] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, record: Devbox) -> Runtime:
        """Take a new devbox in."""
        self.store.add_devbox(record)
        runtime = self._runtimes[record.id] = Runtime(record)
        return runtime

    def adopt(self, record: Devbox, *, expected: Status) -> Runtime | None:
        """Take over a devbox nobody holds; None if another emulator was faster."""
        if not self.store.swap_devbox(record, expected=expected):
            return None
        runtime = self._runtimes.setdefault(record.id, Runtime(record))
        runtime.record = record
        self._settle(runtime)
        self.changes.notify(record.id)
        return runtime

    def move(
        self,
        runtime: Runtime,
        event: Event,
        *,
        failure_reason: str | None = None,
        shutdown_reason: str | None = None,
    ) -> Devbox:
        """Let something happen to a devbox this emulator holds.

        Raises:
            ApiProblem: 400, if it can't happen in its status.
        """
        before = runtime.record
        runtime.record = before.after(
            event, now_ms=now_ms(), failure_reason=failure_reason, shutdown_reason=shutdown_reason
        )
        if runtime.record is not before:
            self._settle(runtime)
            self.store.save_devbox(runtime.record)
            self.changes.notify(runtime.record.id)
        return runtime.record

    def change(self, devbox_id: str, change: Callable[[Devbox], Devbox]) -> Devbox:
        """Change anything of a devbox but its status.

        Raises:
            ApiProblem: 404, or 400 if another emulator runs it.
        """
        runtime = self.held(devbox_id)
        if runtime is not None:
            runtime.shown = runtime.shown and change(runtime.shown)
            runtime.record = change(runtime.record)
            self.store.save_devbox(runtime.record)
            return self.record(devbox_id)
        record = self.record(devbox_id)
        if record.status.is_held or not self.store.swap_devbox(change(record), expected=record.status):
            raise bad_request(f"Devbox {devbox_id} runs in another emulator on the same state directory; ask that one.")
        return self.record(devbox_id)

    def as_shown(self, devbox: Devbox) -> Devbox:
        """Give a devbox from the store as clients see it."""
        runtime = self.held(devbox.id)
        return devbox if runtime is None else runtime.shown or runtime.record

    def record(self, devbox_id: str) -> Devbox:
        """Give a devbox as clients see it.

        Raises:
            ApiProblem: 404.
        """
        runtime = self.held(devbox_id)
        if runtime is not None:
            return runtime.shown or runtime.record
        record = self.store.devbox(devbox_id)
        if record is None:
            raise not_found("Devbox", devbox_id)
        return record

    def held(self, devbox_id: str) -> Runtime | None:
        """Give the runtime of a devbox whose status is in this emulator's hands."""
        runtime = self._runtimes.get(devbox_id)
        return runtime if runtime is not None and runtime.record.status.is_held else None

    def running(self, devbox_id: str) -> tuple[Runtime, Machine]:
        """Give a devbox that can be worked with, and note that somebody does.

        Raises:
            ApiProblem: 404, or 400 if it isn't running here.
        """
        runtime = self._runtimes.get(devbox_id)
        if runtime is not None and runtime.record.status is Status.RUNNING and runtime.machine is not None:
            runtime.touch()
            return runtime, runtime.machine
        status = self.record(devbox_id).status
        if status is Status.RUNNING:
            message = f"Devbox {devbox_id} runs in another emulator on the same state directory; ask that one."
        else:
            advice = "start another" if status.is_over else "wait for it, or resume it"
            message = f"Devbox {devbox_id} is '{status.value}', not 'running'; {advice}."
        raise bad_request(message)

    def remembered(self, devbox_id: str) -> Runtime | None:
        """Give what is left of a devbox's executions and logs; None if nothing is.

        Raises:
            ApiProblem: 404, if there is no such devbox at all.
        """
        runtime = self._runtimes.get(devbox_id)
        if runtime is None:
            self.record(devbox_id)
        return runtime

    def all_held(self) -> Iterator[Runtime]:
        """Go through the devboxes this emulator holds."""
        return (runtime for runtime in list(self._runtimes.values()) if runtime.record.status.is_held)

    def spawn(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """Do something beside the request that asked for it; ``drain`` waits for it, and a failure is logged."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._spawned)
        return task

    async def drain(self, *, timeout_s: float) -> None:
        """Wait for what was spawned."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout_s)

    def _spawned(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            _log.error("work in the background failed", exc_info=error)

    def _settle(self, runtime: Runtime) -> None:
        status = runtime.record.status
        if status is Status.RUNNING or not status.is_held:
            runtime.shown = None
        if not status.is_held and runtime.idle is not None:
            runtime.idle.stop()
            runtime.idle = None
        if status.is_over:
            for close in runtime.when_over:
                close()
            runtime.when_over.clear()
            self._forget_oldest(runtime)

    def _forget_oldest(self, runtime: Runtime) -> None:
        self._runtimes.move_to_end(runtime.record.id)
        ended = [name for name, one in self._runtimes.items() if one.record.status.is_over]
        for name in ended[:-_ENDED_KEPT]:
            del self._runtimes[name]
