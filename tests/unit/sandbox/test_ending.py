from __future__ import annotations

import asyncio

import pytest

from pytest_runloop.errors import TeardownError
from pytest_runloop.sandbox import ending
from pytest_runloop.sandbox.boundary import ApiFailure
from tests.fakes import FakeDevbox, Script


@pytest.fixture
def devbox() -> FakeDevbox:
    return FakeDevbox("dbx_1", {}, Script())


def test_a_running_devbox_is_shut_down(devbox: FakeDevbox) -> None:
    asyncio.run(ending.delete(devbox, seconds=1))

    assert devbox.state == "shutdown"


@pytest.mark.parametrize("state", ["shutdown", "failure"])
def test_one_that_is_gone_is_left_alone(devbox: FakeDevbox, state: str) -> None:
    devbox.state = state
    devbox.shutdown_refusal = ApiFailure("must not be asked", status=400)

    asyncio.run(ending.delete(devbox, seconds=1))

    assert devbox.state == state


def test_one_that_the_server_does_not_know_is_gone(devbox: FakeDevbox) -> None:
    devbox.status_failure = ApiFailure("HTTP 404", status=404)

    asyncio.run(ending.delete(devbox, seconds=1))


def test_a_refusal_is_reported_with_its_reason_and_what_to_do(devbox: FakeDevbox) -> None:
    devbox.shutdown_refusal = ApiFailure("HTTP 403: not yours", status=403)

    with pytest.raises(TeardownError) as caught:
        asyncio.run(ending.delete(devbox, seconds=1))

    assert str(caught.value) == (
        "devbox dbx_1 could not be deleted (HTTP 403: not yours). It is still 'running' and may still be billed; shut "
        "it down by hand: POST /v1/devboxes/dbx_1/shutdown, or in the Runloop dashboard"
    )


def test_what_costs_nothing_is_no_cause_for_alarm(devbox: FakeDevbox) -> None:
    devbox.shutdown_refusal, devbox.billed = ApiFailure("no answer", status=None), False

    with pytest.raises(TeardownError, match="ends with its emulator") as caught:
        asyncio.run(ending.delete(devbox, seconds=1))

    assert "billed" not in str(caught.value)


def test_silence_is_reported(devbox: FakeDevbox) -> None:
    devbox.status_failure = ApiFailure("no answer", status=None)

    with pytest.raises(TeardownError, match=r"\(no answer\)\. Its status is unknown"):
        asyncio.run(ending.delete(devbox, seconds=1))


def test_a_suspended_devbox_is_where_it_should_be(devbox: FakeDevbox) -> None:
    devbox.state = "suspended"

    asyncio.run(ending.verify_suspended(devbox, seconds=1))


def test_one_that_did_not_suspend_is_reported(devbox: FakeDevbox) -> None:
    with pytest.raises(TeardownError, match=r"dbx_1 could not be suspended\. It is still 'running'"):
        asyncio.run(ending.verify_suspended(devbox, seconds=1))
