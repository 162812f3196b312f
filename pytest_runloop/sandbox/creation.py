"""Creating a devbox so that none is lost when it fails or is interrupted half-way."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from pytest_runloop.errors import ProvisioningError, TeardownError
from pytest_runloop.sandbox import building, ending, labels
from pytest_runloop.sandbox.boundary import ApiFailure

if TYPE_CHECKING:
    from pytest_runloop.sandbox.boundary import Provider, Request, Started

INTERRUPTED_CREATE_S = 30.0
"""How long an interrupted creation may still take; after that its devbox is looked for by label."""

REFUSALS: Mapping[int, str] = MappingProxyType(
    {
        402: "the account is out of credits or has no billing: see the Runloop dashboard",
        403: "the key may not do this, or a quota is used up: see the Runloop dashboard",
        429: "too many requests or devboxes at once: shut down what is not needed, or lower runloop_max_devboxes",
    }
)
"""What to do about a refusal that is no fault of the request."""


async def create(
    provider: Provider, request: Request, *, marks: Mapping[str, str], snapshot_id: str | None = None
) -> Started:
    """Return a new devbox that runs.

    Args:
        provider: Where it comes from.
        request: What is wanted.
        marks: Its labels; the one named ``labels.SANDBOX`` must be unique to it.
        snapshot_id: The disk snapshot it starts from, if any.

    Raises:
        ProvisioningError: It could not be had; a devbox that came into being all the same is deleted.
        TeardownError: Neither could it be had nor be made sure that nothing is left.
    """
    # Shielded, because a request that is cut off half-way may still create a devbox, whose id nobody would know.
    work = asyncio.ensure_future(provider.create(request, labels=marks, snapshot_id=snapshot_id))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await _abandon(provider, work, request, mark=marks[labels.SANDBOX])
        raise
    except ApiFailure as failure:
        await _clear(provider, request, mark=marks[labels.SANDBOX], cause=failure)
        remedy = REFUSALS.get(failure.status or 0) or await building.remedy(provider, request, failure)
        message = f"{request.test}: no sandbox could be created: {failure}; {remedy}"
        raise ProvisioningError(message) from failure


async def _abandon(provider: Provider, work: asyncio.Future[Started], request: Request, *, mark: str) -> None:
    await asyncio.wait([work], timeout=INTERRUPTED_CREATE_S)
    if work.done() and not work.cancelled() and work.exception() is None:
        await ending.delete(work.result().api, seconds=request.timeouts.cleanup_s)
        return
    work.cancel()
    await asyncio.wait([work])
    await _clear(provider, request, mark=mark, cause=None)


async def _clear(provider: Provider, request: Request, *, mark: str, cause: ApiFailure | None) -> None:
    """Delete what a failed creation left, if it left anything."""
    try:
        strays = await provider.find(label=labels.SANDBOX, value=mark)
    except ApiFailure as failure:
        if not provider.billed:
            return
        why = f" after {cause}" if cause else ""
        message = (
            f"{request.test}: no sandbox could be created{why}, and whether a devbox is left could not be found out "
            f"({failure}); if there is one, its metadata has {labels.SANDBOX}={mark}: shut it down by hand"
        )
        raise TeardownError(message) from cause
    for stray in strays:
        await ending.delete(stray, seconds=request.timeouts.cleanup_s)
