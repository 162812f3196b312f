"""Routes of executions."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from starlette.responses import StreamingResponse

from pytest_runloop.emulator.domain import checks
from pytest_runloop.emulator.domain.problems import bad_request
from pytest_runloop.emulator.http.answers import (
    Answer,
    Record,
    checked_body,
    devbox_id,
    emulator,
    number,
    request_id,
    route,
)
from pytest_runloop.emulator.http.views import DEFAULT_LINES, execution_view, finished_view
from pytest_runloop.emulator.service.execution import ExecutionStatus
from pytest_runloop.emulator.service.executions import MAX_WAIT_S, Command
from pytest_runloop.emulator.service.outputs import follow

if TYPE_CHECKING:
    from starlette.requests import Request

    from pytest_runloop.emulator.service.execution import Execution, StreamName

_EXECUTE_ASYNC = checks.record(
    {"command": checks.text, "shell_name": checks.text, "attach_stdin": checks.boolean}, required=("command",)
)
_EXECUTE_SYNC = checks.record({"command": checks.text, "shell_name": checks.text}, required=("command",))
_EXECUTE = checks.record(
    {
        "command": checks.text,
        "command_id": checks.text,
        "optimistic_timeout": checks.number,
        "shell_name": checks.text,
    },
    required=("command", "command_id"),
)
_STATUSES = tuple(status.value for status in ExecutionStatus)
_WAIT = checks.record(
    {"statuses": checks.list_of(checks.choice(_STATUSES)), "timeout_seconds": checks.number}, required=("statuses",)
)
_KILL = checks.record({"kill_process_group": checks.boolean})
_SEND = checks.record({"text": checks.text, "signal": checks.choice(("EOF", "INTERRUPT"))})
_SSE_HEADERS = {"Cache-Control": "no-cache"}


async def execute_async(request: Request) -> Answer:
    """Start a command."""
    command = _command(request, await checked_body(request, _EXECUTE_ASYNC))
    return _view(request, await emulator(request).executions.start(devbox_id(request), command))


async def execute(request: Request) -> Answer:
    """Start a command and hold the answer while it may soon be over."""
    given = await checked_body(request, _EXECUTE)
    hold_s = min(given.get("optimistic_timeout", MAX_WAIT_S), MAX_WAIT_S)
    executions = emulator(request).executions
    return _view(request, await executions.start(devbox_id(request), _command(request, given), hold_s=hold_s))


async def execute_sync(request: Request) -> Answer:
    """Run a command to its end."""
    command = _command(request, await checked_body(request, _EXECUTE_SYNC))
    return finished_view(devbox_id(request), await emulator(request).executions.run(devbox_id(request), command))


async def retrieve(request: Request) -> Answer:
    """Show an execution."""
    return _view(request, _execution(request))


async def wait_for_status(request: Request) -> Answer:
    """Hold the answer until an execution has a status."""
    given = await checked_body(request, _WAIT)
    statuses = [ExecutionStatus(word) for word in given["statuses"]]
    timeout_s = given.get("timeout_seconds", MAX_WAIT_S)
    execution = await emulator(request).executions.wait_for(*_ids(request), statuses, timeout_s=timeout_s)
    return _view(request, execution)


async def kill(request: Request) -> Answer:
    """Kill a command."""
    given = await checked_body(request, _KILL)
    group = given.get("kill_process_group", False)
    return _view(request, await emulator(request).executions.kill(*_ids(request), group=group))


async def send_std_in(request: Request) -> Answer:
    """Feed a command."""
    given = await checked_body(request, _SEND)
    if len(given) != 1:
        raise bad_request("text, signal: give exactly one of them.")
    box, execution_id = _ids(request)
    success = await emulator(request).executions.send(
        box, execution_id, text=given.get("text"), signal_name=given.get("signal")
    )
    return {"devbox_id": box, "execution_id": execution_id, "success": success}


async def stream_stdout_updates(request: Request) -> Answer:
    """Stream standard output."""
    return _stream(request, "stdout")


async def stream_stderr_updates(request: Request) -> Answer:
    """Stream standard error."""
    return _stream(request, "stderr")


def _stream(request: Request, name: StreamName) -> StreamingResponse:
    offset = number(request, "offset", default=0, minimum=0)
    events = _events(_execution(request), name, offset=offset)
    return StreamingResponse(events, media_type="text/event-stream", headers=_SSE_HEADERS)


async def _events(execution: Execution, name: StreamName, *, offset: int) -> AsyncIterator[bytes]:
    """Print pieces of output as events; their offsets are ends, so a client that reopens there loses nothing."""
    async for piece in follow(execution, name, offset=offset):
        if piece is None:
            yield b": nothing new\n\n"
        else:
            text, end = piece
            yield b"data: " + json.dumps({"output": text, "offset": end}).encode() + b"\n\n"


def _command(request: Request, given: Record) -> Command:
    return Command(
        text=given["command"],
        shell_name=given.get("shell_name") or None,
        stdin=given.get("attach_stdin", False),
        command_id=given.get("command_id", ""),
        request_id=request_id(request),
    )


def _view(request: Request, execution: Execution) -> Record:
    lines = number(request, "last_n", default=DEFAULT_LINES, minimum=0)
    return execution_view(devbox_id(request), execution, last_n=lines)


def _execution(request: Request) -> Execution:
    return emulator(request).executions.get(*_ids(request))


def _ids(request: Request) -> tuple[str, str]:
    return devbox_id(request), request.path_params["execution_id"]


_BOX = "/v1/devboxes/{id}"
_ONE = _BOX + "/executions/{execution_id}"
ROUTES = [
    route("POST", _BOX + "/execute_async", execute_async),
    route("POST", _ONE + "/wait_for_status", wait_for_status),
    route("GET", _ONE, retrieve),
    route("POST", _BOX + "/execute", execute),
    route("POST", _BOX + "/execute_sync", execute_sync),
    route("POST", _ONE + "/kill", kill),
    route("POST", _ONE + "/send_std_in", send_std_in),
    route("GET", _ONE + "/stream_stdout_updates", stream_stdout_updates),
    route("GET", _ONE + "/stream_stderr_updates", stream_stderr_updates),
]
