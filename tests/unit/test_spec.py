"""The value a test's wish becomes."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from pytest_runloop.spec import SandboxSpec, Scope


def test_it_can_t_be_changed() -> None:
    spec = SandboxSpec(test="test_it")

    with pytest.raises(FrozenInstanceError):
        spec.user = "root"  # type: ignore[misc] # that is the point


def test_the_defaults_are_a_plain_user_s_sandbox_for_one_test() -> None:
    spec = SandboxSpec(test="test_it")

    assert (spec.user, dict(spec.options), dict(spec.files), spec.setup) == ("user", {}, {}, ())
    assert spec.scope is Scope.FUNCTION


def test_scopes_are_pytest_s_words() -> None:
    assert [scope.value for scope in Scope] == ["function", "class", "module", "session"]
