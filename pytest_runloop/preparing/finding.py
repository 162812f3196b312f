"""Finding what others have prepared, in the account. It runs on the provider's loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_runloop.cache.entry import Entry
from pytest_runloop.sandbox import labels, snapshots

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_runloop.preparing.bench import Bench
    from pytest_runloop.sandbox.account import Account, DiskSnapshot, KnownDevbox

SETTLE_S = 300.0
"""How long another machine's snapshot may still take; the SDK's own limit."""


async def disks(account: Account, bench: Bench, key: str) -> list[DiskSnapshot]:
    """Return all disk snapshots of a key, oldest first."""
    listed = await account.disk_snapshots(bench.wanted(key))
    return sorted(listed, key=lambda one: (one.created_ms, one.id))


async def oldest_usable(account: Account, bench: Bench, listed: Iterable[DiskSnapshot]) -> Entry | None:
    """Return the first snapshot that is complete and not too old, waiting for those that are being taken.

    Whoever asks gets the same answer, whenever they ask: that is how two machines agree on one.
    """
    for one in listed:
        entry = _entry_of(one)
        if entry is None or bench.is_over(entry):
            continue
        if await snapshots.settled(account, one.id, seconds=SETTLE_S) == snapshots.COMPLETE:
            return entry
    return None


async def put_aside(account: Account, entry: Entry) -> list[KnownDevbox]:
    """Return the suspended devboxes of a prepared sandbox that were left in good order, oldest first."""
    found = [
        devbox
        for devbox in await account.devboxes(status="suspended")
        if devbox.labels.get(labels.KEY) == entry.key
        and devbox.labels.get(labels.BASE) == entry.snapshot_id
        and labels.HOLDER not in devbox.labels
    ]
    return sorted(found, key=lambda one: (one.created_ms, one.id))


async def outdated(account: Account, bench: Bench, entry: Entry) -> list[KnownDevbox]:
    """Return the devboxes of a key that belong to another disk than *entry*'s, and that nobody is using.

    Those that were left running while they were being prepared belong to a dead process of this computer: only one at
    a time prepares a key here, and that is the caller.
    """
    suspended = [
        devbox
        for devbox in await account.devboxes(status="suspended")
        if _is_of(devbox, bench, entry.key) and devbox.labels.get(labels.BASE) not in {None, entry.snapshot_id}
    ]
    abandoned = [
        devbox
        for status in ("running", "suspended")
        for devbox in await account.devboxes(status=status)
        if _is_of(devbox, bench, entry.key)
        and devbox.labels.get(labels.KIND) == labels.PREPARING
        and devbox.labels.get(labels.HOLDER, "").startswith(f"{bench.machine}:")
    ]
    return [*suspended, *abandoned]


def _is_of(devbox: KnownDevbox, bench: Bench, key: str) -> bool:
    return devbox.labels.get(labels.KEY) == key and devbox.labels.get(labels.OWNER_NAME) == bench.owner


def _entry_of(snapshot: DiskSnapshot) -> Entry | None:
    marks = snapshot.labels
    created, expires = marks.get(labels.CREATED, ""), marks.get(labels.EXPIRES, "")
    if not (created.isdecimal() and expires.isdecimal()):
        return None
    return Entry(
        key=marks[labels.KEY],
        snapshot_id=snapshot.id,
        created_s=int(created),
        expires_s=int(expires),
        run=marks.get(labels.RUN, ""),
    )
