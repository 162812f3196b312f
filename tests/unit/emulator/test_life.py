from __future__ import annotations

import asyncio

import pytest

from pytest_runloop.emulator.domain.creation import parse_create
from pytest_runloop.emulator.domain.lifecycle import Status
from pytest_runloop.emulator.domain.problems import ApiProblem
from pytest_runloop.emulator.service.executions import Command
from pytest_runloop.emulator.service.snapshots import Label
from tests.unit.emulator.conftest import Bench


def test_a_failed_launch_command_fails_the_devbox_and_says_why(bench: Bench) -> None:
    emulator = bench.emulator()

    devbox = bench.create(emulator, launch_parameters={"launch_commands": ["true", "exit 3", "touch never"]})

    assert (devbox.status, devbox.failure_reason) == (Status.FAILURE, "execution_failed")
    notes = [entry.message or "" for entry in emulator.logs.entries(devbox.id, execution_id=None, shell_name=None)]
    assert any("'exit 3' ended with exit status 3" in note for note in notes)


def test_launch_commands_run_again_after_a_resume(bench: Bench) -> None:
    emulator = bench.emulator()
    devbox = bench.create(emulator, launch_parameters={"launch_commands": ["echo x >> starts"]})
    bench.call(emulator.devboxes.suspend, devbox.id)
    bench.until(emulator, devbox, Status.SUSPENDED)

    bench.call(emulator.devboxes.resume, devbox.id)
    bench.until(emulator, devbox, Status.RUNNING)

    assert (bench.machine().home / "starts").read_text() == "x\nx\n"


def test_a_young_resume_still_shows_suspended(bench: Bench) -> None:
    emulator = bench.emulator()
    devbox = bench.create(emulator, launch_parameters={"launch_commands": ["sleep 0.3"]})
    bench.call(emulator.devboxes.suspend, devbox.id)
    bench.until(emulator, devbox, Status.SUSPENDED)

    first = bench.call(emulator.devboxes.resume, devbox.id)
    again = bench.call(emulator.devboxes.resume, devbox.id)

    assert first.status is again.status is Status.SUSPENDED
    assert first.transitions[-1].status is Status.SUSPENDED
    assert bench.until(emulator, devbox, Status.RUNNING).status is Status.RUNNING
    assert len(bench.machines[-1].booted) == 2


def test_an_entrypoint_that_ends_shuts_the_devbox_down(bench: Bench) -> None:
    emulator = bench.emulator()
    devbox = bench.create(emulator, entrypoint="sleep 0.1")

    over = bench.until(emulator, devbox, Status.SHUTDOWN)

    assert over.shutdown_reason == "entrypoint_exit"


def test_file_mounts_are_there_before_launch_commands(bench: Bench) -> None:
    emulator = bench.emulator()

    devbox = bench.create(
        emulator, file_mounts={"sub/a.txt": "text"}, launch_parameters={"launch_commands": ["cp sub/a.txt b.txt"]}
    )

    assert bench.run(emulator, devbox, "cmp sub/a.txt b.txt && cat b.txt").exit_status == 0


def test_keep_alive_time_ends_a_devbox(bench: Bench) -> None:
    emulator = bench.emulator()
    devbox = bench.create(emulator, launch_parameters={"keep_alive_time_seconds": 1})

    over = bench.until(emulator, devbox, Status.SHUTDOWN)

    assert over.shutdown_reason == "keep_alive_timeout"


def test_an_idle_devbox_is_suspended_but_not_while_a_command_runs(bench: Bench) -> None:
    emulator = bench.emulator()
    idle = {"after_idle": {"idle_time_seconds": 1, "on_idle": "suspend"}}
    devbox = bench.create(emulator, launch_parameters={"lifecycle": idle})

    assert bench.run(emulator, devbox, "sleep 1.5").exit_status == 0
    assert emulator.devboxes.get(devbox.id).status is Status.RUNNING

    assert bench.until(emulator, devbox, Status.SUSPENDED).status is Status.SUSPENDED


def test_suspend_commands_run_and_can_not_hold_the_suspend_up(bench: Bench) -> None:
    emulator = bench.emulator()
    hooks = {"suspend_commands": ["touch before", "false", "sleep 60"], "suspend_deadline_ms": 300}
    devbox = bench.create(emulator, launch_parameters={"lifecycle": {"lifecycle_hooks": hooks}})

    bench.call(emulator.devboxes.suspend, devbox.id)
    bench.until(emulator, devbox, Status.SUSPENDED)

    assert (bench.machine().home / "before").exists()


def test_a_devbox_whose_machine_dies_fails_with_the_reason(bench: Bench) -> None:
    emulator = bench.emulator()
    devbox = bench.create(emulator)

    bench.loop.call_soon(bench.machine().die, "out_of_memory")

    assert bench.until(emulator, devbox, Status.FAILURE).failure_reason == "out_of_memory"


