"""Building a disk: commands in a real machine, one after the other, until one fails."""

from __future__ import annotations

import asyncio
import logging
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_runloop.emulator.domain.launch import GIB
from pytest_runloop.emulator.domain.problems import ApiProblem
from pytest_runloop.emulator.domain.steps import ROOT, SECRETS, Step
from pytest_runloop.emulator.machine.machines import Account, BootError, Limits
from pytest_runloop.emulator.service.files import write_mount

if TYPE_CHECKING:
    from pytest_runloop.emulator.domain.mounts import CodeMount
    from pytest_runloop.emulator.machine.machines import Machine, Machines
    from pytest_runloop.emulator.service.build_log import BuildLog
    from pytest_runloop.emulator.service.network import Network
    from pytest_runloop.emulator.service.objects import Objects

_log = logging.getLogger(__name__)
BUILD_S = 1800.0
"""Seconds a build may take."""
_LIMITS = Limits(memory_bytes=8 * GIB, pids=4096)
_AT_ONCE = 2
"""Builds of one emulator that run beside each other; the others are queued."""
ROOT_ACCOUNT = Account(username=ROOT, uid=0)
_ONE_ID = (
    "This emulator runs as an ordinary user of this computer, so root in a sandbox can't write to the system's own"
    " directories: installing packages can't work. Run the emulator (the tests) as root for that."
)


class BuildFailed(Exception):
    """Report a build that failed; the log has said why.

    Attributes:
        reason: As the API spells it.
    """

    def __init__(self, message: str, *, reason: str = "build_failed") -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A part of a build that needs a machine of its own.

    Attributes:
        account: Whose machine it is.
        secrets: Values by name, there as files.
        files: Text by path, written at the end.
        context: The object that is the build context; None for none.
        policy: The network policy it is under; None for none.
        code_mounts: Cloned after the files are written.
    """

    account: Account
    steps: Sequence[Step] = ()
    secrets: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    context: str | None = None
    policy: str | None = None
    code_mounts: Sequence[CodeMount] = ()


class Builder:
    """Builds the disks of one emulator."""

    def __init__(self, machines: Machines, *, objects: Callable[[], Objects], network: Callable[[], Network]) -> None:
        self._network = network
        self._machines = machines
        self._objects = objects
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def build(
        self, disk: str, phases: Sequence[Phase], log: BuildLog, *, base: str | None, progress: Callable[[], None]
    ) -> None:
        """Make a disk.

        Args:
            disk: Its name.
            phases: What to do, in order.
            log: Told everything that happens.
            base: The disk to begin with.
            progress: Called when the build begins, and after each step.

        Raises:
            BuildFailed: A step failed; nothing is left of the disk.
        """
        async with self._turns:
            progress()
            try:
                await self._machines.disks.create(disk, base=base)
                await asyncio.wait_for(self._phases(disk, phases, log, progress), BUILD_S)
            except BaseException as error:
                await self._machines.disks.remove(disk)
                if isinstance(error, asyncio.TimeoutError):
                    raise self._failed(log, f"The build took longer than {BUILD_S:g} s and was stopped.") from None
                raise

    async def _phases(self, disk: str, phases: Sequence[Phase], log: BuildLog, progress: Callable[[], None]) -> None:
        for phase in phases:
            if phase.steps or phase.files or phase.code_mounts:
                await self._phase(disk, phase, log, progress)

    async def _phase(self, disk: str, phase: Phase, log: BuildLog, progress: Callable[[], None]) -> None:
        deaths: list[str] = []
        outside = None if phase.policy is None else self._network().outside_under(phase.policy)
        try:
            machine = await self._machines.boot(
                disk,
                account=phase.account,
                limits=_LIMITS,
                hostname="build",
                on_death=deaths.append,
                outside=outside,
            )
        except BootError as error:
            raise self._failed(log, f"The build's machine did not start: {error}") from error
        try:
            await self._write_secrets(machine, phase.secrets)
            await self._unpack_context(machine, phase.context)
            for step in phase.steps:
                await self._step(machine, step, log, deaths)
                progress()
            for path, text in phase.files.items():
                log.say(f"file {path}")
                await write_mount(machine, path, text.encode())
            for step in await self._clones(machine, phase.code_mounts):
                await self._step(machine, step, log, deaths)
        except ApiProblem as problem:
            raise self._failed(log, problem.message) from problem
        finally:
            await machine.halt()

    async def _step(self, machine: Machine, step: Step, log: BuildLog, deaths: list[str]) -> None:
        log.say(step.title)
        command, environment = self._command(machine, step)
        try:
            process = await machine.run(command, env=environment)
        except (OSError, ValueError) as error:
            raise self._failed(log, f"{step.title}: can't be started: {error}") from error
        log.follow(process.stdout)
        try:
            status = await process.wait()
        finally:
            log.settle()
        if deaths:
            reason = "out_of_memory" if deaths[0] == "out_of_memory" else "build_failed"
            raise self._failed(log, f"{step.title}: the build's machine ended: {deaths[0]}", reason=reason)
        if status:
            raise self._failed(log, f"{step.title}: ended with exit code {status}")

    def _command(self, machine: Machine, step: Step) -> tuple[str, Mapping[str, str]]:
        """Give a step's command and environment."""
        if step.user in {None, machine.account.username}:
            return f"exec 2>&1\n{step.command}", step.environment
        if self._machines.all_ids:
            become = ["sudo", "-u", str(step.user), "--", "bash", "-c", step.command]
            return f"exec 2>&1\n{shlex.join(become)}", step.environment
        # With one id, everybody is that one, and there is nobody else to become.
        other = Account(username=str(step.user)).environment()
        return f"exec 2>&1\n{step.command}", {**other, **step.environment}

    async def _write_secrets(self, machine: Machine, secrets: Mapping[str, str]) -> None:
        # In memory only: /run is gone with the machine.
        for name, value in secrets.items():
            await write_mount(machine, f"{SECRETS}/{name}", value.encode())

    async def _unpack_context(self, machine: Machine, object_id: str | None) -> None:
        if object_id is None:
            return
        from pytest_runloop.emulator.domain.copying import CONTEXT
        from pytest_runloop.emulator.service.mounts import unpack

        # In memory only, too.
        one = self._objects().readable(object_id, field="build_context.object_id")
        await unpack(machine, one, self._objects().download(object_id), CONTEXT)

    async def _clones(self, machine: Machine, mounts: Sequence[CodeMount]) -> Sequence[Step]:
        if not mounts:
            return ()
        from pytest_runloop.emulator.service.mounts import steps_of

        return [step for mount in mounts for step in await steps_of(machine, mount)]

    def _failed(self, log: BuildLog, message: str, *, reason: str = "build_failed") -> BuildFailed:
        log.say(message, level="ERROR")
        if not self._machines.all_ids:
            log.say(_ONE_ID, level="WARN")
        return BuildFailed(message, reason=reason)
