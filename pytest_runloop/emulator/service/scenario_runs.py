"""Runs of scenarios, each with a devbox of its own."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_runloop.emulator.domain.catalog import Filter, Record
from pytest_runloop.emulator.domain.creation import parse_create
from pytest_runloop.emulator.domain.lifecycle import Status
from pytest_runloop.emulator.domain.problems import ApiProblem
from pytest_runloop.emulator.domain.runs import (
    ENDS,
    RunEvent,
    check_requirements,
    devbox_body,
    over,
    profile_fields,
    run_after,
)
from pytest_runloop.emulator.service.catalog import Catalog
from pytest_runloop.emulator.service.identity import now_ms
from pytest_runloop.emulator.service.paging import Cursor, Page, paginate
from pytest_runloop.emulator.service.scoring import OutOfTime

if TYPE_CHECKING:
    from pytest_runloop.emulator.service.devboxes import Devboxes
    from pytest_runloop.emulator.service.roster import Roster
    from pytest_runloop.emulator.service.scenarios import Scenarios
    from pytest_runloop.emulator.service.scoring import Scoring
    from pytest_runloop.emulator.service.store import Store

FindRun = Callable[[], Record]
_log = logging.getLogger(__name__)


class ScenarioRuns:
    """Runs of scenarios."""

    def __init__(
        self,
        store: Store,
        roster: Roster,
        scenarios: Scenarios,
        *,
        devboxes: Devboxes,
        scoring: Scoring,
    ) -> None:
        self._roster = roster
        self._scenarios = scenarios
        self._devboxes = devboxes
        self._catalog = Catalog(store, kind="Scenario run", prefix="run")
        self._scoring = scoring

    async def start(self, given: Mapping[str, Any], *, benchmark_run: FindRun | None, request_id: str) -> Record:
        """Begin a run and its devbox.

        Args:
            given: The checked request.
            benchmark_run: Finds the benchmark run it is a part of, while that is running; None for none.
            request_id: Makes asking twice harmless.

        Raises:
            ApiProblem: 404, or 400 if something the scenario requires isn't there, or the benchmark run has ended.
        """

        async def begin() -> str:
            return await self._begin(given, benchmark_run)

        return await self._catalog.once(begin, request_id=request_id)

    def get(self, run_id: str) -> Record:
        """Find a run.

        Raises:
            ApiProblem: 404.
        """
        return self._as_it_is(self._catalog.get(run_id))

    def all(self) -> Iterator[Record]:
        """Go through all runs, newest first."""
        return (self._as_it_is(record) for record in self._catalog.all())

    def page(self, wanted: Filter, cursor: Cursor) -> Page[Record]:
        """List runs, newest first."""
        return paginate((record for record in self.all() if wanted.accepts(record)), cursor)

    def score(self, run_id: str) -> Record:
        """Begin to score a run; while it is being scored, asking again does nothing.

        Raises:
            ApiProblem: 404, or 400 if it has ended or its devbox isn't running.
        """
        with self._catalog.alone():
            record = self.get(run_id)
            scoring = run_after(record, RunEvent.SCORE, now_ms=now_ms())
            if scoring is record:
                return record
            self._roster.running(record.fields["devbox_id"])
            self._catalog.save(scoring)
        self._roster.spawn(self._score(scoring))
        return scoring

    def end(self, run_id: str, event: RunEvent) -> Record:
        """Complete or cancel a run, and end its devbox. One that has ended stays as it is.

        Raises:
            ApiProblem: 404, or 400 if it can't be completed now.
        """
        with self._catalog.alone():
            record = self.get(run_id)
            ended = run_after(record, event, now_ms=now_ms())
            if ended is not record:
                self._devboxes.shut_down(record.fields["devbox_id"], force=True)
                self._catalog.save(ended)
        return ended

    async def _begin(self, given: Mapping[str, Any], find: FindRun | None) -> str:
        benchmark_run = None if find is None else find()
        scenario = self._scenarios.catalog.active(given["scenario_id"])
        profile = over({} if benchmark_run is None else benchmark_run.fields["_profile"], given.get("runProfile", {}))
        check_requirements(scenario, profile)
        run_id = self._catalog.fresh_id()
        wanted = parse_create(devbox_body(scenario.fields["environment"] or {}, profile))
        devbox = await self._devboxes.create(replace(wanted, scenario_run_id=run_id), request_id="")
        fields = {
            "scenario_id": scenario.id,
            "devbox_id": devbox.id,
            "benchmark_run_id": None if benchmark_run is None else benchmark_run.id,
            "name": given.get("run_name"),
            "metadata": given.get("metadata", {}),
            "state": "running",
            "start_time_ms": now_ms(),
            "duration_ms": None,
            "scoring_contract_result": None,
            # The run is scored by the contract it began with, whatever becomes of the scenario.
            "_scenario": dict(scenario.fields),
            **profile_fields(profile),
        }
        try:
            with self._catalog.alone():
                if find is not None:
                    find()  # it may have ended while the devbox was made
                return self._catalog.add(Record(id=run_id, fields=fields)).id
        except ApiProblem:
            self._devboxes.shut_down(devbox.id, force=True)
            raise

    def _as_it_is(self, record: Record) -> Record:
        """Give a run as it is if its devbox has ended under it."""
        if record.fields["state"] in ENDS or record.fields["state"] == "scored":
            return record
        try:
            devbox = self._devboxes.get(record.fields["devbox_id"])
        except ApiProblem:  # it ended so long ago that it is forgotten
            return run_after(record, RunEvent.BREAK, now_ms=record.fields["start_time_ms"])
        if not devbox.status.is_over:
            return record
        idle = devbox.status is Status.SHUTDOWN and devbox.shutdown_reason in {"keep_alive_timeout", "idle"}
        end_ms = devbox.end_time_ms or now_ms()
        return run_after(record, RunEvent.RUN_OUT if idle else RunEvent.BREAK, now_ms=end_ms)

    async def _score(self, record: Record) -> None:
        scenario = Record(id=record.fields["scenario_id"], fields=record.fields["_scenario"])
        event, result = RunEvent.SCORED, None
        try:
            result = await self._scoring.score(record.fields["devbox_id"], scenario)
        except OutOfTime:
            event = RunEvent.RUN_OUT
        # Whatever went wrong must end the run: clients would wait for its score forever.
        except Exception as error:  # noqa: BLE001
            _log.info("run %s could not be scored: %s", record.id, error)
            event = RunEvent.BREAK
        with self._catalog.alone():
            now = self._catalog.get(record.id)
            if now.fields["state"] != "scoring":
                return  # it was cancelled meanwhile
            self._catalog.save(run_after(now.but(scoring_contract_result=result), event, now_ms=now_ms()))
        if event is not RunEvent.SCORED:
            self._devboxes.shut_down(record.fields["devbox_id"], force=True)
