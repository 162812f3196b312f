"""A provisioner that makes nothing, so that the shell is tested for what it does with one.

A sandbox's ``name`` chooses what goes wrong: ``impossible`` is refused by ``check``, ``broken`` can't be made ready,
and one that starts with ``sticky`` can't be deleted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pytest_runloop.errors import ProvisioningError, SpecError, TeardownError
from pytest_runloop.sandbox.results import ExecResult
from pytest_runloop.spec import SandboxSpec


@dataclass(frozen=True, kw_only=True)
class FakeSandbox:
    """What the fixtures hand out: it knows what was asked for, and pretends to run commands."""

    devbox_id: str
    spec: SandboxSpec
    ran: list[ExecResult] = field(default_factory=list)

    @property
    def results(self) -> tuple[ExecResult, ...]:
        return tuple(self.ran)

    def exec(self, command: str, *, stdout: str = "", stderr: str = "", exit_code: int = 0) -> ExecResult:
        self.ran.append(ExecResult(command, stdout, stderr, exit_code, duration_s=0.1))
        return self.ran[-1]


class FakeProvisioner:
    """Implement ``Provisioner`` and write down every call."""

    def __init__(self, log: Path) -> None:
        self.created = 0
        self.deleted = 0
        self.suspended = 0
        self.left_behind: tuple[str, ...] = ()
        self._log = log
        self._numbers: Counter[str] = Counter()

    def check(self, spec: SandboxSpec) -> None:
        if spec.options.get("name") == "impossible":
            msg = f"{spec.test}: mark.runloop: name: 'impossible' can't be had; ask for another"
            raise SpecError(msg, field="name")

    def number(self, spec: SandboxSpec) -> int:
        self._numbers[spec.test] += 1
        return self._numbers[spec.test]

    @contextmanager
    def provide(self, spec: SandboxSpec, *, number: int | None = None) -> Iterator[FakeSandbox]:
        name = str(spec.options.get("name", ""))
        if name == "broken":
            msg = f"{spec.test}: the sandbox could not be made ready; nothing is left of it"
            raise ProvisioningError(msg)
        self.created += 1
        devbox_id = name or f"dbx_{self.created}"
        self.write(f"create {devbox_id}")
        yield FakeSandbox(devbox_id=devbox_id, spec=spec)
        if name.startswith("sticky"):
            self.left_behind += (devbox_id,)
            msg = f"devbox {devbox_id} could not be deleted (403)"
            raise TeardownError(msg)
        if spec.options.get("pause_on_exit"):
            self.suspended += 1
            self.write(f"suspend {devbox_id}")
        else:
            self.deleted += 1
            self.write(f"delete {devbox_id}")

    def close(self) -> None:
        self.write("close")

    def write(self, line: str) -> None:
        with self._log.open("a") as log:
            log.write(line + "\n")
