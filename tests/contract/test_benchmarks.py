"""Benchmarks, benchmark runs and jobs, as the vendor's clients have them."""

from __future__ import annotations

import io
import uuid
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from runloop_api_client import APIStatusError, BadRequestError, NotFoundError, RunloopSDK
from runloop_api_client.sdk import Benchmark, BenchmarkRun, ScenarioRun
from runloop_api_client.types import BenchmarkRunView, BenchmarkView

from tests.contract.conftest import Service

Create = Callable[..., Benchmark]
Part = Callable[..., ScenarioRun]


@pytest.fixture(scope="module")
def scenarios(sdk: RunloopSDK) -> Iterator[list[str]]:
    """Two scenarios: one that anything solves, one that nothing does."""
    ids = [
        sdk.api.scenarios.create(
            name=f"{command}-{uuid.uuid4()}",
            input_context={"problem_statement": "Solve it."},
            scoring_contract={
                "scoring_function_parameters": [
                    {"name": "only", "weight": 1, "scorer": {"type": "command_scorer", "command": command}}
                ]
            },
        ).id
        for command in ("true", "false")
    ]
    yield ids
    for one in ids:
        sdk.api.scenarios.archive(one)


@pytest.fixture
def benchmark(sdk: RunloopSDK, scenarios: list[str]) -> Create:
    def make(**fields: Any) -> Benchmark:  # noqa: ANN401 - whatever a benchmark takes
        wanted = {"name": f"benchmark-{uuid.uuid4()}", "scenario_ids": scenarios, **fields}
        return sdk.benchmark.from_id(sdk.api.benchmarks.create(**wanted).id)

    return make


@pytest.fixture
def part(sdk: RunloopSDK) -> Iterator[Part]:
    """Start scenario runs of a benchmark run; they end with the test."""
    started: list[ScenarioRun] = []

    def start(run: BenchmarkRun, scenario_id: str, **fields: Any) -> ScenarioRun:  # noqa: ANN401 - any field
        started.append(sdk.scenario.from_id(scenario_id).run(benchmark_run_id=run.id, **fields))
        return started[-1]

    yield start
    for one in started:
        one.cancel()


def test_a_benchmark_reads_back_as_it_was_made(sdk: RunloopSDK, benchmark: Create, scenarios: list[str]) -> None:
    """Benchmark API: create and get."""
    made = benchmark(description="d", attribution="a", metadata={"team": "x"}, required_secret_names=["KEY"])

    info = sdk.benchmark.from_id(made.id).get_info()

    assert info.id.startswith("bmd_")
    assert (info.scenario_ids, info.status, info.is_public) == (scenarios, "active", False)
    assert (info.description, info.attribution, info.metadata) == ("d", "a", {"team": "x"})
    assert info.required_secret_names == ["KEY"]


def test_an_update_leaves_what_it_does_not_name(benchmark: Create, scenarios: list[str]) -> None:
    """Benchmark API, update: an empty value clears."""
    made = benchmark(description="d", attribution="a")

    changed = made.update(description="", scenario_ids=scenarios[:1])

    assert (changed.description, changed.attribution, changed.scenario_ids) == (None, "a", scenarios[:1])
    assert made.get_info() == changed


def test_scenarios_are_added_and_removed(sdk: RunloopSDK, benchmark: Create, scenarios: list[str]) -> None:
    """Benchmark API, scenarios and definitions: each is in it once, in order."""
    made = benchmark(scenario_ids=scenarios[:1])

    made.add_scenarios([*scenarios, scenarios[1]])
    assert made.get_info().scenario_ids == scenarios
    assert [one.id for one in sdk.api.benchmarks.definitions(made.id).scenarios] == scenarios
    assert [one.id for one in sdk.api.benchmarks.definitions(made.id, limit=1).scenarios] == scenarios[:1]
    assert {one.id for one in sdk.api.scenarios.list(benchmark_id=made.id).scenarios} == set(scenarios)
    made.remove_scenarios(scenarios[:1])
    assert made.get_info().scenario_ids == scenarios[1:]


def test_a_benchmark_has_only_scenarios_that_are_there(emulator: Service, benchmark: Create) -> None:
    """Benchmark API: an unknown scenario is a bad request."""
    with pytest.raises(BadRequestError, match="scn_nope"):
        benchmark(scenario_ids=["scn_nope"])
    with pytest.raises(BadRequestError, match="scn_nope"):
        benchmark().add_scenarios(["scn_nope"])


def test_lists_are_filtered(sdk: RunloopSDK, benchmark: Create) -> None:
    """Benchmark API, list: by name and search, newest first; archived ones are not in it."""
    mark = uuid.uuid4().hex
    first, second = benchmark(name=f"{mark}-1"), benchmark(name=f"{mark}-2")

    assert [one.id for one in sdk.api.benchmarks.list(search=mark).benchmarks] == [second.id, first.id]
    assert [one.id for one in sdk.benchmark.list(name=f"{mark}-1", limit=1)] == [first.id]
    assert sdk.api.benchmarks.list_public().benchmarks == []


def test_an_archived_benchmark_can_not_be_run(emulator: Service, http: httpx.Client, benchmark: Create) -> None:
    """Benchmark API, archive and unarchive, which the client does not call."""
    made = benchmark()

    assert http.post(f"/v1/benchmarks/{made.id}/archive").raise_for_status().json()["status"] == "archived"
    with pytest.raises(BadRequestError, match="archived"):
        made.start_run()
    http.post(f"/v1/benchmarks/{made.id}/unarchive").raise_for_status()
    assert made.start_run().cancel().state == "canceled"


