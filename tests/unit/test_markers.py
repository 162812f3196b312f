"""How arguments become a spec. Which mark wins is tested in ``tests/plugin/test_marker.py``."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_runloop.blueprint import Blueprint
from pytest_runloop.errors import SpecError
from pytest_runloop.markers import as_root, override
from pytest_runloop.spec import SandboxSpec, Scope

SPEC = SandboxSpec(test="test_it", options={"blueprint_name": "far", "name": "far"}, setup=("far",))


def changed(spec: SandboxSpec = SPEC, /, **fields: object) -> SandboxSpec:
    return override(spec, fields, origin="here")


def test_an_argument_is_replaced_whole_and_the_others_stay() -> None:
    spec = changed(changed(env_vars={"A": "1"}), env_vars={"B": "2"})

    assert dict(spec.options) == {"blueprint_name": "far", "name": "far", "env_vars": {"B": "2"}}
    assert spec.setup == ("far",)


def test_none_goes_back_to_the_default() -> None:
    spec = changed(changed(files={"a": "1"}, scope="class"), name=None, setup=None, files=None, scope=None)

    assert spec == SandboxSpec(test="test_it", options={"blueprint_name": "far"})


@pytest.mark.parametrize(
    ("given", "option"),
    [
        ({"blueprint": "bpt_1"}, {"blueprint_id": "bpt_1"}),
        ({"blueprint": "near"}, {"blueprint_name": "near"}),
        ({"blueprint_id": "bpt_1"}, {"blueprint_id": "bpt_1"}),
        ({"blueprint_name": None}, {}),
    ],
)
def test_a_blueprint_replaces_a_blueprint(given: dict[str, object], option: dict[str, object]) -> None:
    assert dict(changed(**given).options) == {"name": "far", **option}


def test_a_described_blueprint_takes_the_place_of_a_named_one_and_the_other_way_round() -> None:
    described = changed(blueprint=Blueprint(base="py"))
    named = changed(described, blueprint_id="bpt_1")
    neither = changed(described, blueprint=None)

    assert (described.blueprint, dict(described.options)) == (Blueprint(base="py"), {"name": "far"})
    assert (named.blueprint, dict(named.options)) == (None, {"name": "far", "blueprint_id": "bpt_1"})
    assert (neither.blueprint, dict(neither.options)) == (None, {"name": "far"})


def test_a_described_blueprint_stays_when_something_else_is_changed() -> None:
    assert changed(changed(blueprint=Blueprint(base="py")), name="near").blueprint == Blueprint(base="py")


def test_equal_wishes_become_equal_specs() -> None:
    assert changed(exposed_ports=[80], setup="make") == changed(exposed_ports=(80,), setup=["make"])


def test_a_local_file_is_made_absolute_and_text_is_left_alone(tmp_path: Path) -> None:
    spec = changed(SandboxSpec(test="test_it", local_root=tmp_path), files={"a": Path("a.txt"), "b": "a.txt"})

    assert dict(spec.files) == {"a": tmp_path / "a.txt", "b": "a.txt"}


def test_a_callable_is_kept() -> None:
    assert changed(setup=print).setup is print


def test_a_scope_is_kept_as_a_word_of_ours() -> None:
    assert changed(scope="session").scope is Scope.SESSION


def test_root_is_root_whatever_account_was_named() -> None:
    spec = as_root(changed(user_parameters={"username": "agent", "uid": 1001}))

    assert spec.user == "root"
    assert dict(spec.options) == dict(SPEC.options)


def test_a_mistake_names_the_test_and_the_place() -> None:
    with pytest.raises(SpecError, match=r"^test_it: here: unexpected keyword argument 'nme'; did you mean 'name'"):
        changed(nme="x")
