"""Routes of benchmarks, benchmark runs and benchmark jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_runloop.emulator.domain import checks
from pytest_runloop.emulator.domain.benchmarks import changed_benchmark, parse_benchmark, with_other_scenarios
from pytest_runloop.emulator.domain.catalog import Filter
from pytest_runloop.emulator.domain.problems import not_found
from pytest_runloop.emulator.domain.runs import BENCHMARK_STATES, RunEvent, parse_start
from pytest_runloop.emulator.http.answers import Answer, cursor, emulator, json_body, request_id, route
from pytest_runloop.emulator.http.listing import archive_routes, no_records, records, wanted
from pytest_runloop.emulator.http.scenarios import run_filter, zip_answer
from pytest_runloop.emulator.service.paging import paginate

if TYPE_CHECKING:
    from starlette.requests import Request

    from pytest_runloop.emulator.service.catalog import Catalog


async def create(request: Request) -> Answer:
    """Keep a benchmark."""
    fields = parse_benchmark(await json_body(request))
    return (await emulator(request).benchmarks.create(fields, request_id=request_id(request))).view


async def update(request: Request) -> Answer:
    """Change a benchmark."""
    body = await json_body(request)
    with _catalog(request).alone():
        return emulator(request).benchmarks.save(changed_benchmark(_catalog(request).active(_id(request)), body)).view


async def update_scenarios(request: Request) -> Answer:
    """Add scenarios to a benchmark and remove others."""
    body = await json_body(request)
    with _catalog(request).alone():
        changed = with_other_scenarios(_catalog(request).active(_id(request)), body)
        return emulator(request).benchmarks.save(changed).view


async def list_(request: Request) -> Answer:
    """List benchmarks."""
    return records(request, _catalog(request).page(wanted(request), cursor(request)), key="benchmarks")


async def definitions(request: Request) -> Answer:
    """List a benchmark's scenarios."""
    return records(request, emulator(request).benchmarks.definitions(_id(request), cursor(request)), key="scenarios")


async def start_run(request: Request) -> Answer:
    """Begin a benchmark run."""
    given = parse_start(await json_body(request), subject="benchmark_id")
    return (await emulator(request).benchmark_runs.start(given, request_id=request_id(request))).view


async def retrieve_run(request: Request) -> Answer:
    """Show a benchmark run."""
    return emulator(request).benchmark_runs.get(_id(request)).view


async def list_runs(request: Request) -> Answer:
    """List benchmark runs."""
    state = request.query_params.get("state")
    if state:
        checks.choice(BENCHMARK_STATES)("state", state)
    page = emulator(request).benchmark_runs.page(wanted(request, "benchmark_id", "state"), cursor(request))
    return records(request, page, key="runs")


async def runs_of_benchmark(request: Request) -> Answer:
    """List one benchmark's runs."""
    benchmark = _catalog(request).get(_id(request))
    mine = Filter(equal={"benchmark_id": benchmark.id})
    return records(request, emulator(request).benchmark_runs.page(mine, cursor(request)), key="runs")


async def scenario_runs(request: Request) -> Answer:
    """List a benchmark run's scenario runs."""
    accepts = run_filter(request).accepts
    found = (one for one in emulator(request).benchmark_runs.parts(_id(request)) if accepts(one))
    return records(request, paginate(found, cursor(request)), key="runs")


async def complete(request: Request) -> Answer:
    """End a benchmark run."""
    return emulator(request).benchmark_runs.end(_id(request), RunEvent.COMPLETE).view


async def cancel(request: Request) -> Answer:
    """Give a benchmark run up, and its scenario runs."""
    return emulator(request).benchmark_runs.end(_id(request), RunEvent.CANCEL).view


async def download_logs(request: Request) -> Answer:
    """Send the logs of all scenario runs of a benchmark run."""
    return zip_answer(emulator(request).run_logs.of_benchmark_run(_id(request)), "benchmark_run_logs.zip")


async def retrieve_job(request: Request) -> Answer:
    """Say that there is no such job: a job runs agents, which the emulator has none of, so none can be created."""
    raise not_found("Benchmark job", _id(request))


async def list_jobs(request: Request) -> Answer:
    """List jobs, of which there are none."""
    return no_records(request, key="jobs")


def _id(request: Request) -> str:
    return str(request.path_params["id"])


def _catalog(request: Request) -> Catalog:
    return emulator(request).benchmarks.catalog


_ALL = "/v1/benchmarks"
_RUNS = ("/v1/benchmark_runs", "/v1/benchmarks/runs")
"""The second is the older spelling of the first."""
ROUTES = [
    *(route("GET", runs, list_runs) for runs in _RUNS),
    *(route("GET", runs + "/{id}", retrieve_run) for runs in _RUNS),
    *(route("GET", runs + "/{id}/scenario_runs", scenario_runs) for runs in _RUNS),
    *(route("POST", runs + "/{id}/complete", complete) for runs in _RUNS),
    *(route("POST", runs + "/{id}/cancel", cancel) for runs in _RUNS),
    *(route("POST", runs + "/{id}/download_logs", download_logs) for runs in _RUNS),
    route("POST", _ALL + "/start_run", start_run),
    route("POST", _ALL, create),
    route("GET", _ALL, list_),
    *archive_routes(_ALL, _catalog, plural="benchmarks"),
    route("POST", _ALL + "/{id}", update),
    route("GET", _ALL + "/{id}/definitions", definitions),
    route("POST", _ALL + "/{id}/scenarios", update_scenarios),
    route("GET", _ALL + "/{id}/runs", runs_of_benchmark),
    route("GET", "/v1/benchmark_jobs", list_jobs),
    route("GET", "/v1/benchmark_jobs/{id}", retrieve_job),
]
