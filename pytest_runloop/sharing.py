"""Sandboxes that live as long as a scope, who shares them, and which are prepared. Knows no SDK and no pytest."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import TYPE_CHECKING, NamedTuple, Protocol

from pytest_runloop.errors import TeardownError
from pytest_runloop.spec import SandboxSpec
from pytest_runloop.wishes import wish

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


class Cassette(Protocol):
    """Where the requests of a sandbox are recorded that tests share."""

    def open(self) -> AbstractContextManager[None]:
        """Have what is sent from here belong to it."""

    def close(self, *, keep: bool) -> None:
        """End it; *keep* says whether all went as it should."""


class Shelf(Protocol):
    """Where the cassettes of one scope are."""

    def vein(self) -> Hashable:
        """Return what tests must agree on that share a sandbox."""

    def cassette(self, spec: SandboxSpec) -> Cassette:
        """Return the cassette of a sandbox that is shared as the spec says."""


class Unrecorded:
    """Nothing is recorded, or all that is belongs to the test that asks; implements ``Shelf`` and ``Cassette``."""

    def vein(self) -> Hashable:
        """All tests may share."""
        return None

    def cassette(self, spec: SandboxSpec) -> Cassette:  # noqa: ARG002 - there is none
        """There is none."""
        return self

    def open(self) -> AbstractContextManager[None]:
        """Change nothing."""
        return nullcontext()

    def close(self, *, keep: bool) -> None:
        """Nothing was begun."""


UNRECORDED = Unrecorded()


class SandboxPool:
    """The sandboxes of one test, class, module or run; ``close`` deletes them, last made first.

    What a set-up makes of a sandbox is prepared once and forked; without a set-up there is nothing to save.
    """

    def __init__(
        self,
        provisioner: Provisioner,
        *,
        preparations: Preparations,
        dockerfiles: Dockerfiles,
        shelf: Shelf = UNRECORDED,
        asked: Callable[[SandboxSpec], object] = lambda _: None,
    ) -> None:
        self._provisioner = provisioner
        self._preparations = preparations
        self._dockerfiles = dockerfiles
        self._shelf = shelf
        self._asked = asked
        self._open: list[tuple[AbstractContextManager[Sandbox], Cassette]] = []
        self._shared: list[tuple[Hashable, SandboxSpec, Sandbox]] = []

    def share(self, spec: SandboxSpec) -> Sandbox:
        """Return the sandbox of an earlier, equal wish, or make one."""
        self._asked(spec)
        wished, vein = wish(spec), self._shelf.vein()
        # Wishes hold mappings and SDK models, which have no hash.
        known = (sandbox for place, other, sandbox in self._shared if place == vein and other == wished)
        found = next(known, None)
        if found is None:
            found = self._made(spec, cassette=self._shelf.cassette(spec), number=None)
            self._shared.append((vein, wished, found))
        return found

    def number(self, spec: SandboxSpec) -> int:
        """Return the number of the next sandbox for ``make``, to be taken in the order of the program."""
        return self._provisioner.number(spec)

    def make(self, spec: SandboxSpec, *, number: int | None = None) -> Sandbox:
        """Make a sandbox that ``share`` will not give to anyone else."""
        self._asked(spec)
        return self._made(spec, cassette=UNRECORDED, number=number)

    def prepare(
        self, spec: SandboxSpec, *, failed: Callable[[], bool], lend: Callable[[Sandbox], object]
    ) -> SuspendedSnapshot:
        """Find a sandbox prepared as the spec says, or prepare it; whoever asked closes it.

        Args:
            spec: What it is prepared from.
            failed: Whether the test that asked has failed.
            lend: Called with each sandbox that is handed out.
        """
        self._asked(spec)
        return self._preparations.prepared(self._checked(spec), failed=failed, lend=lend)

    def close(self) -> None:
        """Delete every sandbox, whatever happens to the others.

        Raises:
            TeardownError: Of several that failed, all messages; a single failure is raised as it is.
        """
        failures: list[Exception] = []
        # A stack, so that Ctrl-C during one deletion does not spare the others.
        with ExitStack() as stack:
            for provided, cassette in self._open:
                stack.callback(_leave, provided, cassette=cassette, failures=failures)
        if len(failures) == 1:
            raise failures[0]
        if failures:
            raise TeardownError("\n".join(str(failure) for failure in failures)) from failures[0]

    def _made(self, spec: SandboxSpec, *, cassette: Cassette, number: int | None) -> Sandbox:
        spec = self._checked(spec)
        with ExitStack() as undo:
            undo.callback(cassette.close, keep=False)
            with cassette.open():
                provided = (
                    self._preparations.prepared(spec).fork(number=number)
                    if spec.setup
                    else self._provisioner.provide(spec, number=number)
                )
                sandbox = provided.__enter__()
            undo.pop_all()
        self._open.append((provided, cassette))
        return sandbox

    def _checked(self, spec: SandboxSpec) -> SandboxSpec:
        spec = self._dockerfiles.described(spec)
        self._provisioner.check(spec)
        return spec


def _leave(provided: AbstractContextManager[Sandbox], *, cassette: Cassette, failures: list[Exception]) -> None:
    try:
        with ExitStack() as stack:
            stack.callback(cassette.close, keep=False)
            with cassette.open():
                provided.__exit__(None, None, None)
            cassette.close(keep=True)
    except Exception as failure:  # noqa: BLE001 - collected and raised once every sandbox had its turn
        failures.append(failure)
