"""Benchmarks: what a client may say of them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from pytest_runloop.emulator.domain import checks
from pytest_runloop.emulator.domain.catalog import Record, merged


def parse_benchmark(body: Mapping[str, object]) -> dict[str, Any]:
    """Check a new benchmark.

    Raises:
        ApiProblem: 400 naming the guilty field.
    """
    given = cast("dict[str, Any]", _CREATE("", body))
    return {**_DEFAULTS, "scenarioIds": _once(given.pop("scenario_ids", [])), **given}


def changed_benchmark(record: Record, body: Mapping[str, object]) -> Record:
    """Change a benchmark: what is null stays, what is given replaces.

    Raises:
        ApiProblem: As ``parse_benchmark``.
    """
    given = cast("dict[str, Any]", _UPDATE("", body))
    if "scenario_ids" in given:
        given["scenarioIds"] = _once(given.pop("scenario_ids"))
    return merged(record, given)


def with_other_scenarios(record: Record, body: Mapping[str, object]) -> Record:
    """Add scenarios to a benchmark and remove others.

    Raises:
        ApiProblem: As ``parse_benchmark``.
    """
    given = cast("dict[str, Any]", _SCENARIOS("", body))
    removed = given.get("scenarios_to_remove", ())
    ids = [*record.fields["scenarioIds"], *given.get("scenarios_to_add", ())]
    return record.but(scenarioIds=_once([one for one in ids if one not in removed]))


def _once(ids: list[str]) -> list[str]:
    return list(dict.fromkeys(ids))


_FIELDS: Mapping[str, checks.Check] = {
    "name": checks.text,
    "description": checks.text,
    "attribution": checks.text,
    "metadata": checks.text_map,
    "required_environment_variables": checks.list_of(checks.text),
    "required_secret_names": checks.list_of(checks.text),
    "scenario_ids": checks.list_of(checks.text),
}
_CREATE = checks.record(_FIELDS, required=("name",))
_UPDATE = checks.record(_FIELDS)
_SCENARIOS = checks.record(
    {"scenarios_to_add": checks.list_of(checks.text), "scenarios_to_remove": checks.list_of(checks.text)}
)
_DEFAULTS: Mapping[str, object] = {
    "status": "active",
    "metadata": {},
    "is_public": False,
}
