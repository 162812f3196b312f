"""Builds on stand-in machines: their commands run right here, so they only print, and write below their home."""

from __future__ import annotations

import pytest

from pytest_runloop.emulator.domain.builds import Blueprint, BuildStatus, parse_build, preview
from pytest_runloop.emulator.domain.lifecycle import Status
from pytest_runloop.emulator.domain.problems import ApiProblem
from pytest_runloop.emulator.service import builder
from pytest_runloop.emulator.service.build_log import MAX_ENTRIES, MAX_STEP_LINES, BuildLog
from pytest_runloop.emulator.service.emulator import Emulator
from pytest_runloop.emulator.service.paging import Cursor
from pytest_runloop.emulator.service.snapshots import Label
from tests.unit.emulator.conftest import Bench

WAIT = ["until [ -e go ]; do sleep 0.01; done"]


def _log(emulator: Emulator, blueprint_id: str) -> list[tuple[str, str]]:
    return [(entry.level, entry.message) for entry in emulator.blueprints.log(blueprint_id)]


def _text(emulator: Emulator, blueprint_id: str) -> str:
    return "\n".join(message for _, message in _log(emulator, blueprint_id))


def test_devboxes_begin_with_what_was_built(bench: Bench) -> None:
    emulator = bench.emulator()

    made = bench.build(emulator, name="a", system_setup_commands=["echo made > file"], file_mounts={"m": "mounted"})
    first, second = bench.create(emulator, blueprint_id=made.id), bench.create(emulator, blueprint_name="a")
    bench.run(emulator, first, "echo mine > file")

    assert made.status is BuildStatus.COMPLETE
    assert made.build_finish_time_ms is not None
    assert (first.blueprint_id, second.blueprint_id) == (made.id, made.id)
    assert bench.run(emulator, second, "grep made file && grep mounted m").exit_status == 0


def test_variables_of_the_dockerfile_reach_devboxes_below_their_own(bench: Bench) -> None:
    emulator = bench.emulator()

    made = bench.build(emulator, name="a", dockerfile="FROM ubuntu\nENV A=image B=image\nRUN echo $A")
    devbox = bench.create(emulator, blueprint_id=made.id, environment_variables={"B": "mine"})
    snapshot = bench.do(emulator.snapshots.take(devbox.id, Label(), request_id=""))
    clone = bench.create(emulator, snapshot_id=snapshot.id, environment_variables={"B": "other"})

    assert ("INFO", "image") in _log(emulator, made.id)
    assert bench.run(emulator, devbox, '[ "$A$B" = imagemine ]').exit_status == 0
    assert bench.run(emulator, clone, '[ "$A$B" = imageother ]').exit_status == 0
    assert snapshot.source_blueprint_id == made.id


def test_a_blueprint_stands_on_another(bench: Bench) -> None:
    emulator = bench.emulator()
    base = bench.build(emulator, name="base", dockerfile="FROM ubuntu\nENV A=1", system_setup_commands=["echo 1 > f"])

    for given in ({"base_blueprint_id": base.id}, {"base_blueprint_name": "base"}):
        made = bench.build(emulator, name="top", system_setup_commands=["echo $A >> f"], **given)
        devbox = bench.create(emulator, blueprint_id=made.id)

        assert made.base_blueprint_id == base.id
        assert bench.run(emulator, devbox, '[ "$(cat f)" = "1\n1" ] && [ $A = 1 ]').exit_status == 0


def test_the_failing_step_is_named_and_its_output_kept(bench: Bench) -> None:
    emulator = bench.emulator()
    dockerfile = "FROM ubuntu\nRUN true\nRUN echo words; echo more >&2; exit 7\nRUN echo never"

    made = bench.build(emulator, name="a", dockerfile=dockerfile)

    assert (made.status, made.failure_reason) == (BuildStatus.FAILED, "build_failed")
    log = _log(emulator, made.id)
    assert log[-3:-1] == [("INFO", "words"), ("INFO", "more")]
    level, message = log[-1]
    assert level == "ERROR"
    assert "line 3" in message
    assert "exit code 7" in message
    assert "never" not in _text(emulator, made.id)
    assert bench.machines[-1].disks.names() == frozenset()


def test_a_dockerfile_that_can_not_be_read_fails_without_a_machine(bench: Bench) -> None:
    emulator = bench.emulator()

    made = bench.build(emulator, name="a", dockerfile="FROM ubuntu\nCOPY a b")

    assert made.failure_reason == "build_failed"
    assert "line 2" in _text(emulator, made.id)
    assert bench.machines[-1].booted == []


