"""Scenarios and their runs for tests, archived and cancelled at the test's end."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from runloop_api_client import RunloopSDK
from runloop_api_client.sdk import Scenario, ScenarioRun

Create = Callable[..., Scenario]
Start = Callable[..., ScenarioRun]
PASS = {"type": "command_scorer", "command": "true"}


def functions(**scorers: dict[str, Any]) -> dict[str, Any]:
    """Make a scoring contract of scorers of equal weight."""
    parameters = [{"name": name, "weight": 1 / len(scorers), "scorer": scorer} for name, scorer in scorers.items()]
    return {"scoring_function_parameters": parameters}


@pytest.fixture(name="scenario")
def make_scenario(sdk: RunloopSDK) -> Iterator[Create]:
    made: list[Scenario] = []

    def make(**fields: Any) -> Scenario:  # noqa: ANN401 - whatever a scenario takes
        wanted = {
            "name": f"scenario-{uuid.uuid4()}",
            "input_context": {"problem_statement": "Solve it."},
            "scoring_contract": functions(passes=PASS),
            **fields,
        }
        made.append(sdk.scenario.from_id(sdk.api.scenarios.create(**wanted).id))
        return made[-1]

    yield make
    for one in made:
        sdk.api.scenarios.archive(one.id)


@pytest.fixture(name="run")
def start_run(scenario: Create) -> Iterator[Start]:
    started: list[ScenarioRun] = []

    def start(**fields: Any) -> ScenarioRun:  # noqa: ANN401 - whatever a scenario takes
        started.append(scenario(**fields).run())
        return started[-1]

    yield start
    for one in started:
        one.cancel()
