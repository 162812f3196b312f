"""What SQL from outside may do: everything inside its own file, nothing beyond it, and not forever."""

from __future__ import annotations

import sqlite3
import time

EVENTS = "rl_axon_events"
"""The table of events, which can be read and not written."""
TIME_LIMIT_S = 10.0
_MAX_VALUE = 32 * 1024 * 1024
_MAX_SQL = 1024 * 1024
_LIMITS = {"SQLITE_LIMIT_LENGTH": _MAX_VALUE, "SQLITE_LIMIT_SQL_LENGTH": _MAX_SQL, "SQLITE_LIMIT_ATTACHED": 0}
_STEPS = 10_000
"""Steps of SQLite's machine between two looks at the clock."""
_READS = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE})
# The position of the table's name among the arguments, by what is done to it.
_WRITES = {
    sqlite3.SQLITE_INSERT: 0,
    sqlite3.SQLITE_UPDATE: 0,
    sqlite3.SQLITE_DELETE: 0,
    sqlite3.SQLITE_DROP_TABLE: 0,
    sqlite3.SQLITE_ALTER_TABLE: 1,
    sqlite3.SQLITE_CREATE_INDEX: 1,
    sqlite3.SQLITE_CREATE_TEMP_INDEX: 1,
    sqlite3.SQLITE_DROP_INDEX: 1,
    sqlite3.SQLITE_CREATE_TRIGGER: 1,
    sqlite3.SQLITE_CREATE_TEMP_TRIGGER: 1,
}
_CHANGES = frozenset(
    {
        sqlite3.SQLITE_ANALYZE,
        sqlite3.SQLITE_CREATE_TABLE,
        sqlite3.SQLITE_CREATE_TEMP_TABLE,
        sqlite3.SQLITE_CREATE_TEMP_VIEW,
        sqlite3.SQLITE_CREATE_VIEW,
        sqlite3.SQLITE_DROP_TEMP_INDEX,
        sqlite3.SQLITE_DROP_TEMP_TABLE,
        sqlite3.SQLITE_DROP_TEMP_TRIGGER,
        sqlite3.SQLITE_DROP_TEMP_VIEW,
        sqlite3.SQLITE_DROP_TRIGGER,
        sqlite3.SQLITE_DROP_VIEW,
        sqlite3.SQLITE_DROP_VTABLE,
        sqlite3.SQLITE_REINDEX,
        sqlite3.SQLITE_SAVEPOINT,
    }
)
_VIRTUAL_TABLES = frozenset({"fts3", "fts4", "fts5", "rtree"})
_PRAGMAS = frozenset(
    {
        "data_version",
        "foreign_key_check",
        "foreign_key_list",
        "index_info",
        "index_list",
        "index_xinfo",
        "integrity_check",
        "page_size",
        "quick_check",
        "table_info",
        "table_list",
        "table_xinfo",
        "user_version",
    }
)
_FUNCTIONS = frozenset({"load_extension", "fts3_tokenizer"})
"""Those that are forbidden."""
_FORBIDDEN = (
    f"not authorized: the SQL of an axon can't reach other files, begin or end transactions, change settings,"
    f" or write to {EVENTS}"
)


class Guard:
    """Watches over one connection for as long as it is on.

    Attributes:
        complaint: Why it ended or refused a statement; empty if it did neither.
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self._on = True
        self._deadline = time.monotonic() + TIME_LIMIT_S
        self.complaint = ""
        set_limit = getattr(database, "setlimit", None)
        if set_limit is not None:  # Python 3.10 can't
            for name, value in _LIMITS.items():
                set_limit(getattr(sqlite3, name), value)
        database.set_progress_handler(self._look_at_the_clock, _STEPS)
        database.set_authorizer(self._authorize)

    def off(self) -> None:
        """Let everything through, for what comes from ourselves."""
        self._on = False

    def _look_at_the_clock(self) -> bool:
        late = self._on and time.monotonic() > self._deadline
        if late:
            self.complaint = f"it took longer than {TIME_LIMIT_S:g} s"
        return late

    def _authorize(self, action: int, first: str | None, second: str | None, *_: str | None) -> int:
        if not self._on or _allowed(action, (first or "", second or "")):
            return sqlite3.SQLITE_OK
        self.complaint = _FORBIDDEN
        return sqlite3.SQLITE_DENY


def _allowed(action: int, arguments: tuple[str, str]) -> bool:
    if action in _READS or action in _CHANGES:
        return True
    if action in _WRITES:
        return arguments[_WRITES[action]].lower() != EVENTS
    if action == sqlite3.SQLITE_FUNCTION:
        return arguments[1].lower() not in _FUNCTIONS
    if action == sqlite3.SQLITE_PRAGMA:
        return arguments[0].lower() in _PRAGMAS
    return action == sqlite3.SQLITE_CREATE_VTABLE and arguments[1].lower() in _VIRTUAL_TABLES
