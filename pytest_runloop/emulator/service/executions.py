"""Commands of running devboxes: start, find, wait, feed, kill."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_runloop.emulator.domain.problems import bad_request, not_found, timed_out
from pytest_runloop.emulator.service.execution import KILLED, Execution, ExecutionStatus, NamedShell
from pytest_runloop.emulator.service.idempotency import OnceOnly
from pytest_runloop.emulator.service.identity import fresh_id

if TYPE_CHECKING:
    from pytest_runloop.emulator.machine.machines import Machine
    from pytest_runloop.emulator.service.roster import Roster, Runtime

_log = logging.getLogger(__name__)
MAX_WAIT_S = 25.0
GRACE_S = 0.02
"""How long a start is held back for commands that end at once: it saves their clients the second request."""
_KILL_WAIT_S = 2.0
_SIGNALS = {"INTERRUPT": signal.SIGINT}


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command to run.

    Attributes:
        stdin: Whether it gets a standard input that can be written to.
        command_id: The client's own id for it, which makes asking twice harmless; empty for none.
        request_id: The id of the request, which does the same for a repeated request.
    """

    text: str
    shell_name: str | None = None
    stdin: bool = False
    command_id: str = ""
    request_id: str = ""


class Executions:
    """The commands of all devboxes."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._once = OnceOnly()

    async def start(self, devbox_id: str, command: Command, *, hold_s: float = GRACE_S) -> Execution:
        """Start a command and give it back after at most ``hold_s`` seconds.

        Raises:
            ApiProblem: 404, or 400 if the devbox isn't running or the command can't be started.
        """
        key = ("execute", devbox_id, command.command_id or command.request_id)
        execution_id = await self._once.make(key, lambda: self._begin(devbox_id, command))
        execution = self.get(devbox_id, execution_id)
        await execution.wait(timeout_s=hold_s)
        return execution

    async def run(self, devbox_id: str, command: Command) -> Execution:
        """Run a command to its end.

        Raises:
            ApiProblem: As ``start``.
        """
        execution = await self.start(devbox_id, command)
        await asyncio.wait([execution.done])
        return execution

    def get(self, devbox_id: str, execution_id: str) -> Execution:
        """Find an execution, whatever its devbox's status.

        Raises:
            ApiProblem: 404.
        """
        runtime = self._roster.remembered(devbox_id)
        execution = None if runtime is None else runtime.executions.get(execution_id)
        if runtime is None or execution is None:
            raise not_found(f"Devbox {devbox_id} has no such execution:", execution_id)
        runtime.touch()
        return execution

    async def wait_for(
        self, devbox_id: str, execution_id: str, statuses: Collection[ExecutionStatus], *, timeout_s: float
    ) -> Execution:
        """Wait until an execution has one of these statuses.

        Raises:
            ApiProblem: 404, or 408 when the time is up.
        """
        execution = self.get(devbox_id, execution_id)
        if not await execution.wait_for(statuses, timeout_s=min(timeout_s, MAX_WAIT_S)):
            wanted = " or ".join(status.value for status in statuses)
            raise timed_out(f"Execution {execution_id} is '{execution.status.value}' and not yet {wanted}; ask again.")
        return execution

    async def kill(self, devbox_id: str, execution_id: str, *, group: bool) -> Execution:
        """Kill a command, or its whole process group. One that is over stays as it is.

        Raises:
            ApiProblem: 404.
        """
        execution = self.get(devbox_id, execution_id)
        if execution.process is None:
            execution.complete(KILLED)
        elif not execution.done.done():
            execution.process.signal(signal.SIGKILL, group=group)
            await execution.wait(timeout_s=_KILL_WAIT_S)
        return execution

    async def send(self, devbox_id: str, execution_id: str, *, text: str | None, signal_name: str | None) -> bool:
        """Feed a command's standard input, end it, or interrupt the command; say whether that reached it.

        Raises:
            ApiProblem: 404.
        """
        execution = self.get(devbox_id, execution_id)
        if execution.process is None or execution.done.done():
            return False
        if signal_name in _SIGNALS:
            execution.process.signal(_SIGNALS[signal_name], group=True)
            return True
        if not execution.stdin:
            return False
        if text is None:
            execution.process.close_stdin()
            return True
        try:
            await execution.process.write_stdin(text.encode())
        except BrokenPipeError:
            return False
        return True

    async def _begin(self, devbox_id: str, command: Command) -> str:
        runtime, machine = self._roster.running(devbox_id)
        stdin = command.stdin and command.shell_name is None  # the commands of a named shell have nothing to read
        execution = Execution(
            execution_id=fresh_id("exe"), command=command.text, shell_name=command.shell_name, stdin=stdin
        )
        if command.shell_name is None:
            await _start_alone(runtime, machine, execution)
            self._roster.spawn(_finish(execution))
        else:
            shell = runtime.shells.setdefault(command.shell_name, NamedShell())
            self._roster.spawn(_run_in_shell(shell, runtime, machine, execution))
        runtime.executions[execution.id] = execution
        return execution.id


async def _start_alone(runtime: Runtime, machine: Machine, execution: Execution) -> None:
    try:
        process = await machine.run(execution.command, env=runtime.record.environment, stdin=execution.stdin)
    except (OSError, ValueError) as error:
        raise bad_request(f"The command could not be started in devbox {runtime.record.id}: {error}.") from error
    execution.begin(process)


async def _finish(execution: Execution) -> None:
    await execution.finish()


async def _run_in_shell(shell: NamedShell, runtime: Runtime, machine: Machine, execution: Execution) -> None:
    try:
        await shell.run(execution, machine=machine, environment=runtime.record.environment)
    # The client has its execution already: whatever fails here must end it, or it would be waited for forever.
    except Exception:  # noqa: BLE001
        _log.exception("the shell %r of %s could not run a command", execution.shell_name, runtime.record.id)
        execution.complete(KILLED)
