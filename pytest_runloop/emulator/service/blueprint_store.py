"""What the store knows of blueprints, and of the layers made for base blueprints.

A layer's row appears with the emulator that makes it as its owner, who gives it up once the layer is ready: so one of
several makes it, and the others know whom to wait for.
"""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pytest_runloop.emulator.domain.builds import Blueprint, BuildLogEntry, blueprint_from_json
from pytest_runloop.emulator.service.database import transaction


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A disk made for a base blueprint.

    Attributes:
        owner: The emulator that is making it; None once it is ready.
    """

    disk: str
    owner: str | None


class BlueprintStore:
    """Blueprints and layers. Every method is one short transaction."""

    def __init__(self, database: sqlite3.Connection, *, owner: str) -> None:
        self._database = database
        self._owner = owner

    def save(self, blueprint: Blueprint) -> None:
        """Remember a blueprint, new or changed; while it isn't finished it is this emulator's."""
        owner = None if blueprint.status.is_over else self._owner
        status = "deleted" if blueprint.deleted else blueprint.status.value
        self._write(
            "INSERT INTO blueprints (id, name, status, owner, doc) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET status=excluded.status, owner=excluded.owner, doc=excluded.doc",
            (blueprint.id, blueprint.name, status, owner, json.dumps(dataclasses.asdict(blueprint))),
        )

    def get(self, blueprint_id: str) -> Blueprint | None:
        """Find a blueprint."""
        return next(self._found("WHERE id=?", blueprint_id), None)

    def all(self) -> Iterator[Blueprint]:
        """Go through all blueprints, newest first."""
        return self._found("ORDER BY seq DESC")

    def named(self, name: str) -> Iterator[Blueprint]:
        """Go through the blueprints of a name, newest first."""
        return self._found("WHERE name=? ORDER BY seq DESC", name)

    def unfinished_of(self, owners: frozenset[str]) -> list[Blueprint]:
        """Find what these emulators are building."""
        rows = self._database.execute("SELECT owner, doc FROM blueprints WHERE owner IS NOT NULL").fetchall()
        return [blueprint_from_json(json.loads(doc)) for owner, doc in rows if owner in owners]

    def save_log(self, blueprint_id: str, entries: Sequence[BuildLogEntry]) -> None:
        """Remember a build's log so far."""
        text = json.dumps([dataclasses.astuple(entry) for entry in entries])
        self._write("UPDATE blueprints SET log=? WHERE id=?", (text, blueprint_id))

    def log(self, blueprint_id: str) -> list[BuildLogEntry]:
        """Give a build's log as far as it is remembered."""
        row = self._database.execute("SELECT log FROM blueprints WHERE id=?", (blueprint_id,)).fetchone()
        entries = [] if row is None else json.loads(row[0])
        return [
            BuildLogEntry(level=level, message=message, timestamp_ms=time_ms) for level, message, time_ms in entries
        ]

    def claim_layer(self, key: str, disk: str) -> bool:
        """Begin to make a layer; False if it is there or another emulator makes it."""
        cursor = self._write(
            "INSERT INTO layers (key, disk, owner) VALUES (?, ?, ?) ON CONFLICT (key) DO NOTHING",
            (key, disk, self._owner),
        )
        return cursor.rowcount == 1

    def layer(self, key: str) -> Layer | None:
        """Find a layer, ready or not."""
        row = self._database.execute("SELECT disk, owner FROM layers WHERE key=?", (key,)).fetchone()
        return None if row is None else Layer(disk=row[0], owner=row[1])

    def finish_layer(self, disk: str) -> None:
        """Say that a layer is ready."""
        self._write("UPDATE layers SET owner=NULL WHERE disk=?", (disk,))

    def drop_layer(self, disk: str) -> None:
        """Forget a layer."""
        self._write("DELETE FROM layers WHERE disk=?", (disk,))

    def drop_layers_of(self, owners: frozenset[str]) -> None:
        """Forget what these emulators have begun and not finished."""
        rows = self._database.execute("SELECT disk, owner FROM layers WHERE owner IS NOT NULL").fetchall()
        for disk, owner in rows:
            if owner in owners:
                self.drop_layer(disk)

    def _found(self, clause: str, *values: str) -> Iterator[Blueprint]:
        rows = self._database.execute(f"SELECT doc FROM blueprints {clause}", values)  # noqa: S608 - our own clauses
        return (blueprint_from_json(json.loads(doc)) for (doc,) in rows)

    def _write(self, statement: str, values: tuple[object, ...]) -> sqlite3.Cursor:
        with transaction(self._database):
            return self._database.execute(statement, values)
