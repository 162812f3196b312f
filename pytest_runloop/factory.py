"""Several sandboxes in one test, as its marks describe them or otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal

from pytest_runloop.errors import SpecError
from pytest_runloop.markers import as_root, override
from pytest_runloop.sharing import SandboxPool
from pytest_runloop.spec import SandboxSpec

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pytest_runloop.fields import MarkFields
    from pytest_runloop.sandbox.handle import Sandbox


class SandboxFactory:
    """Make sandboxes that live as long as the test."""

    def __init__(self, spec: SandboxSpec, *, pool: SandboxPool, lend: Callable[[Sandbox], Sandbox]) -> None:
        self._spec = spec
        self._pool = pool
        self._lend = lend

    def __call__(self, *, user: Literal["user", "root"] = "user", **fields: Unpack[MarkFields]) -> Sandbox:
        """Make a sandbox as the test's marks describe it.

        Args:
            user: The account: "user" in /home/user, or root in /root.
            fields: Arguments of the mark that differ; ``scope`` can't, for these sandboxes end with their test.

        Raises:
            SpecError: An argument is wrong; nothing was made.
            ProvisioningError: The sandbox could not be made ready; what had been made is deleted.
        """
        __tracebackhide__ = True
        return self._made(self._wished(user, fields), number=None)

    async def aio(self, *, user: Literal["user", "root"] = "user", **fields: Unpack[MarkFields]) -> Sandbox:
        """Do the same without blocking the event loop; several calls may be awaited at once."""
        import asyncio

        spec = self._wished(user, fields)
        # Now: which of several threads comes first is chance.
        number = self._pool.number(spec)
        return await asyncio.to_thread(self._made, spec, number=number)

    def _wished(self, user: str, fields: Mapping[str, object]) -> SandboxSpec:
        __tracebackhide__ = True
        where = "runloop_sandbox_factory"
        if "scope" in fields:
            msg = f"{self._spec.test}: {where}: scope: these sandboxes end with their test; leave scope out"
            raise SpecError(msg, field="scope")
        if user not in {"user", "root"}:
            msg = f"{self._spec.test}: {where}: user: {user!r} is not one of user, root"
            raise SpecError(msg, field="user")
        spec = as_root(self._spec) if user == "root" else self._spec
        return override(spec, fields, origin=where)

    def _made(self, spec: SandboxSpec, *, number: int | None) -> Sandbox:
        __tracebackhide__ = True
        return self._lend(self._pool.make(spec, number=number))
