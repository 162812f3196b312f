"""SQL of axons, as the vendor's clients have it, and what it may not do."""

from __future__ import annotations

import httpx
import pytest
from runloop_api_client import BadRequestError
from runloop_api_client.sdk import Axon

from tests.contract.conftest import Service
from tests.contract.test_axons import Create, make_axons, one_axon, path_of_axon, publish  # noqa: F401 - fixtures


def test_sql_makes_fills_and_reads_tables(axon: Axon) -> None:
    """Axon API, sql/query."""
    axon.sql.query(sql="CREATE TABLE t (id INTEGER, name TEXT, half REAL)")
    filled = axon.sql.query(sql="INSERT INTO t VALUES (?, ?, ?), (2, 'b', NULL)", params=[1, "a", 0.5])
    read = axon.sql.query(sql="SELECT * FROM t WHERE id = ?", params=[1])

    assert filled.meta.changes == 2
    assert [(one.name, one.type) for one in read.columns] == [("id", "INTEGER"), ("name", "TEXT"), ("half", "REAL")]
    assert read.rows == [[1, "a", 0.5]]
    assert read.meta.duration_ms >= 0
    assert (read.meta.changes, read.meta.rows_read_limit_reached) == (0, False)


def test_a_batch_is_one_transaction(axon: Axon) -> None:
    """Axon API, sql/batch: each statement sees what those before it did."""
    result = axon.sql.batch(
        statements=[
            {"sql": "CREATE TABLE t (n INTEGER)"},
            {"sql": "INSERT INTO t VALUES (?)", "params": [1]},
            {"sql": "INSERT INTO t VALUES (?)", "params": [2]},
            {"sql": "SELECT n FROM t ORDER BY n"},
        ]
    )

    assert len(result.results) == 4
    assert result.results[-1].success is not None
    assert result.results[-1].success.rows == [[1], [2]]


def test_of_a_batch_that_fails_nothing_is_left(axon: Axon) -> None:
    """Axon API, sql/batch: atomic."""
    result = axon.sql.batch(statements=[{"sql": "CREATE TABLE t (n)"}, {"sql": "SELECT nothing"}, {"sql": "SELECT 1"}])

    assert [one.success for one in result.results] == [None] * 3
    assert result.results[1].error is not None
    assert "nothing" in result.results[1].error.message
    with pytest.raises(BadRequestError, match="no such table"):
        axon.sql.query(sql="SELECT * FROM t")


def test_published_events_are_in_a_table(axon: Axon) -> None:
    """Axon API: rl_axon_events, with the origin as a number."""
    sequence = publish(axon, "p")

    read = axon.sql.query(sql="SELECT sequence, origin, source, event_type, payload FROM rl_axon_events")

    assert read.rows == [[sequence, 3, "github", "push", "p"]]


def test_axons_know_nothing_of_each_other(create_axon: Create) -> None:
    """Axon API: a database each."""
    create_axon().sql.query(sql="CREATE TABLE t (n)")

    with pytest.raises(BadRequestError, match="no such table"):
        create_axon().sql.query(sql="SELECT * FROM t")


@pytest.mark.parametrize(
    "sql",
    [
        "ATTACH '/tmp/other.sqlite3' AS other",
        "VACUUM INTO '/tmp/other.sqlite3'",
        "PRAGMA writable_schema=ON",
        "PRAGMA journal_mode=DELETE",
        "SELECT load_extension('/tmp/x.so')",
        "BEGIN",
        "COMMIT",
        "ROLLBACK",
        "INSERT INTO rl_axon_events VALUES (1, 1, 1, '', '', '')",
        "UPDATE RL_AXON_EVENTS SET payload = ''",
        "DELETE FROM rl_axon_events",
        "DROP TABLE rl_axon_events",
        "ALTER TABLE rl_axon_events RENAME TO mine",
        "CREATE TRIGGER t AFTER INSERT ON rl_axon_events BEGIN SELECT 1; END",
        "CREATE INDEX i ON rl_axon_events (payload)",
        "INSERT INTO sqlite_master VALUES ('table', 'x', 'x', 1, '')",
        "SELECT 1; SELECT 2",
        "SELECT",
    ],
)
def test_sql_that_is_not_allowed_is_refused(
    emulator: Service, http: httpx.Client, axon: Axon, path: str, sql: str
) -> None:
    """SQL may do everything inside its database and nothing beyond it."""
    publish(axon)
    answer = http.post(f"{path}/sql/query", json={"sql": sql})

    assert answer.status_code == 400
    assert answer.json()["message"].startswith("sql: ")
    assert publish(axon) == 2
    assert http.get(f"{path}/events").json()["total_count"] == 2


def test_sql_that_never_ends_is_ended(emulator: Service, http: httpx.Client, path: str) -> None:
    """A statement has a time limit."""
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"

    answer = http.post(f"{path}/sql/query", json={"sql": endless})

    assert answer.status_code == 400
    assert "longer than" in answer.json()["message"]


def test_long_results_are_cut_and_say_so(emulator: Service, http: httpx.Client, path: str) -> None:
    """A result has a limit of rows."""
    many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 10001) SELECT i FROM n"

    result = http.post(f"{path}/sql/query", json={"sql": many}).json()

    assert len(result["rows"]) == 10_000
    assert result["meta"]["rows_read_limit_reached"] is True


def test_a_statement_that_ends_the_transaction_ends_the_batch(emulator: Service, axon: Axon) -> None:
    """Nothing after it may be done outside the transaction."""
    axon.sql.query(sql="CREATE TABLE t (n UNIQUE)")
    axon.sql.batch(
        statements=[
            {"sql": "INSERT INTO t VALUES (1)"},
            {"sql": "INSERT OR ROLLBACK INTO t VALUES (1)"},
            {"sql": "INSERT INTO t VALUES (2)"},
        ]
    )

    assert axon.sql.query(sql="SELECT * FROM t").rows == []


@pytest.mark.parametrize("value", [2**63, [1], {"a": 1}, "\0"])
def test_parameters_sqlite_can_not_take_are_refused(
    emulator: Service, http: httpx.Client, path: str, value: object
) -> None:
    """A bad request names the parameter."""
    answer = http.post(f"{path}/sql/query", json={"sql": "SELECT ?", "params": [value]})

    assert answer.status_code == 400
    assert answer.json()["message"].startswith("params[0]: ")


def test_odd_values_come_as_json(emulator: Service, http: httpx.Client, path: str) -> None:
    """Bytes come as base64, infinity as null, broken text with replacement characters."""
    sql = "SELECT x'00ff', 9e999, CAST(x'41ff' AS TEXT), ?"

    answer = http.post(f"{path}/sql/query", json={"sql": sql, "params": [True]}).json()

    assert answer["rows"] == [["AP8=", None, "A\ufffd", 1]]


def test_full_text_search_works(emulator: Service, axon: Axon) -> None:
    """Tables that SQLite's own extensions make are inside the database."""
    axon.sql.query(sql="CREATE VIRTUAL TABLE f USING fts5(words)")
    axon.sql.query(sql="INSERT INTO f VALUES ('one two')")

    assert axon.sql.query(sql="SELECT * FROM f WHERE f MATCH 'two'").rows == [["one two"]]
