"""Disk snapshots: taken of running devboxes, outliving them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_runloop.emulator.domain.problems import conflict, not_found
from pytest_runloop.emulator.domain.records import Snapshot, SnapshotStatus
from pytest_runloop.emulator.service.idempotency import OnceOnly
from pytest_runloop.emulator.service.identity import fresh_id, now_ms
from pytest_runloop.emulator.service.paging import Cursor, Page, paginate

if TYPE_CHECKING:
    from pytest_runloop.emulator.machine.machines import Machines
    from pytest_runloop.emulator.service.roster import Roster, Runtime

_log = logging.getLogger(__name__)
_LOOK_HOLD_S = 0.5


@dataclass(frozen=True, kw_only=True)
class Label:
    """What a client may say about a snapshot; None leaves it as it is."""

    name: str | None = None
    metadata: Mapping[str, str] | None = None
    commit_message: str | None = None


@dataclass(frozen=True, kw_only=True)
class SnapshotFilter:
    """Which snapshots a list shall have.

    Attributes:
        metadata: Allowed values by key.
    """

    devbox_id: str | None = None
    source_blueprint_id: str | None = None
    metadata: Mapping[str, frozenset[str]]

    def accepts(self, snapshot: Snapshot) -> bool:
        """Say whether a snapshot belongs in the list."""
        return (
            snapshot.status is not SnapshotStatus.DELETED
            and self.devbox_id in {None, snapshot.source_devbox_id}
            and self.source_blueprint_id in {None, snapshot.source_blueprint_id}
            and all(snapshot.metadata.get(key) in values for key, values in self.metadata.items())
        )


class Snapshots:
    """All disk snapshots of the state directory."""

    def __init__(self, roster: Roster, machines: Machines) -> None:
        self._roster = roster
        self._machines = machines
        self._once = OnceOnly()
        self._taking: dict[str, asyncio.Task[None]] = {}

    async def start(self, devbox_id: str, label: Label, *, request_id: str) -> Snapshot:
        """Begin a snapshot and give its record at once.

        Raises:
            ApiProblem: 404, or 400 if the devbox isn't running.
        """
        key = ("snapshot", devbox_id, request_id)
        return self.get(await self._once.make(key, lambda: self._begin(devbox_id, label)))

    async def take(self, devbox_id: str, label: Label, *, request_id: str) -> Snapshot:
        """Take a snapshot and give its record once it is there.

        Raises:
            ApiProblem: As ``start``.
        """
        snapshot = await self.start(devbox_id, label, request_id=request_id)
        taking = self._taking.get(snapshot.id)
        if taking is not None:
            await asyncio.wait([taking])
        return self.get(snapshot.id)

    def get(self, snapshot_id: str) -> Snapshot:
        """Find a snapshot, deleted ones included.

        Raises:
            ApiProblem: 404.
        """
        snapshot = self._roster.store.snapshot(snapshot_id)
        if snapshot is None:
            raise not_found("Snapshot", snapshot_id)
        return snapshot

    async def look(self, snapshot_id: str) -> Snapshot:
        """Find a snapshot, and hold the answer a moment if it is about to be complete.

        Clients look once a second, and most snapshots take less than a tenth of that.

        Raises:
            ApiProblem: 404.
        """
        taking = self._taking.get(snapshot_id)
        if taking is not None:
            await asyncio.wait([taking], timeout=_LOOK_HOLD_S)
        return self.get(snapshot_id)

    def page(self, wanted: SnapshotFilter, cursor: Cursor) -> Page[Snapshot]:
        """List snapshots, newest first."""
        return paginate(filter(wanted.accepts, self._roster.store.snapshots()), cursor)

    def update(self, snapshot_id: str, label: Label) -> Snapshot:
        """Change what is said about a snapshot. An empty name or message clears it.

        Raises:
            ApiProblem: 404.
        """
        snapshot = self.get(snapshot_id)
        if label.name is not None:
            snapshot = replace(snapshot, name=label.name or None)
        if label.metadata is not None:
            snapshot = replace(snapshot, metadata=label.metadata)
        if label.commit_message is not None:
            snapshot = replace(snapshot, commit_message=label.commit_message or None)
        self._roster.store.save_snapshot(snapshot)
        return snapshot

    async def delete(self, snapshot_id: str) -> None:
        """Delete a snapshot and its disk; devboxes made from it go on.

        Raises:
            ApiProblem: 404, or 409 if it is still being taken.
        """
        snapshot = self.get(snapshot_id)
        if snapshot.status is SnapshotStatus.IN_PROGRESS:
            raise conflict(f"Snapshot {snapshot_id} is still being taken; delete it once it is complete.")
        self._roster.store.save_snapshot(replace(snapshot, status=SnapshotStatus.DELETED))
        if snapshot.status is SnapshotStatus.COMPLETE:
            await self._machines.disks.remove(snapshot_id)

    async def _begin(self, devbox_id: str, label: Label) -> str:
        runtime, _ = self._roster.running(devbox_id)
        snapshot = Snapshot(
            id=fresh_id("snp"),
            status=SnapshotStatus.IN_PROGRESS,
            create_time_ms=now_ms(),
            source_devbox_id=devbox_id,
            source_blueprint_id=runtime.record.blueprint_id,
            environment=runtime.record.image_environment,
            capabilities=runtime.record.capabilities,
            name=label.name,
            metadata=label.metadata or {},
            commit_message=label.commit_message,
        )
        self._roster.store.save_snapshot(snapshot)
        task = self._taking[snapshot.id] = self._roster.spawn(self._take(runtime, snapshot.id))
        task.add_done_callback(lambda _: self._taking.pop(snapshot.id, None))
        return snapshot.id

    async def _take(self, runtime: Runtime, snapshot_id: str) -> None:
        runtime.snapshotting += 1
        try:
            size = await self._machines.disks.snapshot(runtime.record.id, snapshot_id)
            done = replace(self.get(snapshot_id), status=SnapshotStatus.COMPLETE, size_bytes=size)
        # Any failure is the snapshot's own status, as the API has it; the log has the rest.
        except Exception as error:  # noqa: BLE001
            _log.exception("snapshot %s of %s failed", snapshot_id, runtime.record.id)
            done = replace(self.get(snapshot_id), status=SnapshotStatus.ERROR, error_message=str(error))
        finally:
            runtime.snapshotting -= 1
        self._roster.store.save_snapshot(done)
