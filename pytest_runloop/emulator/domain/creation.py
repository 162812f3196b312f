"""What the body of a create request may say. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from pytest_runloop.emulator.domain import checks
from pytest_runloop.emulator.domain.gateways import Wish, parse_wishes
from pytest_runloop.emulator.domain.launch import Launch, parse_launch
from pytest_runloop.emulator.domain.mounts import CHECKS, parse_mounts
from pytest_runloop.emulator.domain.problems import bad_request, unsupported
from pytest_runloop.emulator.domain.tunnels import TunnelRequest, parse_tunnel


@dataclass(frozen=True, kw_only=True)
class CreateRequest:
    """A checked create body.

    Attributes:
        secrets: Secret name by the variable that is to hold its value.
        file_mounts: Text by path, ``mounts`` of that type included.
        mounts: The other mounts, in order.
        tunnel: The tunnel to open at once, or None.
        gateways: Gateway config and secret by the prefix of the variables; likewise the next.
        scenario_run_id: The scenario run that asks for it, if none of the API's users does.
    """

    name: str | None
    launch: Launch
    blueprint_id: str | None
    blueprint_name: str | None
    snapshot_id: str | None
    environment: Mapping[str, str]
    secrets: Mapping[str, str]
    metadata: Mapping[str, str]
    file_mounts: Mapping[str, str]
    mounts: Sequence[Mapping[str, str]]
    entrypoint: str | None
    tunnel: TunnelRequest | None
    gateways: Mapping[str, Wish]
    mcp: Mapping[str, Wish]
    scenario_run_id: str | None = None


def parse_create(body: Mapping[str, object]) -> CreateRequest:
    """Check a create body.

    Raises:
        ApiProblem: 400 naming the guilty field, 501 for a field that isn't emulated.
    """
    given = cast("dict[str, Any]", _CREATE("", body))
    for field in _NOT_EMULATED:
        if given.get(field):
            raise unsupported(f"{field}: not emulated; create the devbox without it.")
    sources = [field for field in ("blueprint_id", "blueprint_name", "snapshot_id") if given.get(field)]
    if len(sources) > 1:
        raise bad_request(f"{sources[1]}: given together with {sources[0]}; at most one of them is allowed.")
    return CreateRequest(
        name=given.get("name"),
        launch=parse_launch(given.get("launch_parameters")),
        blueprint_id=given.get("blueprint_id") or None,
        blueprint_name=given.get("blueprint_name") or None,
        snapshot_id=given.get("snapshot_id") or None,
        environment=given.get("environment_variables", {}),
        secrets=given.get("secrets", {}),
        metadata=given.get("metadata", {}),
        file_mounts={**given.get("file_mounts", {}), **_mounted_files(given.get("mounts", []))},
        mounts=parse_mounts(given.get("mounts", []), given.get("code_mounts", [])),
        entrypoint=given.get("entrypoint") or None,
        tunnel=parse_tunnel(given["tunnel"]) if "tunnel" in given else None,
        gateways=parse_wishes("gateways", "gateway", given.get("gateways", {})),
        mcp=parse_wishes("mcp", "mcp_config", given.get("mcp", {})),
    )


def _mounted_files(mounts: list[dict[str, Any]]) -> dict[str, str]:
    files = {}
    for index, mount in enumerate(mounts):
        field = f"mounts[{index}]"
        kind = checks.choice(_MOUNT_TYPES)(f"{field}.type", mount.get("type"))
        if kind in CHECKS:
            continue
        if kind != "file_mount":
            raise unsupported(f"{field}: mounts of type {kind} are not emulated; create the devbox without it.")
        checked = cast("dict[str, str]", _FILE_MOUNT(field, mount))
        files[checked["target"]] = checked["content"]
    return files


_MOUNT_TYPES = ("file_mount", "object_mount", "agent_mount", "code_mount", "broker_mount")
_NOT_EMULATED = ("repo_connection_id",)
_FILE_MOUNT = checks.record(
    {"type": checks.text, "target": checks.text, "content": checks.text}, required=("type", "target", "content")
)
_CREATE = checks.record(
    {
        "name": checks.text,
        "blueprint_id": checks.text,
        "blueprint_name": checks.text,
        "snapshot_id": checks.text,
        "environment_variables": checks.environment,
        "secrets": checks.environment,
        "metadata": checks.text_map,
        "launch_parameters": checks.mapping,
        "file_mounts": checks.text_map,
        "mounts": checks.list_of(checks.mapping),
        "code_mounts": checks.list_of(checks.mapping),
        "repo_connection_id": checks.text,
        "entrypoint": checks.text,
        "tunnel": checks.mapping,
        "gateways": checks.mapping,
        "mcp": checks.mapping,
    }
)
