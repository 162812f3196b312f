"""The SQLite file in the state directory: its tables, opening it, and transactions. Knows no record."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA_VERSION = 3
_SCHEMA = """
CREATE TABLE IF NOT EXISTS devboxes (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, status TEXT NOT NULL, owner TEXT,
    end_time_ms INTEGER, doc TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS devboxes_by_owner ON devboxes (owner) WHERE owner IS NOT NULL;
CREATE TABLE IF NOT EXISTS snapshots (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, status TEXT NOT NULL, owner TEXT,
    doc TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS secrets (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE NOT NULL, doc TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS blueprints (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, name TEXT NOT NULL, status TEXT NOT NULL,
    owner TEXT, doc TEXT NOT NULL, log TEXT NOT NULL DEFAULT '[]');
CREATE TABLE IF NOT EXISTS layers (key TEXT PRIMARY KEY, disk TEXT UNIQUE NOT NULL, owner TEXT);
CREATE TABLE IF NOT EXISTS documents (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, key TEXT NOT NULL, doc TEXT NOT NULL,
    UNIQUE (kind, key));
"""
_BUSY_S = 10.0
"""How long a write waits for another emulator's."""


class StoreError(Exception):
    """Report a state directory that can't be used."""


def connect(path: Path) -> sqlite3.Connection:
    # Made 0600 before SQLite sees it: the file holds the values of secrets.
    path.touch(mode=0o600, exist_ok=True)
    database = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)
    try:
        database.execute("PRAGMA journal_mode=WAL")
        # A crash of the computer may lose the last moments; a crash of the emulator loses nothing.
        database.execute("PRAGMA synchronous=NORMAL")
        with transaction(database):
            _migrate(database, path)
    except BaseException:
        database.close()
        raise
    return database


def _migrate(database: sqlite3.Connection, path: Path) -> None:
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA_VERSION:
        message = (
            f"{path} was made by a newer version (schema {version}); update this one, or use another state directory"
        )
        raise StoreError(message)
    if version < SCHEMA_VERSION:
        for statement in _SCHEMA.split(";"):
            database.execute(statement)
        database.execute(f"PRAGMA user_version={SCHEMA_VERSION}")


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    if database.in_transaction:  # part of a larger one
        yield
        return
    # IMMEDIATE: two emulators that write at once wait for each other instead of failing half-way.
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")
