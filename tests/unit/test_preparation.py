"""Preparing, finding and forking, against an account in memory."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_runloop.blueprint import Blueprint
from pytest_runloop.errors import ProvisioningError, SandboxError, SpecError, TeardownError
from pytest_runloop.provisioning import Gate
from pytest_runloop.sandbox import labels
from pytest_runloop.sandbox.account import DiskSnapshot
from pytest_runloop.sandbox.boundary import ApiFailure
from pytest_runloop.target import Endpoint, Target
from tests.fakes import FakeDevbox, FakeDisk
from tests.unit.preparing import SETUP, Stage, spec


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    stage.close()


def test_a_preparation_keeps_a_disk_snapshot_and_a_suspended_devbox(stage: Stage) -> None:
    prepared = stage.process().prepared(spec())

    (disk,), (devbox,) = stage.disks(), stage.devboxes
    assert disk.content == (SETUP, "sync")
    assert devbox.state == "suspended"
    assert prepared.state_json == "state of dbx_1"
    assert (prepared.created, prepared.age_s < 60) == (True, True)


def test_what_is_kept_says_what_it_is(stage: Stage) -> None:
    before = int(time.time())
    prepared = stage.process().prepared(spec())

    marks = stage.disks()[0].record.labels
    assert marks == {
        labels.OWNER: "1",
        labels.RUN: "run_1",
        labels.KEY: prepared.key,
        labels.SCHEMA: "1",
        labels.OWNER_NAME: "us",
        labels.CREATED: marks[labels.CREATED],
        labels.EXPIRES: str(int(marks[labels.CREATED]) + 86400),
        labels.KIND: labels.DISK,
    }
    assert before <= int(marks[labels.CREATED]) <= time.time()
    own = stage.devboxes[0].labels
    assert (own[labels.KEY], own[labels.BASE], own[labels.KIND]) == (prepared.key, "snp_1", labels.PREPARED)
    assert labels.HOLDER not in own


def test_the_session_is_one_that_can_be_resumed(stage: Stage) -> None:
    stage.process().prepared(spec())

    assert stage.provider.requests[0].pause_on_exit


@pytest.mark.parametrize(("machine", "run"), [("here", "run_1"), ("here", "run_2"), ("there", "run_2")])
def test_others_find_it_and_do_not_prepare_again(stage: Stage, machine: str, run: str) -> None:
    first = stage.process().prepared(spec())
    other = stage.process(machine=machine, run=run)

    found = other.prepared(spec(test="other.py::y"))

    assert (found.key, found.created) == (first.key, run == "run_1")
    assert (other.made, other.found, len(stage.devboxes)) == (0, 1, 1)


def test_who_made_it_has_not_found_it(stage: Stage) -> None:
    process = stage.process()

    process.prepared(spec())
    process.prepared(spec())

    assert (process.made, process.found) == (1, 0)


def test_finding_it_here_asks_the_account_nothing(stage: Stage) -> None:
    stage.process().prepared(spec())
    stage.provider.account.failure = ApiFailure("HTTP 500: no", status=500)

    stage.process().prepared(spec())


def test_another_owner_does_not_find_it(stage: Stage) -> None:
    stage.process(owner="us").prepared(spec())

    other = stage.process(machine="there", owner="them")
    other.prepared(spec())

    assert other.made == 1


def test_another_account_does_not_look_into_the_same_index(stage: Stage) -> None:
    stage.process().prepared(spec())
    elsewhere = Endpoint(target=Target.LIVE, base_url="https://api.runloop.ai", api_key="ak_another")

    assert not list((stage.directory / "here" / "cache").glob("emulator*"))
    stage.process(endpoint=elsewhere).prepared(spec())
    assert len(list((stage.directory / "here" / "cache").iterdir())) == 2


def test_something_else_is_prepared_for_itself(stage: Stage) -> None:
    process = stage.process()

    one, other = process.prepared(spec()), process.prepared(spec(files={"a": "1"}))

    assert one.key != other.key
    assert process.made == 2


def test_a_failing_setup_keeps_nothing_and_is_shown(stage: Stage) -> None:
    stage.provider.script.exit_code, stage.provider.script.stdout = 7, "no such package"

    with pytest.raises(ProvisioningError) as caught:
        stage.process().prepared(spec())

    assert all(part in str(caught.value) for part in ("t.py::x", "$ install it", "exit code 7", "no such package"))
    assert (stage.states(), stage.disks()) == (["shutdown"], [])
    stage.provider.script.exit_code = 0
    assert stage.process().prepared(spec()).created


def test_a_setup_that_cannot_be_compared_is_refused_before_anything_is_made(stage: Stage) -> None:
    with pytest.raises(SpecError):
        stage.process().prepared(spec(setup=print))

    assert stage.devboxes == []


@pytest.mark.parametrize("status", ["error", "in_progress"])
def test_a_snapshot_that_fails_keeps_nothing(stage: Stage, status: str) -> None:
    stage.provider.account.new_disk_status = status

    with pytest.raises(ProvisioningError, match="snp_1"):
        stage.process().prepared(spec(options={"timeouts": {"snapshot_s": 1}}))

    assert stage.states() == ["shutdown"]
    assert [disk.status for disk in stage.provider.account.disks.values()] == ["deleted"]


def test_a_devbox_that_cannot_be_suspended_costs_only_itself(stage: Stage) -> None:
    def refuse(devbox: FakeDevbox) -> None:
        devbox.suspend_refusal = ApiFailure("HTTP 500: no", status=500)

    stage.each_new(refuse)
    process = stage.process()

    prepared = process.prepared(spec())

    assert stage.states() == ["shutdown"]
    assert "could not be suspended" in process.problems[0]
    with prepared.fork() as sandbox:
        assert sandbox.devbox_id == "dbx_2"


def test_a_fork_without_with_says_what_is_missing(stage: Stage) -> None:
    with pytest.raises(AttributeError, match=r"no 'exec': 'with suspended_snapshot\.fork\(\) as sandbox:'"):
        stage.process().prepared(spec()).fork().exec("true")  # type: ignore[attr-defined] # what a test may do


@pytest.mark.parametrize(
    ("status", "words"), [(402, "out of credits"), (403, "quota"), (429, "too many requests or devboxes")]
)
def test_an_account_that_has_no_more_is_named_and_nothing_kept(stage: Stage, status: int, words: str) -> None:
    stage.provider.create_failure = ApiFailure(f"HTTP {status}: no", status=status)

    with pytest.raises(ProvisioningError, match=words) as caught:
        stage.process().prepared(spec())

    assert f"HTTP {status}: no" in str(caught.value)
    assert stage.states() == ["shutdown"]


def test_an_unknown_blueprint_fails_with_the_names_there_are_closest_first(stage: Stage) -> None:
    stage.provider.create_failure = ApiFailure("HTTP 404: no blueprint", status=404)

    with pytest.raises(ProvisioningError) as caught:
        stage.process().prepared(spec(options={"blueprint_name": "runloop/universal-ubuntu-24.04"}))

    assert str(caught.value).endswith(
        "there is no built blueprint 'runloop/universal-ubuntu-24.04'; there are, closest first: "
        "runloop/universal-ubuntu-24.04-x86_64, runloop/starter-x86_64"
    )


def test_a_described_blueprint_is_built_before_it_is_used(stage: Stage) -> None:
    stage.provider.account.build_statuses = ["build_complete"]
    blueprint = Blueprint(dockerfile="FROM ubuntu:22.04")

    prepared = stage.process().prepared(spec(blueprint=blueprint))
    stage.provider.account.failure = ApiFailure("HTTP 500: no", status=500)

    assert stage.provider.requests[0].blueprint_name == blueprint.name
    assert [build.status for build in stage.provider.account.blueprints.values()] == ["build_complete"]
    with prepared.fork():
        """Needs the disk only; nobody asks for its blueprint."""


def test_forks_are_pristine_and_as_many_as_wanted(stage: Stage) -> None:
    prepared = stage.process().prepared(spec())

    with prepared.fork() as one, prepared.fork() as other:
        one.exec("spoil it")
        assert other.devbox_id != one.devbox_id
        assert stage.devboxes[2].disk == stage.disks()[0].content

    assert stage.states() == ["suspended", "shutdown", "shutdown"]


def test_a_fork_is_what_its_own_test_asked_for(stage: Stage) -> None:
    process = stage.process()
    process.prepared(spec())

    own = spec(options={"exposed_ports": [8000], "name": "mine", "timeouts": {"create_s": 7}})
    with process.prepared(own).fork():
        request = stage.provider.requests[-1]

    assert (request.exposed_ports, request.name, request.timeouts.create_s) == ((8000,), "mine", 7)
    assert labels.KEY not in stage.devboxes[-1].labels


def test_a_fork_gets_no_files_and_no_setup_a_second_time(stage: Stage) -> None:
    prepared = stage.process().prepared(spec())

    with prepared.fork():
        assert stage.devboxes[-1].commands == []
        assert stage.provider.renewed == ["dbx_2"]


def test_a_sandbox_is_lent_once(stage: Stage) -> None:
    lent = stage.process().prepared(spec()).fork()
    with lent:
        pass

    with pytest.raises(SandboxError, match="handed out before"), lent:
        pass


def test_whoever_wants_to_know_is_told_of_each_sandbox(stage: Stage) -> None:
    seen: list[str] = []
    prepared = stage.process().prepared(spec(), lend=lambda sandbox: seen.append(sandbox.devbox_id))

    with prepared.fork(), prepared.resume():
        pass

    assert seen == ["dbx_2", "dbx_1"]


def test_a_deleted_disk_is_named_and_prepared_again(stage: Stage) -> None:
    process = stage.process()
    prepared = process.prepared(spec())
    stage.disks()[0].status = "deleted"

    with prepared.fork():
        assert stage.devboxes[-1].disk == (SETUP, "sync")

    assert process.made == 2
    assert process.problems == (
        "disk snapshot snp_1 is 'deleted': somebody deleted it; the sandbox was prepared again",
    )
    assert [disk.record.id for disk in stage.disks()] == ["snp_2"]


def test_a_failed_fork_whose_disk_is_there_is_just_that(stage: Stage) -> None:
    process = stage.process()
    prepared = process.prepared(spec())
    stage.provider.create_failure = ApiFailure("HTTP 500: no", status=500)

    with pytest.raises(ProvisioningError, match="HTTP 500"), prepared.fork():
        pass

    assert (process.made, process.problems) == (1, ())


@pytest.mark.parametrize("damage", ["", "{", '{"schema": 99}', "\0\0"])
def test_a_damaged_index_is_told_once_and_looked_up_instead(stage: Stage, damage: str) -> None:
    stage.process().prepared(spec())
    (file,) = (stage.directory / "here" / "cache").rglob("*.json")
    file.write_text(damage)
    process = stage.process()

    process.prepared(spec())
    process.prepared(spec())

    assert process.made == 0
    assert [str(file) in problem for problem in process.problems] == [True]


def test_an_index_that_cannot_be_written_is_no_reason_to_fail(stage: Stage) -> None:
    (stage.directory / "here").mkdir()
    (stage.directory / "here" / "cache").write_text("a file where a directory should be")
    process = stage.process()

    process.prepared(spec())
    process.prepared(spec())

    assert process.made == 1
    assert [problem for problem in process.problems if "could not be written" in problem] == [
        "the index could not be written (Not a directory); prepared sandboxes are looked up instead"
    ]


@pytest.mark.parametrize("status", ["error", "deleted"])
def test_a_snapshot_that_is_not_complete_is_not_found(stage: Stage, status: str) -> None:
    stage.process().prepared(spec())
    stage.disks()[0].status = status

    other = stage.process(machine="there")
    other.prepared(spec())

    assert other.made == 1


def test_a_foreign_snapshot_with_our_key_but_no_dates_is_not_used(stage: Stage) -> None:
    key = stage.process().prepared(spec()).key
    disk = stage.disks()[0]
    disk.record = replace(disk.record, labels={**disk.record.labels, labels.CREATED: "yesterday"})

    other = stage.process(machine="there")
    other.prepared(spec())

    assert (other.made, key) == (1, other.prepared(spec()).key)


@pytest.mark.parametrize("machine", ["here", "there"])
def test_what_is_too_old_is_replaced(stage: Stage, machine: str) -> None:
    stage.process(run="run_1").prepared(spec())
    stage.disks()[0].record = aged(stage.disks()[0], 100)
    later = stage.process(machine=machine, run="run_2", max_age_s=0.0)

    later.prepared(spec())

    assert later.made == 1
    assert [disk.record.id for disk in stage.disks()] == ["snp_2"]
    assert stage.states() == ["shutdown", "suspended"]


def aged(disk: FakeDisk, seconds: int) -> DiskSnapshot:
    marks = dict(disk.record.labels)
    for name in (labels.CREATED, labels.EXPIRES):
        marks[name] = str(int(marks[name]) - seconds)
    return replace(disk.record, labels=marks)


def test_fresh_prepares_once_a_run_and_replaces(stage: Stage) -> None:
    stage.process(run="run_1").prepared(spec())
    workers = [stage.process(run="run_2", fresh=True) for _ in range(3)]

    created = [worker.prepared(spec()).created for worker in workers]

    assert [worker.made for worker in workers] == [1, 0, 0]
    assert created == [True] * 3
    assert stage.states() == ["shutdown", "suspended"]
    assert [disk.record.id for disk in stage.disks()] == ["snp_2"]


def test_a_cleared_cache_does_not_make_fresh_prepare_twice(stage: Stage) -> None:
    stage.process(run="run_2", fresh=True).prepared(spec())
    for file in (stage.directory / "here" / "cache").rglob("*.json"):
        file.unlink()
    worker = stage.process(run="run_2", fresh=True)

    worker.prepared(spec())

    assert (worker.made, worker.found) == (0, 1)


def test_rebuild_prepares_anew_and_replaces(stage: Stage) -> None:
    prepared = stage.process(run="run_1").prepared(spec())
    late = stage.process(run="run_2").prepared(spec())

    late.rebuild()

    assert (late.created, prepared.key) == (True, late.key)
    assert stage.states() == ["shutdown", "suspended"]
    with late.fork():
        assert stage.devboxes[-1].disk == (SETUP, "sync")
    # Whoever holds the old one finds out, and goes on with the new one.
    with prepared.fork():
        assert stage.devboxes[-1].disk == (SETUP, "sync")


@pytest.mark.parametrize("older", [True, False])
def test_of_two_machines_that_prepare_at_once_the_older_disk_is_kept(stage: Stage, *, older: bool) -> None:
    def another_machine(disk: FakeDisk) -> None:
        stage.provider.account.taken = lambda _: None
        there = disk.record.created_ms + (-0.5 if older else 0.5)
        rival = FakeDisk(replace(disk.record, id="snp_there", created_ms=int(there * 10)), disk.content)
        disk.record = replace(disk.record, created_ms=disk.record.created_ms * 10)
        stage.provider.account.disks["snp_there"] = rival

    stage.provider.account.taken = another_machine
    prepared = stage.process().prepared(spec())

    with prepared.fork():
        """Works with whichever was kept."""
    kept = {disk.record.id for disk in stage.disks()}
    # The rival sees to its own when it looks, a moment later.
    assert kept == ({"snp_there"} if older else {"snp_1", "snp_there"})
    assert stage.states()[0] == ("shutdown" if older else "suspended")


def test_a_disk_another_machine_is_still_taking_is_waited_for(stage: Stage) -> None:
    def another_machine(disk: FakeDisk) -> None:
        stage.provider.account.taken = lambda _: None
        disk.record = replace(disk.record, created_ms=2)
        rival = FakeDisk(replace(disk.record, id="snp_there", created_ms=1), disk.content, "in_progress")
        stage.provider.account.disks["snp_there"] = rival
        threading.Timer(0.3, lambda: setattr(rival, "status", "complete")).start()

    stage.provider.account.taken = another_machine
    stage.process().prepared(spec())

    assert [disk.record.id for disk in stage.disks()] == ["snp_there"]


def test_many_threads_prepare_once(stage: Stage) -> None:
    stage.provider.create_seconds = 1.3
    workers = [stage.process() for _ in range(6)]

    with ThreadPoolExecutor(6) as pool:
        keys = set(pool.map(lambda worker: worker.prepared(spec()).key, workers))

    assert len(keys) == 1
    assert sorted((worker.made, worker.found) for worker in workers) == [(0, 1)] * 5 + [(1, 0)]
    assert sum("waiting for another process that prepares" in line for line in stage.told) == 5


def test_whoever_waited_for_a_preparation_that_failed_takes_over(stage: Stage) -> None:
    stage.provider.create_seconds = 0.3
    failures = iter([ApiFailure("HTTP 500: no", status=500), None])

    def fail_once(_: FakeDevbox) -> None:
        stage.provider.create_failure = next(failures)

    stage.each_new(fail_once)

    def outcome(_: int) -> str:
        try:
            return "made" if stage.process().prepared(spec()).created else "found"
        except ProvisioningError:
            return "failed"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(outcome, range(2))) == ["failed", "made"]


def test_an_awaited_fork_ends_with_what_it_came_from(stage: Stage) -> None:
    prepared = stage.process().prepared(spec())

    async def test() -> None:
        async with prepared.fork() as scoped:
            kept = await prepared.fork()
            await kept.aio.exec("true")
            assert scoped.devbox_id != kept.devbox_id
        assert stage.states() == ["suspended", "shutdown", "running"]

    asyncio.run(test())
    prepared.close()
    prepared.close()

    assert stage.states() == ["suspended", "shutdown", "shutdown"]


def test_many_forks_are_awaited_at_once(stage: Stage) -> None:
    stage.provider.create_seconds = 0.3
    prepared = stage.process().prepared(spec())

    async def test() -> float:
        began = time.monotonic()
        await asyncio.gather(*(prepared.fork() for _ in range(4)))
        return time.monotonic() - began

    assert asyncio.run(test()) < 1.0
    prepared.close()


def test_a_cancelled_fork_leaves_nothing(stage: Stage) -> None:
    prepared = stage.process().prepared(spec())
    stage.provider.create_seconds = 0.3
    stage.provider.creating.clear()

    async def test() -> None:
        task = asyncio.ensure_future(prepared.fork().__aenter__())
        await asyncio.to_thread(stage.provider.creating.wait, 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(test())

    assert stage.states() == ["suspended", "shutdown"]


def test_closing_ends_every_fork_even_if_one_resists(stage: Stage) -> None:
    process = stage.process()
    prepared = process.prepared(spec())

    async def test() -> None:
        for _ in range(3):
            await prepared.fork()

    asyncio.run(test())
    stage.devboxes[2].shutdown_refusal = ApiFailure("HTTP 403: no", status=403)
    with pytest.raises(TeardownError, match="dbx_3"):
        process.close()

    assert stage.states() == ["suspended", "shutdown", "running", "shutdown"]
    assert stage.opened[0].left_behind == ("dbx_3",)
    stage.opened.clear()


def test_a_gate_makes_forks_wait(stage: Stage, tmp_path: Path) -> None:
    process = stage.process(gate=Gate(tmp_path / "gate", 1, stage.told.append))
    prepared = process.prepared(spec())
    other = stage.process(gate=Gate(tmp_path / "gate", 1, stage.told.append)).prepared(spec())
    most: list[int] = []

    def use(_: int) -> None:
        with (prepared if _ else other).fork():
            most.append(stage.states().count("running"))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(use, range(2)))

    assert most == [1, 1]


def test_what_expired_long_ago_is_swept_and_told(stage: Stage) -> None:
    process = stage.process()
    process.prepared(spec())
    process.prepared(spec(files={"a": "1"}))
    old_disk, old_devbox = stage.disks()[0], stage.devboxes[0]
    old_disk.record = aged(old_disk, 86400 + 3601)
    old_devbox.labels = {**old_devbox.labels, labels.EXPIRES: str(int(time.time()) - 3601)}
    stranger = FakeDevbox("dbx_theirs", {labels.OWNER_NAME: "them", labels.EXPIRES: "1"}, stage.provider.script)
    stranger.state = "suspended"
    stage.devboxes.append(stranger)

    process.sweep()

    assert process.swept == ("devbox dbx_1 (suspended, expired)", "disk snapshot snp_1 (expired)")
    assert stage.states() == ["shutdown", "suspended", "suspended"]


def test_what_cannot_be_swept_is_a_problem_and_no_failure(stage: Stage) -> None:
    process = stage.process()
    process.prepared(spec())
    stage.devboxes[0].labels = {**stage.devboxes[0].labels, labels.EXPIRES: "1"}
    stage.devboxes[0].shutdown_refusal = ApiFailure("HTTP 403: no", status=403)

    process.sweep()

    assert "dbx_1" in process.problems[0]


def test_a_preparation_whose_process_was_killed_is_cleared_away(stage: Stage) -> None:
    killed = stage.process()
    prepared = killed.prepared(spec())
    (devbox,), (disk,) = stage.devboxes, stage.disks()
    # As it is a moment before the snapshot: running, and held by a process of this machine.
    disk.status, devbox.state = "deleted", "running"
    marks = {name: value for name, value in devbox.labels.items() if name != labels.BASE}
    (machine,) = (stage.directory / "here" / "locks").rglob("machine")
    devbox.labels = {**marks, labels.KIND: labels.PREPARING, labels.HOLDER: f"{machine.read_text()}:1"}
    for file in (stage.directory / "here" / "cache").rglob("*.json"):
        file.unlink()

    again = stage.process().prepared(spec())

    assert again.key == prepared.key
    assert stage.states() == ["shutdown", "suspended"]
