"""Benchmarks, which group scenarios, and their runs, which group scenario runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pytest_runloop.emulator.domain.catalog import Filter, Record
from pytest_runloop.emulator.domain.problems import ApiProblem, bad_request
from pytest_runloop.emulator.domain.runs import RunEvent, check_requirements, profile_fields, run_after
from pytest_runloop.emulator.service.catalog import Catalog
from pytest_runloop.emulator.service.identity import now_ms
from pytest_runloop.emulator.service.paging import Cursor, Page, paginate

if TYPE_CHECKING:
    from pytest_runloop.emulator.service.scenario_runs import ScenarioRuns
    from pytest_runloop.emulator.service.scenarios import Scenarios
    from pytest_runloop.emulator.service.store import Store


class Benchmarks:
    """The benchmarks.

    Attributes:
        catalog: Their records.
    """

    def __init__(self, store: Store, scenarios: Scenarios) -> None:
        self.catalog = Catalog(store, kind="Benchmark", prefix="bmd")
        self._scenarios = scenarios

    async def create(self, fields: Mapping[str, Any], *, request_id: str) -> Record:
        """Keep a benchmark.

        Raises:
            ApiProblem: 400, if one of its scenarios isn't there.
        """
        self._check(fields["scenarioIds"])
        return await self.catalog.create(fields, request_id=request_id)

    def save(self, record: Record) -> Record:
        """Keep what became of a benchmark.

        Raises:
            ApiProblem: As ``create``.
        """
        known = self.catalog.get(record.id).fields["scenarioIds"]
        self._check([one for one in record.fields["scenarioIds"] if one not in known])
        return self.catalog.save(record)

    def definitions(self, benchmark_id: str, cursor: Cursor) -> Page[Record]:
        """List a benchmark's scenarios in its own order.

        Raises:
            ApiProblem: 404.
        """
        ids = self.catalog.get(benchmark_id).fields["scenarioIds"]
        return paginate([self._scenarios.catalog.get(one) for one in ids], cursor)

    def _check(self, scenario_ids: list[str]) -> None:
        for one in scenario_ids:
            try:
                self._scenarios.catalog.active(one)
            except ApiProblem as problem:
                raise bad_request(f"scenario_ids: {problem.message}") from None


class BenchmarkRuns:
    """Runs of benchmarks."""

    def __init__(self, store: Store, benchmarks: Benchmarks, scenario_runs: ScenarioRuns) -> None:
        self._benchmarks = benchmarks
        self._scenario_runs = scenario_runs
        self._catalog = Catalog(store, kind="Benchmark run", prefix="bmr")

    async def start(self, given: Mapping[str, Any], *, request_id: str) -> Record:
        """Begin a run; its scenario runs are for the client to start.

        Raises:
            ApiProblem: 404, or 400 if something the benchmark requires isn't there.
        """
        benchmark = self._benchmarks.catalog.active(given["benchmark_id"])
        profile = given.get("runProfile", {})
        check_requirements(benchmark, profile)
        fields = {
            "benchmark_id": benchmark.id,
            "name": given.get("run_name"),
            "metadata": given.get("metadata", {}),
            "state": "running",
            "start_time_ms": now_ms(),
            "duration_ms": None,
            "score": None,
            "_profile": profile,
            **profile_fields(profile),
        }
        return await self._catalog.create(fields, request_id=request_id)

    def get(self, run_id: str) -> Record:
        """Find a run.

        Raises:
            ApiProblem: 404.
        """
        return self._catalog.get(run_id)

    def running(self, run_id: str) -> Record:
        """Find a run that can have more scenario runs.

        Raises:
            ApiProblem: 404, or 400 if it has ended.
        """
        record = self.get(run_id)
        if record.fields["state"] != "running":
            raise bad_request(
                f"benchmark_run_id: {run_id} is '{record.fields['state']}', not 'running'; start another."
            )
        return record

    def page(self, wanted: Filter, cursor: Cursor) -> Page[Record]:
        """List runs, newest first."""
        return self._catalog.page(wanted, cursor)

    def parts(self, run_id: str) -> list[Record]:
        """List a run's scenario runs, newest first.

        Raises:
            ApiProblem: 404.
        """
        self.get(run_id)
        return [one for one in self._scenario_runs.all() if one.fields["benchmark_run_id"] == run_id]

    def end(self, run_id: str, event: RunEvent) -> Record:
        """Complete or cancel a run and take its score. Cancelling ends its scenario runs first.

        Raises:
            ApiProblem: 404.
        """
        record = self.get(run_id)
        if event is RunEvent.CANCEL and run_after(record, event, now_ms=now_ms()) is not record:
            for part in self.parts(run_id):  # each by itself: what has ended a devbox can't be taken back
                self._scenario_runs.end(part.id, RunEvent.CANCEL)
        with self._catalog.alone():
            record = self.get(run_id)
            ended = run_after(record, event, now_ms=now_ms())
            return record if ended is record else self._catalog.save(ended.but(score=_score(self.parts(run_id))))


def _score(parts: list[Record]) -> float | None:
    """Give the scenario runs' scores, summed, over their number; None if nothing was scored."""
    scores = [one.fields["scoring_contract_result"]["score"] for one in parts if one.fields["scoring_contract_result"]]
    return sum(scores) / len(parts) if scores else None
