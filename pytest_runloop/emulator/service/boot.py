"""Starting a devbox's machine and ending it: mounts, launch commands, entrypoint, suspend commands."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_runloop.emulator.domain.blueprints import DOCKER
from pytest_runloop.emulator.domain.lifecycle import Event, Status
from pytest_runloop.emulator.domain.records import LogEntry
from pytest_runloop.emulator.machine.machines import Account, Limits
from pytest_runloop.emulator.service.execution import KILLED, Execution
from pytest_runloop.emulator.service.files import write_mount
from pytest_runloop.emulator.service.identity import fresh_id, now_ms
from pytest_runloop.emulator.service.idle import IdleTimer
from pytest_runloop.emulator.service.layers import NoLayer

if TYPE_CHECKING:
    from pytest_runloop.emulator.machine.machines import Machine, Machines
    from pytest_runloop.emulator.service.blueprints import Blueprints
    from pytest_runloop.emulator.service.mounts import Mounts
    from pytest_runloop.emulator.service.network import Network
    from pytest_runloop.emulator.service.roster import Roster, Runtime
    from pytest_runloop.emulator.service.trouble import Troubles

_log = logging.getLogger(__name__)
PIDS = 2048
"""Processes and threads a devbox may have at once."""
_DEATHS = {
    "out_of_memory": ("out_of_memory", "its processes used more memory than the devbox has"),
    "too_many_processes": ("health_check_failed", f"it started more than {PIDS} processes"),
    "stopped": ("health_check_failed", "its machine stopped"),
}


class Boot:
    """Powers devboxes on and off. Every method leaves the devbox in a status that says how it went."""

    def __init__(
        self,
        roster: Roster,
        machines: Machines,
        blueprints: Blueprints,
        *,
        mounts: Callable[[], Mounts],
        network: Callable[[], Network],
        troubles: Callable[[], Troubles | None],
    ) -> None:
        self._troubles = troubles
        self._network = network
        self._roster = roster
        self._machines = machines
        self._blueprints = blueprints
        self._mounts = mounts

    async def power_on(self, runtime: Runtime) -> None:
        """Boot the machine and make the devbox ready; ends in ``running`` or ``failure``."""
        try:
            await self._start(runtime)
        # Whatever went wrong must end the devbox: clients would wait for it for minutes.
        except Exception as error:  # noqa: BLE001
            self._broken(runtime, "started", error)
        finally:
            runtime.settled.set()

    async def suspend(self, runtime: Runtime) -> None:
        """Run the suspend commands and halt the machine; ends in ``suspended``."""
        launch = runtime.record.launch
        try:
            if (troubles := self._troubles()) is not None:
                await troubles.suspend(runtime)
            if launch.suspend_commands:
                commands = self._roster.spawn(self._suspend_commands(runtime))
                await asyncio.wait([commands], timeout=launch.suspend_deadline_s)
            await self.halt(runtime)
        # As above.
        except Exception as error:  # noqa: BLE001
            self._broken(runtime, "suspended", error)
        if runtime.record.status is Status.SUSPENDING:
            self._roster.move(runtime, Event.HALT)

    async def discard(self, runtime: Runtime) -> None:
        """End the machine of a devbox that is over, and delete its disk."""
        await runtime.settled.wait()
        await self.halt(runtime)
        await self._machines.disks.remove(runtime.record.id)

    async def halt(self, runtime: Runtime) -> None:
        """End the machine and everything in it."""
        machine, runtime.machine = runtime.machine, None
        for execution in runtime.executions.values():
            if execution.process is None:  # its turn must not come while the machine is going
                execution.complete(KILLED)
        if machine is not None:
            await machine.halt()
        runtime.shells.clear()
        for execution in (*runtime.executions.values(), *runtime.setup):
            execution.complete(KILLED)

    def fail(self, runtime: Runtime, reason: str, message: str) -> None:
        """End a devbox as ``failure`` and say why in its log."""
        runtime.notes.append(LogEntry(source="kmsg", level="ERROR", timestamp_ms=now_ms(), message=message))
        if not runtime.record.status.is_over:
            self._roster.move(runtime, Event.FAIL, failure_reason=reason)
            self._roster.spawn(self.discard(runtime))

    def shut_down(self, runtime: Runtime, reason: str) -> None:
        """End a devbox as ``shutdown``; its machine and disk go in the background."""
        if not runtime.record.status.is_over:
            self._roster.move(runtime, Event.SHUT_DOWN, shutdown_reason=reason)
            self._roster.spawn(self.discard(runtime))

    def _broken(self, runtime: Runtime, what: str, error: Exception) -> None:
        if not runtime.record.status.is_over:  # a devbox that is being shut down may well break on the way
            _log.error("devbox %s could not be %s", runtime.record.id, what, exc_info=error)
            self.fail(runtime, "health_check_failed", f"The devbox could not be {what}: {error}")

    async def _start(self, runtime: Runtime) -> None:
        if (troubles := self._troubles()) is not None and (why := await troubles.boot(runtime)) is not None:
            self.fail(runtime, "health_check_failed", why)
            return
        record = runtime.record
        fresh = record.status is Status.PROVISIONING
        if fresh:
            await self._machines.disks.create(record.id, base=record.snapshot_id or await self._layer(runtime))
        runtime.machine = machine = await self._machine(runtime)
        if runtime.record.status.is_over:
            return
        self._roster.move(runtime, Event.ALLOCATE)
        for path, text in record.file_mounts.items() if fresh else ():
            await write_mount(machine, path, text.encode())
        # From here on an end of the devbox ends what runs in it, so nothing has to wait for mounts and launch commands.
        runtime.settled.set()
        if fresh and not await self._mount(runtime, machine):
            return
        if await self._launch_commands(runtime, machine) and runtime.record.status is Status.INITIALIZING:
            self._become_running(runtime, machine)

    async def _mount(self, runtime: Runtime, machine: Machine) -> bool:
        if not runtime.record.mounts:
            return True
        from pytest_runloop.emulator.service.mounts import MountFailed

        try:
            await self._mounts().make(runtime, machine)
        except MountFailed as error:
            self.fail(runtime, "execution_failed", str(error))
            return False
        return True

    async def _layer(self, runtime: Runtime) -> str | None:
        """Give the disk of the devbox's blueprint; if it can't be made here, the default image must do."""
        record = runtime.record
        if record.blueprint_id is None:
            return None
        try:
            foundation = await self._blueprints.foundation(record.blueprint_id)
        except NoLayer as error:
            message = f"Blueprint {record.blueprint_id} can't be made here, so this is the default image: {error}"
            _log.warning("devbox %s: %s", record.id, message)
            runtime.notes.append(LogEntry(source="kmsg", level="WARN", timestamp_ms=now_ms(), message=message))
            return None
        if foundation.capabilities != record.capabilities:
            self._roster.change(record.id, lambda devbox: replace(devbox, capabilities=foundation.capabilities))
        return foundation.disk

    async def _machine(self, runtime: Runtime) -> Machine:
        record, launch = runtime.record, runtime.record.launch
        return await self._machines.boot(
            record.id,
            account=Account(username=launch.username, uid=launch.uid),
            limits=Limits(memory_bytes=launch.memory_bytes, pids=PIDS),
            hostname=record.id.replace("_", "-").lower(),
            on_death=lambda reason: self._died(runtime, reason),
            docker=DOCKER in record.capabilities,
            outside=self._network().outside(record),
        )

    async def _launch_commands(self, runtime: Runtime, machine: Machine) -> bool:
        for command in runtime.record.launch.commands:
            status = await self._run(runtime, machine, command, source="setup_commands")
            if status != 0 and not runtime.record.status.is_over:
                self.fail(
                    runtime, "execution_failed", f"The launch command {command!r} ended with exit status {status}."
                )
            if status != 0:
                return False
        return True

    def _become_running(self, runtime: Runtime, machine: Machine) -> None:
        record = runtime.record
        rule = record.launch.idle
        runtime.idle = IdleTimer(
            rule.seconds, busy=lambda: rule.busy_counts and runtime.busy, expired=lambda: self._expired(runtime)
        )
        if record.entrypoint is not None:
            self._roster.spawn(self._entrypoint(runtime, machine, record.entrypoint))
        self._roster.move(runtime, Event.READY)

    def _expired(self, runtime: Runtime) -> None:
        rule = runtime.record.launch.idle
        if runtime.record.status is not Status.RUNNING:
            return
        if rule.suspend:
            self._roster.move(runtime, Event.SUSPEND)
            self._roster.spawn(self.suspend(runtime))
        else:
            self.shut_down(runtime, rule.shutdown_reason)

    async def _entrypoint(self, runtime: Runtime, machine: Machine, command: str) -> None:
        status = await self._run(runtime, machine, command, source="entrypoint")
        _log.info("entrypoint of %s ended with %d", runtime.record.id, status)
        if runtime.machine is machine and runtime.record.status is Status.RUNNING:
            self.shut_down(runtime, "entrypoint_exit")

    async def _suspend_commands(self, runtime: Runtime) -> None:
        for command in runtime.record.launch.suspend_commands:
            if runtime.machine is None:
                return
            status = await self._run(runtime, runtime.machine, command, source="setup_commands")
            if status != 0:
                _log.warning("suspend command %r of %s ended with %d", command, runtime.record.id, status)

    async def _run(self, runtime: Runtime, machine: Machine, command: str, *, source: str) -> int:
        execution = Execution(execution_id=fresh_id("exe"), command=command, source=source)
        runtime.setup.append(execution)
        execution.begin(await machine.run(command, env=runtime.record.environment))
        return await execution.finish()

    def _died(self, runtime: Runtime, reason: str) -> None:
        failure, why = _DEATHS.get(reason, ("health_check_failed", reason))
        self.fail(runtime, failure, f"The devbox ended: {why}.")
