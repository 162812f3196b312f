"""What a blueprint is asked to be, and the record of what it became. Pure."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from pytest_runloop.emulator.domain import checks
from pytest_runloop.emulator.domain.launch import Launch, parse_launch
from pytest_runloop.emulator.domain.mounts import parse_code_mounts
from pytest_runloop.emulator.domain.problems import bad_request


class BuildStatus(str, enum.Enum):
    """How far a blueprint is, spelled as the API spells it."""

    QUEUED = "queued"
    PROVISIONING = "provisioning"
    BUILDING = "building"
    COMPLETE = "build_complete"
    FAILED = "failed"

    @property
    def is_over(self) -> bool:
        """Whether it stays like this."""
        return self in {BuildStatus.COMPLETE, BuildStatus.FAILED}


@dataclass(frozen=True, kw_only=True)
class BuildRequest:
    """A checked build request.

    Attributes:
        parameters: The request as it came, for the view.
        secrets: Secret name by variable.
        file_mounts: Text by path.
        context: The object that is the build context; None for none.
        network_policy_id: What the build itself may reach; None for everything.
        code_mounts: Checked code mounts.
    """

    parameters: Mapping[str, object]
    name: str
    launch: Launch
    dockerfile: str | None
    base_id: str | None
    base_name: str | None
    setup_commands: tuple[str, ...]
    arguments: Mapping[str, str]
    secrets: Mapping[str, str]
    file_mounts: Mapping[str, str]
    metadata: Mapping[str, str]
    context: str | None
    network_policy_id: str | None
    code_mounts: Sequence[Mapping[str, str]]


@dataclass(frozen=True, kw_only=True)
class Blueprint:
    """Everything known of a blueprint but its disk, which has its id for a name.

    Attributes:
        parameters: The build request.
        environment: Variables that its devboxes get.
        capabilities: What its devboxes can do beyond others.
    """

    id: str
    status: BuildStatus
    create_time_ms: int
    parameters: Mapping[str, object]
    deleted: bool = False
    is_public: bool = False
    build_finish_time_ms: int | None = None
    base_blueprint_id: str | None = None
    failure_reason: str | None = None
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    capabilities: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name, which others may have as well."""
        return str(self.parameters["name"])

    @property
    def launch_parameters(self) -> Mapping[str, object]:
        """What its devboxes are launched with, unless they are asked for otherwise."""
        return cast("Mapping[str, object]", self.parameters.get("launch_parameters", {}))

    @property
    def usable(self) -> bool:
        """Whether devboxes can be made from it."""
        return self.status is BuildStatus.COMPLETE and not self.deleted

    def finished(self, *, now_ms: int, failure_reason: str | None = None) -> Blueprint:
        """Say what this record becomes when the build is over."""
        status = BuildStatus.FAILED if failure_reason else BuildStatus.COMPLETE
        return replace(self, status=status, failure_reason=failure_reason, build_finish_time_ms=now_ms)


@dataclass(frozen=True, kw_only=True)
class BuildLogEntry:
    """One line of a build's log."""

    level: str
    message: str
    timestamp_ms: int


def parse_build(body: Mapping[str, object]) -> BuildRequest:
    """Check a build request.

    Raises:
        ApiProblem: 400 naming the guilty field, 501 for a field that isn't emulated.
    """
    given = cast("dict[str, Any]", _BUILD("", body))
    _refuse(given)
    return BuildRequest(
        parameters=given,
        name=given["name"],
        launch=parse_launch(given.get("launch_parameters")),
        dockerfile=given.get("dockerfile") or None,
        base_id=given.get("base_blueprint_id") or None,
        base_name=given.get("base_blueprint_name") or None,
        setup_commands=tuple(given.get("system_setup_commands", ())),
        arguments=given.get("build_args", {}),
        secrets=given.get("secrets", {}),
        file_mounts=given.get("file_mounts", {}),
        metadata=given.get("metadata", {}),
        context=given["build_context"]["object_id"] if "build_context" in given else None,
        network_policy_id=given.get("network_policy_id") or None,
        code_mounts=parse_code_mounts(given.get("code_mounts", [])),
    )


def preview(request: BuildRequest) -> str:
    """Write the Dockerfile that a request comes to."""
    lines = [(request.dockerfile or f"FROM {request.base_name or request.base_id or 'ubuntu:24.04'}").rstrip("\n")]
    if request.setup_commands or request.file_mounts:
        lines.append(f"USER {request.launch.username}")
    lines += [f"RUN {command}" for command in request.setup_commands]
    for path, text in request.file_mounts.items():
        lines += [f"COPY <<'END_OF_FILE' {path}", text.removesuffix("\n"), "END_OF_FILE"]
    return "\n".join(lines) + "\n"


def blueprint_from_json(document: dict[str, Any]) -> Blueprint:
    """Read a blueprint back."""
    capabilities = tuple(document["capabilities"])
    return Blueprint(**{**document, "status": BuildStatus(document["status"]), "capabilities": capabilities})


def _refuse(given: Mapping[str, Any]) -> None:
    if not given["name"]:
        raise bad_request("name: empty; give the blueprint a name.")
    if given.get("services"):
        raise bad_request("services: containers beside a devbox are not emulated; start them in the devbox instead.")
    sources = [field for field in ("dockerfile", "base_blueprint_id", "base_blueprint_name") if given.get(field)]
    if len(sources) > 1:
        raise bad_request(f"{sources[1]}: given together with {sources[0]}; at most one of them is allowed.")


_BUILD = checks.record(
    {
        "name": checks.text,
        "dockerfile": checks.text,
        "base_blueprint_id": checks.text,
        "base_blueprint_name": checks.text,
        "system_setup_commands": checks.list_of(checks.text),
        "build_args": checks.environment,
        "build_context": checks.record(
            {"type": checks.choice(("object",)), "object_id": checks.text}, required=("type", "object_id")
        ),
        "file_mounts": checks.text_map,
        "code_mounts": checks.list_of(checks.mapping),
        "launch_parameters": checks.mapping,
        "metadata": checks.text_map,
        "network_policy_id": checks.text,
        "secrets": checks.environment,
        "services": checks.list_of(checks.mapping),
    },
    required=("name",),
)
