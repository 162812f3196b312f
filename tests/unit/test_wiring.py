"""Which target, and what is missing for it."""

from __future__ import annotations

import pytest

from pytest_runloop.errors import TargetError
from pytest_runloop.local import Run
from pytest_runloop.target import Endpoint, Record, Target
from pytest_runloop.wiring import Terms, Wiring


def wired(choice: str, **environ: str) -> Wiring:
    return Wiring(choice, environ=environ, run=Run.start())


@pytest.mark.parametrize(
    ("choice", "environ", "target"),
    [
        ("auto", {}, Target.EMULATOR),
        ("auto", {"RUNLOOP_BASE_URL": "http://127.0.0.1:1"}, Target.EMULATOR),
        ("auto", {"RUNLOOP_API_KEY": "ak"}, Target.LIVE),
        ("auto", {"RUNLOOP_API_KEY": " \n"}, Target.EMULATOR),
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
    assert wired("live", RUNLOOP_API_KEY=" ak\n").endpoint().api_key == "ak"
    assert wired("live", RUNLOOP_API_KEY="ak", RUNLOOP_BASE_URL="http://127.0.0.1:1/").endpoint() == Endpoint(
        target=Target.LIVE, base_url="http://127.0.0.1:1", api_key="ak"
    )


def test_what_is_missing_is_said_with_the_ways_out() -> None:
    with pytest.raises(TargetError, match=r"the target is live, but .*--runloop-target=emulator"):
        wired("live").endpoint()


def test_a_replay_needs_no_key_and_no_place() -> None:
    endpoint = wired("replay", RUNLOOP_BASE_URL="http://127.0.0.1:1", PYTEST_RUNLOOP_STATE="/dev/null/state").endpoint()

    assert endpoint.target is Target.REPLAY
    assert endpoint.base_url == "https://api.runloop.ai"
    assert endpoint.api_key


@pytest.mark.parametrize(
    ("choice", "record", "records"),
    [
        ("emulator", Record.NONE, False),
        ("replay", Record.NONE, True),
        ("emulator", Record.ONCE, True),
        ("emulator", Record.VERIFY, True),
    ],
)
def test_only_a_run_that_replays_or_records_has_cassettes(choice: str, record: Record, *, records: bool) -> None:
    wiring = Wiring(choice, environ={}, run=Run.start(), terms=Terms(record=record))

    assert (wiring.recorder is not None) is records


def test_a_provisioner_belongs_to_the_run() -> None:
    wiring = wired("live", RUNLOOP_API_KEY="ak")

    assert wiring.provisioner(wiring.endpoint()).run == wiring.run.id
