from __future__ import annotations

import asyncio

import pytest

from pytest_runloop.blueprint import PREFIX, Blueprint
from pytest_runloop.errors import ProvisioningError, TeardownError
from pytest_runloop.sandbox import building, polling, snapshots
from pytest_runloop.sandbox.account import Build
from pytest_runloop.sandbox.boundary import ApiFailure
from tests.fakes import FakeAccount, FakeDevbox, FakeProvider, Script

BLUEPRINT = Blueprint(dockerfile="FROM ubuntu:22.04\nRUN true\n", setup_commands=("apt-get update",), files={"/a": "b"})


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> FakeAccount:
    monkeypatch.setattr(polling, "QUICK_S", (0.0, 0.0, 0.0, 0.0))
    return FakeProvider().account


def ensure(account: FakeAccount) -> None:
    asyncio.run(building.ensure(account, BLUEPRINT, test="t.py::x"))


def test_a_blueprints_name_is_its_content() -> None:
    same = Blueprint(dockerfile=BLUEPRINT.dockerfile, setup_commands=("apt-get update",), files={"/a": "b"})
    others = [
        Blueprint(),
        Blueprint(dockerfile="FROM ubuntu:24.04"),
        Blueprint(base="runloop/starter-x86_64"),
        Blueprint(setup_commands=("a", "b")),
        Blueprint(setup_commands=("b", "a")),
        Blueprint(files={"/a": "b"}),
        Blueprint(files={"/a": "c"}),
    ]

    assert (same.name, hash(same)) == (BLUEPRINT.name, hash(BLUEPRINT))
    assert len({one.name for one in [BLUEPRINT, *others]}) == 8
    assert BLUEPRINT.name.startswith(PREFIX)


def test_it_is_built_once_and_found_again(account: FakeAccount) -> None:
    ensure(account)
    ensure(account)

    assert [(build.name, build.status) for build in account.blueprints.values()] == [(BLUEPRINT.name, "build_complete")]


def test_a_build_that_is_under_way_is_awaited(account: FakeAccount) -> None:
    account.blueprints["bpt_1"] = Build(id="bpt_1", name=BLUEPRINT.name, status="queued", created_ms=1)

    ensure(account)

    assert list(account.blueprints) == ["bpt_1"]


def test_a_build_that_failed_is_tried_again(account: FakeAccount) -> None:
    account.blueprints["bpt_1"] = Build(id="bpt_1", name=BLUEPRINT.name, status="failed", created_ms=1)

    ensure(account)

    assert [build.status for build in account.blueprints.values()] == ["failed", "build_complete"]


def test_a_failed_build_shows_the_end_of_its_log(account: FakeAccount) -> None:
    account.build_statuses = ["building", "failed"]
    account.log = [f"line {number}" for number in range(100)]

    with pytest.raises(ProvisioningError) as caught:
        ensure(account)

    text = str(caught.value)
    assert f"t.py::x: the build of blueprint {BLUEPRINT.name} (bpt_1) failed (build_failed)" in text
    assert text.endswith("line 98\nline 99")
    assert "line 59\n" not in text


def test_a_build_without_an_end_is_given_up(account: FakeAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "BUILD_S", 0.0)

    with pytest.raises(ProvisioningError, match="is still 'queued' after 0 s"):
        ensure(account)


def test_an_api_that_does_not_answer_is_named(account: FakeAccount) -> None:
    account.failure = ApiFailure("HTTP 500: no", status=500)

    with pytest.raises(ProvisioningError, match="could not be built: HTTP 500"):
        ensure(account)


def take(account: FakeAccount) -> str:
    devbox = FakeDevbox("dbx_1", {}, Script())
    devbox.account = account
    return asyncio.run(snapshots.take(devbox, account, name="n", labels={}, seconds=0.05))


def test_a_snapshot_is_awaited_until_it_is_complete(account: FakeAccount) -> None:
    account.new_disk_status = "in_progress"
    looks = iter(["in_progress", "complete"])
    status = account.snapshot_status

    async def look(snapshot_id: str) -> str:
        account.disks[snapshot_id].status = next(looks)
        return await status(snapshot_id)

    account.snapshot_status = look  # type: ignore[method-assign] # it takes two looks

    assert take(account) == "snp_1"


@pytest.mark.parametrize("status", ["in_progress", "error"])
def test_a_snapshot_that_is_never_complete_is_not_used(account: FakeAccount, status: str) -> None:
    account.new_disk_status = status

    with pytest.raises(ProvisioningError, match=f"snp_1 of devbox dbx_1 is '{status}'"):
        take(account)

    assert account.disks["snp_1"].status == "deleted"


def test_a_snapshot_that_stays_is_named(account: FakeAccount) -> None:
    take(account)
    account.disks["snp_1"].refusal = ApiFailure("HTTP 403: no", status=403)

    with pytest.raises(TeardownError, match=r"snp_1 could not be deleted: HTTP 403: no; delete it by hand"):
        asyncio.run(snapshots.delete(account, "snp_1"))
