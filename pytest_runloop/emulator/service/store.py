"""What outlives the emulator: one SQLite file in the state directory, shared by all emulators that use it.

Documents are JSON; only what is searched for is a column. Each devbox that has a machine is held by one emulator, whose
id stands in ``owner``; changing hands is a single guarded UPDATE. Knows no machine and no event loop.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from pytest_runloop.emulator.domain.records import (
    Devbox,
    Secret,
    Snapshot,
    SnapshotStatus,
    devbox_from_json,
    snapshot_from_json,
    to_json,
)
from pytest_runloop.emulator.service.blueprint_store import BlueprintStore
from pytest_runloop.emulator.service.database import StoreError, connect, transaction
from pytest_runloop.emulator.service.documents import Documents

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_runloop.emulator.domain.lifecycle import Status

_KEPT_ENDED = 500
"""Ended devboxes, deleted snapshots and failed blueprints stay readable; beyond this many the oldest are forgotten."""


class Store:
    """The emulators' common memory. Every method is one short transaction.

    Attributes:
        owner: The emulator that writes here.
        blueprints: The part about blueprints.
    """

    def __init__(self, database: sqlite3.Connection, *, owner: str) -> None:
        self._database = database
        self.owner = owner
        self.blueprints = BlueprintStore(database, owner=owner)

    @classmethod
    def open(cls, path: Path, *, owner: str) -> Store:
        """Open the file, or make it.

        Raises:
            StoreError: It is damaged, or a newer version made it.
        """
        try:
            database = connect(path)
        except sqlite3.DatabaseError as error:
            message = f"{path} can't be opened as the emulator's store ({error}); delete its directory to start afresh"
            raise StoreError(message) from error
        return cls(database, owner=owner)

    def documents(self, kind: str) -> Documents:
        """Give the part about one kind of records that needs no columns."""
        return Documents(self._database, kind)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def add_devbox(self, devbox: Devbox) -> None:
        """Remember a new devbox, held by this emulator."""
        self._write(
            "INSERT INTO devboxes (id, status, owner, doc) VALUES (?, ?, ?, ?)",
            (devbox.id, devbox.status.value, self.owner, _dump(devbox)),
        )

    def save_devbox(self, devbox: Devbox) -> None:
        """Remember what became of a devbox this emulator holds."""
        self._write(
            "UPDATE devboxes SET status=?, owner=?, end_time_ms=?, doc=? WHERE id=?",
            (*self._columns(devbox), devbox.id),
        )

    def swap_devbox(self, devbox: Devbox, *, expected: Status) -> bool:
        """Do the same for a devbox nobody holds, unless another emulator was faster; say whether it worked."""
        cursor = self._write(
            "UPDATE devboxes SET status=?, owner=?, end_time_ms=?, doc=? WHERE id=? AND status=?",
            (*self._columns(devbox), devbox.id, expected.value),
        )
        return cursor.rowcount == 1

    def devbox(self, devbox_id: str) -> Devbox | None:
        """Find a devbox."""
        row = self._database.execute("SELECT doc FROM devboxes WHERE id=?", (devbox_id,)).fetchone()
        return None if row is None else devbox_from_json(json.loads(row[0]))

    def devboxes(self) -> Iterator[Devbox]:
        """Go through all devboxes, newest first."""
        return self._newest_first("devboxes", devbox_from_json)

    def held_by(self, owners: frozenset[str]) -> list[Devbox]:
        """Find the devboxes these emulators hold."""
        rows = self._database.execute("SELECT owner, doc FROM devboxes WHERE owner IS NOT NULL").fetchall()
        return [devbox_from_json(json.loads(doc)) for owner, doc in rows if owner in owners]

    def owners(self) -> frozenset[str]:
        """Name the emulators that hold anything."""
        rows = self._database.execute(
            "SELECT owner FROM devboxes WHERE owner IS NOT NULL"
            " UNION SELECT owner FROM snapshots WHERE owner IS NOT NULL"
            " UNION SELECT owner FROM blueprints WHERE owner IS NOT NULL"
            " UNION SELECT owner FROM layers WHERE owner IS NOT NULL"
        )
        return frozenset(owner for (owner,) in rows)

    def save_snapshot(self, snapshot: Snapshot) -> None:
        """Remember a snapshot, new or changed."""
        owner = self.owner if snapshot.status is SnapshotStatus.IN_PROGRESS else None
        self._write(
            "INSERT INTO snapshots (id, status, owner, doc) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET status=excluded.status, owner=excluded.owner, doc=excluded.doc",
            (snapshot.id, snapshot.status.value, owner, _dump(snapshot)),
        )

    def snapshot(self, snapshot_id: str) -> Snapshot | None:
        """Find a snapshot."""
        row = self._database.execute("SELECT doc FROM snapshots WHERE id=?", (snapshot_id,)).fetchone()
        return None if row is None else snapshot_from_json(json.loads(row[0]))

    def snapshots(self) -> Iterator[Snapshot]:
        """Go through all snapshots, newest first."""
        return self._newest_first("snapshots", snapshot_from_json)

    def snapshots_of(self, owners: frozenset[str]) -> list[Snapshot]:
        """Find the unfinished snapshots of these emulators."""
        rows = self._database.execute("SELECT owner, doc FROM snapshots WHERE owner IS NOT NULL").fetchall()
        return [snapshot_from_json(json.loads(doc)) for owner, doc in rows if owner in owners]

    def disks(self) -> frozenset[str]:
        """Name the disks that are still needed."""
        rows = self._database.execute(
            "SELECT id FROM devboxes WHERE status NOT IN ('failure', 'shutdown')"
            " UNION SELECT id FROM snapshots WHERE status IN ('in_progress', 'complete')"
            " UNION SELECT id FROM blueprints WHERE status NOT IN ('failed', 'deleted')"
            " UNION SELECT disk FROM layers"
        )
        return frozenset(name for (name,) in rows)

    def add_secret(self, secret: Secret) -> bool:
        """Remember a new secret; False if the name is taken."""
        cursor = self._write(
            "INSERT INTO secrets (name, doc) VALUES (?, ?) ON CONFLICT (name) DO NOTHING", (secret.name, _dump(secret))
        )
        return cursor.rowcount == 1

    def save_secret(self, secret: Secret) -> None:
        """Remember a secret's new value."""
        self._write("UPDATE secrets SET doc=? WHERE name=?", (_dump(secret), secret.name))

    def delete_secret(self, name: str) -> None:
        """Forget a secret."""
        self._write("DELETE FROM secrets WHERE name=?", (name,))

    def secret(self, name: str) -> Secret | None:
        """Find a secret."""
        row = self._database.execute("SELECT doc FROM secrets WHERE name=?", (name,)).fetchone()
        return None if row is None else Secret(**json.loads(row[0]))

    def secrets(self) -> Iterator[Secret]:
        """Go through all secrets, newest first."""
        return self._newest_first("secrets", lambda document: Secret(**document))

    def forget_old(self) -> None:
        """Drop the oldest of what has ended, so that the file stays small."""
        ended = (
            ("devboxes", "'failure', 'shutdown'"),
            ("snapshots", "'deleted', 'error'"),
            ("blueprints", "'deleted', 'failed'"),
        )
        for table, statuses in ended:
            self._write(
                f"DELETE FROM {table} WHERE seq IN (SELECT seq FROM {table} WHERE status IN ({statuses})"  # noqa: S608 - both are from the line above
                " ORDER BY seq DESC LIMIT -1 OFFSET ?)",
                (_KEPT_ENDED,),
            )

    def _columns(self, devbox: Devbox) -> tuple[object, ...]:
        owner = self.owner if devbox.status.is_held else None
        return devbox.status.value, owner, devbox.end_time_ms, _dump(devbox)

    def _write(self, statement: str, values: tuple[object, ...]) -> sqlite3.Cursor:
        with transaction(self._database):
            return self._database.execute(statement, values)

    def _newest_first(self, table: str, read: Callable[[dict[str, Any]], Any]) -> Iterator[Any]:
        rows = self._database.execute(f"SELECT doc FROM {table} ORDER BY seq DESC")  # noqa: S608 - our own table names
        return (read(json.loads(doc)) for (doc,) in rows)


def _dump(record: Devbox | Snapshot | Secret) -> str:
    return json.dumps(to_json(record))
