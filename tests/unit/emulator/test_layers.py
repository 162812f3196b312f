"""Base blueprints that are made here: once, whoever needs them first."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_runloop.emulator.domain.blueprints import BaseBlueprint
from pytest_runloop.emulator.domain.builds import BuildStatus, parse_build
from pytest_runloop.emulator.domain.creation import parse_create
from pytest_runloop.emulator.domain.lifecycle import Status
from pytest_runloop.emulator.domain.records import Devbox
from pytest_runloop.emulator.service.emulator import Emulator
from pytest_runloop.emulator.service.layers import _key
from pytest_runloop.emulator.service.snapshots import Label
from tests.unit.emulator.conftest import Bench


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A file with a line for each time that the layer is made."""
    return tmp_path / "made"


@pytest.fixture
def base(made: Path) -> BaseBlueprint:
    commands = (f"echo once >> {made}", "sleep 0.2; echo there > layer")
    return BaseBlueprint(name="runloop/own", id="bpt_own", commands=commands, capabilities=("docker_in_docker",))


def _times(made: Path) -> int:
    return made.read_text().count("once")


def _warnings(emulator: Emulator, devbox: Devbox) -> list[str]:
    entries = emulator.logs.entries(devbox.id, execution_id=None, shell_name=None)
    return [str(entry.message) for entry in entries if entry.level == "WARN"]


async def _create(emulator: Emulator) -> Devbox:
    return await emulator.devboxes.create_and_await(parse_create({"blueprint_name": "runloop/own"}), request_id="")


async def _create_in(*emulators: Emulator) -> list[Devbox]:
    return await asyncio.gather(*(_create(emulator) for emulator in emulators))


def test_it_is_made_once_for_many_devboxes(bench: Bench, base: BaseBlueprint, made: Path) -> None:
    emulator = bench.emulator(bases=[base])

    devboxes = bench.do(_create_in(*[emulator] * 4))
    devboxes.append(bench.create(emulator, blueprint_id="bpt_own"))

    assert _times(made) == 1
    for devbox in devboxes:
        assert (devbox.status, devbox.capabilities) == (Status.RUNNING, ("docker_in_docker",))
        assert bench.run(emulator, devbox, "grep there layer").exit_status == 0
    assert all(machine.docker for machine in bench.machines[-1].booted[1:])
    assert not bench.machines[-1].booted[0].docker


def test_it_is_made_once_for_two_emulators_and_those_to_come(bench: Bench, base: BaseBlueprint, made: Path) -> None:
    first, second = bench.emulator(bases=[base]), bench.emulator(bases=[base])

    one, other = bench.do(_create_in(first, second))
    bench.close(first)
    bench.close(second)
    third = bench.emulator(bases=[base])
    bench.do(third._roster.drain(timeout_s=5))
    last = bench.create(third, blueprint_name="runloop/own")

    assert _times(made) == 1
    assert {devbox.capabilities for devbox in (one, other, last)} == {("docker_in_docker",)}


def test_it_is_made_anew_if_its_maker_died(bench: Bench, base: BaseBlueprint, made: Path) -> None:
    first, second = bench.emulator(bases=[base]), bench.emulator(bases=[base])
    first._store.blueprints.claim_layer(_key(base), "lay_lost")
    bench.do(bench.machines[-1].disks.create("lay_lost"))
    bench.lose(first)

    devbox = bench.create(second, blueprint_name="runloop/own")

    assert devbox.capabilities == ("docker_in_docker",)
    assert _times(made) == 1
    assert "lay_lost" not in bench.machines[-1].disks.names()


def test_what_a_dead_emulator_began_goes_at_the_next_start(bench: Bench, base: BaseBlueprint) -> None:
    first = bench.emulator()
    first._store.blueprints.claim_layer("key", "lay_lost")
    bench.do(bench.machines[-1].disks.create("lay_lost"))
    bench.lose(first)

    second = bench.emulator()
    bench.do(second._roster.drain(timeout_s=5))

    assert second._store.blueprints.layer("key") is None
    assert bench.machines[-1].disks.names() == frozenset()


def test_a_lost_disk_is_made_anew(bench: Bench, base: BaseBlueprint, made: Path) -> None:
    first = bench.emulator(bases=[base])
    bench.create(first, blueprint_name="runloop/own")
    (layer,) = (name for name in bench.machines[-1].disks.names() if name.startswith("lay_"))
    bench.close(first)
    bench.do(bench.machines[-1].disks.remove(layer))

    second = bench.emulator(bases=[base])

    assert bench.create(second, blueprint_name="runloop/own").capabilities == ("docker_in_docker",)
    assert _times(made) == 2


def test_other_commands_make_another_layer(bench: Bench, base: BaseBlueprint, made: Path) -> None:
    bench.create(bench.emulator(bases=[base]), blueprint_name="runloop/own")
    changed = replace(base, commands=(*base.commands, "echo more > layer"))
    emulator = bench.emulator(bases=[changed])

    devbox = bench.create(emulator, blueprint_name="runloop/own")

    assert bench.run(emulator, devbox, "grep more layer").exit_status == 0


