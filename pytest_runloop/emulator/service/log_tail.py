"""A devbox's log as it grows. Looks a few times a second: running commands pay nothing for whoever follows them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

from pytest_runloop.emulator.domain.records import LogEntry
from pytest_runloop.emulator.domain.text import decode
from pytest_runloop.emulator.service.identity import now_ms

if TYPE_CHECKING:
    from pytest_runloop.emulator.service.execution import Execution, StreamName
    from pytest_runloop.emulator.service.roster import Roster, Runtime

LOOK_S = 0.25
_HEARTBEAT_S = 10.0
_CHUNK = 64 * 1024
_STREAMS: tuple[tuple[StreamName, str], ...] = (("stdout", "INFO"), ("stderr", "ERROR"))


class LogTail:
    """Follows the logs of devboxes."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster

    def follow(
        self, devbox_id: str, *, execution_id: str | None, shell_name: str | None
    ) -> AsyncIterator[LogEntry | None]:
        """Yield what is in a devbox's log and what comes, of one execution or shell if wanted, until the devbox ends.

        None is yielded now and then while nothing comes, so that a consumer notices its own client's end.

        Raises:
            ApiProblem: 404, at once.
        """
        return self._follow(self._roster.remembered(devbox_id), execution_id=execution_id, shell_name=shell_name)

    async def _follow(
        self, runtime: Runtime | None, *, execution_id: str | None, shell_name: str | None
    ) -> AsyncIterator[LogEntry | None]:
        if runtime is None:
            return
        told = _Told(runtime, execution_id=execution_id, shell_name=shell_name)
        quiet_s = 0.0
        while True:
            over = runtime.record.status.is_over
            found = told.news()
            for entry in found:
                yield entry
            if over:
                return
            quiet_s = 0.0 if found else quiet_s + LOOK_S
            if quiet_s >= _HEARTBEAT_S:
                quiet_s = 0.0
                yield None
            await asyncio.sleep(LOOK_S)


class _Told:
    """How much of a devbox's log has been told."""

    def __init__(self, runtime: Runtime, *, execution_id: str | None, shell_name: str | None) -> None:
        self._runtime = runtime
        self._execution_id = execution_id
        self._shell_name = shell_name
        self._followed: dict[str, _Followed] = {}
        self._notes = 0

    def news(self) -> list[LogEntry]:
        """Give what is new since the last time, in order."""
        found: list[LogEntry] = []
        for execution in (*self._runtime.setup, *self._runtime.executions.values()):
            if self._execution_id in {None, execution.id} and self._shell_name in {None, execution.shell_name}:
                found += self._followed.setdefault(execution.id, _Followed(execution)).news()
        if self._execution_id is None and self._shell_name is None:
            found += self._runtime.notes[self._notes :]
            self._notes = len(self._runtime.notes)
        return sorted(found, key=lambda entry: entry.timestamp_ms)


class _Followed:
    """How much of an execution has been told."""

    def __init__(self, execution: Execution) -> None:
        self._execution = execution
        self._begun = self._ended = False
        self._offsets = dict.fromkeys((name for name, _ in _STREAMS), 0)
        self._torn = dict.fromkeys((name for name, _ in _STREAMS), b"")

    def news(self) -> Iterator[LogEntry]:
        """Yield what is new since the last time."""
        execution = self._execution
        if self._ended:
            return
        if not self._begun:
            self._begun = True
            yield self._entry(execution.accepted_ms, cmd=execution.command)
        over = execution.done.done()
        time_ms = execution.ended_ms or now_ms()
        for name, level in _STREAMS:
            for line in self._lines(name, over=over):
                yield self._entry(time_ms, level=level, message=line)
        if over:
            self._ended = True
            yield self._entry(time_ms, exit_code=execution.exit_status)

    def _lines(self, name: StreamName, *, over: bool) -> Iterator[str]:
        output = self._execution.output(name)
        while output is not None and (data := output.read(self._offsets[name], _CHUNK)):
            self._offsets[name] += len(data)
            *whole, self._torn[name] = (self._torn[name] + data).split(b"\n")
            yield from map(decode, whole)
        if over and self._torn[name]:
            yield decode(self._torn[name])

    def _entry(
        self,
        time_ms: int,
        *,
        level: str = "INFO",
        cmd: str | None = None,
        message: str | None = None,
        exit_code: int | None = None,
    ) -> LogEntry:
        execution = self._execution
        return LogEntry(
            source=execution.source,
            timestamp_ms=time_ms,
            level=level,
            cmd=cmd,
            message=message,
            exit_code=exit_code,
            cmd_id=execution.id,
            shell_name=execution.shell_name,
        )