def test_a_build_without_commands_needs_no_machine(bench: Bench) -> None:
    emulator = bench.emulator()

    assert bench.build(emulator, name="a").status is BuildStatus.COMPLETE

    assert bench.machines[-1].booted == []


def test_an_ordinary_users_failed_build_says_what_would_help(bench: Bench) -> None:
    emulator = bench.emulator(all_ids=False)

    made = bench.build(emulator, name="a", dockerfile="FROM ubuntu\nRUN false")

    assert _log(emulator, made.id)[-1][0] == "WARN"
    assert "as root" in _log(emulator, made.id)[-1][1]


def test_memory_that_runs_out_is_the_reason(bench: Bench) -> None:
    emulator = bench.emulator()

    made = bench.begin(emulator, name="a", system_setup_commands=WAIT)
    bench.do(_building(emulator, made.id))
    bench.machine().die("out_of_memory")
    (bench.machine().home / "go").touch()

    assert bench.built(emulator, made).failure_reason == "out_of_memory"


def test_a_build_that_takes_too_long_is_stopped(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builder, "BUILD_S", 0.2)
    emulator = bench.emulator()

    made = bench.build(emulator, name="a", system_setup_commands=WAIT)

    assert made.status is BuildStatus.FAILED
    assert "longer than 0.2 s" in _text(emulator, made.id)
    assert bench.machine().halted
    assert bench.machines[-1].disks.names() == frozenset()


def test_secrets_are_for_the_build_and_for_nobody_to_read(bench: Bench) -> None:
    emulator = bench.emulator()
    bench.do(emulator.secrets.create("token", "s3cret", request_id=""))
    dockerfile = "FROM ubuntu\nARG TOKEN\nRUN echo got $TOKEN"

    commands = ["[ ${#TOKEN} = 6 ]"]
    made = bench.build(
        emulator, name="a", dockerfile=dockerfile, secrets={"TOKEN": "token"}, system_setup_commands=commands
    )
    devbox = bench.create(emulator, blueprint_id=made.id)

    assert made.status is BuildStatus.COMPLETE
    assert ("INFO", "got ***") in _log(emulator, made.id)
    assert "s3cret" not in repr(made) + _text(emulator, made.id)
    assert bench.run(emulator, devbox, '[ -z "$TOKEN" ]').exit_status == 0
    with pytest.raises(ApiProblem, match="nope"):
        bench.build(emulator, name="a", secrets={"TOKEN": "nope"})


def test_a_build_shows_its_log_while_it_runs(bench: Bench) -> None:
    emulator = bench.emulator()

    made = bench.begin(emulator, name="a", system_setup_commands=["echo early", f"echo now; {WAIT[0]}"])
    bench.do(_saying(emulator, made.id, "now"))

    assert ("INFO", "early") in _log(emulator, made.id)
    assert ("INFO", "early") in _log(bench.emulator(), made.id)
    (bench.machines[0].booted[-1].home / "go").touch()
    assert bench.built(emulator, made).status is BuildStatus.COMPLETE
    assert [message for _, message in _log(emulator, made.id)].count("now") == 1


def test_a_log_is_bounded(bench: Bench) -> None:
    emulator = bench.emulator()

    made = bench.build(emulator, name="a", system_setup_commands=["seq 100000"])

    log = _log(emulator, made.id)
    assert len(log) < MAX_STEP_LINES + 10
    assert ("INFO", "100000") in log
    assert ("INFO", "1") not in log


def test_the_oldest_of_a_very_long_log_goes() -> None:
    log = BuildLog()
    for number in range(MAX_ENTRIES + 5):
        log.say(str(number))

    assert [log.entries()[0].message, len(log.entries())] == ["5", MAX_ENTRIES]


def test_blueprints_outlive_their_emulator(bench: Bench) -> None:
    first = bench.emulator()
    good = bench.build(first, name="good", system_setup_commands=["echo made > file"], metadata={"k": "v"})
    bad = bench.build(first, name="bad", system_setup_commands=["echo why; false"])
    bench.close(first)

    second = bench.emulator()
    bench.do(second._roster.drain(timeout_s=5))

    assert second.blueprints.get(good.id) == good
    assert second.blueprints.get(bad.id) == bad
    assert ("INFO", "why") in _log(second, bad.id)
    devbox = bench.create(second, blueprint_name="good")
    assert bench.run(second, devbox, "grep made file").exit_status == 0


