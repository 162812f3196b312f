"""A stage for the tests of preparations: one account, and machines that use it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_runloop.preparation import Preparations
from pytest_runloop.provisioning import Gate, Provisioner
from pytest_runloop.spec import SandboxSpec
from pytest_runloop.target import Endpoint, Target
from tests.fakes import FakeDevbox, FakeDisk, FakeProvider

ENDPOINT = Endpoint(target=Target.LIVE, base_url="https://api.runloop.ai", api_key="ak_hush")
DAY_S = 86400.0
SETUP = "cd /home/user && bash -c 'install it'"


def spec(**fields: Any) -> SandboxSpec:  # noqa: ANN401 - any field of a spec
    return SandboxSpec(**{"test": "t.py::x", "setup": ("install it",), **fields})


@dataclass
class Stage:
    """One account, and the processes that use it.

    Attributes:
        told: What was said to people who wait.
    """

    directory: Path
    provider: FakeProvider = field(default_factory=FakeProvider)
    told: list[str] = field(default_factory=list)
    opened: list[Provisioner] = field(default_factory=list)

    def process(
        self,
        *,
        machine: str = "here",
        run: str = "run_1",
        owner: str = "us",
        max_age_s: float = DAY_S,
        fresh: bool = False,
        gate: Gate | None = None,
        endpoint: Endpoint = ENDPOINT,
    ) -> Preparations:
        """Return what a process on some machine has; processes of one machine share a directory."""
        provisioner = Provisioner(endpoint, run=run, open_provider=lambda _: self.provider, gate=gate)
        self.opened.append(provisioner)
        return Preparations(
            provisioner,
            cache_dir=self.directory / machine / "cache",
            locks_dir=self.directory / machine / "locks",
            owner=owner,
            max_age_s=max_age_s,
            fresh=fresh,
            tell=self.told.append,
        )

    def close(self) -> None:
        """End every process; what was left behind fails the test."""
        for provisioner in self.opened:
            provisioner.close()
            assert provisioner.left_behind == ()

    @property
    def devboxes(self) -> list[FakeDevbox]:
        return self.provider.devboxes

    def disks(self, status: str = "complete") -> list[FakeDisk]:
        return [disk for disk in self.provider.account.disks.values() if disk.status == status]

    def states(self) -> list[str]:
        return [devbox.state for devbox in self.devboxes]

    def each_new(self, change: Callable[[FakeDevbox], object]) -> None:
        """Change every devbox that is made from now on."""
        self.provider.prepare = change