def test_metadata_keys_and_values_are_listed(emulator: Service, http: httpx.Client, benchmark: Create) -> None:
    """Benchmark API, metadata keys, which the client does not call."""
    key = uuid.uuid4().hex
    benchmark(metadata={key: "v"})

    assert key in http.get("/v1/benchmarks/metadata/keys").json()["keys"]
    assert http.get(f"/v1/benchmarks/metadata/keys/{key}/values").json()["values"] == ["v"]


def test_a_run_groups_scenario_runs(benchmark: Create, part: Part, scenarios: list[str]) -> None:
    """Benchmark run API: start_run, scenario_runs, cancel."""
    run = benchmark().start_run(run_name="r", metadata={"a": "1"})
    info = run.get_info()
    assert (info.state, info.benchmark_id, info.name, info.metadata) == ("running", run.benchmark_id, "r", {"a": "1"})
    parts = [part(run, one) for one in scenarios]

    assert {one.id for one in run.list_scenario_runs()} == {one.id for one in parts}
    assert parts[0].get_info().benchmark_run_id == run.id
    assert run.cancel().state == "canceled"
    assert [one.get_info().state for one in parts] == ["canceled", "canceled"]
    assert [one.devbox.get_info().status for one in parts] == ["shutdown", "shutdown"]
    assert list(run.list_scenario_runs(state="running")) == []


def test_a_completed_run_has_the_mean_score(benchmark: Create, part: Part, scenarios: list[str]) -> None:
    """Benchmark run API, complete: the sum of scores over the number of scenario runs."""
    run = benchmark().start_run()
    for one in scenarios:
        part(run, one).score_and_complete()

    completed = run.complete()

    assert (completed.state, completed.score) == ("completed", 0.5)
    assert completed.duration_ms is not None
    assert (run.cancel().state, run.get_info().score) == ("completed", 0.5)


def test_scenario_runs_have_their_benchmark_runs_profile(benchmark: Create, part: Part, scenarios: list[str]) -> None:
    """Benchmark run API, runProfile: what a scenario run says itself comes first."""
    run = benchmark(required_environment_variables=["A"]).start_run(run_profile={"env_vars": {"A": "1", "B": "1"}})

    started = part(run, scenarios[0], run_profile={"env_vars": {"B": "2"}})

    assert started.devbox.cmd.exec("echo $A $B").stdout() == "1 2\n"


def test_what_a_benchmark_requires_must_be_there(emulator: Service, benchmark: Create) -> None:
    """Benchmark API: required variables."""
    with pytest.raises(BadRequestError, match="NEEDED"):
        benchmark(required_environment_variables=["NEEDED"]).start_run()


def test_a_run_that_has_ended_takes_no_more(
    emulator: Service, benchmark: Create, part: Part, scenarios: list[str]
) -> None:
    """Benchmark run API: only a running one can have scenario runs."""
    run = benchmark().start_run()
    run.complete()

    with pytest.raises(BadRequestError, match="completed"):
        part(run, scenarios[0])


def test_runs_are_listed_by_benchmark(sdk: RunloopSDK, http: httpx.Client, benchmark: Create) -> None:
    """Benchmark run API, list; ``/v1/benchmarks/runs`` is its older address."""
    made = benchmark()
    first, second = made.start_run(), made.start_run()
    first.cancel()

    assert {one.id for one in made.list_runs()} == {first.id, second.id}
    assert [one.id for one in sdk.api.benchmark_runs.list(benchmark_id=made.id, state="running").runs] == [second.id]
    for path in (f"/v1/benchmarks/runs?benchmark_id={made.id}", f"/v1/benchmarks/{made.id}/runs"):
        assert [one["id"] for one in http.get(path).json()["runs"]] == [second.id, first.id]
    second.cancel()


def test_logs_are_an_archive_of_all_scenario_runs(
    emulator: Service, http: httpx.Client, benchmark: Create, part: Part, scenarios: list[str]
) -> None:
    """Benchmark run API, download_logs, which the client does not call."""
    run = benchmark().start_run()
    started = part(run, scenarios[0])

    answer = http.post(f"/v1/benchmark_runs/{run.id}/download_logs").raise_for_status()

    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert f"{started.id}/{started.devbox_id}.log" in archive.namelist()


def test_jobs_are_said_to_be_missing(emulator: Service, sdk: RunloopSDK, scenarios: list[str]) -> None:
    """A known route that isn't emulated is 501; lists of what can't be there are empty."""
    spec = {"type": "scenarios", "scenario_ids": scenarios, "agent_configs": [{"type": "job_agent", "name": "a"}]}

    with pytest.raises(APIStatusError) as refused:
        sdk.api.benchmark_jobs.create(name="j", spec=spec)  # type: ignore[arg-type] # the client's own to check

    assert refused.value.status_code == 501
    assert sdk.api.benchmark_jobs.list().jobs == []
    with pytest.raises(NotFoundError):
        sdk.api.benchmark_jobs.retrieve("job_nope")


def test_shapes(http: httpx.Client, benchmark: Create) -> None:
    """Answers against the client's own models, which the client itself does not check."""
    made = benchmark()
    run = made.start_run()

    for model, path in (
        (BenchmarkView, f"/v1/benchmarks/{made.id}"),
        (BenchmarkRunView, f"/v1/benchmark_runs/{run.id}"),
    ):
        parsed = model.model_validate_json(http.get(path).content, strict=True)
        assert not parsed.model_extra
    run.cancel()


def test_what_is_not_there_is_not_found(sdk: RunloopSDK) -> None:
    """Benchmark API: unknown ids."""
    for ask in (
        sdk.benchmark.from_id("bmd_nope").get_info,
        lambda: sdk.api.benchmark_runs.retrieve("bmr_nope"),
        lambda: sdk.api.benchmark_runs.cancel("bmr_nope"),
    ):
        with pytest.raises(NotFoundError):
            ask()
