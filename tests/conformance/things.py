"""Things that exist, for requests that are to find something."""

from __future__ import annotations

import functools
import itertools
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx

Record = dict[str, Any]

_ENDINGS = ("archive", "cancel", "complete", "control", "delete", "kill", "resume", "score", "shutdown", "suspend")
"""Last parts of the routes that use a thing up: each such request gets one of its own."""

_KINDS = {
    r"/v1/devboxes/disk_snapshots/\{id\}": "snapshot",
    r"/v1/devboxes/\{id\}/resume": "suspended_devbox",
    r"/v1/devboxes/\{id\}": "devbox",
    r"/v1/blueprints/\{id\}": "blueprint",
    r"/v1/objects/\{id\}/complete": "uploaded_object",
    r"/v1/objects/\{id\}/download": "complete_object",
    r"/pty/\{session_name\}": "terminal",
    r"/v1/objects/\{id\}": "object",
    r"/v1/secrets/\{name\}": "secret",
    r"/v1/network-policies/\{id\}": "policy",
    r"/v1/gateway-configs/\{id\}": "gateway",
    r"/v1/mcp-configs/\{id\}": "mcp",
    r"/v1/agents/\{id\}": "agent",
    r"/v1/axons/\{id\}": "axon",
    r"/v1/scenarios/runs/\{id\}": "scenario_run",
    r"/v1/scenarios/scorers/\{id\}": "scorer",
    r"/v1/scenarios/\{id\}": "scenario",
    r"/v1/benchmark_runs/\{id\}": "benchmark_run",
    r"/v1/benchmarks/runs/\{id\}": "benchmark_run",
    r"/v1/benchmarks/\{id\}": "benchmark",
}
"""Which kind of thing a path names."""

_FIELDS = {
    "agent_id": "agent",
    "axon_id": "axon",
    "base_blueprint_id": "blueprint",
    "benchmark_id": "benchmark",
    "benchmark_run_id": "benchmark_run",
    "blueprint_id": "blueprint",
    "devbox_id": "devbox",
    "gateway": "gateway",
    "mcp_config": "mcp",
    "network_policy_id": "policy",
    "object_id": "complete_object",
    "scenario_id": "scenario",
    "secret": "secret",
    "snapshot_id": "snapshot",
}
_LISTS = {"scenario_ids": "scenario", "scenarios_to_add": "scenario", "scenarios_to_remove": "scenario"}
_SENSIBLE: Record = {
    "auth_mechanism": {"type": "bearer"},
    "cols": 80,
    "command": "echo conformance",
    "dockerfile": "FROM ubuntu\nRUN true",
    "endpoint": "https://example.com",
    "expires_at_ms": None,
    "file_path": "conformance.txt",
    "lang": "python",
    "optimistic_timeout": 1,
    "path": "conformance.txt",
    "rows": 24,
    "scopes": [{"resource_type": "RESOURCE_TYPE_DEVBOXES", "access_level": "ACCESS_LEVEL_READ"}],
    "sql": "SELECT 1 AS one",
    "target": "conformance.txt",
    "username": "user",
}
"""Values that mean something where a generated one seldom does."""


