"""How records look on the wire. Pure functions from records to JSON."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from pytest_runloop.emulator.domain.records import SnapshotStatus
from pytest_runloop.emulator.service.execution import ExecutionStatus
from pytest_runloop.emulator.service.outputs import head, tail

if TYPE_CHECKING:
    from pytest_runloop.emulator.domain.builds import Blueprint
    from pytest_runloop.emulator.domain.records import Devbox, LogEntry, Secret, Snapshot, Transition
    from pytest_runloop.emulator.domain.tunnels import Tunnel
    from pytest_runloop.emulator.service.execution import Execution

DEFAULT_LINES = 100
_SYNC_BYTES = 32 * 1024 * 1024
"""What ``execute_sync`` returns of each stream at most; it knows no truncation."""


def devbox_view(devbox: Devbox) -> dict[str, Any]:
    """Print a devbox."""
    return {
        "id": devbox.id,
        "name": devbox.name,
        "status": devbox.status.value,
        "create_time_ms": devbox.create_time_ms,
        "end_time_ms": devbox.end_time_ms,
        "capabilities": list(devbox.capabilities),
        "metadata": devbox.metadata,
        "launch_parameters": devbox.launch_parameters,
        "state_transitions": [_transition_view(one) for one in devbox.transitions],
        "blueprint_id": devbox.blueprint_id,
        "snapshot_id": devbox.snapshot_id,
        "initiator_id": devbox.scenario_run_id,
        "initiator_type": "api" if devbox.scenario_run_id is None else "scenario",
        "failure_reason": devbox.failure_reason,
        "shutdown_reason": devbox.shutdown_reason,
        "tunnel": None if devbox.tunnel is None else tunnel_view(devbox.tunnel),
        "gateway_specs": _specs_view(devbox, "gateway", "gateway_config_id"),
        "mcp_specs": _specs_view(devbox, "mcp", "mcp_config_id"),
    }


def tunnel_view(tunnel: Tunnel) -> dict[str, Any]:
    """Print a tunnel; the token only if it has one."""
    view = {
        "tunnel_key": tunnel.key,
        "auth_mode": tunnel.request.auth_mode,
        "create_time_ms": tunnel.create_time_ms,
        "http_keep_alive": tunnel.request.http_keep_alive,
        "wake_on_http": tunnel.request.wake_on_http,
    }
    return view if tunnel.auth_token is None else {**view, "auth_token": tunnel.auth_token}


def execution_view(devbox_id: str, execution: Execution, *, last_n: int = DEFAULT_LINES) -> dict[str, Any]:
    """Print an execution with the last lines of its output, of what there is while it runs."""
    stdout, stdout_truncated = tail(execution.output("stdout"), lines=last_n)
    stderr, stderr_truncated = tail(execution.output("stderr"), lines=last_n)
    return {
        "devbox_id": devbox_id,
        "execution_id": execution.id,
        "status": execution.status.value,
        "exit_status": execution.exit_status,
        "shell_name": execution.shell_name,
        "stdout": stdout,
        "stderr": stderr,
        "stdout_truncated": stdout_truncated,
        "stderr_truncated": stderr_truncated,
    }


def finished_view(devbox_id: str, execution: Execution) -> dict[str, Any]:
    """Print a finished execution the way ``execute_sync`` does."""
    assert execution.status is ExecutionStatus.COMPLETED  # noqa: S101 - it was waited for
    return {
        "devbox_id": devbox_id,
        "stdout": head(execution.output("stdout"), limit=_SYNC_BYTES),
        "stderr": head(execution.output("stderr"), limit=_SYNC_BYTES),
        "exit_status": execution.exit_status,
        "shell_name": execution.shell_name,
    }


def snapshot_view(snapshot: Snapshot) -> dict[str, Any]:
    """Print a disk snapshot."""
    return {
        "id": snapshot.id,
        "name": snapshot.name,
        "create_time_ms": snapshot.create_time_ms,
        "metadata": snapshot.metadata,
        "commit_message": snapshot.commit_message,
        "source_devbox_id": snapshot.source_devbox_id,
        "source_blueprint_id": snapshot.source_blueprint_id,
        "size_bytes": snapshot.size_bytes,
    }


def snapshot_status_view(snapshot: Snapshot) -> dict[str, Any]:
    """Print how far a disk snapshot is, and itself once it is there."""
    complete = snapshot.status is SnapshotStatus.COMPLETE
    return {
        "status": snapshot.status.value,
        "error_message": snapshot.error_message,
        "snapshot": snapshot_view(snapshot) if complete else None,
    }


def secret_view(secret: Secret) -> dict[str, Any]:
    """Print a secret without its value."""
    return {
        "id": secret.id,
        "name": secret.name,
        "create_time_ms": secret.create_time_ms,
        "update_time_ms": secret.update_time_ms,
    }


def blueprint_view(blueprint: Blueprint) -> dict[str, Any]:
    """Print a blueprint."""
    return {
        "id": blueprint.id,
        "name": blueprint.name,
        "status": blueprint.status.value,
        "state": "deleted" if blueprint.deleted else "created",
        "create_time_ms": blueprint.create_time_ms,
        "build_finish_time_ms": blueprint.build_finish_time_ms,
        "parameters": blueprint.parameters,
        "metadata": blueprint.parameters.get("metadata", {}),
        "base_blueprint_id": blueprint.base_blueprint_id,
        "failure_reason": blueprint.failure_reason,
        "is_public": blueprint.is_public,
        "devbox_capabilities": list(blueprint.capabilities),
        "containerized_services": [],
    }


def log_view(entry: LogEntry) -> dict[str, Any]:
    """Print a log entry with the fields it has."""
    return {name: value for name, value in dataclasses.asdict(entry).items() if value is not None}


def _specs_view(devbox: Devbox, kind: str, config: str) -> dict[str, Any] | None:
    specs = {
        grant.variable: {config: grant.config_id, "secret_id": grant.secret_id}
        for grant in devbox.grants
        if grant.kind == kind and grant.variable is not None
    }
    return specs or None


def _transition_view(transition: Transition) -> dict[str, Any]:
    view: dict[str, Any] = {"status": transition.status.value, "transition_time_ms": transition.time_ms}
    return view if transition.failure_reason is None else {**view, "failure_reason": transition.failure_reason}
