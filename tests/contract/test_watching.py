"""What is told about devboxes beside their views, as the vendor's clients and API description have it."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from runloop_api_client import BadRequestError, NotFoundError, RunloopSDK
from runloop_api_client.sdk import Devbox
from runloop_api_client.types import DevboxCreateSSHKeyResponse, DevboxResourceUsageView

from tests.contract.conftest import Service
from tests.contract.test_shapes import _fits

Create = Callable[..., Devbox]


def test_usage_counts_cores_memory_and_disk(http: httpx.Client, create: Create) -> None:
    """Devbox API: usage, by the size that was asked for."""
    devbox = create(launch_parameters={"resource_size_request": "MEDIUM"})
    time.sleep(1.1)

    usage = http.get(f"/v1/devboxes/{devbox.id}/usage")

    found: dict[str, Any] = _fits(DevboxResourceUsageView, usage)
    assert (found["id"], found["status"], found["end_time_ms"]) == (devbox.id, "running", None)
    seconds = found["total_active_seconds"]
    assert seconds >= 1
    assert found["total_elapsed_seconds"] >= seconds
    assert found["vcpu_seconds"] in range(2 * seconds, 2 * seconds + 2)
    assert found["memory_gb_seconds"] in range(4 * seconds, 4 * seconds + 4)
    assert found["disk_gb_seconds"] >= 8 * seconds
    assert http.get("/v1/devboxes/dbx_none/usage").status_code == 404


def test_suspended_time_is_not_active(sdk: RunloopSDK, http: httpx.Client, create: Create) -> None:
    """Devbox API: usage leaves suspended time out, except for the disk; it stands still after the end."""
    devbox = create()
    devbox.suspend()
    sdk.api.devboxes.await_suspended(devbox.id)
    before = http.get(f"/v1/devboxes/{devbox.id}/usage").json()
    time.sleep(2.1)
    after = http.get(f"/v1/devboxes/{devbox.id}/usage").json()
    devbox.shutdown()
    over = http.get(f"/v1/devboxes/{devbox.id}/usage").json()
    time.sleep(1.1)

    assert after["total_active_seconds"] == before["total_active_seconds"]
    assert after["disk_gb_seconds"] > before["disk_gb_seconds"]
    assert http.get(f"/v1/devboxes/{devbox.id}/usage").json() == over
    assert over["end_time_ms"] is not None


def test_an_ssh_key_is_a_real_one(http: httpx.Client, devbox: Devbox) -> None:
    """Devbox tests: create_ssh_key; the private key is the other half of what the devbox accepts."""
    key = _fits(DevboxCreateSSHKeyResponse, http.post(f"/v1/devboxes/{devbox.id}/create_ssh_key"))

    assert (key["id"], key["ssh_user"]) == (devbox.id, "user")
    assert key["url"]
    devbox.file.write(file_path="key", contents=key["ssh_private_key"])
    public = devbox.cmd.exec("chmod 600 key && ssh-keygen -y -f key").stdout().split()[:2]
    accepted = devbox.file.read(file_path="~/.ssh/authorized_keys").splitlines()
    assert public in [line.split()[:2] for line in accepted]
    assert devbox.cmd.exec("stat -c %a ~/.ssh ~/.ssh/authorized_keys").stdout() == "700\n600\n"


def test_the_client_makes_ssh_keys(sdk: RunloopSDK, create: Create) -> None:
    """Devbox tests: create_ssh_key through the client; keys are there after a resume; none for a suspended devbox."""
    devbox = create()
    assert devbox.net.create_ssh_key().ssh_private_key is not None
    devbox.suspend()
    sdk.api.devboxes.await_suspended(devbox.id)

    with pytest.raises(BadRequestError):
        devbox.net.create_ssh_key()
    devbox.resume()
    devbox.await_running()

    assert len(devbox.file.read(file_path="~/.ssh/authorized_keys").splitlines()) == 1
    with pytest.raises(NotFoundError):
        sdk.api.devboxes.create_ssh_key("dbx_none")


class Tail:
    """A log that is followed in a thread."""

    def __init__(self, service: Service, path: str, **params: str) -> None:
        self.entries: list[dict[str, Any]] = []
        self.ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, args=(service, path, params), daemon=True)
        self._thread.start()

    def wait(self, until: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            for entry in list(self.entries):
                if until(entry):
                    return entry
            time.sleep(0.02)
        raise AssertionError(self.entries)

    def _follow(self, service: Service, path: str, params: dict[str, str]) -> None:
        key = {"Authorization": f"Bearer {service.api_key}"}
        with httpx.stream("GET", service.base_url + path, headers=key, params=params, timeout=30) as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            for line in response.iter_lines():
                if line.startswith("data: "):
                    self.entries.append(json.loads(line.removeprefix("data: ")))
        self.ended.set()


def test_a_log_is_followed_to_the_devboxs_end(service: Service, create: Create) -> None:
    """Devbox API: logs/tail gives what there is, then what comes, while it comes."""
    devbox = create(launch_parameters={"launch_commands": ["echo from the launch"]})
    devbox.cmd.exec("echo before; echo wrong >&2; exit 3")
    tail = Tail(service, f"/v1/devboxes/{devbox.id}/logs/tail")

    assert tail.wait(lambda one: one.get("message") == "from the launch")["source"] == "setup_commands"
    assert tail.wait(lambda one: one.get("message") == "wrong")["level"] == "ERROR"
    assert tail.wait(lambda one: "exit_code" in one and one["exit_code"] == 3)["source"] == "exec"
    running = devbox.cmd.exec_async("echo during; sleep 600")
    assert tail.wait(lambda one: one.get("message") == "during")["cmd_id"] == running.execution_id
    assert not tail.ended.is_set()

    devbox.shutdown()

    assert tail.ended.wait(10)
    assert [one["message"] for one in tail.entries if "message" in one].count("before") == 1


def test_one_shell_is_followed(service: Service, create: Create) -> None:
    """Devbox API: logs/tail with shell_name and execution_id; 404 for no devbox."""
    name, devbox = uuid.uuid4().hex, create()
    tail = Tail(service, f"/v1/devboxes/{devbox.id}/logs/tail", shell_name=name)
    devbox.cmd.exec("echo elsewhere")
    devbox.shell(name).exec("echo here")

    tail.wait(lambda one: one.get("message") == "here")
    assert {one["shell_name"] for one in tail.entries} == {name}
    key = {"Authorization": f"Bearer {service.api_key}"}
    assert httpx.get(f"{service.base_url}/v1/devboxes/dbx_none/logs/tail", headers=key).status_code == 404
    devbox.shutdown()
    assert tail.ended.wait(10)


@pytest.fixture
def evictions(sdk: RunloopSDK) -> Iterator[object]:
    """The client's stream of evictions."""
    stream = sdk.api.devboxes.watch_evictions()
    yield stream
    stream.close()


def test_evictions_can_be_watched(evictions: object) -> None:
    """Devbox API: evictions/watch opens, and stays open while nothing is to be evicted."""
    assert evictions is not None


def test_an_inspection_is_unknown(http: httpx.Client) -> None:
    """Blueprint API: create_from_inspection; there are no repository connections, so there is no inspection."""
    body = {"name": "inspected", "inspection_source": {"inspection_id": "insp_1"}}

    answer = http.post("/v1/blueprints/create_from_inspection", json=body)

    assert answer.status_code == 400
    assert "insp_1" in answer.json()["message"]
    assert http.post("/v1/blueprints/create_from_inspection", json={"name": "a"}).status_code == 400
