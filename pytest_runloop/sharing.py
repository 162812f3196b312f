"""Sandboxes that live as long as a scope, who shares them, and which are prepared. Knows no SDK and no pytest."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pytest_runloop.errors import TeardownError
from pytest_runloop.spec import SandboxSpec

if TYPE_CHECKING:
    from pytest_runloop.dockerfiles import Dockerfiles
    from pytest_runloop.preparation import Preparations, SuspendedSnapshot
    from pytest_runloop.provisioning import Provisioner
    from pytest_runloop.sandbox.handle import Sandbox
    from pytest_runloop.sandbox.results import ExecResult


class Loan(NamedTuple):
    """A sandbox in the hands of a test, and what others had run in it before."""

    sandbox: Sandbox
    earlier: tuple[ExecResult, ...]

    @classmethod
    def of(cls, sandbox: Sandbox) -> Loan:
        return cls(sandbox, sandbox.results)

    def results(self) -> list[ExecResult]:
        """Return what this test has run, as far as the sandbox remembers."""
        return [result for result in self.sandbox.results if not any(result is other for other in self.earlier)]


class SandboxPool:
    """The sandboxes of one test, class, module or run; ``close`` deletes them, last made first.

    What a set-up makes of a sandbox is prepared once and forked; without a set-up there is nothing to save.
    """

    def __init__(self, provisioner: Provisioner, *, preparations: Preparations, dockerfiles: Dockerfiles) -> None:
        self._provisioner = provisioner
        self._preparations = preparations
        self._dockerfiles = dockerfiles
        self._open: list[AbstractContextManager[Sandbox]] = []
        self._shared: list[tuple[SandboxSpec, Sandbox]] = []

    def share(self, spec: SandboxSpec) -> Sandbox:
        """Return the sandbox of an earlier, equal wish, or make one."""
        wish = _wish(spec)
        # Wishes hold mappings and SDK models, which have no hash.
        found = next((sandbox for known, sandbox in self._shared if known == wish), None)
        if found is None:
            found = self.make(spec)
            self._shared.append((wish, found))
        return found

    def make(self, spec: SandboxSpec) -> Sandbox:
        """Make a sandbox that ``share`` will not give to anyone else."""
        spec = self._checked(spec)
        forked = bool(spec.setup)
        provided = self._preparations.prepared(spec).fork() if forked else self._provisioner.provide(spec)
        sandbox = provided.__enter__()
        self._open.append(provided)
        return sandbox

    def prepare(
        self, spec: SandboxSpec, *, failed: Callable[[], bool], lend: Callable[[Sandbox], object]
    ) -> SuspendedSnapshot:
        """Find a sandbox prepared as the spec says, or prepare it; whoever asked closes it.

        Args:
            spec: What it is prepared from.
            failed: Whether the test that asked has failed.
            lend: Called with each sandbox that is handed out.
        """
        return self._preparations.prepared(self._checked(spec), failed=failed, lend=lend)

    def _checked(self, spec: SandboxSpec) -> SandboxSpec:
        spec = self._dockerfiles.described(spec)
        self._provisioner.check(spec)
        return spec

    def close(self) -> None:
        """Delete every sandbox, whatever happens to the others.

        Raises:
            TeardownError: Of several that failed, all messages; a single failure is raised as it is.
        """
        failures: list[Exception] = []
        # A stack, so that Ctrl-C during one deletion does not spare the others.
        with ExitStack() as stack:
            for provided in self._open:
                stack.callback(_leave, provided, failures=failures)
        if len(failures) == 1:
            raise failures[0]
        if failures:
            raise TeardownError("\n".join(str(failure) for failure in failures)) from failures[0]


def _wish(spec: SandboxSpec) -> SandboxSpec:
    """Return the spec without what differs between tests that ask for the same."""
    # Local files are absolute by now; a manifest may still name some relative to the test.
    return replace(spec, test="", local_root=Path() if spec.manifest is None else spec.local_root)


def _leave(provided: AbstractContextManager[Sandbox], *, failures: list[Exception]) -> None:
    try:
        provided.__exit__(None, None, None)
    except Exception as failure:  # noqa: BLE001 - collected and raised once every sandbox had its turn
        failures.append(failure)
