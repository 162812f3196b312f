"""Requests no client sends to scenarios, benchmarks, agents and axons: each is the client's mistake."""

from __future__ import annotations

import itertools

import httpx
import pytest

from tests.contract.conftest import Service
from tests.contract.test_nasty_requests import VALUES

SCORER = {"type": "command_scorer", "command": "true"}
SOURCE = {"type": "pip", "pip": {"package_name": "a"}}
GOOD: dict[str, dict[str, object]] = {
    "/v1/scenarios": {
        "name": "nasty",
        "input_context": {"problem_statement": "p"},
        "scoring_contract": {"scoring_function_parameters": [{"name": "n", "weight": 1, "scorer": SCORER}]},
        "environment_parameters": {},
        "metadata": {},
        "reference_output": "",
        "required_secret_names": [],
        "scorer_timeout_sec": 1,
        "validation_type": "FORWARD",
    },
    "/v1/scenarios/scorers": {"type": "nasty", "bash_script": ""},
    "/v1/scenarios/start_run": {"scenario_id": "scn_nope", "runProfile": {}, "benchmark_run_id": "", "metadata": {}},
    "/v1/benchmarks": {"name": "nasty", "scenario_ids": [], "description": "", "metadata": {}},
    "/v1/benchmarks/start_run": {"benchmark_id": "bmd_nope", "runProfile": {}},
    "/v1/agents": {"name": "nasty", "source": SOURCE, "version": "1"},
    "/v1/axons": {"name": "nasty", "metadata": {}},
    "publish": {"event_type": "e", "origin": "USER_EVENT", "payload": "{}", "source": "s"},
    "sql/query": {"sql": "SELECT 1", "params": []},
    "sql/batch": {"statements": [{"sql": "SELECT 1"}]},
}


@pytest.mark.parametrize("route", GOOD)
def test_wrong_values_are_refused_or_taken_but_never_break_anything(
    emulator: Service, http: httpx.Client, route: str
) -> None:
    axon = http.post("/v1/axons", json={}).json()["id"]
    path = route if route.startswith("/") else f"/v1/axons/{axon}/{route}"
    good = GOOD[route]
    for field, value in itertools.product((*good, "unknown"), VALUES):
        answer = http.post(path, json={**good, field: value})

        assert answer.status_code < 500, (field, value, answer.text)
        if answer.status_code >= 400:
            assert answer.json()["message"]
    http.delete(f"/v1/axons/{axon}")


@pytest.mark.parametrize(
    "path",
    [
        "/v1/scenarios?limit=0",
        "/v1/scenarios?validation_type=SIDEWAYS",
        "/v1/scenarios?benchmark_id=bmd_nope",
        "/v1/scenarios/runs?state=asleep",
        "/v1/scenarios/runs?starting_after=run_nope",
        "/v1/benchmark_runs?state=asleep",
        "/v1/benchmarks/bmd_nope/definitions",
        "/v1/agents?is_public=maybe",
        "/v1/axons/axn_nope/subscribe/sse",
        "/v1/axons/..%2fx/events",
    ],
)
def test_wrong_queries_are_refused(emulator: Service, http: httpx.Client, path: str) -> None:
    answer = http.get(path)

    assert answer.status_code in {400, 404}
    assert answer.json()["message"]


@pytest.mark.parametrize("query", ["events?starting_after=x", "events?limit=0", "subscribe/sse?after_sequence=-1"])
def test_wrong_queries_of_an_axon_are_refused(emulator: Service, http: httpx.Client, query: str) -> None:
    axon = http.post("/v1/axons", json={}).json()["id"]

    assert http.get(f"/v1/axons/{axon}/{query}").status_code == 400
    http.delete(f"/v1/axons/{axon}")
