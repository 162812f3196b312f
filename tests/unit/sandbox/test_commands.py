from __future__ import annotations

import asyncio

import pytest

from pytest_runloop.errors import CommandFailed, CommandTimeout, SandboxError
from pytest_runloop.sandbox import commands
from pytest_runloop.sandbox.boundary import ApiFailure, Execution
from pytest_runloop.sandbox.results import ExecResult
from tests.fakes import FakeDevbox, Script

LINE = commands.Line(text="cd / && x", shown="x")


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def devbox(script: Script) -> FakeDevbox:
    return FakeDevbox("dbx_1", {}, script)


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "LOST_CONTACT_PAUSES_S", (0.0, 0.0))
    monkeypatch.setattr(commands, "KILL_GRACE_S", 0.01)


def run(devbox: FakeDevbox, *, timeout: float = 5) -> ExecResult:
    return asyncio.run(commands.run(devbox, LINE, timeout=timeout))


def test_a_command_gives_its_output_and_exit_code(devbox: FakeDevbox, script: Script) -> None:
    script.stdout, script.exit_code = "hi\n", 4

    result = run(devbox)

    assert (result.command, result.stdout, result.exit_code, result.ok) == ("x", "hi\n", 4, False)
    assert devbox.commands == ["cd / && x"]


def test_output_that_was_cut_is_read_again_in_full(devbox: FakeDevbox, script: Script) -> None:
    script.stdout = "line\n" * 101

    assert run(devbox).stdout == script.stdout


def test_a_command_that_runs_too_long_is_killed(devbox: FakeDevbox, script: Script) -> None:
    script.lasts, script.stdout = True, "so far\n"

    with pytest.raises(CommandTimeout) as caught:
        run(devbox, timeout=0.01)

    assert devbox.killed == ["exec_1"]
    assert all(part in str(caught.value) for part in ("0.01 s", "dbx_1", "$ x", "so far", "has been killed"))


def test_a_command_that_survives_its_kill_is_reported(devbox: FakeDevbox, script: Script) -> None:
    script.lasts = script.immortal = True

    with pytest.raises(CommandTimeout, match="could NOT be verified"):
        run(devbox, timeout=0.01)


def test_a_cancelled_command_is_killed(devbox: FakeDevbox, script: Script) -> None:
    script.lasts = True

    async def cancelled() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(commands.run(devbox, LINE, timeout=5), 0.01)

    asyncio.run(cancelled())

    assert devbox.killed == ["exec_1"]


def test_a_command_cancelled_while_it_is_started_is_killed(devbox: FakeDevbox, script: Script) -> None:
    script.lasts = True
    reached = asyncio.Event()
    start = devbox.start

    class Slow(FakeDevbox):
        async def start(self, command: str) -> Execution:
            reached.set()
            await asyncio.sleep(0.02)
            return await start(command)

    async def cancelled() -> None:
        slow = Slow("dbx_1", {}, script)
        task = asyncio.create_task(commands.run(slow, LINE, timeout=5))
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert slow.killed == ["exec_1"]

    asyncio.run(cancelled())


@pytest.mark.parametrize("status", [None, 429, 503])
def test_a_wait_survives_a_moment_without_answer(devbox: FakeDevbox, script: Script, status: int | None) -> None:
    script.lasts = True
    script.wait_failures = [ApiFailure("no answer", status=status)]

    with pytest.raises(CommandTimeout):
        run(devbox, timeout=0.02)

    assert script.wait_failures == []


@pytest.mark.parametrize(("status", "times"), [(None, 3), (404, 1)])
def test_a_command_whose_devbox_is_gone_is_lost(
    devbox: FakeDevbox, script: Script, status: int | None, times: int
) -> None:
    script.lasts = True
    devbox.state = "failure"
    script.wait_failures = [ApiFailure("gone", status=status) for _ in range(times)]

    with pytest.raises(SandboxError, match=r"dbx_1 is 'failure'.*fresh sandbox"):
        run(devbox)


def test_an_end_without_exit_code_is_no_success(devbox: FakeDevbox, script: Script) -> None:
    script.exit_code = None

    with pytest.raises(SandboxError, match="without an exit code"):
        run(devbox)


def test_a_checked_failure_tells_everything() -> None:
    failed = ExecResult(command="make", stdout="out", stderr="err", exit_code=2, duration_s=0, devbox_id="dbx_1")

    with pytest.raises(CommandFailed) as caught:
        commands.checked(failed)

    assert all(part in str(caught.value) for part in ("$ make", "exit code 2", "out", "err", "dbx_1"))


def test_a_checked_success_is_returned() -> None:
    fine = ExecResult(command="make", stdout="", stderr="", exit_code=0, duration_s=0)

    assert commands.checked(fine) is fine
