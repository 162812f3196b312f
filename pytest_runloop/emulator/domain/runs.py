"""Lives of scenario runs and benchmark runs, as tables, and what a client may say when it starts one. Pure."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, cast

from pytest_runloop.emulator.domain import checks
from pytest_runloop.emulator.domain.catalog import Record
from pytest_runloop.emulator.domain.launch import inherit, parse_launch
from pytest_runloop.emulator.domain.problems import bad_request

SCENARIO_STATES = ("running", "scoring", "scored", "completed", "canceled", "timeout", "failed")
BENCHMARK_STATES = ("running", "completed", "canceled", "failed")
ENDS = frozenset({"completed", "canceled", "timeout", "failed"})
"""The states a run never leaves."""


class RunEvent(str, enum.Enum):
    """What can happen to a run."""

    SCORE = "score"
    SCORED = "be scored"
    COMPLETE = "complete"
    CANCEL = "cancel"
    BREAK = "break"
    RUN_OUT = "run out of time"


def run_after(record: Record, event: RunEvent, *, now_ms: int) -> Record:
    """Say what becomes of a run. One that has ended stays as it is, unless it is to be scored.

    Raises:
        ApiProblem: 400, if it can't happen in this state.
    """
    state = record.fields["state"]
    following = state if state in ENDS and event is not RunEvent.SCORE else _TRANSITIONS.get((state, event))
    if following is None:
        raise bad_request(
            f"Run {record.id} is '{state}' and can't {event.value}; {_ADVICE.get(state, 'start another')}."
        )
    if following == state:
        return record
    lasted = {"duration_ms": now_ms - record.fields["start_time_ms"]} if following in ENDS else {}
    return record.but(state=following, **lasted)


def parse_start(body: Mapping[str, object], *, subject: str) -> dict[str, Any]:
    """Check a request to start a run.

    Args:
        body: The request.
        subject: The field that says of what.

    Raises:
        ApiProblem: 400 naming the guilty field.
    """
    fields = {
        subject: checks.text,
        "metadata": checks.text_map,
        "run_name": checks.text,
        "runProfile": _PROFILE,
        **({"benchmark_run_id": checks.text} if subject == "scenario_id" else {}),
    }
    given = cast("dict[str, Any]", checks.record(fields, required=(subject,))("", body))
    parse_launch(given.get("runProfile", {}).get("launchParameters"))
    return given


def over(inherited: Mapping[str, Any], profile: Mapping[str, Any]) -> dict[str, Any]:
    """Put a scenario run's profile over that of its benchmark run."""
    both = {
        "envVars": {**inherited.get("envVars", {}), **profile.get("envVars", {})},
        "secrets": {**inherited.get("secrets", {}), **profile.get("secrets", {})},
        "mounts": [*inherited.get("mounts", []), *profile.get("mounts", [])],
        "launchParameters": inherit(inherited.get("launchParameters", {}), profile.get("launchParameters", {})),
    }
    return {**inherited, **profile, **both}


def check_requirements(record: Record, profile: Mapping[str, Any]) -> None:
    """Refuse to start what lacks a variable or a secret it requires.

    Raises:
        ApiProblem: 400.
    """
    secrets = profile.get("secrets", {})
    for field, known in (
        ("required_environment_variables", {*profile.get("envVars", {}), *secrets}),
        # The API's words fit both the variable a secret comes in and the name it has in the account.
        ("required_secret_names", {*secrets, *secrets.values()}),
    ):
        missing = [name for name in record.fields.get(field) or () if name not in known]
        if missing:
            raise bad_request(f"runProfile: {record.id} requires {', '.join(missing)} ({field}); provide it.")


def profile_fields(profile: Mapping[str, Any]) -> dict[str, Any]:
    """Say what a run shows of its profile."""
    return {
        "environment_variables": profile.get("envVars", {}),
        "secrets_provided": profile.get("secrets", {}),
        "purpose": profile.get("purpose"),
    }


def devbox_body(environment: Mapping[str, Any], profile: Mapping[str, Any]) -> dict[str, Any]:
    """Say which devbox a scenario run needs, as a create request."""
    return {
        "blueprint_id": environment.get("blueprint_id"),
        "snapshot_id": environment.get("snapshot_id"),
        "launch_parameters": inherit(environment.get("launch_parameters", {}), profile.get("launchParameters", {})),
        "environment_variables": profile.get("envVars", {}),
        "secrets": profile.get("secrets", {}),
        "mounts": profile.get("mounts", []),
    }


_TRANSITIONS: Mapping[tuple[str, RunEvent], str] = {
    ("running", RunEvent.SCORE): "scoring",
    ("scored", RunEvent.SCORE): "scoring",
    ("scoring", RunEvent.SCORE): "scoring",
    ("scoring", RunEvent.SCORED): "scored",
    ("running", RunEvent.COMPLETE): "completed",
    ("scored", RunEvent.COMPLETE): "completed",
    ("running", RunEvent.CANCEL): "canceled",
    ("scoring", RunEvent.CANCEL): "canceled",
    ("scored", RunEvent.CANCEL): "canceled",
    ("running", RunEvent.BREAK): "failed",
    ("scoring", RunEvent.BREAK): "failed",
    ("running", RunEvent.RUN_OUT): "timeout",
    ("scoring", RunEvent.RUN_OUT): "timeout",
}
_ADVICE: Mapping[str, str] = {"scoring": "wait until it is scored"}
_PROFILE = checks.record(
    {
        "envVars": checks.environment,
        "launchParameters": checks.mapping,
        "mounts": checks.list_of(checks.mapping),
        "purpose": checks.text,
        "secrets": checks.environment,
    }
)
