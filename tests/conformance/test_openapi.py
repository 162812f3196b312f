"""Every route of the vendor's OpenAPI, asked with generated requests: no crash, no answer that breaks its schema.

Half of the requests name things that exist. The vendor's client reads every good answer as well, with its own models.
Needs schemathesis, and the vendor's OpenAPI, whose path is in ``RUNLOOP_OPENAPI``: `tox -e conformance` has the first,
you the second.
"""

from __future__ import annotations

import collections
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import requests
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pytest_runloop.emulator import launcher

DOCUMENT = os.environ.get("RUNLOOP_OPENAPI", "")
if not DOCUMENT:
    pytest.skip("RUNLOOP_OPENAPI is not set to the vendor's OpenAPI document", allow_module_level=True)
schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed: tox -e conformance has it")

from schemathesis.specs.openapi import checks  # noqa: E402

from tests.conformance.document import CORRECTIONS, UNDOCUMENTED, at, corrected, load  # noqa: E402
from tests.conformance.models import OTHER_NAMES, assert_fits, client_models  # noqa: E402
from tests.conformance.things import Things  # noqa: E402

CHECKS = [
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
EXAMPLES = int(os.environ.get("RUNLOOP_OPENAPI_EXAMPLES", "25"))
LONGEST_POLL_S = 0.2
STREAM = re.compile(r"/(logs/tail|subscribe/sse|stream_std(out|err)_updates)$")
ENDLESS = "/subscribe/sse"
"""The one stream that does not end by itself."""
WITHOUT_MODEL = {
    "BenchmarkDefinitionListView",
    "EmptyRecord",
    "MetadataKeysView",
    "MetadataValuesView",
    "ScenarioScorersListView",
}
"""What the client has no model of: it reads only the items of such a list, takes it as it is, or has no such method."""
FRUITLESS = {
    "GET /v1/benchmark_jobs/{id}": "there are none",
    "POST /v1/benchmark_jobs": "nothing here runs a job's agents",
    "POST /v1/blueprints/create_from_inspection": "there are no repository connections, so no inspections",
}
"""Operations without any good answer, and why."""
_PAGING = {"limit", "offset", "last_n", "starting_after", "after_sequence"}
"""Parameters that a generator gives no good value for."""
RAW = load(DOCUMENT)
OPERATIONS = [result.ok() for result in schemathesis.openapi.from_dict(corrected(RAW)).get_all_operations()]
MODELS = client_models()


@dataclass
class Tally:
    """What was answered.

    Attributes:
        asked: The operations that were asked.
        statuses: How often each status came.
        undocumented: Where each status came that the document doesn't have there.
        without_model: What the client could not be asked to read.
        fruitless: Operations that had no good answer.
    """

    asked: set[str] = field(default_factory=set)
    statuses: collections.Counter[int] = field(default_factory=collections.Counter)
    undocumented: dict[int, set[str]] = field(default_factory=dict)
    without_model: set[str] = field(default_factory=set)
    fruitless: set[str] = field(default_factory=set)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    directory = tmp_path_factory.mktemp("emulator")
    running = launcher.launch(directory / "state", directory / "run", owner_pid=os.getpid())
    headers = {"Authorization": f"Bearer {running.api_key}"}
    with httpx.Client(base_url=running.base_url, headers=headers, timeout=60) as client:
        yield client
    launcher.stop(running)
    log = (directory / "run" / "emulator.log").read_text()
    assert "Traceback" not in log, log


@pytest.fixture(scope="module")
def things(service: httpx.Client) -> Things:
    return Things(service)


@pytest.fixture(scope="module")
def tally() -> Tally:
    return Tally()


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_a_route(
    operation: Any,  # noqa: ANN401 - schemathesis tells no types
    things: Things,
    tally: Tally,
) -> None:
    good = set()

    @given(case=operation.as_strategy(), real=st.booleans())
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: Any, real: bool) -> None:  # noqa: ANN401, FBT001 - Hypothesis fills them in
        answer = _ask(case, things, real=real)
        things.end()
        tally.statuses[answer.status_code] += 1
        good.add(answer.ok)
        _check(case, answer, tally)

    ask()
    tally.asked.add(operation.label)
    if good == {False}:
        tally.fruitless.add(operation.label)


