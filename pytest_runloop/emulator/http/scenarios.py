"""Routes of scenarios, custom scorers and scenario runs."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from starlette.responses import Response

from pytest_runloop.emulator.domain import checks
from pytest_runloop.emulator.domain.runs import SCENARIO_STATES, RunEvent, parse_start
from pytest_runloop.emulator.domain.scenarios import VALIDATION_TYPES, changed_scenario, parse_scenario, parse_scorer
from pytest_runloop.emulator.http.answers import (
    Answer,
    checked_body,
    cursor,
    emulator,
    json_body,
    request_id,
    route,
)
from pytest_runloop.emulator.http.listing import archive_routes, records, wanted
from pytest_runloop.emulator.service.paging import paginate

if TYPE_CHECKING:
    from starlette.requests import Request

    from pytest_runloop.emulator.domain.catalog import Filter
    from pytest_runloop.emulator.service.catalog import Catalog


async def create(request: Request) -> Answer:
    """Keep a scenario."""
    fields = parse_scenario(await json_body(request))
    return (await emulator(request).scenarios.create(fields, request_id=request_id(request))).view


async def update(request: Request) -> Answer:
    """Change a scenario."""
    body = await json_body(request)
    with _catalog(request).alone():
        return emulator(request).scenarios.save(changed_scenario(_catalog(request).active(_id(request)), body)).view


async def list_(request: Request) -> Answer:
    """List scenarios, of one benchmark if wanted."""
    _choice(request, "validation_type", VALIDATION_TYPES)
    accepts = wanted(request, "validation_type").accepts
    benchmark_id = request.query_params.get("benchmark_id")
    benchmarks = emulator(request).benchmarks.catalog
    ids = set(benchmarks.get(benchmark_id).fields["scenarioIds"]) if benchmark_id else None
    found = (one for one in _catalog(request).all() if accepts(one) and (ids is None or one.id in ids))
    return records(request, paginate(found, cursor(request)), key="scenarios")


async def create_scorer(request: Request) -> Answer:
    """Keep a custom scorer."""
    fields = await checked_body(request, parse_scorer)
    return (await emulator(request).scenarios.create_scorer(fields, request_id=request_id(request))).view


async def retrieve_scorer(request: Request) -> Answer:
    """Show a custom scorer."""
    return emulator(request).scenarios.scorers.get(_id(request)).view


async def update_scorer(request: Request) -> Answer:
    """Change a custom scorer."""
    fields = await checked_body(request, parse_scorer)
    return emulator(request).scenarios.update_scorer(_id(request), fields).view


async def list_scorers(request: Request) -> Answer:
    """List custom scorers."""
    page = emulator(request).scenarios.scorers.page(wanted(request, "type"), cursor(request))
    return records(request, page, key="scorers")


async def start_run(request: Request) -> Answer:
    """Begin a scenario run."""
    given = parse_start(await json_body(request), subject="scenario_id")
    benchmark_run_id = given.get("benchmark_run_id")
    find = partial(emulator(request).benchmark_runs.running, benchmark_run_id) if benchmark_run_id else None
    runs = emulator(request).scenario_runs
    return (await runs.start(given, benchmark_run=find, request_id=request_id(request))).view


async def retrieve_run(request: Request) -> Answer:
    """Show a scenario run."""
    return emulator(request).scenario_runs.get(_id(request)).view


async def list_runs(request: Request) -> Answer:
    """List scenario runs."""
    page = emulator(request).scenario_runs.page(run_filter(request), cursor(request))
    return records(request, page, key="runs")


async def runs_of_scenario(request: Request) -> Answer:
    """List one scenario's runs."""
    scenario = _catalog(request).get(_id(request))
    found = (one for one in emulator(request).scenario_runs.all() if one.fields["scenario_id"] == scenario.id)
    return records(request, paginate(found, cursor(request)), key="runs")


async def score(request: Request) -> Answer:
    """Begin to score a run."""
    return emulator(request).scenario_runs.score(_id(request)).view


async def complete(request: Request) -> Answer:
    """End a run for good."""
    return emulator(request).scenario_runs.end(_id(request), RunEvent.COMPLETE).view


async def cancel(request: Request) -> Answer:
    """Give a run up."""
    return emulator(request).scenario_runs.end(_id(request), RunEvent.CANCEL).view


async def download_logs(request: Request) -> Answer:
    """Send a run's logs."""
    return zip_answer(emulator(request).run_logs.of_scenario_run(_id(request)), "scenario_run_logs.zip")


def zip_answer(data: bytes, name: str) -> Response:
    """Send an archive."""
    return Response(
        data, headers={"Content-Disposition": f'attachment; filename="{name}"'}, media_type="application/zip"
    )


def run_filter(request: Request) -> Filter:
    """Read which scenario runs are wanted."""
    _choice(request, "state", SCENARIO_STATES)
    return wanted(request, "scenario_id", "benchmark_run_id", "state")


def _choice(request: Request, name: str, allowed: tuple[str, ...]) -> None:
    word = request.query_params.get(name)
    if word:
        checks.choice(allowed)(name, word)


def _id(request: Request) -> str:
    return str(request.path_params["id"])


def _catalog(request: Request) -> Catalog:
    return emulator(request).scenarios.catalog


_ALL = "/v1/scenarios"
_RUN = _ALL + "/runs/{id}"
ROUTES = [
    route("POST", _ALL + "/start_run", start_run),
    route("GET", _ALL + "/runs", list_runs),
    route("GET", _RUN, retrieve_run),
    route("POST", _RUN + "/score", score),
    route("POST", _RUN + "/complete", complete),
    route("POST", _RUN + "/cancel", cancel),
    route("POST", _RUN + "/download_logs", download_logs),
    route("POST", _ALL + "/scorers", create_scorer),
    route("GET", _ALL + "/scorers", list_scorers),
    route("GET", _ALL + "/scorers/{id}", retrieve_scorer),
    route("POST", _ALL + "/scorers/{id}", update_scorer),
    route("POST", _ALL, create),
    route("GET", _ALL, list_),
    *archive_routes(_ALL, _catalog, plural="scenarios"),
    route("POST", _ALL + "/{id}", update),
    route("GET", _ALL + "/{id}/runs", runs_of_scenario),
]
