"""Which savepoints of the database stand for the transactions of an application."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from alembic_assay.exceptions import OverlapError
from alembic_assay.sandboxes.stack import Stack, Transaction


class Database:
    """A database of SQLite in memory, within a transaction, and the statements of its stack."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.statements: list[str] = []
        self.stack = Stack(self._run, errors_abort=False)
        self._rows = 0
        connection.execute("CREATE TABLE numbers (id INTEGER PRIMARY KEY)")
        connection.execute("BEGIN")

    def write(self, transaction: Transaction) -> int:
        self._rows += 1
        sql = f"INSERT INTO numbers VALUES ({self._rows})"
        self.stack.execute(transaction, self.call(sql), writes=True)
        return self._rows

    def read(self, transaction: Transaction) -> list[int]:
        return self.stack.execute(transaction, self.rows, writes=False)

    def rows(self) -> list[int]:
        return [row[0] for row in self._connection.execute("SELECT id FROM numbers ORDER BY id")]

    def call(self, sql: str) -> Callable[[], object]:
        return lambda: self._connection.execute(sql)

    def commit(self, transaction: Transaction) -> None:
        self.stack.commit(transaction, lambda: None)

    def savepoint(self, transaction: Transaction, name: str) -> None:
        self.stack.savepoint(transaction, name, self.call(f"SAVEPOINT {name}"))

    def rollback_to(self, transaction: Transaction, name: str) -> None:
        self.stack.rollback_to(transaction, name, self.call(f"ROLLBACK TO {name}"))

    def release(self, transaction: Transaction, name: str) -> None:
        self.stack.release(transaction, name, self.call(f"RELEASE {name}"))

    def _run(self, sql: str) -> None:
        self.statements.append(sql.replace(" SAVEPOINT", "").replace("assay_", ""))
        self._connection.execute(sql)


@pytest.fixture
def database() -> Iterator[Database]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        yield Database(connection)


def test_transaction_costs_two_statements(database: Database) -> None:
    one = Transaction("one")
    database.write(one)
    database.read(one)
    database.write(one)
    database.commit(one)

    assert database.statements == ["SAVEPOINT 0", "RELEASE 0"]


def test_transaction_that_did_nothing_costs_nothing(database: Database) -> None:
    one = Transaction("one")
    database.commit(one)
    database.stack.rollback(one)

    assert database.statements == []


def test_rollback_leaves_no_savepoint(database: Database) -> None:
    one = Transaction("one")
    database.write(one)
    database.stack.rollback(one)

    assert database.statements == ["SAVEPOINT 0", "ROLLBACK TO 0", "RELEASE 0"]
    assert database.rows() == []


def test_savepoint_below_others_is_released_when_those_are(database: Database) -> None:
    one, other = Transaction("one"), Transaction("other")
    database.write(one)
    database.write(other)
    database.commit(one)
    database.commit(other)

    assert database.statements == ["SAVEPOINT 0", "SAVEPOINT 1", "RELEASE 0"]
    assert database.rows() == [1, 2]


def test_reader_moves_on_top_before_it_writes(database: Database) -> None:
    one, other = Transaction("one"), Transaction("other")
    database.read(one)
    database.write(other)
    database.commit(other)
    database.write(one)
    database.stack.rollback(one)

    assert database.statements == [
        "SAVEPOINT 0",
        "SAVEPOINT 1",
        "RELEASE 1",
        "SAVEPOINT 1",
        "ROLLBACK TO 1",
        "RELEASE 0",
    ]
    assert database.rows() == [1]


def test_savepoints_of_one_name_hide_each_other(database: Database) -> None:
    one = Transaction("one")
    database.savepoint(one, "point")
    database.write(one)
    database.savepoint(one, "point")
    database.write(one)
    database.rollback_to(one, "point")
    assert database.rows() == [1]
    database.release(one, "point")
    database.rollback_to(one, "point")

    assert database.rows() == []


def test_savepoint_that_is_not_there_is_an_error_of_the_database(database: Database) -> None:
    one = Transaction("one")
    database.write(one)
    with pytest.raises(sqlite3.OperationalError, match="no such savepoint: point"):
        database.rollback_to(one, "point")
    with pytest.raises(sqlite3.OperationalError, match="no such savepoint: point"):
        database.release(one, "point")
    database.commit(one)

    assert database.rows() == [1]


def test_savepoint_of_another_transaction_is_not_there(database: Database) -> None:
    one, other = Transaction("one"), Transaction("other")
    database.savepoint(one, "point")
    with pytest.raises(sqlite3.OperationalError, match="no such savepoint: point"):
        database.rollback_to(other, "point")


def test_transaction_that_could_not_be_undone_is_kept(database: Database) -> None:
    one, other, third = Transaction("one"), Transaction("other"), Transaction("third")
    database.write(one)
    database.write(other)
    with pytest.raises(OverlapError):
        database.stack.rollback(one)
    database.stack.rollback(other)
    database.write(third)
    database.stack.rollback(third)

    assert database.rows() == [1]
    assert not database.stack.is_busy
    assert database.stack.has_written