def test_unfinished_executions_end_with_a_suspend_and_stay_readable(bench: Bench) -> None:
    emulator = bench.emulator()
    devbox = bench.create(emulator)
    started = bench.do(emulator.executions.start(devbox.id, Command(text="echo early; sleep 60"), hold_s=0.2))

    bench.call(emulator.devboxes.suspend, devbox.id)
    bench.until(emulator, devbox, Status.SUSPENDED)

    execution = emulator.executions.get(devbox.id, started.id)
    assert execution.exit_status == 137
    output = execution.output("stdout")
    assert output is not None
    assert output.read(0, 100) == b"early\n"


def test_shutdown_during_boot_leaves_nothing(bench: Bench) -> None:
    emulator = bench.emulator()
    request = parse_create({"launch_parameters": {"launch_commands": ["sleep 60"]}})
    devbox = bench.do(emulator.devboxes.create(request, request_id=""))

    over = bench.call(emulator.devboxes.shut_down, devbox.id, force=False)
    bench.close(emulator)

    assert over.status is Status.SHUTDOWN
    assert all(machine.halted for machine in bench.machines[-1].booted)
    assert bench.machines[-1].disks.names() == frozenset()


def test_the_same_request_makes_one_devbox_and_one_execution(bench: Bench) -> None:
    emulator = bench.emulator()

    async def twice() -> list[str]:
        request = parse_create({})
        devboxes = [emulator.devboxes.create_and_await(request, request_id="r1") for _ in range(2)]
        return [devbox.id for devbox in await asyncio.gather(*devboxes)]

    first, second = bench.do(twice())
    devbox = emulator.devboxes.get(first)
    one = bench.run(emulator, devbox, "echo x >> runs", command_id="c1")
    two = bench.run(emulator, devbox, "echo x >> runs", command_id="c1")

    assert first == second
    assert one is two
    assert (bench.machine().home / "runs").read_text() == "x\n"


def test_a_shell_command_killed_in_the_queue_never_runs(bench: Bench) -> None:
    emulator = bench.emulator()
    devbox = bench.create(emulator)

    async def scenario() -> tuple[int | None, int | None]:
        start = emulator.executions.start
        first = await start(devbox.id, Command(text="sleep 0.5", shell_name="s"), hold_s=0)
        second = await start(devbox.id, Command(text="touch ran", shell_name="s"), hold_s=0)
        assert second.status.value == "queued"
        await emulator.executions.kill(devbox.id, second.id, group=False)
        await first.wait(timeout_s=10)
        return first.exit_status, second.exit_status

    assert bench.do(scenario()) == (0, 137)
    assert not (bench.machine().home / "ran").exists()


def test_a_snapshot_in_progress_holds_a_shutdown_back_unless_forced(bench: Bench) -> None:
    emulator = bench.emulator()
    devbox = bench.create(emulator)
    runtime = emulator._roster.held(devbox.id)
    assert runtime is not None
    runtime.snapshotting = 1

    with pytest.raises(ApiProblem) as refusal:
        bench.call(emulator.devboxes.shut_down, devbox.id, force=False)

    assert (refusal.value.status, refusal.value.headers) == (409, {"x-should-retry": "false"})
    assert bench.call(emulator.devboxes.shut_down, devbox.id, force=True).status is Status.SHUTDOWN


def test_a_snapshot_that_fails_says_why(bench: Bench) -> None:
    emulator = bench.emulator()
    devbox = bench.create(emulator)
    bench.machine().home.rename(bench.state / "away")

    snapshot = bench.do(emulator.snapshots.take(devbox.id, Label(), request_id=""))

    assert snapshot.status.value == "error"
    assert "No such file" in (snapshot.error_message or "")


def test_a_command_waiting_for_a_shell_does_not_start_while_its_devbox_is_suspended(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    emulator = bench.emulator()
    devbox = bench.create(emulator)
    first = bench.do(emulator.executions.start(devbox.id, Command(text="sleep 60", shell_name="s")))
    second = bench.do(emulator.executions.start(devbox.id, Command(text="touch ran", shell_name="s")))

    bench.call(emulator.devboxes.suspend, devbox.id)
    bench.until(emulator, devbox, Status.SUSPENDED)

    assert (first.exit_status, second.exit_status) == (137, 137)
    assert not (bench.machine().home / "ran").exists()
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_a_suspend_that_breaks_fails_the_devbox(bench: Bench) -> None:
    emulator = bench.emulator()
    devbox = bench.create(emulator)
    machine = bench.machine()
    machine.breaks = OSError("the machine is stuck")

    bench.call(emulator.devboxes.suspend, devbox.id)
    over = bench.until(emulator, devbox, Status.FAILURE)

    assert over.failure_reason == "health_check_failed"
    messages = [one.message or "" for one in emulator.logs.entries(devbox.id, execution_id=None, shell_name=None)]
    assert any("the machine is stuck" in message for message in messages)
    machine.breaks = None
