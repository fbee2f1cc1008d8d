from __future__ import annotations

import pytest

from alembic_assay.sandboxes.statements import CONTROLS, Kind, read_statement

READS = [
    "SELECT 1",
    "select * from users for update",
    "  -- who is there?\n  SELECT 1",
    "/* one /* and */ SELECT 1",
    "((SELECT 1) UNION (SELECT 2))",
    "WITH some AS (SELECT 1) SELECT * FROM some",
    "VALUES (1)",
    "TABLE users",
    "SHOW search_path",
    "DESCRIBE users",
    "EXPLAIN DELETE FROM users",
    "PRAGMA table_info(users)",
    "FETCH FORWARD 10 FROM c",
    "DECLARE c CURSOR FOR SELECT 1",
]
WRITES = [
    "INSERT INTO users VALUES (1)",
    "UPDATE users SET email = 'SELECT'",
    "REPLACE INTO users VALUES (1)",
    "SELECT * INTO other FROM users",
    "WITH gone AS (DELETE FROM users RETURNING *) SELECT * FROM gone",
    "WITH some AS (SELECT 1) INSERT INTO users SELECT * FROM some",
    "EXPLAIN ANALYZE DELETE FROM users",
    "EXPLAIN (ANALYSE) DELETE FROM users",
    "PRAGMA user_version = 3",
    "CREATE TABLE other (id int)",
    "SET search_path = other",
    "DO $$ BEGIN COMMIT; END $$",
    "CALL work()",
    "COPY users FROM STDIN",
    "COMMIT; BEGIN",
    "COMMIT /* so far */; BEGIN",
    "BEGIN; INSERT INTO users VALUES (1); END",
    "ROLLBACK PREPARED 'one'",
    "SAVEPOINT",
    "",
    "   ",
    "-- nothing",
]
OTHERS = {
    "BEGIN": Kind.BEGIN,
    "begin immediate;": Kind.BEGIN,
    "BEGIN TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY": Kind.BEGIN,
    "START TRANSACTION WITH CONSISTENT SNAPSHOT": Kind.BEGIN,
    "COMMIT": Kind.COMMIT,
    " commit work ; ": Kind.COMMIT,
    "END TRANSACTION": Kind.COMMIT,
    "/* so far */ COMMIT /* traceparent='00' */": Kind.COMMIT,
    "COMMIT -- and go on": Kind.COMMIT,
    "ROLLBACK": Kind.ROLLBACK,
    "ROLLBACK TRANSACTION": Kind.ROLLBACK,
    "ABORT": Kind.ROLLBACK,
}


@pytest.mark.parametrize("sql", READS)
def test_statement_that_changes_nothing_reads(sql: str) -> None:
    assert read_statement(sql).kind is Kind.READ


@pytest.mark.parametrize("sql", WRITES)
def test_statement_that_may_change_something_writes(sql: str) -> None:
    assert read_statement(sql).kind is Kind.WRITE


@pytest.mark.parametrize(("sql", "kind"), OTHERS.items())
def test_statement_about_transactions_is_known(sql: str, kind: Kind) -> None:
    assert read_statement(sql).kind is kind
    assert kind in CONTROLS


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("one", "one"),
        ("One", "one"),
        ('"One"', "One"),
        ("`One`", "One"),
        ('"a ""b"" c"', 'a "b" c'),
    ],
)
@pytest.mark.parametrize(
    ("start", "kind"),
    [
        ("SAVEPOINT", Kind.SAVEPOINT),
        ("ROLLBACK TO", Kind.ROLLBACK_TO),
        ("rollback transaction to savepoint", Kind.ROLLBACK_TO),
        ("ROLLBACK WORK TO SAVEPOINT", Kind.ROLLBACK_TO),
        ("RELEASE", Kind.RELEASE),
        ("RELEASE SAVEPOINT", Kind.RELEASE),
    ],
)
def test_savepoint_is_known_by_its_name(start: str, kind: Kind, name: str, seen: str) -> None:
    statement = read_statement(f"{start} {name}; /* traceparent='00' */")

    assert (statement.kind, statement.name) == (kind, seen)
