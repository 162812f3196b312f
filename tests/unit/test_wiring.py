"""Which target, and what is missing for it."""

from __future__ import annotations

import pytest

from pytest_runloop.errors import TargetError
from pytest_runloop.local import Run
from pytest_runloop.target import Endpoint, Target
from pytest_runloop.wiring import Wiring


def wired(choice: str, **environ: str) -> Wiring:
    return Wiring(choice, environ=environ, run=Run.start())


@pytest.mark.parametrize(
    ("choice", "environ", "target"),
    [
        ("auto", {}, Target.EMULATOR),
        ("auto", {"RUNLOOP_BASE_URL": "http://127.0.0.1:1"}, Target.EMULATOR),
        ("auto", {"RUNLOOP_API_KEY": "ak"}, Target.LIVE),
        ("emulator", {"RUNLOOP_API_KEY": "ak"}, Target.EMULATOR),
        ("live", {}, Target.LIVE),
        ("replay", {"RUNLOOP_API_KEY": "ak"}, Target.REPLAY),
    ],
)
def test_the_target_follows_from_choice_and_key(choice: str, environ: dict[str, str], target: Target) -> None:
    assert wired(choice, **environ).target is target


def test_live_is_runloop_unless_an_address_says_otherwise() -> None:
    assert wired("live", RUNLOOP_API_KEY="ak").endpoint() == Endpoint(
        target=Target.LIVE, base_url="https://api.runloop.ai", api_key="ak"
    )
    assert wired("live", RUNLOOP_API_KEY="ak", RUNLOOP_BASE_URL="http://127.0.0.1:1/").endpoint() == Endpoint(
        target=Target.LIVE, base_url="http://127.0.0.1:1", api_key="ak"
    )


@pytest.mark.parametrize("choice", ["live", "replay"])
def test_what_is_missing_is_said_with_the_ways_out(choice: str) -> None:
    with pytest.raises(TargetError, match=f"the target is {choice}, but .*--runloop-target=emulator"):
        wired(choice).endpoint()


def test_a_provisioner_belongs_to_the_run() -> None:
    wiring = wired("live", RUNLOOP_API_KEY="ak")

    assert wiring.provisioner(wiring.endpoint()).run == wiring.run.id
