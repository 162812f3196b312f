"""Scenario runs that begin while their benchmark run ends."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from pytest_runloop.emulator.domain.catalog import Record
from pytest_runloop.emulator.domain.lifecycle import Status
from pytest_runloop.emulator.domain.problems import ApiProblem
from pytest_runloop.emulator.domain.runs import RunEvent
from pytest_runloop.emulator.domain.scenarios import parse_scenario
from pytest_runloop.emulator.service.emulator import Emulator
from tests.unit.emulator.conftest import Bench

SCENARIO = {
    "name": "s",
    "input_context": {"problem_statement": "Solve it."},
    "scoring_contract": {
        "scoring_function_parameters": [
            {"name": "passes", "weight": 1, "scorer": {"type": "command_scorer", "command": "true"}}
        ]
    },
}


@pytest.mark.parametrize("event", [RunEvent.CANCEL, RunEvent.COMPLETE])
def test_a_benchmark_run_that_ends_meanwhile_takes_no_more(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, event: RunEvent
) -> None:
    emulator = bench.emulator()
    create = emulator.devboxes.create
    made = []

    async def create_late(*args: Any, **options: Any) -> object:  # noqa: ANN401 - whatever it takes
        made.append(await create(*args, **options))
        emulator.benchmark_runs.end(benchmark_run.id, event)
        return made[0]

    scenario, benchmark_run = bench.do(_prepare(emulator))
    monkeypatch.setattr(emulator.devboxes, "create", create_late)
    given = {"scenario_id": scenario.id, "benchmark_run_id": benchmark_run.id}
    running = partial(emulator.benchmark_runs.running, benchmark_run.id)
    start = emulator.scenario_runs.start(given, benchmark_run=running, request_id="")

    with pytest.raises(ApiProblem, match="not 'running'"):
        bench.do(start)

    assert emulator.devboxes.get(made[0].id).status is Status.SHUTDOWN
    assert emulator.benchmark_runs.parts(benchmark_run.id) == []


async def _prepare(emulator: Emulator) -> tuple[Record, Record]:
    scenario = await emulator.scenarios.create(parse_scenario(SCENARIO), request_id="")
    fields = {"name": "b", "scenarioIds": [scenario.id], "status": "active"}
    benchmark = await emulator.benchmarks.create(fields, request_id="")
    return scenario, await emulator.benchmark_runs.start({"benchmark_id": benchmark.id}, request_id="")
