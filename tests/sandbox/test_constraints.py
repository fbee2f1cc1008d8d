"""Constraints that wait for the commit are checked at each one of the application."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import IntegrityError
from tests.sandbox.users import House

from alembic_assay.sandboxes import sandbox

CHILDREN = """
    CREATE TABLE children (
        id INTEGER PRIMARY KEY,
        parent INTEGER REFERENCES users (id) DEFERRABLE INITIALLY DEFERRED
    )
"""


@pytest.fixture(params=["postgresql+psycopg", "postgresql+psycopg2", "sqlite+pysqlite"])
def driver(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def app(house: House, driver: str) -> Iterator[Engine]:
    """An engine in a sandbox, with a table whose foreign key is checked at commits."""
    engine = create_engine(house.with_driver(driver))
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", lambda one, _: one.execute("PRAGMA foreign_keys=ON"))
    with engine.begin() as connection:
        connection.execute(text(CHILDREN))
    with sandbox(engine):
        yield engine
    with engine.begin() as connection:
        assert count(connection) == 0
        connection.execute(text("DROP TABLE children"))
    engine.dispose()


def count(connection: Connection) -> int:
    return int(connection.scalar(text("SELECT count(*) FROM children")) or 0)


def test_commit_fails_where_a_real_one_does(app: Engine) -> None:
    connection = app.connect()
    connection.execute(text("INSERT INTO children VALUES (1, 7)"))
    with pytest.raises(IntegrityError):
        connection.commit()
    connection.close()

    with app.connect() as connection:
        assert count(connection) == 0


def test_commit_succeeds_when_all_is_right_in_the_end(app: Engine) -> None:
    with app.begin() as connection:
        connection.execute(text("INSERT INTO children VALUES (1, 7)"))
        connection.execute(text("INSERT INTO users (id, email) VALUES (7, 'ann')"))
    with app.begin() as connection:
        connection.execute(text("INSERT INTO children VALUES (2, 8)"))
        connection.execute(text("INSERT INTO users (id, email) VALUES (8, 'bob')"))

        assert count(connection) == 2


def test_work_behind_a_commit_that_failed_is_kept(app: Engine) -> None:
    connection = app.connect()
    connection.execute(text("INSERT INTO users (id, email) VALUES (7, 'ann')"))
    connection.execute(text("INSERT INTO children VALUES (1, 7)"))
    connection.commit()
    connection.execute(text("INSERT INTO children VALUES (2, 9)"))
    with pytest.raises(IntegrityError):
        connection.commit()
    connection.close()

    with app.begin() as connection:
        connection.execute(text("INSERT INTO children VALUES (3, 7)"))
        assert count(connection) == 2


def test_statement_that_commits_by_itself_is_checked(app: Engine) -> None:
    with app.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        with pytest.raises(IntegrityError):
            connection.execute(text("INSERT INTO children VALUES (1, 7)"))
        assert count(connection) == 0
