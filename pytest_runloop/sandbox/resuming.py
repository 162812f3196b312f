"""Resuming a suspended devbox so that nobody else does, and only if its disk can be trusted.

The SDK's own ``resume`` makes a new devbox on any trouble and says nothing. Here every doubt is an error. Two
machines share no lock, so a devbox says in its metadata who runs it; whoever finds another name there once the devbox
runs was second, or can't know, and leaves it alone.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_runloop.errors import ProvisioningError, TeardownError
from pytest_runloop.sandbox import creation, ending, labels
from pytest_runloop.sandbox.boundary import ApiFailure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_runloop.sandbox.boundary import DevboxApi, DevboxStatus

SUSPENDED, RUNNING = "suspended", "running"


class Fate(enum.Enum):
    """What is to become of a devbox that was not resumed."""

    GONE = "gone"
    BUSY = "in the hands of another machine"
    OTHERS = "left alone"
    DISCARD = "to be deleted"


class NotResumed(Exception):
    """Report a devbox that was not resumed, or not as ours.

    Attributes:
        fate: What is to become of it.
    """

    def __init__(self, reason: str, *, fate: Fate) -> None:
        super().__init__(reason)
        self.fate = fate


@dataclass(frozen=True, kw_only=True)
class Claim:
    """Who wants which devbox.

    Attributes:
        key: What was prepared on it.
        snapshot_id: The disk snapshot it belongs to.
        machine: Stands for everybody who shares the locks of this machine.
        holder: Who wants it; starts with *machine* and a colon.
    """

    key: str
    snapshot_id: str
    machine: str
    holder: str


async def resume(api: DevboxApi, *, claim: Claim, seconds: float) -> None:
    """Resume a devbox and hold it.

    Nobody on this machine may be using it: the caller holds the lock for that.

    Raises:
        NotResumed: It is not there, not suspended, not ours, or its last user did not leave it in good order.
        ProvisioningError: The account may not resume it now; it is suspended as before.
        ApiFailure: The API did not answer; nothing is known.
    """
    before = await ending.status_of(api)
    _check(before, claim)
    claimed = await api.relabel({**before.labels, labels.HOLDER: claim.holder})
    if claimed.status != SUSPENDED:
        await _contest(api, before.labels)
        reason = f"became {claimed} while it was being claimed"
        raise NotResumed(reason, fate=Fate.BUSY)
    try:
        await api.resume()
    except ApiFailure as failure:
        raise await _refused(api, before, failure) from failure
    now = await api.await_status(RUNNING, *ending.GONE, seconds=seconds)
    if now.status in ending.GONE:
        reason = f"did not survive being resumed: it is {now}"
        raise NotResumed(reason, fate=Fate.GONE)
    if now.labels.get(labels.HOLDER) != claim.holder:
        await _contest(api, before.labels)
        reason = "was resumed by two machines at once"
        raise NotResumed(reason, fate=Fate.BUSY)
    if now.status != RUNNING:
        reason = f"is still {now} {seconds:g} s after it was resumed"
        raise NotResumed(reason, fate=Fate.DISCARD)


async def put_aside(api: DevboxApi, *, snapshot_id: str | None, suspend_s: float, cleanup_s: float) -> str | None:
    """Suspend a devbox and say in its metadata that its disk is in good order; or delete it and return why.

    With no *snapshot_id* nobody vouches for its disk yet, so its holder keeps it.

    Raises:
        TeardownError: Neither could be verified.
    """
    try:
        await api.suspend()
        now = await ending.verify_suspended(api, seconds=suspend_s)
        return await _vouched(api, now, snapshot_id=snapshot_id)
    except (ApiFailure, TeardownError) as failure:
        return await _given_up(api, failure, cleanup_s=cleanup_s)


async def vouch(api: DevboxApi, *, snapshot_id: str, cleanup_s: float) -> str | None:
    """Say in a suspended devbox's metadata that its disk is in good order; or delete it and return why.

    Raises:
        TeardownError: Neither could be verified.
    """
    try:
        return await _vouched(api, await ending.status_of(api), snapshot_id=snapshot_id)
    except ApiFailure as failure:
        return await _given_up(api, failure, cleanup_s=cleanup_s)


async def _vouched(api: DevboxApi, now: DevboxStatus, *, snapshot_id: str | None) -> str | None:
    if now.status != SUSPENDED:
        return f"devbox {api.devbox_id} did not survive its suspension: it is {now}"
    if snapshot_id is None:
        return None
    # Not earlier: if it can't be said, nobody may trust the disk.
    kept = {name: value for name, value in now.labels.items() if name != labels.HOLDER}
    await api.relabel({**kept, labels.KIND: labels.PREPARED, labels.BASE: snapshot_id})
    return None


async def _given_up(api: DevboxApi, failure: Exception, *, cleanup_s: float) -> str:
    await ending.delete(api, seconds=cleanup_s)
    return f"devbox {api.devbox_id} could not be suspended in good order, and was deleted: {failure}"


def _check(now: DevboxStatus, claim: Claim) -> None:
    if now.status in ending.GONE:
        reason = f"was deleted: it is {now}"
        raise NotResumed(reason, fate=Fate.GONE)
    if (now.labels.get(labels.KEY), now.labels.get(labels.BASE, claim.snapshot_id)) != (claim.key, claim.snapshot_id):
        reason = "is not the one that was prepared for this: its metadata names another disk"
        raise NotResumed(reason, fate=Fate.OTHERS)
    holder = now.labels.get(labels.HOLDER)
    if holder not in {None, claim.holder}:
        ours = str(holder).startswith(f"{claim.machine}:")
        reason = f"was not left in good order by its last user: it is {now}"
        raise NotResumed(reason, fate=Fate.DISCARD if ours else Fate.BUSY)
    if now.status != SUSPENDED:
        reason = f"is {now}, not 'suspended'"
        raise NotResumed(reason, fate=Fate.OTHERS)


async def _contest(api: DevboxApi, before: Mapping[str, str]) -> None:
    # With our own name on it, our next test would take it for a dead one's and delete it under its user.
    await api.relabel({**before, labels.HOLDER: labels.CONTESTED})


async def _refused(api: DevboxApi, before: DevboxStatus, failure: ApiFailure) -> Exception:
    now = await ending.status_of(api)
    if now.status in ending.GONE:
        return NotResumed(f"was deleted: it is {now}", fate=Fate.GONE)
    remedy = creation.REFUSALS.get(failure.status or 0)
    if now.status != SUSPENDED or remedy is None:
        return NotResumed(f"could not be resumed: {failure}; it is {now}", fate=Fate.DISCARD)
    await api.relabel(before.labels)
    return ProvisioningError(f"devbox {api.devbox_id} could not be resumed: {failure}; {remedy}")
