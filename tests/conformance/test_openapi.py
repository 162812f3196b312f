"""Every route of the vendor's OpenAPI, asked with generated requests: no crash, no answer that breaks its schema.

Needs schemathesis, and the vendor's OpenAPI, whose path is in ``RUNLOOP_OPENAPI``: `tox -e conformance` has the first,
you the second. The vendor's client reads every good answer as well, with its own models.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from pytest_runloop.emulator import launcher

DOCUMENT = os.environ.get("RUNLOOP_OPENAPI", "")
if not DOCUMENT:
    pytest.skip("RUNLOOP_OPENAPI is not set to the vendor's OpenAPI document", allow_module_level=True)
schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed: tox -e conformance has it")

from schemathesis.specs.openapi import checks  # noqa: E402

CHECKS = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
EXAMPLES = int(os.environ.get("RUNLOOP_OPENAPI_EXAMPLES", "25"))
LONGEST_POLL_S = 0.2

UNDOCUMENTED = {
    400: "the document lists it for few routes; the service sends it for any bad input",
    401: "listed nowhere, sent for a missing key",
    404: "listed for few of the routes that name something",
    405: "of the web server, listed nowhere",
    408: "the long polls' way to say: not yet",
    409: "a conflict of states",
    413: "a body that is too large",
    429: "too many requests",
    501: "the emulator's own: it has no such part of Runloop",
}
"""Status codes the document leaves out, and why the emulator sends them all the same."""


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
def known(service: httpx.Client) -> dict[str, str]:
    """What exists: an id for each kind of thing a path may name."""

    def made(path: str, **body: object) -> str:
        answer = service.post(path, json=body)
        answer.raise_for_status()
        return str(answer.json()["id"])

    devbox = made("/v1/devboxes", name="conformance")
    return {"/v1/devboxes/{id}": devbox}


def _operations() -> list[Any]:
    schema = schemathesis.openapi.from_path(Path(DOCUMENT))
    return [result.ok() for result in schema.get_all_operations()]


@pytest.mark.parametrize("operation", _operations(), ids=lambda operation: operation.label)
def test_a_route(
    operation: Any,  # noqa: ANN401 - schemathesis tells no types
    service: httpx.Client,
) -> None:
    @given(case=operation.as_strategy())
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: Any) -> None:
        _shorten(case)
        response = case.call(base_url=str(service.base_url), headers=dict(service.headers))
        assert response.status_code != 500, response.text
        if response.status_code not in UNDOCUMENTED:
            case.validate_response(response, checks=CHECKS)

    ask()


def _shorten(case: Any) -> None:
    """Long polls would hold each example for seconds."""
    if isinstance(case.body, dict) and "timeout_seconds" in case.body:
        case.body["timeout_seconds"] = LONGEST_POLL_S
