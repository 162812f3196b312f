"""Scenarios and custom scorers: what a client may say of them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from pytest_runloop.emulator.domain import checks
from pytest_runloop.emulator.domain.catalog import Record, merged
from pytest_runloop.emulator.domain.launch import parse_launch
from pytest_runloop.emulator.domain.problems import bad_request
from pytest_runloop.emulator.domain.scoring import satisfies

VALIDATION_TYPES = ("UNSPECIFIED", "FORWARD", "REVERSE", "EVALUATION")
SCORER_TIMEOUT_S = 1800


def parse_scenario(body: Mapping[str, object]) -> dict[str, Any]:
    """Check a new scenario.

    Raises:
        ApiProblem: 400 naming the guilty field, 501 for a scorer that isn't emulated.
    """
    given = cast("dict[str, Any]", _CREATE("", body))
    if "problem_statement" not in given["input_context"]:
        raise bad_request("input_context.problem_statement: required, but missing.")
    fields = {**_DEFAULTS, **given}
    fields["environment"] = fields.pop("environment_parameters", None)
    return fields


def changed_scenario(record: Record, body: Mapping[str, object]) -> Record:
    """Change a scenario: what is null stays, what is given replaces.

    Raises:
        ApiProblem: As ``parse_scenario``.
    """
    given = cast("dict[str, Any]", _UPDATE("", body))
    if "environment_parameters" in given:
        given["environment"] = given.pop("environment_parameters")
    for part in ("input_context", "scoring_contract"):
        if part in given:
            given[part] = {**record.fields[part], **given[part]}
    return merged(record, given)


def custom_types(fields: Mapping[str, Any]) -> set[str]:
    """List the types of custom scorers that a scenario names."""
    functions = fields["scoring_contract"]["scoring_function_parameters"]
    return {one["scorer"]["custom_scorer_type"] for one in functions if one["scorer"]["type"] == "custom_scorer"}


def _environment(field: str, value: object) -> dict[str, object]:
    given = cast("dict[str, Any]", _ENVIRONMENT(field, value))
    if given.get("blueprint_id") and given.get("snapshot_id"):
        raise bad_request(f"{field}.snapshot_id: given together with blueprint_id; at most one of them is allowed.")
    parse_launch(given.get("launch_parameters"))
    return given


def _scorer(field: str, value: object) -> object:
    given = checks.mapping(field, value)
    kind = checks.choice(tuple(_SCORERS))(f"{field}.type", given.get("type"))
    return _SCORERS[str(kind)](field, given)


def _python_versions(field: str, value: object) -> str:
    constraint = checks.text(field, value)
    try:
        satisfies("3", constraint or ">=3")
    except ValueError:
        raise bad_request(f"{field}: {constraint!r} can't be read; write it like '==3.12.10' or '>=3.10,<4'.") from None
    return constraint


def _functions(field: str, value: object) -> list[object]:
    functions = checks.list_of(_FUNCTION)(field, value)
    weights = sum(cast("dict[str, Any]", one)["weight"] for one in cast("list[object]", functions))
    if functions and not 0 < weights < float("inf"):
        raise bad_request(f"{field}: the weights sum to {weights}; they should sum to 1.")
    return cast("list[object]", functions)


def _scorer_record(*, required: tuple[str, ...] = (), **fields: checks.Check) -> checks.Check:
    return checks.record({"type": checks.text, **fields}, required=("type", *required))


_SCORERS: Mapping[str, checks.Check] = {
    "command_scorer": _scorer_record(command=checks.text, required=("command",)),
    "bash_script_scorer": _scorer_record(bash_script=checks.text, required=("bash_script",)),
    "python_script_scorer": _scorer_record(
        python_script=checks.text,
        python_version_constraint=_python_versions,
        requirements_contents=checks.text,
        required=("python_script",),
    ),
    "test_based_scorer": _scorer_record(
        test_command=checks.text,
        test_files=checks.list_of(
            checks.record(
                {"file_path": checks.text, "file_contents": checks.text}, required=("file_path", "file_contents")
            )
        ),
        required=("test_command",),
    ),
    "custom_scorer": _scorer_record(
        custom_scorer_type=checks.text, scorer_params=checks.mapping, required=("custom_scorer_type",)
    ),
    "ast_grep_scorer": _scorer_record(pattern=checks.text, search_directory=checks.text, lang=checks.text),
}
_FUNCTION = checks.record(
    {"name": checks.text, "weight": checks.number, "scorer": _scorer}, required=("name", "weight", "scorer")
)
_ENVIRONMENT = checks.record(
    {
        "blueprint_id": checks.text,
        "snapshot_id": checks.text,
        "working_directory": checks.text,
        "launch_parameters": checks.mapping,
    }
)
_FIELDS: Mapping[str, checks.Check] = {
    "name": checks.text,
    "input_context": checks.record({"problem_statement": checks.text, "additional_context": checks.mapping}),
    "scoring_contract": checks.record(
        {"scoring_function_parameters": _functions}, required=("scoring_function_parameters",)
    ),
    "environment_parameters": _environment,
    "metadata": checks.text_map,
    "reference_output": checks.text,
    "required_environment_variables": checks.list_of(checks.text),
    "required_secret_names": checks.list_of(checks.text),
    "scorer_timeout_sec": checks.integer(1, 24 * 3600),
    "validation_type": checks.choice(VALIDATION_TYPES),
}
_CREATE = checks.record(_FIELDS, required=("name", "input_context", "scoring_contract"))
_UPDATE = checks.record({**_FIELDS, "scoring_contract": checks.record({"scoring_function_parameters": _functions})})
_DEFAULTS: Mapping[str, object] = {
    "status": "active",
    "metadata": {},
    "is_public": False,
    "reference_output": None,
    "scorer_timeout_sec": SCORER_TIMEOUT_S,
    "validation_type": None,
}
parse_scorer = checks.record({"type": checks.text, "bash_script": checks.text}, required=("type", "bash_script"))
"""What a custom scorer is made of; an update says all of it again."""
