"""Disk snapshots: taken, awaited, and their end verified."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from pytest_runloop.errors import ProvisioningError, TeardownError
from pytest_runloop.sandbox import polling
from pytest_runloop.sandbox.boundary import ApiFailure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_runloop.sandbox.account import Account
    from pytest_runloop.sandbox.boundary import DevboxApi

COMPLETE, IN_PROGRESS = "complete", "in_progress"


async def take(api: DevboxApi, account: Account, *, name: str, labels: Mapping[str, str], seconds: float) -> str:
    """Return the id of a complete snapshot of a devbox's disk.

    Raises:
        ProvisioningError: It was not complete after *seconds*; it is deleted as far as the API allows.
        ApiFailure: It could not be begun.
    """
    snapshot_id = await api.snapshot(name=name, labels=labels)
    try:
        status = await settled(account, snapshot_id, seconds=seconds)
    except BaseException:
        await _drop(account, snapshot_id)
        raise
    if status == COMPLETE:
        return snapshot_id
    await _drop(account, snapshot_id)
    message = (
        f"disk snapshot {snapshot_id} of devbox {api.devbox_id} is '{status}' after {seconds:g} s, not complete; "
        "it is not used. Give timeouts={'snapshot_s': …} more seconds if the disk is large"
    )
    raise ProvisioningError(message)


async def settled(account: Account, snapshot_id: str, *, seconds: float) -> str:
    """Return a snapshot's status once it is no longer in progress, or after *seconds*."""
    until = time.monotonic() + seconds
    pauses = polling.pauses()
    status = await account.snapshot_status(snapshot_id)
    while status == IN_PROGRESS and time.monotonic() < until:
        await asyncio.sleep(next(pauses))
        status = await account.snapshot_status(snapshot_id)
    return status


async def delete(account: Account, snapshot_id: str) -> None:
    """Delete a snapshot, verified.

    Raises:
        TeardownError: It is still there.
    """
    try:
        await account.delete_snapshot(snapshot_id)
        status = await account.snapshot_status(snapshot_id)
    except ApiFailure as failure:
        message = f"disk snapshot {snapshot_id} could not be deleted: {failure}; {_BY_HAND.format(snapshot_id)}"
        raise TeardownError(message) from failure
    if status in {COMPLETE, IN_PROGRESS}:
        message = f"disk snapshot {snapshot_id} is still '{status}' after its deletion; {_BY_HAND.format(snapshot_id)}"
        raise TeardownError(message)


_BY_HAND = "delete it by hand: POST /v1/devboxes/disk_snapshots/{}/delete"


async def _drop(account: Account, snapshot_id: str) -> None:
    try:
        await account.delete_snapshot(snapshot_id)
    except ApiFailure:
        # The API refuses it while it is in progress. Its labels let the sweep find it once it has expired.
        return
