from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from pytest_runloop.errors import ProvisioningError, TeardownError
from pytest_runloop.sandbox import labels
from pytest_runloop.sandbox.boundary import ApiFailure
from pytest_runloop.sandbox.resuming import Claim, Fate, NotResumed, put_aside, resume
from tests.fakes import FakeDevbox, Script

CLAIM = Claim(key="k", snapshot_id="snp_1", machine="here", holder="here:1")
GOOD = {labels.KEY: "k", labels.BASE: "snp_1", "theirs": "kept"}


@pytest.fixture
def devbox() -> FakeDevbox:
    """A devbox that was left in good order."""
    devbox = FakeDevbox("dbx_1", dict(GOOD), Script())
    devbox.state = "suspended"
    return devbox


def woken(devbox: FakeDevbox, claim: Claim = CLAIM) -> None:
    asyncio.run(resume(devbox, claim=claim, seconds=1))


def fate(devbox: FakeDevbox, claim: Claim = CLAIM) -> tuple[Fate, str]:
    with pytest.raises(NotResumed) as caught:
        woken(devbox, claim)
    return caught.value.fate, str(caught.value)


def test_a_suspended_devbox_is_resumed_and_says_who_has_it(devbox: FakeDevbox) -> None:
    woken(devbox)

    assert (devbox.state, devbox.labels) == ("running", {**GOOD, labels.HOLDER: "here:1"})


@pytest.mark.parametrize("status", ["shutdown", "failure"])
def test_a_deleted_devbox_is_gone(devbox: FakeDevbox, status: str) -> None:
    devbox.state = status

    assert fate(devbox) == (Fate.GONE, f"was deleted: it is '{status}'")


def test_a_devbox_nobody_knows_is_gone(devbox: FakeDevbox) -> None:
    devbox.status_failure = ApiFailure("HTTP 404: no", status=404)

    assert fate(devbox)[0] is Fate.GONE


@pytest.mark.parametrize("status", ["running", "suspending", "resuming", "provisioning", "initializing"])
def test_one_that_is_not_suspended_is_left_alone(devbox: FakeDevbox, status: str) -> None:
    devbox.state = status

    assert fate(devbox) == (Fate.OTHERS, f"is '{status}', not 'suspended'")
    assert devbox.labels == GOOD


@pytest.mark.parametrize("wrong", [{labels.KEY: "other"}, {labels.BASE: "snp_2"}])
def test_one_with_another_disk_is_left_alone(devbox: FakeDevbox, wrong: dict[str, str]) -> None:
    devbox.labels = {**GOOD, **wrong}

    assert fate(devbox)[0] is Fate.OTHERS
    assert devbox.state == "suspended"


@pytest.mark.parametrize(
    ("holder", "expected"), [("here:0", Fate.DISCARD), ("there:0", Fate.BUSY), ("hereafter:0", Fate.BUSY)]
)
@pytest.mark.parametrize("status", ["suspended", "running"])
def test_one_whose_user_did_not_put_it_back_is_never_resumed(
    devbox: FakeDevbox, holder: str, expected: Fate, status: str
) -> None:
    devbox.labels = {**GOOD, labels.HOLDER: holder}
    devbox.state = status

    assert fate(devbox)[0] is expected
    assert devbox.state == status


def test_of_two_machines_that_claim_at_once_at_most_one_has_it(devbox: FakeDevbox) -> None:
    def another_machine(devbox: FakeDevbox) -> None:
        devbox.labels = {**devbox.labels, labels.HOLDER: "there:1"}

    devbox.before_resume = another_machine

    assert fate(devbox) == (Fate.BUSY, "was resumed by two machines at once")
    # Not ours to delete later, although nobody may have it.
    assert devbox.labels[labels.HOLDER] == labels.CONTESTED
    assert fate(devbox, replace(CLAIM, holder="here:2"))[0] is Fate.BUSY


def test_one_that_another_machine_resumes_first_is_left_to_it(devbox: FakeDevbox) -> None:
    relabel = devbox.relabel

    async def late(marks: dict[str, str]) -> object:
        devbox.state = "running"
        return await relabel(marks)

    devbox.relabel = late  # type: ignore[method-assign, assignment] # the moment between two requests

    assert fate(devbox)[0] is Fate.BUSY


@pytest.mark.parametrize("status", [402, 403, 429])
def test_a_refusal_of_the_account_leaves_it_as_it_was(devbox: FakeDevbox, status: int) -> None:
    devbox.resume_refusal = ApiFailure(f"HTTP {status}: no", status=status)

    with pytest.raises(ProvisioningError, match="dbx_1 could not be resumed") as caught:
        woken(devbox)

    assert f"HTTP {status}" in str(caught.value)
    assert (devbox.state, devbox.labels) == ("suspended", GOOD)


def test_another_refusal_casts_doubt_on_it(devbox: FakeDevbox) -> None:
    devbox.resume_refusal = ApiFailure("HTTP 500: disk lost", status=500)

    assert fate(devbox) == (Fate.DISCARD, "could not be resumed: HTTP 500: disk lost; it is 'suspended'")


@pytest.mark.parametrize(
    ("status", "expected"), [("failure", Fate.GONE), ("shutdown", Fate.GONE), ("provisioning", Fate.DISCARD)]
)
def test_one_that_does_not_come_up_is_not_handed_on(devbox: FakeDevbox, status: str, expected: Fate) -> None:
    async def up() -> None:
        devbox.state = status

    devbox.resume = up  # type: ignore[method-assign] # what the service made of it

    assert fate(devbox)[0] is expected


def aside(devbox: FakeDevbox) -> str | None:
    return asyncio.run(put_aside(devbox, snapshot_id="snp_2", suspend_s=1, cleanup_s=1))


def test_what_is_put_aside_is_suspended_and_vouched_for(devbox: FakeDevbox) -> None:
    woken(devbox)

    assert aside(devbox) is None
    assert devbox.state == "suspended"
    assert devbox.labels == {**GOOD, labels.BASE: "snp_2", labels.KIND: labels.PREPARED}


def test_what_cannot_be_suspended_is_deleted(devbox: FakeDevbox) -> None:
    woken(devbox)
    devbox.suspend_refusal = ApiFailure("HTTP 500: no", status=500)

    assert aside(devbox) == "devbox dbx_1 could not be suspended in good order, and was deleted: HTTP 500: no"
    assert devbox.state == "shutdown"


def test_what_nobody_can_vouch_for_is_deleted(devbox: FakeDevbox) -> None:
    woken(devbox)
    devbox.relabel_refusal = ApiFailure("HTTP 500: no", status=500)

    assert aside(devbox) is not None
    assert devbox.state == "shutdown"


def test_what_can_be_neither_suspended_nor_deleted_is_named(devbox: FakeDevbox) -> None:
    woken(devbox)
    devbox.suspend_refusal = devbox.shutdown_refusal = ApiFailure("HTTP 500: no", status=500)

    with pytest.raises(TeardownError, match="dbx_1"):
        aside(devbox)