def test_a_build_ends_with_its_emulator(bench: Bench) -> None:
    first = bench.emulator()
    made = bench.begin(first, name="a", system_setup_commands=WAIT)
    bench.do(_building(first, made.id))
    unbegun = bench.begin(first, name="b")

    bench.close(first)

    second = bench.emulator()
    assert second.blueprints.get(made.id).status is BuildStatus.FAILED
    assert "given up" in _text(second, made.id)
    assert second.blueprints.get(unbegun.id).status.is_over
    assert made.id not in bench.machines[-1].disks.names()


def test_a_build_of_a_dead_emulator_has_failed_and_its_disk_goes(bench: Bench) -> None:
    first = bench.emulator()
    made = bench.build(first, name="a")
    kept = bench.build(first, name="kept")
    first._store.blueprints.save(made.__class__(**{**vars(made), "status": BuildStatus.BUILDING}))
    bench.lose(first)

    second = bench.emulator()
    bench.do(second._roster.drain(timeout_s=5))

    assert second.blueprints.get(made.id).failure_reason == "build_failed"
    assert "emulator ended" in _text(second, made.id)
    assert bench.machines[-1].disks.names() == {kept.id}


def test_two_emulators_share_blueprints_and_not_builds(bench: Bench) -> None:
    first, second = bench.emulator(), bench.emulator()
    made = bench.begin(first, name="a", system_setup_commands=WAIT)
    bench.do(_building(first, made.id))

    with pytest.raises(ApiProblem, match="another emulator"):
        bench.do(second.blueprints.delete(made.id))
    with pytest.raises(ApiProblem, match="'building'"):
        bench.create(second, blueprint_name="a")
    third = bench.emulator()
    assert third.blueprints.get(made.id).status is BuildStatus.BUILDING

    (bench.machines[0].booted[-1].home / "go").touch()
    bench.built(first, made)
    assert bench.create(second, blueprint_name="a").status is Status.RUNNING


def test_a_repeated_request_builds_once(bench: Bench) -> None:
    emulator = bench.emulator()
    request = parse_build({"name": "a"})

    one, same, other = (bench.do(emulator.blueprints.create(request, request_id=key)).id for key in ("x", "x", "y"))

    assert one == same != other


def test_a_deleted_blueprint_stays_readable_and_is_used_no_more(bench: Bench) -> None:
    emulator = bench.emulator()
    old, new = (bench.build(emulator, name="a", system_setup_commands=[f"echo {n} > f"]) for n in ("old", "new"))
    devbox = bench.create(emulator, blueprint_name="a")

    bench.do(emulator.blueprints.delete(new.id))
    bench.do(emulator.blueprints.delete(new.id))

    assert emulator.blueprints.get(new.id).deleted
    assert [one.id for one in emulator.blueprints.page(Cursor(), name="a", status=None).items] == [old.id]
    assert bench.run(emulator, devbox, "grep new f").exit_status == 0
    assert bench.run(emulator, bench.create(emulator, blueprint_name="a"), "grep old f").exit_status == 0
    with pytest.raises(ApiProblem, match="deleted"):
        bench.create(emulator, blueprint_id=new.id)


def test_a_blueprint_with_snapshots_is_not_deleted(bench: Bench) -> None:
    emulator = bench.emulator()
    made = bench.build(emulator, name="a")
    snapshot = bench.do(
        emulator.snapshots.take(bench.create(emulator, blueprint_id=made.id).id, Label(), request_id="")
    )

    with pytest.raises(ApiProblem, match=snapshot.id) as refusal:
        bench.do(emulator.blueprints.delete(made.id))

    assert refusal.value.status == 400
    bench.do(emulator.snapshots.delete(snapshot.id))
    bench.do(emulator.blueprints.delete(made.id))


def test_deleting_ends_a_build(bench: Bench) -> None:
    emulator = bench.emulator()
    made = bench.begin(emulator, name="a", system_setup_commands=WAIT)
    bench.do(_building(emulator, made.id))

    bench.do(emulator.blueprints.delete(made.id))

    assert emulator.blueprints.get(made.id).deleted
    assert bench.machine().halted
    assert bench.machines[-1].disks.names() == frozenset()


