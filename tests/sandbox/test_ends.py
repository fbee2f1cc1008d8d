"""What ends the transaction around a test underneath fails that test, and no other one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import SQLAlchemyError
from tests.sandbox.users import USERS, House, emails

from alembic_assay.exceptions import TransactionEnded
from alembic_assay.sandboxes import Sandbox

COMMITTING = {
    "postgresql": "DO $$ BEGIN INSERT INTO users (email) VALUES ('bob'); COMMIT; END $$",
    "mysql": "BEGIN NOT ATOMIC INSERT INTO users (email) VALUES ('bob'); COMMIT; END",
}


@pytest.fixture
def box(house: House) -> Iterator[Sandbox]:
    box = Sandbox(house.url)
    yield box
    box.close()
    house.clear()


@pytest.fixture
def engine(house: House, driver: str) -> Iterator[Engine]:
    engine = create_engine(house.with_driver(driver))
    yield engine
    engine.dispose()


def insert(engine: Engine, email: str) -> None:
    with engine.begin() as connection:
        connection.execute(USERS.insert(), {"email": email})


@pytest.mark.parametrize("driver", ["postgresql+psycopg", "mysql+pymysql"], indirect=True)
def test_commit_inside_of_a_statement_is_told_with_it(
    house: House, box: Sandbox, engine: Engine, driver: str
) -> None:
    sql = COMMITTING[engine.dialect.name]

    def work() -> None:
        with box.isolated():
            insert(engine, "ann")
            with engine.connect() as connection, suppress(SQLAlchemyError):
                connection.execute(text(sql))

    if engine.dialect.name == "postgresql":
        # There the server itself refuses it, as it is within a transaction.
        work()
        assert house.emails() == []
        return
    with pytest.raises(TransactionEnded) as raised:
        work()

    lines = str(raised.value).splitlines()
    assert lines[0].startswith("the transaction around the test was ended before the test was: ")
    assert lines[1] == "  What the test had changed may have stayed; its database is made anew."
    assert lines[2].startswith(
        f"  help: it was by one of these, which need real commits: {sql} (test_ends.py:"
    )
    assert lines[2].endswith(
        '). @pytest.mark.assay(isolation="fresh") gives the test a database of its own.'
    )


@pytest.mark.parametrize("how", ["commit", "rollback"])
def test_end_by_the_connection_of_the_driver_is_told(
    house: House, box: Sandbox, engine: Engine, how: str
) -> None:
    def work() -> None:
        with box.isolated():
            insert(engine, "ann")
            raw = engine.raw_connection()
            theirs = raw.dbapi_connection._transactions.driver.connection  # type: ignore[union-attr]
            getattr(theirs, how)()
            raw.close()

    with pytest.raises(TransactionEnded) as raised:
        work()

    lines = str(raised.value).splitlines()
    assert lines[0].startswith("the transaction around the test was ended before the test was: ")
    assert lines[1:] == [
        "  What the test had changed may have stayed; its database is made anew.",
        "  help: leave the transaction of the driver's connection alone: commit and roll back"
        ' through SQLAlchemy; or @pytest.mark.assay(isolation="fresh") gives the test a database of'
        " its own.",
    ]


def test_next_block_works_behind_one_whose_transaction_was_ended(
    house: House, box: Sandbox, engine: Engine
) -> None:
    def end() -> None:
        with box.isolated():
            insert(engine, "ann")
            raw = engine.raw_connection()
            raw.dbapi_connection._transactions.driver.connection.rollback()  # type: ignore[union-attr]
            raw.close()

    with pytest.raises(TransactionEnded):
        end()
    for _ in range(2):
        with box.isolated():
            insert(engine, "bob")
            with engine.connect() as connection:
                assert emails(connection) == ["bob"]

    assert house.emails() == []


def test_next_block_works_behind_one_whose_session_was_closed(
    house: House, box: Sandbox, engine: Engine
) -> None:
    def end() -> None:
        with box.isolated():
            insert(engine, "ann")
            raw = engine.raw_connection()
            raw.dbapi_connection._transactions.driver.connection.close()  # type: ignore[union-attr]
            with suppress(Exception):
                raw.close()

    with pytest.raises(TransactionEnded):
        end()
    with box.isolated():
        insert(engine, "bob")

    assert house.emails() == []


@pytest.mark.parametrize("driver", ["mysql+pymysql"], indirect=True)
def test_rows_of_a_table_without_transactions_are_told(
    house: House, box: Sandbox, engine: Engine
) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE lasting (id INT) ENGINE=MyISAM"))

    def work() -> None:
        with box.isolated(), engine.begin() as connection:
            connection.execute(text("INSERT INTO lasting VALUES (1)"))

    with pytest.raises(TransactionEnded) as raised:
        work()
    with box.isolated():
        insert(engine, "ann")
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE lasting"))

    assert str(raised.value) == (
        "the test has written in a table without transactions, such as one of MyISAM\n"
        "  What it wrote has stayed; its database is made anew.\n"
        "  help: give the table another engine: ALTER TABLE ... ENGINE=InnoDB; or"
        ' @pytest.mark.assay(isolation="fresh") gives the test a database of its own.'
    )
    assert house.emails() == []


SETTING = {
    "postgresql": "PREPARE find AS SELECT 1",
    "sqlite": "PRAGMA case_sensitive_like = 1",
    "mysql": "SET SESSION sql_mode = 'ANSI_QUOTES'",
}


def test_what_is_set_for_a_session_is_not_there_in_the_next_block(
    house: House, box: Sandbox, engine: Engine
) -> None:
    sql = SETTING[engine.dialect.name]
    for _ in range(2):
        with box.isolated(), engine.connect() as connection:
            connection.execute(text(sql))
            connection.rollback()
            if engine.dialect.name == "sqlite":
                connection.execute(USERS.insert(), {"email": "ann"})
                found = connection.scalar(text("SELECT count(*) FROM users WHERE email LIKE 'A%'"))
                assert found == 0

    with box.isolated(), engine.connect() as connection:
        connection.execute(USERS.insert(), {"email": "ann"})
        found = connection.scalar(text("SELECT count(*) FROM users WHERE email LIKE 'an%'"))

    assert found == 1
