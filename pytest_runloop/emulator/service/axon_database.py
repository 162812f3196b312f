"""The SQLite file of one axon: its events, and whatever tables its clients make. Blocking; for threads."""

from __future__ import annotations

import base64
import math
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from pytest_runloop.emulator.domain.axons import ORIGINS, NewEvent, Statement
from pytest_runloop.emulator.service.axon_guard import EVENTS, TIME_LIMIT_S, Guard

if TYPE_CHECKING:
    from pathlib import Path

MAX_ROWS = 10_000
"""Rows of one result; more are left out, and the result says so."""
_MAX_BYTES = 32 * 1024 * 1024
"""The same for the size of all results of a request together, about."""
_MAX_PAGES = 65_536
"""Of 4 KiB each."""
_BUSY_S = TIME_LIMIT_S + 5
_SCHEMA = f"""CREATE TABLE IF NOT EXISTS {EVENTS} (
    sequence INTEGER PRIMARY KEY, timestamp_ms INTEGER NOT NULL, origin INTEGER NOT NULL,
    source TEXT NOT NULL, event_type TEXT NOT NULL, payload TEXT NOT NULL)"""
_COLUMNS = ("sequence", "timestamp_ms", "origin", "source", "event_type", "payload")
_TYPES = {int: "INTEGER", float: "REAL", str: "TEXT", bytes: "BLOB"}
_SUFFIXES = ("", "-wal", "-shm", "-journal")


class StatementFailed(Exception):
    """Report the statement because of which nothing was done.

    Attributes:
        index: Its place in the batch.
    """

    def __init__(self, index: int, message: str) -> None:
        super().__init__(message)
        self.index = index


class Gone(Exception):
    """Report a file that isn't there any more."""


class AxonDatabase:
    """One axon's file. Every method opens it anew, so any number of threads may call any; each raises ``Gone``."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def create(self) -> None:
        """Make the file."""
        self._path.touch(mode=0o600, exist_ok=True)
        with self._opened() as database:
            database.execute("PRAGMA journal_mode=WAL")
            database.execute(_SCHEMA)

    def publish(self, event: NewEvent, *, now_ms: int) -> int:
        """Append an event and give its sequence number."""
        values = (now_ms, ORIGINS.index(event.origin) + 1, event.source, event.event_type, event.payload)
        with self._writing() as database:
            statement = f"INSERT INTO {EVENTS} ({', '.join(_COLUMNS[1:])}) VALUES (?, ?, ?, ?, ?)"  # noqa: S608
            sequence = database.execute(statement, values).lastrowid
            database.execute("COMMIT")
        assert sequence is not None  # noqa: S101 - a row was inserted
        return sequence

    def after(self, sequence: int, *, limit: int) -> list[dict[str, Any]]:
        """Give the events that follow one, oldest first."""
        return self._events("sequence > ? ORDER BY sequence LIMIT ?", (sequence, limit))

    def before(self, sequence: int, *, limit: int) -> list[dict[str, Any]]:
        """Give the events that came before one, newest first."""
        return self._events("sequence < ? ORDER BY sequence DESC LIMIT ?", (sequence, limit))

    def count(self) -> int:
        """Say how many events there are."""
        with self._opened() as database:
            (number,) = database.execute(f"SELECT count(*) FROM {EVENTS}").fetchone()  # noqa: S608
        return int(number)

    def run(self, statements: Sequence[Statement]) -> list[dict[str, Any]]:
        """Run statements in one transaction and give their results as the API shows them.

        Raises:
            StatementFailed: One of them failed, and nothing was done.
        """
        with self._writing() as database:
            guard = Guard(database)
            budget = [_MAX_BYTES]
            results = [_run(database, guard, index, one, budget) for index, one in enumerate(statements)]
            guard.off()
            database.execute("COMMIT")
        return results

    def remove(self) -> None:
        """Delete the file."""
        for suffix in _SUFFIXES:
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)

    def _events(self, condition: str, values: tuple[int, int]) -> list[dict[str, Any]]:
        with self._opened() as database:
            rows = database.execute(f"SELECT {', '.join(_COLUMNS)} FROM {EVENTS} WHERE {condition}", values)  # noqa: S608
            events = [dict(zip(_COLUMNS, row, strict=True)) for row in rows]
        return [{**event, "origin": ORIGINS[event["origin"] - 1]} for event in events]

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Begin a transaction, which ends undone unless it is committed."""
        with self._opened() as database:
            database.execute("BEGIN IMMEDIATE")
            yield database

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        address = f"{self._path.absolute().as_uri()}?mode=rw"
        try:
            # A fresh connection has no statement that was prepared while nobody watched.
            database = sqlite3.connect(address, uri=True, timeout=_BUSY_S, isolation_level=None, cached_statements=0)
        except sqlite3.OperationalError as error:
            raise Gone from error
        try:
            with closing(database):
                database.text_factory = lambda data: data.decode("utf-8", "replace")
                database.execute("PRAGMA synchronous=NORMAL")
                database.execute("PRAGMA trusted_schema=OFF")
                database.execute(f"PRAGMA max_page_count={_MAX_PAGES}")
                yield database
        except sqlite3.OperationalError as error:
            if self._path.exists():
                raise
            raise Gone from error


def _run(
    database: sqlite3.Connection, guard: Guard, index: int, statement: Statement, budget: list[int]
) -> dict[str, Any]:
    began = time.perf_counter()
    try:
        cursor = database.execute(statement.sql, statement.parameters)
        rows, complete = _fetch(cursor, budget)
    # Older Pythons warn where newer ones raise, when there is more than one statement.
    except (sqlite3.Error, sqlite3.Warning, OverflowError) as error:
        raise StatementFailed(index, guard.complaint or str(error)) from None
    if not database.in_transaction:
        raise StatementFailed(index, "it ended the transaction")
    return {
        "columns": _columns([name for name, *_ in cursor.description or ()], rows),
        "rows": [[_shown(value) for value in row] for row in rows],
        "meta": {
            "changes": max(cursor.rowcount, 0),
            "duration_ms": (time.perf_counter() - began) * 1000,
            "rows_read_limit_reached": not complete,
        },
    }


def _fetch(cursor: sqlite3.Cursor, budget: list[int]) -> tuple[list[tuple[Any, ...]], bool]:
    rows: list[tuple[Any, ...]] = []
    for row in cursor:
        budget[0] -= sum(len(value) if isinstance(value, (str, bytes)) else 8 for value in row)
        if len(rows) == MAX_ROWS or budget[0] < 0:
            cursor.close()
            return rows, False
        rows.append(row)
    return rows, True


def _columns(names: list[str], rows: list[tuple[Any, ...]]) -> list[dict[str, str]]:
    """Describe columns. Declared types can't be had from Python's SQLite, so a column's first value must do."""
    values = [next((row[index] for row in rows if row[index] is not None), None) for index in range(len(names))]
    return [{"name": name, "type": _TYPES.get(type(value), "")} for name, value in zip(names, values, strict=True)]


def _shown(value: Any) -> object:  # noqa: ANN401 - whatever SQLite has
    """Give a value as JSON has it: bytes as base64, and nothing for numbers JSON hasn't."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return None if isinstance(value, float) and not math.isfinite(value) else value
