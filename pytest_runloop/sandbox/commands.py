"""Running one command to its end, for as long as its timeout allows.

The Agents SDK gives a command up after 120 s at most and leaves it running; this waits as long as it is asked to, and
kills what runs longer.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_runloop import tape
from pytest_runloop.errors import CommandFailed, CommandTimeout, SandboxError
from pytest_runloop.sandbox.boundary import ApiFailure
from pytest_runloop.sandbox.results import ExecResult, streams

if TYPE_CHECKING:
    from pytest_runloop.sandbox.boundary import DevboxApi, Execution

LONG_POLL_S = 25.0
"""The API holds a wait for an execution no longer than this."""

KILL_GRACE_S = 10.0
"""How long a killed command may take to end before it is reported as still running."""

LOST_CONTACT_PAUSES_S = (0.2, 0.5, 1.0, 2.0, 4.0)
"""Pauses between attempts when the API does not answer; a wait may span minutes, so one dropped line is no failure."""


SERVER_ERRORS = 500


@dataclass(frozen=True)
class Line:
    """A command string and the words a message uses for it."""

    text: str
    shown: str


async def run(api: DevboxApi, line: Line, *, timeout: float) -> ExecResult:
    """Run a command and return its whole output.

    Args:
        api: The devbox.
        line: What to run.
        timeout: Seconds.

    Raises:
        CommandTimeout: It ran longer; it has been killed with its process group.
        SandboxError: It could not be started, or was lost with its devbox.
    """
    began = tape.clock()
    execution = await _start(api, line)
    try:
        ended = execution if execution.completed else await _await_end(api, line, execution, until=began + timeout)
    except asyncio.CancelledError:
        await _kill(api, execution)
        raise
    duration = tape.clock() - began
    if ended is None:
        raise await _timed_out(api, line, execution, timeout=timeout)
    return await _result(api, line, ended, duration_s=duration)


def checked(result: ExecResult) -> ExecResult:
    """Return a result, if its command succeeded.

    Raises:
        CommandFailed: It ended with another exit code than 0.
    """
    if result.ok:
        return result
    message = f"a command failed that had to succeed (check=True): {result.describe()}"
    raise CommandFailed(message)


async def _start(api: DevboxApi, line: Line) -> Execution:
    # Shielded: a request that is cut off half-way leaves a command running whose id nobody knows.
    request = asyncio.ensure_future(api.start(line.text))
    try:
        return await asyncio.shield(request)
    except asyncio.CancelledError:
        await asyncio.wait([request])
        if not request.cancelled() and request.exception() is None:
            await _kill(api, request.result())
        raise
    except ApiFailure as failure:
        message = (
            f"the command could not be started: {failure}; devbox {api.devbox_id} {await _state_of(api)}; "
            f"use a fresh sandbox if it does not run: {line.shown}"
        )
        raise SandboxError(message) from failure


async def _await_end(api: DevboxApi, line: Line, execution: Execution, *, until: float) -> Execution | None:
    pauses = iter(LOST_CONTACT_PAUSES_S)
    while (left := until - tape.clock()) > 0:
        try:
            ended = await api.wait(execution.id, seconds=min(left, LONG_POLL_S))
        except ApiFailure as failure:
            pause = next(pauses, None) if _may_pass(failure) else None
            if pause is None:
                raise await _lost(api, line, failure) from failure
            await asyncio.sleep(min(pause, left))
            continue
        if ended is not None:
            return ended
        pauses = iter(LOST_CONTACT_PAUSES_S)
    return None


def _may_pass(failure: ApiFailure) -> bool:
    return failure.status is None or failure.status in {409, 429} or failure.status >= SERVER_ERRORS


async def _lost(api: DevboxApi, line: Line, failure: ApiFailure) -> SandboxError:
    message = (
        f"the command was lost: {failure}; devbox {api.devbox_id} {await _state_of(api)}; "
        f"use a fresh sandbox: {line.shown}"
    )
    return SandboxError(message)


async def _state_of(api: DevboxApi) -> str:
    try:
        return f"is {await api.status()}"
    except ApiFailure as failure:
        return f"does not answer ({failure})"


async def _kill(api: DevboxApi, execution: Execution) -> Execution | None:
    """Kill a command and return it once it has ended; None if that can't be verified in time."""
    try:
        await api.kill(execution.id)
        return await api.wait(execution.id, seconds=KILL_GRACE_S)
    except ApiFailure:
        return None


async def _timed_out(api: DevboxApi, line: Line, execution: Execution, *, timeout: float) -> CommandTimeout:
    killed = await _kill(api, execution)
    shown = killed or execution
    fate = "it has been killed" if killed else "whether it has ended could NOT be verified, so use a fresh sandbox"
    head = (
        f"a command ran longer than its timeout of {timeout:g} s in devbox {api.devbox_id}; {fate}; "
        "give exec(…, timeout=…) more seconds if it needs them"
    )
    so_far = streams(stdout=shown.stdout, stderr=shown.stderr)
    return CommandTimeout("\n".join([head, f"$ {line.shown}", *so_far]))


async def _result(api: DevboxApi, line: Line, ended: Execution, *, duration_s: float) -> ExecResult:
    if ended.exit_code is None:
        message = (
            f"the command ended without an exit code; devbox {api.devbox_id} {await _state_of(api)}; "
            f"use a fresh sandbox: {line.shown}"
        )
        raise SandboxError(message)
    stdout = await api.output(ended.id, "stdout") if "stdout" in ended.truncated else ended.stdout
    stderr = await api.output(ended.id, "stderr") if "stderr" in ended.truncated else ended.stderr
    return ExecResult(
        command=line.shown,
        stdout=stdout,
        stderr=stderr,
        exit_code=ended.exit_code,
        duration_s=duration_s,
        devbox_id=api.devbox_id,
    )
