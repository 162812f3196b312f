"""The lives of scenario runs and benchmark runs, and what goes into them."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_runloop.emulator.domain.catalog import Filter, Record
from pytest_runloop.emulator.domain.problems import ApiProblem
from pytest_runloop.emulator.domain.runs import ENDS, SCENARIO_STATES, RunEvent, check_requirements, over, run_after


def run(state: str) -> Record:
    return Record(id="run_1", fields={"state": state, "start_time_ms": 1000, "duration_ms": None})


@pytest.mark.parametrize("state", sorted(ENDS))
@pytest.mark.parametrize("event", [one for one in RunEvent if one is not RunEvent.SCORE])
def test_a_run_that_has_ended_stays_as_it_is(state: str, event: RunEvent) -> None:
    record = run(state)

    assert run_after(record, event, now_ms=3000) is record


@pytest.mark.parametrize("state", sorted(ENDS))
def test_a_run_that_has_ended_can_not_be_scored(state: str) -> None:
    with pytest.raises(ApiProblem, match=state):
        run_after(run(state), RunEvent.SCORE, now_ms=3000)


def test_the_way_to_a_completed_run() -> None:
    record, states = run("running"), []
    for event in (RunEvent.SCORE, RunEvent.SCORE, RunEvent.SCORED, RunEvent.SCORE, RunEvent.SCORED, RunEvent.COMPLETE):
        record = run_after(record, event, now_ms=3000)
        states.append(record.fields["state"])

    assert states == ["scoring", "scoring", "scored", "scoring", "scored", "completed"]
    assert record.fields["duration_ms"] == 2000


def test_a_run_can_not_be_completed_while_it_is_scored() -> None:
    with pytest.raises(ApiProblem, match="wait until it is scored"):
        run_after(run("scoring"), RunEvent.COMPLETE, now_ms=3000)


@pytest.mark.parametrize("state", [one for one in SCENARIO_STATES if one not in ENDS])
def test_a_run_can_be_cancelled_at_any_time(state: str) -> None:
    assert run_after(run(state), RunEvent.CANCEL, now_ms=3000).fields["state"] == "canceled"


def test_a_run_says_more_than_its_benchmark_run() -> None:
    profile = over(
        {"envVars": {"A": "1", "B": "1"}, "purpose": "p", "launchParameters": {"resource_size_request": "LARGE"}},
        {"envVars": {"B": "2"}, "launchParameters": {"launch_commands": ["x"]}},
    )

    assert profile["envVars"] == {"A": "1", "B": "2"}
    assert profile["purpose"] == "p"
    assert profile["launchParameters"] == {"resource_size_request": "LARGE", "launch_commands": ["x"]}


@pytest.mark.parametrize(
    ("required", "profile", "missing"),
    [
        ({"required_environment_variables": ["A"]}, {"envVars": {"A": ""}}, False),
        ({"required_environment_variables": ["A"]}, {"secrets": {"A": "s"}}, False),
        ({"required_environment_variables": ["A"]}, {"envVars": {"B": ""}}, True),
        ({"required_secret_names": ["A"]}, {"secrets": {"A": "s"}}, False),
        ({"required_secret_names": ["A"]}, {"secrets": {"X": "A"}}, False),
        ({"required_secret_names": ["A"]}, {"envVars": {"A": ""}}, True),
        ({"required_secret_names": None}, {}, False),
    ],
)
def test_what_is_required_must_be_there(
    required: dict[str, Any],
    profile: dict[str, Any],
    missing: bool,  # noqa: FBT001 - a table
) -> None:
    record = Record(id="scn_1", fields=required)
    if not missing:
        check_requirements(record, profile)
        return
    with pytest.raises(ApiProblem, match="A"):
        check_requirements(record, profile)


@pytest.mark.parametrize(
    ("wanted", "accepted"),
    [
        (Filter(), True),
        (Filter(equal={"name": "Alpha", "state": None}), True),
        (Filter(equal={"name": "alpha"}), False),
        (Filter(name_part="lph"), True),
        (Filter(name_start="lph"), False),
        (Filter(search="ALPHA"), True),
        (Filter(search="run_1"), True),
        (Filter(search="beta"), False),
        (Filter(metadata={"a": frozenset("12")}), True),
        (Filter(metadata={"b": frozenset("1")}), False),
    ],
)
def test_filters(wanted: Filter, accepted: bool) -> None:  # noqa: FBT001 - a table
    assert wanted.accepts(Record(id="run_1", fields={"name": "Alpha", "metadata": {"a": "1"}})) is accepted


def test_hidden_fields_are_kept_and_not_shown() -> None:
    record = Record(id="x", fields={"a": 1, "_b": 2})

    assert record.view == {"id": "x", "a": 1}
    assert record.document == {"id": "x", "a": 1, "_b": 2}
