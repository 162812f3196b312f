"""One command in a devbox, from its acceptance to its exit status; and the named shells some of them run in."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Literal, TypeAlias

from pytest_runloop.emulator.service.identity import now_ms

if TYPE_CHECKING:
    from pytest_runloop.emulator.machine.machines import Machine
    from pytest_runloop.emulator.machine.output import Output
    from pytest_runloop.emulator.machine.process import Process, Shell

StreamName: TypeAlias = Literal["stdout", "stderr"]
"""The two streams, by the names the API gives them."""
KILLED = 137
"""128 + SIGKILL: what a command gets that never ran, or whose devbox went away under it."""


class ExecutionStatus(str, enum.Enum):
    """An execution's status, spelled as the API spells it."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"


class Execution:
    """A command and what became of it.

    Attributes:
        source: What started it: ``exec``, ``setup_commands`` or ``entrypoint``.
        started: Done once it runs, or is over without having run.
        done: Done once it is over.
    """

    def __init__(
        self,
        *,
        execution_id: str,
        command: str,
        source: str = "exec",
        shell_name: str | None = None,
        stdin: bool = False,
    ) -> None:
        self.id = execution_id
        self.command = command
        self.source = source
        self.shell_name = shell_name
        self.stdin = stdin
        self.status = ExecutionStatus.QUEUED
        self.exit_status: int | None = None
        self.process: Process | None = None
        self.accepted_ms = now_ms()
        self.ended_ms: int | None = None
        loop = asyncio.get_running_loop()
        self.started: asyncio.Future[None] = loop.create_future()
        self.done: asyncio.Future[None] = loop.create_future()

    def output(self, stream: StreamName) -> Output | None:
        """Give one of its streams; None if it never ran."""
        if self.process is None:
            return None
        return self.process.stdout if stream == "stdout" else self.process.stderr

    def begin(self, process: Process) -> None:
        """Note that it runs."""
        self.process = process
        self.status = ExecutionStatus.RUNNING
        self.started.set_result(None)

    def complete(self, exit_status: int) -> None:
        """Note how it ended; only the first time counts."""
        if self.done.done():
            return
        self.exit_status = exit_status
        self.status = ExecutionStatus.COMPLETED
        self.ended_ms = now_ms()
        if not self.started.done():
            self.started.set_result(None)
        self.done.set_result(None)

    async def finish(self) -> int:
        """Wait for the running process and note its exit status."""
        assert self.process is not None  # noqa: S101 - begin() came first; for the type checker
        status = await self.process.wait()
        self.complete(status)
        return status

    async def wait(self, *, timeout_s: float) -> bool:
        """Wait for the end; say whether it came in time."""
        await asyncio.wait([self.done], timeout=timeout_s)
        return self.done.done()

    async def wait_for(self, statuses: Collection[ExecutionStatus], *, timeout_s: float) -> bool:
        """Wait until it has one of these statuses; say whether that came in time."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        while self.status not in statuses:
            remaining = deadline - asyncio.get_running_loop().time()
            following = self.started if self.status is ExecutionStatus.QUEUED else self.done
            if remaining <= 0 or following.done():
                return False
            await asyncio.wait([following], timeout=remaining)
        return True


class NamedShell:
    """A long-lived shell whose commands run one after another, in the order they came."""

    def __init__(self) -> None:
        # asyncio's lock lets waiters through in their order of arrival.
        self._turn = asyncio.Lock()
        self._shell: Shell | None = None

    async def run(self, execution: Execution, *, machine: Machine, environment: Mapping[str, str]) -> None:
        """Run a command when its turn has come, and wait for its end."""
        async with self._turn:
            if execution.done.done():  # killed while it waited
                return
            if self._shell is None or self._shell.ended:
                self._shell = await machine.shell(env=environment)
            execution.begin(await self._shell.run(execution.command))
            await execution.finish()
