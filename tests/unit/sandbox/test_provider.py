from __future__ import annotations

import pytest
from agents.sandbox.errors import WorkspaceReadNotFoundError

from pytest_runloop.errors import SandboxError
from pytest_runloop.sandbox.boundary import ApiFailure
from pytest_runloop.sandbox.runloop.provider import _sdk_failures


@pytest.mark.parametrize("error", [ApiFailure("HTTP 400: hush is too short", status=400), SandboxError("hush failed")])
def test_a_secret_is_in_neither_the_message_nor_the_chain(error: Exception) -> None:
    with pytest.raises(ApiFailure) as caught, _sdk_failures(frozenset({"hush"})):
        raise error

    assert "hush" not in str(caught.value)
    assert "***" in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_an_error_of_the_agents_sdk_keeps_its_details() -> None:
    error = WorkspaceReadNotFoundError(path="notes.md")  # type: ignore[arg-type] # a text will do
    error.context["stderr"] = "disk full"

    with pytest.raises(ApiFailure, match="disk full") as caught, _sdk_failures(frozenset()):
        raise error

    assert caught.value.__cause__ is error
    assert caught.value.status is None


def test_the_status_of_a_refusal_is_kept() -> None:
    refusal = ApiFailure("HTTP 409: taken", status=409)

    with pytest.raises(ApiFailure) as caught, _sdk_failures(frozenset()):
        raise refusal

    assert caught.value.status == 409
