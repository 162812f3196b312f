"""A devbox's log, put together from its executions when somebody asks: running commands pay nothing for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_runloop.emulator.domain.records import LogEntry
from pytest_runloop.emulator.service.identity import now_ms
from pytest_runloop.emulator.service.outputs import tail

if TYPE_CHECKING:
    from pytest_runloop.emulator.service.execution import Execution
    from pytest_runloop.emulator.service.roster import Roster

MAX_LINES = 1000
"""The last lines of each stream of each command."""
MAX_ENTRIES = 20_000
"""The last entries of a devbox."""


class Logs:
    """The logs of all devboxes."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster

    def entries(self, devbox_id: str, *, execution_id: str | None, shell_name: str | None) -> list[LogEntry]:
        """Give a devbox's log in order, of one execution or one shell if wanted.

        The time of an output line is that of its command's end, or now: when exactly it was printed isn't kept.

        Raises:
            ApiProblem: 404.
        """
        runtime = self._roster.remembered(devbox_id)
        if runtime is None:
            return []
        everything = execution_id is None and shell_name is None
        entries = [
            entry
            for execution in (*runtime.setup, *runtime.executions.values())
            if everything or (execution_id in {None, execution.id} and shell_name in {None, execution.shell_name})
            for entry in _of_execution(execution)
        ]
        entries += runtime.notes if everything else []
        return sorted(entries, key=lambda entry: entry.timestamp_ms)[-MAX_ENTRIES:]


def _of_execution(execution: Execution) -> Iterator[LogEntry]:
    entry = LogEntry(
        source=execution.source,
        timestamp_ms=execution.accepted_ms,
        cmd_id=execution.id,
        shell_name=execution.shell_name,
    )
    yield replace(entry, cmd=execution.command)
    ended = replace(entry, timestamp_ms=execution.ended_ms or now_ms())
    for output, level in ((execution.output("stdout"), "INFO"), (execution.output("stderr"), "ERROR")):
        for line in tail(output, lines=MAX_LINES)[0].splitlines():
            yield replace(ended, level=level, message=line)
    if execution.exit_status is not None:
        yield replace(ended, exit_code=execution.exit_status)
