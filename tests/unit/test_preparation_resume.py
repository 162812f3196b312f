"""The one suspended devbox: who may resume it, and what becomes of it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_runloop.cache.entry import from_text, to_text
from pytest_runloop.errors import ProvisioningError, SandboxError
from pytest_runloop.preparation import SuspendedSnapshot
from pytest_runloop.preparing import turn
from pytest_runloop.sandbox import labels
from pytest_runloop.sandbox.boundary import ApiFailure
from tests.unit.preparing import SETUP, Stage, spec

MARK = "cd /home/user && bash -c 'leave a mark'"


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    stage.close()


def leave_a_mark(prepared: SuspendedSnapshot) -> str:
    with prepared.resume() as sandbox:
        sandbox.exec("leave a mark")
        return sandbox.devbox_id


def disk_seen(stage: Stage, prepared: SuspendedSnapshot) -> tuple[str, ...]:
    with prepared.resume() as sandbox:
        return next(devbox.disk for devbox in stage.devboxes if devbox.devbox_id == sandbox.devbox_id)


def test_it_comes_back_with_what_earlier_tests_left(stage: Stage) -> None:
    process = stage.process()
    prepared = process.prepared(spec())

    used = [leave_a_mark(prepared), leave_a_mark(process.prepared(spec()))]

    assert used == ["dbx_1", "dbx_1"]
    assert disk_seen(stage, prepared) == (SETUP, "sync", MARK, MARK)
    assert (process.resumed, process.problems, stage.states()) == (3, (), ["suspended"])


def test_forks_never_see_it(stage: Stage) -> None:
    prepared = stage.process().prepared(spec())
    leave_a_mark(prepared)

    with prepared.fork():
        assert stage.devboxes[-1].disk == (SETUP, "sync")


@pytest.mark.parametrize("machine", ["here", "there"])
def test_other_runs_and_machines_find_the_same_one(stage: Stage, machine: str) -> None:
    leave_a_mark(stage.process().prepared(spec()))
    other = stage.process(machine=machine, run="run_2")

    assert disk_seen(stage, other.prepared(spec())) == (SETUP, "sync", MARK)
    assert (other.problems, len(stage.devboxes)) == ((), 1)


def fail_inside(prepared: SuspendedSnapshot) -> None:
    with contextlib.suppress(ZeroDivisionError), prepared.resume() as sandbox:
        sandbox.exec("leave a mark")
        raise ZeroDivisionError


def fail_as_told(prepared: SuspendedSnapshot) -> None:
    with prepared.resume(failed=lambda: True) as sandbox:
        sandbox.exec("leave a mark")


@pytest.mark.parametrize("fail", [fail_inside, fail_as_told])
def test_what_a_failed_test_left_is_never_handed_on(stage: Stage, fail: Any) -> None:  # noqa: ANN401 - a function
    process = stage.process()
    prepared = process.prepared(spec())

    fail(prepared)

    assert stage.states() == ["shutdown"]
    assert disk_seen(stage, prepared) == (SETUP, "sync")
    assert disk_seen(stage, stage.process(machine="there").prepared(spec())) == (SETUP, "sync")
    assert stage.states() == ["shutdown", "suspended"]
    assert process.problems == ()


def test_one_in_use_says_so_wherever_it_came_from(stage: Stage) -> None:
    prepared = stage.process().prepared(spec())

    with prepared.resume():
        assert labels.HOLDER in stage.devboxes[0].labels
    fail_as_told(prepared)
    with prepared.resume():
        assert labels.HOLDER in stage.devboxes[1].labels

    assert labels.HOLDER not in stage.devboxes[1].labels


def test_the_test_that_asked_decides_unless_told_otherwise(stage: Stage) -> None:
    prepared = stage.process().prepared(spec(), failed=lambda: True)

    with prepared.resume():
        pass
    with prepared.resume(failed=lambda: False):
        pass

    assert stage.states() == ["shutdown", "suspended"]


def test_what_a_killed_process_left_is_deleted_and_named(stage: Stage) -> None:
    prepared = stage.process().prepared(spec())
    (machine,) = (stage.directory / "here" / "locks").rglob("machine")
    devbox = stage.devboxes[0]
    devbox.state = "running"
    devbox.labels = {**devbox.labels, labels.HOLDER: f"{machine.read_text()}:1"}
    process = stage.process()

    assert disk_seen(stage, process.prepared(spec())) == (SETUP, "sync")

    assert prepared.key
    assert stage.states() == ["shutdown", "suspended"]
    (problem,) = process.problems
    assert problem == (
        "devbox dbx_1 was not left in good order by its last user: it is 'running'; "
        "it was deleted, and another one was started from the disk snapshot"
    )


def test_one_that_another_machine_has_is_left_to_it_and_another_made(stage: Stage) -> None:
    here, there = stage.process(), stage.process(machine="there")
    prepared = here.prepared(spec())

    with prepared.resume() as one, there.prepared(spec()).resume() as other:
        assert one.devbox_id != other.devbox_id

    assert stage.states() == ["suspended", "suspended"]
    assert (here.problems, there.problems) == ((), ())
    # Each goes on with its own.
    assert leave_a_mark(prepared) == "dbx_1"
    assert leave_a_mark(there.prepared(spec())) == "dbx_2"


def test_on_one_machine_the_second_waits_and_says_so(stage: Stage) -> None:
    one, other = stage.process().prepared(spec()), stage.process().prepared(spec())
    order: list[str] = []

    def second() -> None:
        with other.resume():
            order.append("second")

    with one.resume():
        thread = threading.Thread(target=second)
        thread.start()
        while not any("waiting for another test that has resumed" in line for line in stage.told):
            threading.Event().wait(0.01)
        order.append("first")
    thread.join()

    assert order == ["first", "second"]
    assert len(stage.devboxes) == 1


def test_it_does_not_wait_for_itself(stage: Stage) -> None:
    prepared = stage.process().prepared(spec())

    with prepared.resume(), pytest.raises(SandboxError, match="would wait for itself"), prepared.resume():
        pass

    assert leave_a_mark(prepared) == "dbx_1"


def test_two_of_one_process_do_not_wait_for_each_other_for_ever(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn, "PATIENCE_S", 0.1)
    process = stage.process()
    one, other = process.prepared(spec()), process.prepared(spec())

    with one.resume(), pytest.raises(SandboxError, match="has resumed the same sandbox already"), other.resume():
        pass

    assert leave_a_mark(other) == "dbx_1"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        ("deleted", "was deleted: it is 'shutdown'"),
        ("failed", "was deleted: it is 'failure'"),
        ("running", "is 'running', not 'suspended'; it was left alone"),
        ("key", "is not the one that was prepared for this"),
    ],
)
def test_a_devbox_that_cannot_be_trusted_is_named_and_replaced(stage: Stage, spoil: str, words: str) -> None:
    process = stage.process()
    prepared = process.prepared(spec())
    devbox = stage.devboxes[0]
    statuses = {"deleted": "shutdown", "failed": "failure", "running": "running"}
    devbox.state = statuses.get(spoil, devbox.state)
    if spoil == "key":
        devbox.labels = {**devbox.labels, labels.KEY: "other"}
    before = devbox.state

    assert disk_seen(stage, prepared) == (SETUP, "sync")

    assert words in process.problems[0]
    assert len(process.problems) == 1
    assert stage.states() == [before, "suspended"]


def test_a_state_of_another_sdk_is_named_and_made_anew_for_the_same_devbox(stage: Stage) -> None:
    leave_a_mark(stage.process().prepared(spec()))
    (file,) = (stage.directory / "here" / "cache").rglob("*.json")
    key = file.stem
    file.write_text(to_text(replace(from_text(file.read_text(), key=key), state="of version 9")))
    process = stage.process()

    assert disk_seen(stage, process.prepared(spec())) == (SETUP, "sync", MARK)
    assert "can't be used by this version of the Agents SDK" in process.problems[0]
    assert process.prepared(spec()).state_json == "state of dbx_1"


def test_a_deleted_disk_and_devbox_are_prepared_again(stage: Stage) -> None:
    process = stage.process()
    prepared = process.prepared(spec())
    stage.disks()[0].status = "deleted"
    stage.devboxes[0].state = "shutdown"

    assert disk_seen(stage, prepared) == (SETUP, "sync")

    assert (process.made, len(process.problems)) == (2, 2)


@pytest.mark.parametrize("status", [402, 403, 429])
def test_an_account_that_refuses_is_named_and_nothing_is_lost(stage: Stage, status: int) -> None:
    prepared = stage.process().prepared(spec())
    leave_a_mark(prepared)
    stage.devboxes[0].resume_refusal = ApiFailure(f"HTTP {status}: no", status=status)

    with pytest.raises(ProvisioningError, match=f"HTTP {status}"), prepared.resume():
        pass

    stage.devboxes[0].resume_refusal = None
    assert disk_seen(stage, prepared) == (SETUP, "sync", MARK)


def test_an_api_that_does_not_answer_is_named(stage: Stage) -> None:
    prepared = stage.process().prepared(spec())
    stage.devboxes[0].status_failure = ApiFailure("no answer", status=None)

    with pytest.raises(ProvisioningError, match="no sandbox could be resumed: no answer"), prepared.resume():
        pass

    stage.devboxes[0].status_failure = None
    assert leave_a_mark(prepared) == "dbx_1"


def test_what_cannot_be_suspended_again_is_deleted_and_named(stage: Stage) -> None:
    process = stage.process()
    prepared = process.prepared(spec())
    with prepared.resume():
        stage.devboxes[0].suspend_refusal = ApiFailure("HTTP 500: no", status=500)

    assert stage.states() == ["shutdown"]
    assert "could not be suspended" in process.problems[0]
    assert disk_seen(stage, prepared) == (SETUP, "sync")


def test_what_was_prepared_anew_meanwhile_takes_the_old_devbox_out_of_use(stage: Stage) -> None:
    old = stage.process().prepared(spec())
    with old.resume():
        stage.process(run="run_2").prepared(spec()).rebuild()

    assert stage.states() == ["shutdown", "suspended"]
    assert leave_a_mark(old) == "dbx_2"


def test_the_state_is_there_for_the_user_before_and_during_a_use(stage: Stage) -> None:
    prepared = stage.process().prepared(spec())

    before = prepared.state_json
    with prepared.resume():
        during = prepared.state_json

    assert before == during == prepared.state_json == "state of dbx_1"


def test_a_state_is_made_if_there_is_none(stage: Stage) -> None:
    stage.process().prepared(spec())
    elsewhere = stage.process(machine="there").prepared(spec())

    assert elsewhere.state_json == "state of dbx_1"

    fail_as_told(elsewhere)
    assert elsewhere.state_json == "state of dbx_2"
    assert stage.states() == ["shutdown", "suspended"]


def test_an_awaited_one_is_put_back_with_what_it_came_from(stage: Stage) -> None:
    prepared = stage.process().prepared(spec())

    async def test() -> None:
        sandbox = await prepared.resume()
        await sandbox.aio.exec("leave a mark")

    asyncio.run(test())
    assert stage.states() == ["running"]
    prepared.close()

    assert disk_seen(stage, prepared) == (SETUP, "sync", MARK)


def test_a_cancelled_wait_is_given_up(stage: Stage) -> None:
    one, other = stage.process().prepared(spec()), stage.process().prepared(spec())

    async def test() -> None:
        with one.resume():
            task = asyncio.ensure_future(other.resume().__aenter__())
            await asyncio.sleep(0.2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(test())

    assert leave_a_mark(other) == "dbx_1"


def test_two_at_once_in_one_test_do_not_wait_for_each_other(stage: Stage) -> None:
    prepared = stage.process().prepared(spec())

    async def test() -> list[object]:
        return [*await asyncio.gather(prepared.resume(), prepared.resume(), return_exceptions=True)]

    kinds = sorted(type(one).__name__ for one in asyncio.run(test()))
    prepared.close()

    assert kinds == ["Sandbox", "SandboxError"]
    assert stage.states() == ["suspended"]


def test_after_one_that_failed_to_come_another_may_be_asked_for(stage: Stage) -> None:
    prepared = stage.process().prepared(spec())
    stage.devboxes[0].resume_refusal = ApiFailure("HTTP 429: no", status=429)
    with pytest.raises(ProvisioningError), prepared.resume():
        pass
    stage.devboxes[0].resume_refusal = None

    assert leave_a_mark(prepared) == "dbx_1"
