"""What ``launch_parameters`` may say and what it comes to. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, cast

from pytest_runloop.emulator.domain import checks
from pytest_runloop.emulator.domain.problems import bad_request, unsupported

GIB = 1024**3
SIZES: Mapping[str, int] = MappingProxyType(
    {
        "X_SMALL": 1 * GIB,
        "SMALL": 2 * GIB,
        "MEDIUM": 4 * GIB,
        "LARGE": 8 * GIB,
        "X_LARGE": 16 * GIB,
        "XX_LARGE": 32 * GIB,
    }
)
"""Memory in bytes by ``resource_size_request``. Cores and disk size are accepted and not enforced."""
CUSTOM = "CUSTOM_SIZE"
MAX_KEEP_ALIVE_S = 172_800
DEFAULTS: Mapping[str, object] = MappingProxyType(
    {"resource_size_request": "SMALL", "keep_alive_time_seconds": 3600, "launch_commands": []}
)
_SIZE = frozenset({"resource_size_request", "custom_cpu_cores", "custom_gb_memory", "custom_disk_size"})
_MAX_UID = 65_533
_USERNAME = re.compile(r"[a-z_][a-z0-9_-]{0,31}")


@dataclass(frozen=True, kw_only=True)
class IdleRule:
    """Say what ends a devbox nobody talks to.

    Attributes:
        seconds: How long after the last activity.
        suspend: Whether it is then suspended; otherwise it is shut down.
        shutdown_reason: What the shut down devbox gives as its reason.
        busy_counts: Whether a running command counts as activity.
    """

    seconds: float
    suspend: bool
    shutdown_reason: str
    busy_counts: bool


@dataclass(frozen=True, kw_only=True)
class Launch:
    """Launch parameters, checked and typed.

    Attributes:
        given: What was asked for.
        parameters: What the devbox's view shows: what was asked for over the defaults.
        username: Who everything runs as.
        uid: That user's number.
        memory_bytes: The limit of all processes together.
        idle: When the devbox ends by itself.
        commands: Run in order on every start.
        suspend_commands: Run in order before every suspend.
        suspend_deadline_s: Seconds all of those together may take.
    """

    given: Mapping[str, object]
    parameters: Mapping[str, object]
    username: str
    uid: int
    memory_bytes: int
    idle: IdleRule
    commands: tuple[str, ...]
    suspend_commands: tuple[str, ...]
    suspend_deadline_s: float


def parse_launch(value: object) -> Launch:
    """Check launch parameters.

    Raises:
        ApiProblem: 400 for what Runloop refuses as well, 501 for what it can do and the emulator can't.
    """
    given = cast("dict[str, Any]", _LAUNCH("launch_parameters", {} if value is None else value))
    _refuse_unsupported(given)
    user = given.get("user_parameters") or {"username": "user", "uid": 1000}
    hooks = given.get("lifecycle", {}).get("lifecycle_hooks", {})
    return Launch(
        given=given,
        parameters={**DEFAULTS, **given},
        username=_username(user["username"], uid=user["uid"]),
        uid=user["uid"],
        memory_bytes=_memory_bytes(given),
        idle=_idle_rule(given),
        commands=tuple(given.get("launch_commands", ())),
        suspend_commands=tuple(hooks.get("suspend_commands", ())),
        suspend_deadline_s=hooks.get("suspend_deadline_ms", 30_000) / 1000,
    )


def inherit(inherited: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, object]:
    """Put a devbox's own launch parameters over those of its blueprint.

    A size goes with its details, and there is one rule for what ends an idle devbox, wherever it stands.
    """
    kept = dict(inherited)
    if not _SIZE.isdisjoint(given):
        kept = {name: value for name, value in kept.items() if name not in _SIZE}
    lifecycle = {**kept.pop("lifecycle", {}), **given.get("lifecycle", {})}
    if "keep_alive_time_seconds" in given or "after_idle" in given or "after_idle" in given.get("lifecycle", {}):
        for name in ("keep_alive_time_seconds", "after_idle"):
            kept.pop(name, None)
        if "after_idle" not in given.get("lifecycle", {}):
            lifecycle.pop("after_idle", None)
    return {**kept, **given, **({"lifecycle": lifecycle} if lifecycle else {})}


def _refuse_unsupported(given: Mapping[str, Any]) -> None:
    if given.get("required_services"):
        message = "launch_parameters.required_services: blueprint services are not emulated; leave it out."
        raise unsupported(message)


def _username(username: str, *, uid: int) -> str:
    field = "launch_parameters.user_parameters"
    if not _USERNAME.fullmatch(username):
        raise bad_request(f"{field}.username: {username!r} is not a user name (lower-case letters, digits, _ and -).")
    if (username == "root") != (uid == 0):
        raise bad_request(f"{field}: {username!r} with uid {uid} does not fit; root is uid 0 and nobody else is.")
    return username


def _memory_bytes(given: Mapping[str, Any]) -> int:
    size = given.get("resource_size_request", "SMALL")
    custom = {
        name: given[name] for name in ("custom_cpu_cores", "custom_gb_memory", "custom_disk_size") if name in given
    }
    if size != CUSTOM:
        if custom:
            raise bad_request(
                f"launch_parameters.{next(iter(custom))}: only allowed with resource_size_request {CUSTOM}."
            )
        return SIZES[size]
    cores, memory = given.get("custom_cpu_cores", 1), given.get("custom_gb_memory", 2)
    if not 2 * cores <= memory <= 8 * cores:
        message = f"launch_parameters.custom_gb_memory: {memory} GiB for {cores} cores; allowed are 2 to 8 GiB a core."
        raise bad_request(message)
    return int(memory) * GIB


def _idle_rule(given: Mapping[str, Any]) -> IdleRule:
    old, new = given.get("after_idle"), given.get("lifecycle", {}).get("after_idle")
    if old and new and old != new:
        message = "launch_parameters.after_idle: differs from lifecycle.after_idle; give only the latter."
        raise bad_request(message)
    rule = new or old
    if rule is None:
        seconds = given.get("keep_alive_time_seconds", DEFAULTS["keep_alive_time_seconds"])
        return IdleRule(seconds=seconds, suspend=False, shutdown_reason="keep_alive_timeout", busy_counts=False)
    return IdleRule(
        seconds=rule["idle_time_seconds"],
        suspend=rule["on_idle"] == "suspend",
        shutdown_reason="idle",
        busy_counts=True,
    )


def _cores(field: str, value: object) -> object:
    if value not in {0.5, 1, *range(2, 17, 2)} or isinstance(value, bool):
        raise bad_request(f"{field}: {value!r} is not 0.5, 1 or an even number up to 16.")
    return value


def _gigabytes(field: str, value: object) -> object:
    return value if value == 1 and not isinstance(value, bool) else _disk(field, value, also="1 or ")


def _disk(field: str, value: object, *, also: str = "") -> object:
    if value not in range(2, 65, 2):
        raise bad_request(f"{field}: {value!r} is not {also}an even number up to 64.")
    return value


_IDLE = checks.record(
    {"idle_time_seconds": checks.integer(1, 2**31 - 1), "on_idle": checks.choice(("shutdown", "suspend"))},
    required=("idle_time_seconds", "on_idle"),
)
_LIFECYCLE = checks.record(
    {
        "after_idle": _IDLE,
        "resume_triggers": checks.record({"http": checks.boolean, "axon_event": checks.boolean}),
        "lifecycle_hooks": checks.record(
            {"suspend_commands": checks.list_of(checks.text), "suspend_deadline_ms": checks.integer(1, 60_000)}
        ),
    }
)
_LAUNCH = checks.record(
    {
        "resource_size_request": checks.choice((*SIZES, CUSTOM)),
        "custom_cpu_cores": _cores,
        "custom_gb_memory": _gigabytes,
        "custom_disk_size": _disk,
        "architecture": checks.choice(("x86_64", "arm64")),
        "keep_alive_time_seconds": checks.integer(1, MAX_KEEP_ALIVE_S),
        "after_idle": _IDLE,
        "lifecycle": _LIFECYCLE,
        "launch_commands": checks.list_of(checks.text),
        "user_parameters": checks.record(
            {"username": checks.text, "uid": checks.integer(0, _MAX_UID)}, required=("username", "uid")
        ),
        "network_policy_id": checks.text,
        "required_services": checks.list_of(checks.text),
        "provisioning_tier": checks.choice(("standard", "flex")),
        "available_ports": checks.list_of(checks.integer(1, 65_535)),
    }
)
