"""Axons: what a client may publish and ask. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from pytest_runloop.emulator.domain import checks
from pytest_runloop.emulator.domain.problems import bad_request

ORIGINS = ("EXTERNAL_EVENT", "AGENT_EVENT", "USER_EVENT", "SYSTEM_EVENT")
"""Where an event can come from; in the table of events the first is 1."""
MAX_STATEMENTS = 1000
Parameter: TypeAlias = "str | int | float | None"


@dataclass(frozen=True, kw_only=True)
class NewEvent:
    """An event to be published."""

    origin: str
    source: str
    event_type: str
    payload: str


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One SQL statement and what its ``?`` stand for."""

    sql: str
    parameters: Sequence[Parameter]


def parse_event(body: Mapping[str, object]) -> NewEvent:
    """Check an event.

    Raises:
        ApiProblem: 400 naming the guilty field.
    """
    return NewEvent(**cast("dict[str, Any]", _EVENT("", body)))


def parse_query(body: Mapping[str, object]) -> Statement:
    """Check a statement.

    Raises:
        ApiProblem: 400 naming the guilty field.
    """
    return _statement("", body)


def parse_batch(body: Mapping[str, object]) -> list[Statement]:
    """Check several statements.

    Raises:
        ApiProblem: 400 naming the guilty field.
    """
    given = cast("dict[str, list[Statement]]", _BATCH("", body))["statements"]
    if len(given) > MAX_STATEMENTS:
        raise bad_request(f"statements: {len(given)} of them; at most {MAX_STATEMENTS} are allowed in one batch.")
    return given


def _statement(field: str, value: object) -> Statement:
    given = cast("dict[str, Any]", _STATEMENT(field, value))
    return Statement(sql=given["sql"], parameters=given.get("params", []))


def _parameter(field: str, value: object) -> Parameter:
    if isinstance(value, str):
        return checks.text(field, value)
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise bad_request(f"{field}: {value} does not fit into 64 bits; give it as a string.")
    if value is None or isinstance(value, (int, float)):
        return value
    raise bad_request(f"{field}: expected a string, a number, true, false or null; give anything else as JSON text.")


_STATEMENT = checks.record({"sql": checks.text, "params": checks.list_of(_parameter)}, required=("sql",))
_BATCH = checks.record({"statements": checks.list_of(_statement)}, required=("statements",))
_EVENT = checks.record(
    {
        "event_type": checks.text,
        "origin": checks.choice(ORIGINS[:3]),
        "payload": checks.text,
        "source": checks.text,
    },
    required=("event_type", "origin", "payload", "source"),
)
parse_axon = checks.record({"name": checks.text, "metadata": checks.text_map})
parse_axon_update = checks.record({"metadata": checks.text_map})
