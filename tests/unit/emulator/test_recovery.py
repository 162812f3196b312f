from __future__ import annotations

import sqlite3
from dataclasses import replace

import pytest

from pytest_runloop.emulator.domain.lifecycle import Status
from pytest_runloop.emulator.domain.problems import ApiProblem
from pytest_runloop.emulator.domain.records import SnapshotStatus
from pytest_runloop.emulator.service.database import SCHEMA_VERSION, StoreError
from pytest_runloop.emulator.service.snapshots import Label
from pytest_runloop.emulator.service.store import Store
from tests.unit.emulator.conftest import Bench


def test_running_devboxes_end_with_their_emulator_and_suspended_ones_do_not(bench: Bench) -> None:
    first = bench.emulator()
    running, suspended = bench.create(first), bench.create(first)
    bench.run(first, suspended, "echo kept > file")
    bench.call(first.devboxes.suspend, suspended.id)
    bench.until(first, suspended, Status.SUSPENDED)

    bench.close(first)

    second = bench.emulator()
    assert second.devboxes.get(running.id).status is Status.SHUTDOWN
    bench.call(second.devboxes.resume, suspended.id)
    bench.until(second, suspended, Status.RUNNING)
    assert bench.run(second, suspended, "grep kept file").exit_status == 0
    assert bench.machines[-1].disks.names() == {suspended.id}


def test_a_suspend_under_way_is_finished_at_the_end(bench: Bench) -> None:
    first = bench.emulator()
    hooks = {"suspend_commands": ["sleep 0.3"]}
    devbox = bench.create(first, launch_parameters={"lifecycle": {"lifecycle_hooks": hooks}})
    bench.call(first.devboxes.suspend, devbox.id)

    bench.close(first)

    assert bench.emulator().devboxes.get(devbox.id).status is Status.SUSPENDED


def test_what_a_dead_emulator_held_is_failed_and_its_disks_go(bench: Bench) -> None:
    first = bench.emulator()
    lost = bench.create(first)
    snapshot = bench.do(first.snapshots.take(lost.id, Label(), request_id=""))
    first._store.save_snapshot(replace(snapshot, id="snp_half", status=SnapshotStatus.IN_PROGRESS))
    bench.do(bench.machines[-1].disks.create("snp_half"))
    bench.do(bench.machines[-1].disks.create("not-ours"))
    bench.lose(first)

    second = bench.emulator()
    bench.do(second._roster.drain(timeout_s=5))

    assert second.devboxes.get(lost.id).status is Status.FAILURE
    assert second.snapshots.get("snp_half").status is SnapshotStatus.ERROR
    assert bench.machines[-1].disks.names() == {snapshot.id, "not-ours"}


def test_two_emulators_leave_each_others_devboxes_alone(bench: Bench) -> None:
    first, second = bench.emulator(), bench.emulator()
    devbox = bench.create(first)

    assert second.devboxes.get(devbox.id).status is Status.RUNNING
    for act in (second.devboxes.suspend, lambda name: second.devboxes.shut_down(name, force=True)):
        with pytest.raises(ApiProblem, match="another emulator"):
            bench.call(act, devbox.id)
    bench.close(second)

    assert bench.run(first, devbox, "true").exit_status == 0


def test_a_suspended_devbox_is_resumed_by_one_of_two(bench: Bench) -> None:
    first, second = bench.emulator(), bench.emulator()
    devbox = bench.create(first)
    bench.call(first.devboxes.suspend, devbox.id)
    bench.until(first, devbox, Status.SUSPENDED)

    bench.call(second.devboxes.resume, devbox.id)
    with pytest.raises(ApiProblem) as refusal:
        bench.call(first.devboxes.resume, devbox.id)

    assert refusal.value.status == 400
    assert bench.until(first, devbox, Status.RUNNING).status is Status.RUNNING
    with pytest.raises(ApiProblem, match="another emulator"):
        bench.run(first, devbox, "true")
    assert bench.run(second, devbox, "true").exit_status == 0


def test_a_suspended_devbox_can_be_shut_down_by_any(bench: Bench) -> None:
    first, second = bench.emulator(), bench.emulator()
    devbox = bench.create(first)
    bench.call(first.devboxes.suspend, devbox.id)
    bench.until(first, devbox, Status.SUSPENDED)

    bench.call(second.devboxes.shut_down, devbox.id, force=False)

    assert first.devboxes.get(devbox.id).status is Status.SHUTDOWN
    with pytest.raises(ApiProblem):
        bench.call(first.devboxes.resume, devbox.id)


def test_the_store_is_readable_by_its_user_only(bench: Bench) -> None:
    bench.emulator()

    modes = {path.name: path.stat().st_mode & 0o077 for path in bench.state.iterdir() if path.is_file()}

    assert modes
    assert set(modes.values()) == {0}


def test_a_store_of_a_newer_version_is_refused(bench: Bench) -> None:
    bench.close(bench.emulator())
    path = bench.state / "emulator.sqlite3"
    with sqlite3.connect(path) as database:
        database.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    database.close()

    with pytest.raises(StoreError, match="newer version"):
        Store.open(path, owner="emu_x")


def test_a_store_of_an_older_version_is_taken_over(bench: Bench) -> None:
    first = bench.emulator()
    devbox = bench.create(first)
    snapshot = bench.do(first.snapshots.take(devbox.id, Label(), request_id=""))
    bench.close(first)
    with sqlite3.connect(bench.state / "emulator.sqlite3") as database:
        for table, names in (("devboxes", ("capabilities", "image_environment")), ("snapshots", ("capabilities",))):
            for name in names:
                database.execute(f"UPDATE {table} SET doc=json_remove(doc, '$.{name}')")
        for table in ("blueprints", "layers"):
            database.execute(f"DROP TABLE {table}")
        database.execute("PRAGMA user_version=1")
    database.close()

    second = bench.emulator()

    assert second.devboxes.get(devbox.id).capabilities == ()
    assert second.snapshots.get(snapshot.id) == snapshot
    assert bench.build(second, name="a").usable


def test_a_damaged_store_is_refused_with_the_way_out(bench: Bench) -> None:
    bench.state.mkdir()
    path = bench.state / "emulator.sqlite3"
    path.write_bytes(b"not a database, but long enough to look at" * 100)

    with pytest.raises(StoreError, match="delete its directory"):
        Store.open(path, owner="emu_x")