class Things:
    """Makes things of each kind: one that all share, and others that are used up."""

    def __init__(self, http: httpx.Client) -> None:
        """Take the client that they are made with."""
        self.http = http
        self._count = itertools.count()
        self._shared: dict[str, str] = {}
        self._devboxes: list[str] = []

    def shared(self, kind: str) -> str:
        """Give the thing of a kind that all share."""
        if kind not in self._shared:
            self._shared[kind] = self.fresh(kind)
        return self._shared[kind]

    def fresh(self, kind: str) -> str:
        """Make a thing of a kind."""
        make: Callable[[], str] = getattr(self, f"_{kind}")
        return make()

    def end(self) -> None:
        """End the devboxes that were made for one request."""
        kept = self._shared.get("devbox")
        for devbox in self._devboxes:
            if devbox != kept:
                self.http.post(f"/v1/devboxes/{devbox}/shutdown", params={"force": "true"})
        self._devboxes = []

    def path(self, template: str, given: Mapping[str, Any]) -> Record:
        """Give parameters that make a path lead to something."""
        give = self.fresh if template.rsplit("/", 1)[-1] in _ENDINGS else self.shared
        if "execution_id" in given:
            devbox, execution = give("execution").split(" ")
            return {"devbox_id": devbox, "execution_id": execution}
        if template.endswith("/logs/tail"):  # ends with the devbox
            devbox = self.fresh("devbox")
            self.http.post(f"/v1/devboxes/{devbox}/shutdown")
            return {"id": devbox}
        if "key" in given:
            return {"key": "conformance"}
        kind = next((kind for pattern, kind in _KINDS.items() if re.match(pattern, template)), None)
        return dict(given) if kind is None else dict.fromkeys(given, give(kind))

    def named(self, value: Any, field: str = "") -> Any:  # noqa: ANN401 - any JSON
        """Give a body in which ids are those of things that exist."""
        if field in _SENSIBLE:
            return _SENSIBLE[field]
        if isinstance(value, dict):
            return {name: self.named(one, name) for name, one in value.items()}
        if isinstance(value, list):
            return [self.shared(_LISTS[field])] if field in _LISTS else [self.named(one, field) for one in value]
        return self._text(value, field) if isinstance(value, str) else value

    def _text(self, value: str, field: str) -> str:
        if field == "name":
            return self._name()
        return self.shared(_FIELDS[field]) if field in _FIELDS else value.replace("\0", "")

    @functools.cached_property
    def terminals(self) -> Mapping[str, str]:
        """Headers that lead to a devbox's terminals."""
        access = self._post(f"/v1/devboxes/{self.shared('devbox')}/create_pty_tunnel")
        return {"Authorization": f"Bearer {access['auth_token']}"}

    def _post(self, path: str, **body: object) -> Record:
        answer = self.http.post(path, json=body)
        assert answer.is_success, (path, answer.text)
        made: Record = answer.json()
        return made

    def _made(self, path: str, **body: object) -> str:
        return str(self._post(path, **body)["id"])

    def _name(self) -> str:
        return f"conformance-{next(self._count)}"

    def _devbox(self) -> str:
        made = self._made("/v1/devboxes/create_and_await_running", metadata={"conformance": "yes"})
        self._devboxes.append(made)
        self._post(f"/v1/devboxes/{made}/write_file_contents", file_path="conformance.txt", contents="text")
        return made

    def _suspended_devbox(self) -> str:
        made = self._devbox()
        self._post(f"/v1/devboxes/{made}/suspend")
        self._post(f"/v1/devboxes/{made}/wait_for_status", statuses=["suspended"])
        return made

    def _terminal(self) -> str:
        self.http.get("/pty/conformance", headers=self.terminals).raise_for_status()
        return "conformance"

    def _execution(self) -> str:
        devbox = self.shared("devbox")
        started = self._post(f"/v1/devboxes/{devbox}/execute_async", command="echo text; echo more >&2")
        return f"{devbox} {started['execution_id']}"

    def _snapshot(self) -> str:
        return self._made(f"/v1/devboxes/{self.shared('devbox')}/snapshot_disk", metadata={"conformance": "yes"})

    def _blueprint(self) -> str:
        made = self._made("/v1/blueprints", name=self._name(), metadata={"conformance": "yes"})
        deadline = time.monotonic() + 30
        while (status := self.http.get(f"/v1/blueprints/{made}").json()["status"]) != "build_complete":
            assert status != "failed", made
            assert time.monotonic() < deadline, status
            time.sleep(0.02)
        return made

    def _object(self) -> str:
        return self._made("/v1/objects", name=self._name(), content_type="text", metadata={"conformance": "yes"})

    def _complete_object(self) -> str:
        made = self._uploaded_object()
        self._post(f"/v1/objects/{made}/complete")
        return made

    def _uploaded_object(self) -> str:
        made = self._post("/v1/objects", name=self._name(), content_type="text")
        self.http.put(made["upload_url"], content=b"text").raise_for_status()
        return str(made["id"])

    def _secret(self) -> str:
        return str(self._post("/v1/secrets", name=self._name().replace("-", "_").upper(), value="secret")["name"])

    def _policy(self) -> str:
        return self._made("/v1/network-policies", name=self._name(), allowed_hostnames=["example.com"])

    def _gateway(self) -> str:
        mechanism = {"type": "bearer"}
        return self._made(
            "/v1/gateway-configs", name=self._name(), endpoint="https://example.com", auth_mechanism=mechanism
        )

    def _mcp(self) -> str:
        return self._made(
            "/v1/mcp-configs", name=self._name(), endpoint="https://example.com", allowed_tools=["conformance"]
        )

    def _agent(self) -> str:
        source = {"type": "npm", "npm": {"package_name": "conformance"}}
        return self._made("/v1/agents", name=self._name(), version="1.0.0", source=source)

    def _axon(self) -> str:
        made = self._made("/v1/axons", name=self._name())
        self._post(f"/v1/axons/{made}/publish", event_type="text", origin="USER_EVENT", payload="{}", source="test")
        return made

    def _scorer(self) -> str:
        return self._made("/v1/scenarios/scorers", type=self._name(), bash_script="echo score=1.0")

    def _scenario(self) -> str:
        scorer = {"type": "command_scorer", "command": "true"}
        contract = {"scoring_function_parameters": [{"name": "one", "weight": 1.0, "scorer": scorer}]}
        return self._made(
            "/v1/scenarios",
            name=self._name(),
            input_context={"problem_statement": "text"},
            scoring_contract=contract,
            metadata={"conformance": "yes"},
        )

    def _scenario_run(self) -> str:
        run = self._post("/v1/scenarios/start_run", scenario_id=self.shared("scenario"))
        self._devboxes.append(run["devbox_id"])
        self._post(f"/v1/devboxes/{run['devbox_id']}/wait_for_status", statuses=["running"])
        return str(run["id"])

    def _benchmark(self) -> str:
        scenarios = [self.shared("scenario")]
        return self._made("/v1/benchmarks", name=self._name(), scenario_ids=scenarios, metadata={"conformance": "yes"})

    def _benchmark_run(self) -> str:
        return self._made("/v1/benchmarks/start_run", benchmark_id=self.shared("benchmark"))
