"""Answers against the client's own models, which the client itself does not check."""

from __future__ import annotations

import httpx
import pytest
from pydantic import BaseModel
from runloop_api_client.sdk import Devbox
from runloop_api_client.types import (
    DevboxAsyncExecutionDetailView,
    DevboxExecutionDetailView,
    DevboxListView,
    DevboxSnapshotListView,
    DevboxSnapshotView,
    DevboxView,
    SecretListView,
    SecretView,
    TunnelView,
)
from runloop_api_client.types.devboxes import DevboxLogsListView, DevboxSnapshotAsyncStatusView

Model = type[BaseModel]


def _fits(model: Model, answer: httpx.Response) -> dict[str, str]:
    """Check every field's type and that no field is one the model doesn't know."""
    value: dict[str, str] = answer.raise_for_status().json()
    parsed = model.model_validate(value, strict=True)
    assert not parsed.model_extra
    return value


@pytest.fixture(scope="module")
def path(devbox: Devbox) -> str:
    return f"/v1/devboxes/{devbox.id}"


def test_devboxes(http: httpx.Client, path: str) -> None:
    body = {
        "name": "shape",
        "metadata": {"a": "1"},
        "tunnel": {"auth_mode": "authenticated"},
        "launch_parameters": {
            "resource_size_request": "SMALL",
            "lifecycle": {"after_idle": {"idle_time_seconds": 60, "on_idle": "suspend"}},
            "user_parameters": {"username": "root", "uid": 0},
        },
    }
    view = _fits(DevboxView, http.post("/v1/devboxes/create_and_await_running", json=body))
    _fits(DevboxView, http.post(f"/v1/devboxes/{view['id']}/suspend"))
    _fits(DevboxView, http.post(f"/v1/devboxes/{view['id']}/shutdown"))
    _fits(DevboxView, http.get(path))
    _fits(DevboxListView, http.get("/v1/devboxes", params={"limit": 3}))


def test_executions(http: httpx.Client, path: str) -> None:
    running = _fits(DevboxAsyncExecutionDetailView, http.post(f"{path}/execute_async", json={"command": "sleep 1"}))
    _fits(DevboxAsyncExecutionDetailView, http.get(f"{path}/executions/{running['execution_id']}"))
    body = {"command": "echo a", "command_id": "shape", "shell_name": "shape"}
    _fits(DevboxAsyncExecutionDetailView, http.post(f"{path}/execute", json=body))
    _fits(DevboxExecutionDetailView, http.post(f"{path}/execute_sync", json={"command": "echo a"}))
    _fits(DevboxExecutionDetailView, http.post(f"{path}/write_file_contents", json={"file_path": "a", "contents": ""}))
    _fits(DevboxLogsListView, http.get(f"{path}/logs"))


def test_snapshots_tunnels_and_secrets(http: httpx.Client, path: str) -> None:
    snapshot = _fits(DevboxSnapshotView, http.post(f"{path}/snapshot_disk_async", json={"name": "s"}))["id"]
    _fits(DevboxSnapshotAsyncStatusView, http.get(f"/v1/devboxes/disk_snapshots/{snapshot}/status"))
    _fits(DevboxSnapshotListView, http.get("/v1/devboxes/disk_snapshots"))
    http.post(f"/v1/devboxes/disk_snapshots/{snapshot}/delete").raise_for_status()
    _fits(DevboxSnapshotAsyncStatusView, http.get(f"/v1/devboxes/disk_snapshots/{snapshot}/status"))
    _fits(TunnelView, http.post(f"{path}/enable_tunnel", json={}))
    http.post(f"{path}/remove_tunnel").raise_for_status()
    _fits(SecretView, http.post("/v1/secrets", json={"name": "shape", "value": "x"}))
    _fits(SecretListView, http.get("/v1/secrets"))
    _fits(SecretView, http.post("/v1/secrets/shape/delete"))
