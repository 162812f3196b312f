"""Records of the families that need no columns of their own: one table, a kind and an id. Knows no record."""

from __future__ import annotations

import json
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pytest_runloop.emulator.service.database import transaction

if TYPE_CHECKING:
    from collections.abc import Iterator


class Documents:
    """All records of one kind. Every method is one short transaction."""

    def __init__(self, database: sqlite3.Connection, kind: str) -> None:
        self._database = database
        self._kind = kind

    def add(self, key: str, document: dict[str, Any]) -> bool:
        """Remember a new record; False if the key is taken."""
        return self._write(
            "INSERT INTO documents (kind, key, doc) VALUES (?, ?, ?) ON CONFLICT (kind, key) DO NOTHING",
            (self._kind, key, json.dumps(document)),
        )

    def save(self, key: str, document: dict[str, Any]) -> bool:
        """Remember what became of a record; False if there is none."""
        return self._write("UPDATE documents SET doc=? WHERE kind=? AND key=?", (json.dumps(document), self._kind, key))

    def delete(self, key: str) -> bool:
        """Forget a record; False if there was none."""
        return self._write("DELETE FROM documents WHERE kind=? AND key=?", (self._kind, key))

    def get(self, key: str) -> dict[str, Any] | None:
        """Find a record."""
        row = self._database.execute("SELECT doc FROM documents WHERE kind=? AND key=?", (self._kind, key)).fetchone()
        return None if row is None else dict(json.loads(row[0]))

    def all(self) -> Iterator[dict[str, Any]]:
        """Go through all records, newest first."""
        rows = self._database.execute("SELECT doc FROM documents WHERE kind=? ORDER BY seq DESC", (self._kind,))
        return (json.loads(doc) for (doc,) in rows)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Let nobody else write until what is read here has been written; nothing may be awaited meanwhile."""
        with transaction(self._database):
            yield

    def _write(self, statement: str, values: tuple[object, ...]) -> bool:
        with transaction(self._database):
            return self._database.execute(statement, values).rowcount == 1
