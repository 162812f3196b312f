"""The arguments of the mark: what is accepted, and what is said about the rest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from pytest_runloop.blueprint import Blueprint
from pytest_runloop.errors import SpecError
from pytest_runloop.fields import _RULES, NAMES, check
from pytest_runloop.spec import Scope


class Model:
    """What a pydantic model looks like from afar."""

    model_fields: ClassVar[dict[str, object]] = {}


NO_COMMANDS = "is not a tuple of shell commands, each a str"


def wrong_blueprint(**fields: Any) -> Blueprint:  # noqa: ANN401 - any mistake
    return Blueprint(**fields)


def test_every_argument_has_a_rule() -> None:
    assert tuple(_RULES) == NAMES


@pytest.mark.parametrize(
    "fields",
    [
        {},
        dict.fromkeys(NAMES),
        {"blueprint": "py"},
        {"blueprint": Blueprint(base="py", setup_commands=("make",), files={"/a": "1"})},
        {"setup": lambda _sandbox, _more=(): None},
        {"blueprint_id": "bpt_1", "blueprint": None},
        {"env_vars": {"A": "1"}, "metadata": {}, "name": "x", "pause_on_exit": True},
        {"exposed_ports": (1, 65535)},
        {"exposed_ports": [80]},
        {"exposed_ports": range(8000, 8003)},
        {"timeouts": {"create_s": 1}, "manifest": {}, "tunnel": {}},
        {"timeouts": Model(), "manifest": Model(), "user_parameters": Model(), "launch_parameters": Model()},
        {"gateways": {"g": Model()}, "mcp": {"m": {}}, "managed_secrets": {"a": "x", "b": Model()}},
        {"files": {"a": "text", "b": b"bytes", "c": Path("local")}},
        {"setup": "true"},
        {"setup": ["true", "false"]},
        {"setup": print},
        {"scope": "class"},
        {"scope": Scope.SESSION},
    ],
)
def test_what_is_right_is_accepted(fields: Mapping[str, object]) -> None:
    check(fields, where="here")


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("blueprint", 3, "3 is neither a non-empty str nor a pytest_runloop.Blueprint"),
        ("blueprint", wrong_blueprint(dockerfile=""), "its dockerfile: '' is not a non-empty str"),
        ("blueprint", wrong_blueprint(base=b"py"), "its base: a bytes is not a non-empty str"),
        ("blueprint", wrong_blueprint(setup_commands="make"), f"its setup_commands: 'make' {NO_COMMANDS}"),
        ("blueprint", wrong_blueprint(setup_commands=[1]), f"its setup_commands: a list {NO_COMMANDS}"),
        ("blueprint", wrong_blueprint(files={"/a": 1}), "its files: the value of '/a' is of type int, not str"),
        ("blueprint", wrong_blueprint(files={"a": "1"}), "its files: 'a' is not an absolute path; begin it with /"),
        ("blueprint_id", "py", "'py' does not begin with bpt_, as ids do; give a name as blueprint_name"),
        ("blueprint_id", "", "'' is not a non-empty str"),
        ("blueprint_name", "", "'' is not a non-empty str"),
        ("env_vars", ["A=1"], "a list is not a mapping of names to str"),
        ("env_vars", {"": "1"}, "the key '' is not a non-empty str"),
        ("env_vars", {1: "1"}, "the key 1 is not a non-empty str"),
        ("metadata", {"a": None}, "the value of 'a' is of type NoneType, not str"),
        ("pause_on_exit", "yes", "'yes' is not True or False"),
        ("timeouts", 30, "30 is neither the SDK's model nor a mapping of its fields"),
        ("exposed_ports", 8080, "8080 is not a sequence of ports, such as (8080,)"),
        ("exposed_ports", "8080", "'8080' is not a sequence of ports, such as (8080,)"),
        ("exposed_ports", [True], "True is not a port; ports are whole numbers from 1 to 65535"),
        ("exposed_ports", [80, 65536], "65536 is not a port; ports are whole numbers from 1 to 65535"),
        ("mcp", {"m": "x"}, "the value of 'm' is of type str, not the SDK's model or a mapping of its fields"),
        ("files", {"a": 1}, "the value of 'a' is of type int, not text, bytes or a local Path"),
        ("setup", lambda: None, "it can't be called with the sandbox alone; let it take one argument"),
        ("setup", divmod, "it can't be called with the sandbox alone; let it take one argument"),
        ("setup", [1], "a list is neither shell commands (a str or a list of them) nor a callable"),
        ("scope", "package", "'package' is not one of function, class, module, session; there are *"),
    ],
)
def test_what_is_wrong_is_named_with_what_would_be_right(field: str, value: object, complaint: str) -> None:
    with pytest.raises(SpecError) as caught:
        check({field: value}, where="here")

    assert str(caught.value).startswith(f"here: {field}: {complaint.rstrip('*')}")
    assert caught.value.field == field


def test_secret_values_are_never_shown() -> None:
    with pytest.raises(SpecError) as caught:
        check({"managed_secrets": {"TOKEN": ["s3cret"]}}, where="here")

    assert "TOKEN" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_an_unknown_name_is_answered_with_the_closest_one() -> None:
    with pytest.raises(SpecError, match="unexpected keyword argument 'exposed_port'; did you mean 'exposed_ports'"):
        check({"exposed_port": ()}, where="here")


def test_a_name_like_no_other_is_answered_with_all_of_them() -> None:
    with pytest.raises(SpecError, match=r"unexpected keyword argument 'x'; there are blueprint, .*, scope"):
        check({"x": ()}, where="here")


def test_two_names_for_a_blueprint_contradict_each_other() -> None:
    with pytest.raises(SpecError, match="blueprint_id and blueprint_name are given") as caught:
        check({"blueprint_id": "bpt_1", "blueprint_name": "py"}, where="here")

    assert caught.value.field == "blueprint_name"
