"""One owner's prepared sandboxes in the account of a real emulator, and the processes and machines that use them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

from runloop_api_client import RunloopSDK

from pytest_runloop.preparation import Preparations
from pytest_runloop.provisioning import Gate, Provisioner
from pytest_runloop.sandbox import labels
from pytest_runloop.spec import SandboxSpec
from pytest_runloop.target import Endpoint, Target
from tests.contract.conftest import Service

ANOTHER_PROCESS = Path(__file__).with_name("another_process.py")
SETUP = ("echo prepared > made; date +%s%N > stamp",)


class Lab:
    """One owner's prepared sandboxes in the account, and the machines that use them."""

    def __init__(self, service: Service, directory: Path) -> None:
        self.owner = uuid.uuid4().hex
        self.service = service
        self.directory = directory
        self.blueprints: list[str] = []
        self.opened: list[tuple[Preparations, Provisioner]] = []
        self.api = RunloopSDK(bearer_token=service.api_key, base_url=service.base_url).api

    def process(
        self,
        *,
        machine: str = "here",
        run: str = "run_1",
        base_url: str = "",
        gate: Gate | None = None,
        **more: Any,  # noqa: ANN401 - whatever Preparations takes
    ) -> Preparations:
        address = base_url or self.service.base_url
        target = Target.EMULATOR if self.service.pid else Target.LIVE
        endpoint = Endpoint(target=target, base_url=address, api_key=self.service.api_key)
        provisioner = Provisioner(endpoint, run=run, gate=gate)
        fields = {"cache_dir": self.directory / machine, "owner": self.owner, "max_age_s": 86400.0, **more}
        self.opened.append((Preparations(provisioner, **fields), provisioner))
        return self.opened[-1][0]

    def spec(self, **fields: Any) -> SandboxSpec:  # noqa: ANN401 - any field of a spec
        return SandboxSpec(**{"test": "t.py::x", "setup": SETUP, **fields})

    def start(self, verb: str, *, machine: str = "here", **told: object) -> subprocess.Popen[str]:
        """Start another process."""
        asked = {
            "base_url": self.service.base_url,
            "api_key": self.service.api_key,
            "owner": self.owner,
            "cache": str(self.directory / machine),
            "run": "run_2",
            "setup": SETUP,
            "verb": verb,
            **told,
        }
        return subprocess.Popen(
            [sys.executable, str(ANOTHER_PROCESS)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TOLD": json.dumps(asked)},
        )

    def another(self, verb: str, command: str = "cat made", *, machine: str = "here", **told: object) -> dict[str, Any]:
        """Return what another process says."""
        result: dict[str, Any] = answer(self.start(verb, machine=machine, command=command, **told))
        return result

    def devboxes(self) -> dict[str, str]:
        """Return our devboxes that exist."""
        listed = self.api.devboxes.list(limit=1000)
        return {
            one.id: one.status
            for one in listed
            if one.metadata.get(labels.OWNER_NAME) == self.owner and one.status not in {"shutdown", "failure"}
        }

    def disks(self) -> list[str]:
        """Return our disk snapshots that exist, oldest first."""
        listed = self.api.devboxes.disk_snapshots.list(limit=1000)
        ours = [one for one in listed if one.metadata.get(labels.OWNER_NAME) == self.owner]
        return [one.id for one in sorted(ours, key=lambda one: one.create_time_ms)]

    def delete_devbox(self, devbox_id: str) -> None:
        self.api.devboxes.shutdown(devbox_id)

    def index(self, machine: str = "here") -> Path:
        (file,) = (self.directory / machine).rglob("*.json")
        return file

    def close(self) -> None:
        for preparations, provisioner in self.opened:
            preparations.close()
            provisioner.close()
            assert provisioner.left_behind == ()
        assert all(status == "suspended" for status in self.devboxes().values())
        for devbox_id in self.devboxes():
            self.api.devboxes.shutdown(devbox_id)
        for disk in self.disks():
            self.api.devboxes.disk_snapshots.delete(disk)
        # Not earlier: a blueprint with snapshots can't be deleted.
        for name in self.blueprints:
            for build in self.api.blueprints.list(name=name):
                self.api.blueprints.delete(build.id)


def answer(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Return what another process says at its end."""
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    result: dict[str, Any] = json.loads(output)
    return result