def test_without_it_the_default_image_must_do(
    bench: Bench, base: BaseBlueprint, made: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = replace(base, commands=(*base.commands, "echo no network\nfalse\ntrue"))
    emulator = bench.emulator(bases=[broken])

    first, second = bench.create(emulator, blueprint_id="bpt_own"), bench.create(emulator, blueprint_id="bpt_own")

    assert _times(made) == 1
    for devbox in (first, second):
        assert (devbox.status, devbox.capabilities) == (Status.RUNNING, ())
        (warning,) = _warnings(emulator, devbox)
        assert "no network" in warning
        assert "exit code 1" in warning
    assert "no network" in caplog.text
    assert {name[:4] for name in bench.machines[-1].disks.names()} == {"dbx_"}
    assert ("ERROR", "exit code 1") in {
        (entry.level, entry.message[-11:]) for entry in emulator.blueprints.log("bpt_own")
    }


def test_another_emulator_tries_again(bench: Bench, base: BaseBlueprint, made: Path) -> None:
    broken = replace(base, commands=(*base.commands, "false"))
    first, second = bench.emulator(bases=[broken]), bench.emulator(bases=[broken])

    devboxes = bench.do(_create_in(first, second))

    assert [devbox.capabilities for devbox in devboxes] == [(), ()]
    assert _times(made) == 2


def test_an_ordinary_user_does_without_it(bench: Bench, base: BaseBlueprint, made: Path) -> None:
    emulator = bench.emulator(bases=[base], all_ids=False)

    devbox = bench.create(emulator, blueprint_id="bpt_own")

    assert not made.exists()
    assert devbox.capabilities == ()
    assert "as root" in _warnings(emulator, devbox)[0]


def test_what_is_built_on_it_can_what_it_can(bench: Bench, base: BaseBlueprint) -> None:
    emulator = bench.emulator(bases=[base])
    by_name = bench.build(emulator, name="a", base_blueprint_name="runloop/own")
    by_dockerfile = bench.build(emulator, name="b", dockerfile="FROM runloop:runloop/own\nRUN true")

    for blueprint in (by_name, by_dockerfile):
        devbox = bench.create(emulator, blueprint_id=blueprint.id)
        assert devbox.capabilities == blueprint.capabilities == ("docker_in_docker",)
        assert bench.run(emulator, devbox, "grep there layer").exit_status == 0


def test_a_build_goes_on_without_it(bench: Bench, base: BaseBlueprint) -> None:
    emulator = bench.emulator(bases=[base], all_ids=False)

    blueprint = bench.build(emulator, name="a", base_blueprint_name="runloop/own")

    assert (blueprint.status, blueprint.capabilities) == (BuildStatus.COMPLETE, ())
    assert "WARN" in {entry.level for entry in emulator.blueprints.log(blueprint.id)}


def test_snapshots_and_resumed_devboxes_can_what_it_can(bench: Bench, base: BaseBlueprint) -> None:
    emulator = bench.emulator(bases=[base])
    devbox = bench.create(emulator, blueprint_id="bpt_own")
    snapshot = bench.do(emulator.snapshots.take(devbox.id, Label(), request_id=""))
    bench.call(emulator.devboxes.suspend, devbox.id)
    bench.until(emulator, devbox, Status.SUSPENDED)
    bench.close(emulator)

    second = bench.emulator(bases=[base])
    clone = bench.create(second, snapshot_id=snapshot.id)
    bench.call(second.devboxes.resume, devbox.id)
    resumed = bench.until(second, devbox, Status.RUNNING)

    assert clone.capabilities == resumed.capabilities == ("docker_in_docker",)
    assert all(machine.docker for machine in bench.machines[-1].booted)


def test_a_devbox_may_end_while_it_waits(bench: Bench, base: BaseBlueprint) -> None:
    emulator = bench.emulator(bases=[base])

    devbox = bench.do(emulator.devboxes.create(parse_create({"blueprint_id": "bpt_own"}), request_id=""))
    bench.call(emulator.devboxes.shut_down, devbox.id, force=False)
    other = bench.create(emulator, blueprint_id="bpt_own")
    bench.do(emulator._roster.drain(timeout_s=5))

    assert emulator.devboxes.get(devbox.id).status is Status.SHUTDOWN
    assert other.capabilities == ("docker_in_docker",)
    assert devbox.id not in bench.machines[-1].disks.names()


def test_who_waits_no_longer_takes_it_from_nobody(bench: Bench, base: BaseBlueprint) -> None:
    emulator = bench.emulator(bases=[base])

    async def both() -> Devbox:
        devbox = asyncio.ensure_future(_create(emulator))
        request = parse_build({"name": "a", "base_blueprint_id": "bpt_own"})
        blueprint = await emulator.blueprints.create(request, request_id="")
        while emulator.blueprints.get(blueprint.id).status is not BuildStatus.PROVISIONING:
            await emulator.blueprints._builds.wait(blueprint.id, timeout_s=0.01)
        await emulator.blueprints.delete(blueprint.id)
        return await devbox

    assert bench.do(both()).capabilities == ("docker_in_docker",)


def test_an_emulator_ends_while_it_is_made(bench: Bench, base: BaseBlueprint) -> None:
    first = bench.emulator(bases=[replace(base, commands=("sleep 60",))])
    bench.do(first.devboxes.create(parse_create({"blueprint_id": "bpt_own"}), request_id=""))

    bench.close(first)

    assert not any(name.startswith("lay_") for name in bench.machines[-1].disks.names())
