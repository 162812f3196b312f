"""The records that outlive a request, and their JSON form for the store. Pure."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pytest_runloop.emulator.domain.gateways import Grant
from pytest_runloop.emulator.domain.launch import Launch, parse_launch
from pytest_runloop.emulator.domain.lifecycle import Event, Status, advance
from pytest_runloop.emulator.domain.tunnels import Tunnel, TunnelRequest


@dataclass(frozen=True, kw_only=True)
class Transition:
    """When a devbox got which status."""

    status: Status
    time_ms: int
    failure_reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Devbox:
    """Everything known of a devbox but its machine.

    Attributes:
        environment: Variables every command gets; values of secrets are already in it.
        image_environment: Those of them that belong to the disk, set by the Dockerfile it was made with.
        capabilities: What it can do beyond others.
        file_mounts: Text by path, written before the first start's launch commands.
        mounts: What else is mounted then, in order.
        grants: The gateways it may use, by their tokens.
        scenario_run_id: The scenario run that it is for.
    """

    id: str
    status: Status
    create_time_ms: int
    launch_parameters: Mapping[str, object]
    transitions: tuple[Transition, ...]
    name: str | None = None
    metadata: Mapping[str, str] = dataclasses.field(default_factory=dict)
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    image_environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    capabilities: tuple[str, ...] = ()
    file_mounts: Mapping[str, str] = dataclasses.field(default_factory=dict)
    mounts: Sequence[Mapping[str, str]] = ()
    entrypoint: str | None = None
    blueprint_id: str | None = None
    snapshot_id: str | None = None
    tunnel: Tunnel | None = None
    grants: tuple[Grant, ...] = ()
    end_time_ms: int | None = None
    failure_reason: str | None = None
    shutdown_reason: str | None = None
    scenario_run_id: str | None = None

    @property
    def launch(self) -> Launch:
        """The launch parameters, typed."""
        return parse_launch(self.launch_parameters)

    def after(
        self, event: Event, *, now_ms: int, failure_reason: str | None = None, shutdown_reason: str | None = None
    ) -> Devbox:
        """Say what this record becomes when something happens to the devbox.

        Raises:
            ApiProblem: 400, if it can't happen now.
        """
        status = advance(self.status, event, devbox_id=self.id)
        if status is self.status:
            return self
        moved = Transition(status=status, time_ms=now_ms, failure_reason=failure_reason)
        return replace(
            self,
            status=status,
            transitions=(*self.transitions, moved),
            end_time_ms=now_ms if status.is_over else None,
            failure_reason=failure_reason,
            shutdown_reason=shutdown_reason,
        )


class SnapshotStatus(str, enum.Enum):
    """A disk snapshot's status, spelled as the API spells it."""

    IN_PROGRESS = "in_progress"
    COMPLETE = "complete"
    ERROR = "error"
    DELETED = "deleted"


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """Everything known of a disk snapshot but its disk.

    Attributes:
        environment: What was its devbox's ``image_environment``.
        capabilities: As its devbox's.
    """

    id: str
    status: SnapshotStatus
    create_time_ms: int
    source_devbox_id: str
    source_blueprint_id: str | None = None
    name: str | None = None
    metadata: Mapping[str, str] = dataclasses.field(default_factory=dict)
    commit_message: str | None = None
    size_bytes: int | None = None
    error_message: str | None = None
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    capabilities: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Secret:
    """A secret; its value never leaves the emulator but into devboxes."""

    id: str
    name: str
    value: str = dataclasses.field(repr=False)
    create_time_ms: int
    update_time_ms: int


@dataclass(frozen=True, kw_only=True)
class LogEntry:
    """One line of a devbox's log.

    Attributes:
        source: ``setup_commands``, ``entrypoint``, ``exec`` or ``kmsg``.
    """

    source: str
    timestamp_ms: int
    level: str = "INFO"
    message: str | None = None
    cmd: str | None = None
    cmd_id: str | None = None
    exit_code: int | None = None
    shell_name: str | None = None


def to_json(record: Devbox | Snapshot | Secret) -> dict[str, Any]:
    """Give a record's JSON form."""
    return dataclasses.asdict(record)


def devbox_from_json(document: dict[str, Any]) -> Devbox:
    """Read a devbox back."""
    transitions = tuple(Transition(**{**one, "status": Status(one["status"])}) for one in document["transitions"])
    tunnel = document["tunnel"]
    if tunnel is not None:
        tunnel = Tunnel(**{**tunnel, "request": TunnelRequest(**tunnel["request"])})
    known = {**document, "status": Status(document["status"]), "transitions": transitions, "tunnel": tunnel}
    known["grants"] = tuple(Grant(**grant) for grant in document.get("grants", ()))
    return Devbox(**{**known, "capabilities": tuple(document.get("capabilities", ()))})


def snapshot_from_json(document: dict[str, Any]) -> Snapshot:
    """Read a disk snapshot back."""
    capabilities = tuple(document.get("capabilities", ()))
    return Snapshot(**{**document, "status": SnapshotStatus(document["status"]), "capabilities": capabilities})