def test_a_build_may_be_deleted_before_it_begins(bench: Bench) -> None:
    emulator = bench.emulator()

    async def both() -> Blueprint:
        made = await emulator.blueprints.create(parse_build({"name": "a"}), request_id="")
        await emulator.blueprints.delete(made.id)
        return emulator.blueprints.get(made.id)

    made = bench.do(both())
    assert (made.deleted, made.status) == (True, BuildStatus.FAILED)


def test_launch_parameters_are_inherited_and_overridden(bench: Bench) -> None:
    emulator = bench.emulator()
    custom = {"resource_size_request": "CUSTOM_SIZE", "custom_cpu_cores": 2, "custom_gb_memory": 8}
    hooks = {
        "lifecycle_hooks": {"suspend_commands": ["true"]},
        "after_idle": {"idle_time_seconds": 9, "on_idle": "suspend"},
    }
    launch = {**custom, "lifecycle": hooks, "launch_commands": ["echo launched > l"]}
    made = bench.build(emulator, name="a", launch_parameters=launch)

    plain = bench.create(emulator, blueprint_id=made.id)
    own = bench.create(
        emulator,
        blueprint_id=made.id,
        launch_parameters={"resource_size_request": "SMALL", "keep_alive_time_seconds": 60},
    )

    assert bench.run(emulator, plain, "grep launched l").exit_status == 0
    assert plain.launch.memory_bytes == 8 << 30
    assert (plain.launch.idle.seconds, plain.launch.idle.suspend) == (9, True)
    assert own.launch.memory_bytes == 2 << 30
    assert (own.launch.idle.seconds, own.launch.idle.suspend) == (60, False)
    assert own.launch.suspend_commands == ("true",)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"blueprint_name": "zzzz"}, "no blueprint 'zzzz'"),
        ({"blueprint_id": "bpt_basestarterx8"}, "Close to it: bpt_basestarterx8664"),
    ],
)
def test_an_unknown_blueprint_is_refused(bench: Bench, given: dict[str, str], problem: str) -> None:
    emulator = bench.emulator()
    bench.build(emulator, name="my-image")

    with pytest.raises(ApiProblem, match=problem) as refusal:
        bench.create(emulator, **given)
    with pytest.raises(ApiProblem, match=f"base_.*{problem}"):
        bench.build(emulator, name="x", **{f"base_{field}": value for field, value in given.items()})

    assert refusal.value.status == 400


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({}, 400, "name"),
        ({"name": ""}, 400, "name"),
        ({"name": "a", "dockerfil": "x"}, 400, "dockerfil"),
        ({"name": "a", "services": [{"name": "db", "image": "postgres"}]}, 400, "services"),
        ({"name": "a", "dockerfile": "FROM x", "base_blueprint_id": "b"}, 400, "base_blueprint_id"),
        ({"name": "a", "base_blueprint_id": "b", "base_blueprint_name": "c"}, 400, "base_blueprint_name"),
        ({"name": "a", "launch_parameters": {"resource_size_request": "HUGE"}}, 400, "launch_parameters"),
        ({"name": "a", "build_context": {"type": "object"}}, 400, "build_context.object_id"),
        ({"name": "a", "code_mounts": [{"repo_name": "r"}]}, 400, "code_mounts"),
    ],
)
def test_a_wrong_build_request_is_refused(body: dict[str, object], status: int, field: str) -> None:
    with pytest.raises(ApiProblem, match=field) as refusal:
        parse_build(body)

    assert refusal.value.status == status


def test_the_preview_is_a_dockerfile() -> None:
    request = parse_build(
        {"name": "a", "dockerfile": "FROM ubuntu\n", "system_setup_commands": ["b"], "file_mounts": {"c": "d\n"}}
    )

    assert preview(request) == "FROM ubuntu\nUSER user\nRUN b\nCOPY <<'END_OF_FILE' c\nd\nEND_OF_FILE\n"
    assert preview(parse_build({"name": "a", "base_blueprint_name": "b"})) == "FROM b\n"


async def _building(emulator: Emulator, blueprint_id: str) -> None:
    """Return once the build waits for its file."""
    await _saying(emulator, blueprint_id, f"setup command: {WAIT[0]}")


async def _saying(emulator: Emulator, blueprint_id: str, message: str) -> None:
    while message not in [entry.message for entry in emulator.blueprints.log(blueprint_id)]:
        await emulator.blueprints._builds.wait(blueprint_id, timeout_s=0.01)
