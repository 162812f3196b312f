"""Preparations that prepare nothing, so that the shell is tested for what it does with them.

What is prepared lasts as long as the process. A set-up of ``impossible`` fails.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType

from pytest_runloop.errors import ProvisioningError
from pytest_runloop.spec import SandboxSpec
from tests.plugin.fake_provisioner import FakeProvisioner, FakeSandbox


class FakePreparations:
    """Implement ``Preparations`` and write down every call."""

    def __init__(self, provisioner: FakeProvisioner) -> None:
        self.made = 0
        self.found = 0
        self.forked = 0
        self.resumed = 0
        self.problems: tuple[str, ...] = ()
        self.swept: tuple[str, ...] = ()
        self.provisioner = provisioner
        self._known: list[SandboxSpec] = []

    def prepared(
        self,
        spec: SandboxSpec,
        *,
        failed: Callable[[], bool] = lambda: False,
        lend: Callable[[FakeSandbox], object] = lambda _: None,
    ) -> FakeSnapshot:
        commands = () if callable(spec.setup) else spec.setup
        if "impossible" in commands:
            msg = f"{spec.test}: set-up failed: $ impossible (exit code 127): not found; nothing was kept"
            raise ProvisioningError(msg)
        what = replace(spec, test="")
        created = what not in self._known
        if created:
            self._known.append(what)
            self.made += 1
            self.provisioner.write(f"prepare {' '.join(commands)} as {spec.user}")
        else:
            self.found += 1
        self.problems += ("the disk snapshot was gone",) if "gone" in commands else ()
        self.swept += ("disk snapshot snp_old",) if "old" in commands else ()
        return FakeSnapshot(self, spec, created=created, failed=failed, lend=lend)

    def close(self) -> None:
        """The fixtures give back what they lend."""

    def sweep(self) -> None:
        """Nothing expires while a process runs."""


class FakeSnapshot:
    """Implement ``SuspendedSnapshot``."""

    def __init__(
        self,
        preparations: FakePreparations,
        spec: SandboxSpec,
        *,
        created: bool,
        failed: Callable[[], bool],
        lend: Callable[[FakeSandbox], object],
    ) -> None:
        self.preparations = preparations
        self.spec = spec
        self.created = created
        self.key = str(spec.setup)
        self.age_s = 0.0
        self.state_json = "{}"
        self.failed = failed
        self.lend = lend
        self.awaited = ExitStack()
        self._was_resumed = False

    def fork(self, *, number: int | None = None) -> FakeLent:
        provisioner = self.preparations.provisioner
        self.preparations.forked += 1
        provisioner.created += 1
        return FakeLent(self, f"dbx_{provisioner.created}", verb="fork", end=self._deleted)

    def resume(self, *, failed: Callable[[], bool] | None = None) -> FakeLent:
        self.failed = failed or self.failed
        self.preparations.resumed += 1
        self._was_resumed = True
        return FakeLent(self, "dbx_prepared", verb="resume", end=self._suspended)

    def rebuild(self) -> None:
        self.preparations.provisioner.write("rebuild")

    def close(self) -> None:
        self.awaited.close()
        if self._was_resumed:
            self.preparations.provisioner.write("discard" if self.failed() else "put back")

    def _deleted(self, devbox_id: str) -> None:
        self.preparations.provisioner.deleted += 1
        self.preparations.provisioner.write(f"delete {devbox_id}")

    def _suspended(self, devbox_id: str) -> None:
        self.preparations.provisioner.suspended += 1
        self.preparations.provisioner.write(f"suspend {devbox_id}")


class FakeLent:
    """Implement ``Lent``."""

    def __init__(self, snapshot: FakeSnapshot, devbox_id: str, *, verb: str, end: Callable[[str], None]) -> None:
        self._snapshot = snapshot
        self._devbox_id = devbox_id
        self._verb = verb
        self._end = end

    def __enter__(self) -> FakeSandbox:
        self._snapshot.preparations.provisioner.write(f"{self._verb} {self._devbox_id}")
        sandbox = FakeSandbox(devbox_id=self._devbox_id, spec=self._snapshot.spec)
        self._snapshot.lend(sandbox)
        return sandbox

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(self._devbox_id)

    async def __aenter__(self) -> FakeSandbox:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def __await__(self) -> Generator[None, None, FakeSandbox]:
        yield
        return self._snapshot.awaited.enter_context(self)
