"""Where the disk of a new sandbox comes from, and what is put on it before a test sees it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from pytest_runloop.errors import ProvisioningError, SandboxError
from pytest_runloop.sandbox import building, creation
from pytest_runloop.sandbox.boundary import ApiFailure, DevboxApi, Timeouts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_runloop.sandbox.boundary import Provider, Request, Started
    from pytest_runloop.sandbox.operations import Operations


@dataclass(frozen=True)
class FromSnapshot:
    """A new devbox from a disk snapshot: files and set-up are there."""

    snapshot_id: str


@dataclass(frozen=True)
class Suspended:
    """A suspended devbox, to be resumed.

    Attributes:
        state: Its serialised session state, or None to make one.
        wake: Resumes it, or raises.
    """

    devbox_id: str
    state: str | None
    wake: Callable[[DevboxApi, Timeouts], Awaitable[None]]


Source: TypeAlias = FromSnapshot | Suspended | None
"""None is the blueprint: files and set-up are put on the disk."""


async def start(provider: Provider, request: Request, *, source: Source, marks: Mapping[str, str]) -> Started:
    """Return a devbox that runs; one that is suspended is not woken yet.

    Raises:
        ProvisioningError: It could not be had; nothing is left of it.
        StateUnusable: The suspended devbox's state is of no use.
    """
    if isinstance(source, Suspended):
        return await provider.attach(request, labels=marks, devbox_id=source.devbox_id, state=source.state)
    if source is not None:
        return await creation.create(provider, request, marks=marks, snapshot_id=source.snapshot_id)
    if request.blueprint is not None:
        await building.ensure(provider.account, request.blueprint, test=request.test)
    return await creation.create(provider, request, marks=marks)


async def fill(provider: Provider, started: Started, operations: Operations, *, source: Source) -> None:
    """Put a request's files on the disk; on one that has them, only what is ephemeral."""
    request = operations.request
    if source is not None:
        await provider.renew(started, request)
        return
    await provider.materialise(started, request)
    if request.files:
        await operations.files.place(request.files)


@contextmanager
def told(request: Request, devbox_id: str) -> Iterator[None]:
    """Say of which test a sandbox could not be made ready."""
    try:
        yield
    except (ApiFailure, SandboxError) as error:
        message = (
            f"{request.test}: the sandbox could not be made ready (devbox {devbox_id}, deleted now); "
            f"check the mark's manifest, files and setup: {error}"
        )
        raise ProvisioningError(message) from error