def test_no_route_answers_without_a_key(service: httpx.Client) -> None:
    for operation in OPERATIONS:
        path = re.sub(r"\{\w+\}", "x", operation.path)
        answer = service.request(operation.method, path, headers={"Authorization": ""})
        assert answer.status_code == 401, operation.label


@pytest.mark.parametrize("place", CORRECTIONS, ids=".".join)
def test_the_document_still_needs_the_correction(place: tuple[str, ...]) -> None:
    wanted, _ = CORRECTIONS[place]

    assert at(RAW, place) != wanted


def test_every_explained_exception_is_one(tally: Tally) -> None:
    if len(tally.asked) < len(OPERATIONS):
        pytest.skip("only some routes were asked")
    counts = f"{len(tally.asked)} operations, {tally.statuses.total()} examples: {sorted(tally.statuses.items())}"
    print(counts)  # noqa: T201 - shown by `pytest -rP`
    assert tally.fruitless == set(FRUITLESS)
    assert set(tally.undocumented) == set(UNDOCUMENTED)
    assert tally.without_model == WITHOUT_MODEL
    assert not set(OTHER_NAMES) & set(MODELS)


def _ask(case: Any, things: Things, *, real: bool) -> requests.Response:  # noqa: ANN401
    headers = dict(things.http.headers)
    # Long polls would hold each example for seconds.
    if isinstance(case.body, dict) and case.path.endswith("/wait_for_status"):
        case.body["timeout_seconds"] = LONGEST_POLL_S
    if real:
        case.path_parameters = things.path(case.path, case.path_parameters or {})
        case.query = things.named({name: one for name, one in case.query.items() if name not in _PAGING})
        case.body = things.named(case.body)
        if case.path.startswith("/pty/"):
            headers |= things.terminals
        if case.path.endswith("/control") and isinstance(case.body, dict):
            case.body.setdefault("action", "close")  # which no generator gives it often enough
    asked = case.as_transport_kwargs(base_url=str(things.http.base_url).rstrip("/"), headers=headers)
    answer = requests.request(**asked, stream=case.path.endswith(ENDLESS), timeout=60)
    assert isinstance(answer, requests.Response)
    return answer


def _check(case: Any, answer: requests.Response, tally: Tally) -> None:  # noqa: ANN401
    documented = case.operation.definition.raw["responses"]
    status = answer.status_code
    assert status != 500, answer.text
    if str(status) not in documented:
        assert status in UNDOCUMENTED, answer.text
        tally.undocumented.setdefault(status, set()).add(case.operation.label)
    if not answer.ok:
        assert set(answer.json()) == {"code", "message"}
        return
    contents: dict[str, Any] = documented["200"].get("content", {})
    refs = [content["schema"].get("$ref", "") for content in contents.values()]
    name = refs[0].rsplit("/", 1)[-1] if refs else ""
    model = MODELS.get(OTHER_NAMES.get(name, name))
    if model is None and name:
        tally.without_model.add(name)
    if STREAM.search(case.path):
        values = list(_events(answer, endless=case.path.endswith(ENDLESS)))
    else:
        case.validate_response(answer, checks=CHECKS)
        values = [answer.json()] if model else []
    for value in values:
        if model is not None:
            assert_fits(model, value)


def _events(answer: requests.Response, *, endless: bool) -> Iterator[object]:
    """Read events; of a stream without an end, one line."""
    assert answer.headers["content-type"].startswith("text/event-stream")
    for line in answer.iter_lines():
        if line.startswith(b"data: "):
            yield json.loads(line.removeprefix(b"data: "))
        if endless and line:
            break
    answer.close()
