"""Deleting what nobody will use again: what was replaced, and what has expired. All of it verified and told."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pytest_runloop.cache.expiry import RUNNING_GRACE_S, SUSPENDED_GRACE_S, may_go
from pytest_runloop.errors import TeardownError
from pytest_runloop.preparing import finding
from pytest_runloop.sandbox import ending, labels, snapshots
from pytest_runloop.sandbox.boundary import ApiFailure

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_runloop.cache.entry import Entry
    from pytest_runloop.preparing.bench import Bench
    from pytest_runloop.sandbox.account import Account, DiskSnapshot
    from pytest_runloop.sandbox.boundary import DevboxApi, Provider

CLEANUP_S = 30.0
SWEEP_EVERY_S = 3600.0


def discard(bench: Bench, kept: Entry, *, disks: Iterable[DiskSnapshot]) -> None:
    """Delete the disks that *kept* replaces, and the devboxes that belong to them."""
    if bench.habits.alone:
        return

    async def work(provider: Provider) -> None:
        for devbox in await finding.outdated(provider.account, bench, kept):
            await _drop_devbox(bench, devbox.api)
        for disk in disks:
            await _drop_disk(bench, provider.account, disk.id)

    try:
        bench.provisioner.finish(work)
    except ApiFailure as failure:
        bench.notes.problem(f"what {kept.snapshot_id} replaces was not deleted, it goes when it expires: {failure}")


def drop_disk(bench: Bench, snapshot_id: str) -> None:
    """Delete a disk snapshot."""
    bench.provisioner.finish(lambda provider: _drop_disk(bench, provider.account, snapshot_id))


def drop_devbox(bench: Bench, devbox_id: str) -> None:
    """Delete a devbox that is known by its id."""
    bench.provisioner.finish(lambda provider: _drop_devbox(bench, provider.account.devbox(devbox_id)))


def sweep_now_and_then(bench: Bench) -> None:
    """Sweep, unless somebody on this computer has within the hour."""
    if bench.habits.alone:
        return
    try:
        due = bench.locks.due("swept", every_s=SWEEP_EVERY_S)
    except OSError:
        # Nothing can be noted, so it would be done each time.
        return
    if due:
        sweep(bench)


def sweep(bench: Bench) -> None:
    """Delete the owner's prepared things that expired a good while ago."""

    async def work(provider: Provider) -> None:
        await _sweep_devboxes(provider.account, bench, status="suspended", grace_s=SUSPENDED_GRACE_S)
        await _sweep_devboxes(provider.account, bench, status="running", grace_s=RUNNING_GRACE_S)
        for disk in await provider.account.disk_snapshots({labels.OWNER_NAME: bench.owner}):
            if may_go(disk.labels.get(labels.EXPIRES), grace_s=SUSPENDED_GRACE_S, now_s=time.time()):
                await _drop_disk(bench, provider.account, disk.id)
                bench.notes.sweep(f"disk snapshot {disk.id} (expired)")

    try:
        bench.provisioner.finish(work)
    except ApiFailure as failure:
        bench.notes.problem(f"what has expired could not be looked for in the account: {failure}")


async def _sweep_devboxes(account: Account, bench: Bench, *, status: str, grace_s: float) -> None:
    for devbox in await account.devboxes(status=status):
        if devbox.labels.get(labels.OWNER_NAME) == bench.owner and may_go(
            devbox.labels.get(labels.EXPIRES), grace_s=grace_s, now_s=time.time()
        ):
            await _drop_devbox(bench, devbox.api)
            bench.notes.sweep(f"devbox {devbox.id} ({status}, expired)")


async def _drop_devbox(bench: Bench, api: DevboxApi) -> None:
    try:
        await ending.delete(api, seconds=CLEANUP_S)
    except TeardownError as error:
        bench.notes.problem(str(error))


async def _drop_disk(bench: Bench, account: Account, snapshot_id: str) -> None:
    try:
        await snapshots.delete(account, snapshot_id)
    except TeardownError as error:
        bench.notes.problem(str(error))
