"""What cannot be rolled back, or would not do what it does elsewhere, is refused before it runs."""

from __future__ import annotations

import os

import pytest
from sqlalchemy import Connection, Engine, text
from tests.sandbox.users import USERS, emails

from alembic_assay.exceptions import NotInRollback

PSYCOPG = pytest.mark.parametrize("driver", ["postgresql+psycopg"], indirect=True)
PYSQLITE = pytest.mark.parametrize("driver", ["sqlite+pysqlite"], indirect=True)
PYMYSQL = pytest.mark.parametrize("driver", ["mysql+pymysql"], indirect=True)
FRESH = '@pytest.mark.assay(isolation="fresh") gives the test a database of its own.'
OUTSIDE = "cannot be run within a transaction"
NOT_TOLD = "tells others nothing until a real commit"
COMMITS = "commits at once on this database"


def require_refused(app: Engine, sql: str, why: str) -> None:
    with app.begin() as connection:
        connection.execute(USERS.insert(), {"email": "ann"})
        with pytest.raises(NotInRollback) as raised:
            connection.execute(text(sql))
    with app.connect() as connection:
        assert emails(connection) == ["ann"]

    assert str(raised.value) == (
        f"{why}: {sql}\n"
        "  All that a test does is in one transaction, which is rolled back behind it; so nothing"
        " was run.\n"
        f"  help: {FRESH}"
    )


@PSYCOPG
@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("CREATE INDEX CONCURRENTLY one ON users (email)", f"CONCURRENTLY {OUTSIDE}"),
        ("VACUUM users", f"VACUUM {OUTSIDE}"),
        ("ALTER SYSTEM SET work_mem = '1MB'", f"ALTER SYSTEM {OUTSIDE}"),
        ("CREATE DATABASE other", f"CREATE DATABASE {OUTSIDE}"),
        ("PREPARE TRANSACTION 'one'", f"PREPARE TRANSACTION {OUTSIDE}"),
        ("NOTIFY news, 'one'", f"NOTIFY {NOT_TOLD}"),
        ("LISTEN news", f"LISTEN {NOT_TOLD}"),
        ("SELECT pg_notify('news', 'one')", f"PG_NOTIFY {NOT_TOLD}"),
    ],
)
def test_statement_that_needs_real_commits_is_refused_by_postgresql(
    app: Engine, sql: str, why: str
) -> None:
    require_refused(app, sql, why)


@PYMYSQL
@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("CREATE TABLE other (id INT)", f"CREATE TABLE {COMMITS}"),
        ("CREATE OR REPLACE VIEW other AS SELECT 1", f"CREATE OR REPLACE VIEW {COMMITS}"),
        ("/* one */ ALTER TABLE users ADD other INT", f"ALTER TABLE {COMMITS}"),
        ("DROP INDEX email ON users", f"DROP INDEX {COMMITS}"),
        ("TRUNCATE TABLE users", f"TRUNCATE TABLE {COMMITS}"),
        ("RENAME TABLE users TO others", f"RENAME TABLE {COMMITS}"),
        ("ANALYZE TABLE users", f"ANALYZE TABLE {COMMITS}"),
        ("LOCK TABLES users WRITE", f"LOCK TABLES {COMMITS}"),
        ("SET autocommit = 1", f"SET AUTOCOMMIT {COMMITS}"),
        ("XA START 'one'", f"XA {OUTSIDE}"),
    ],
)
def test_statement_that_commits_is_refused_by_mysql(app: Engine, sql: str, why: str) -> None:
    require_refused(app, sql, why)


@PYSQLITE
@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("VACUUM", f"VACUUM {OUTSIDE}"),
        ("PRAGMA foreign_keys = ON", "PRAGMA FOREIGN_KEYS does nothing within a transaction"),
        ("PRAGMA foreign_keys(ON)", "PRAGMA FOREIGN_KEYS does nothing within a transaction"),
    ],
)
def test_statement_that_does_nothing_here_is_refused_by_sqlite(
    app: Engine, sql: str, why: str
) -> None:
    require_refused(app, sql, why)


@PSYCOPG
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 'CREATE INDEX CONCURRENTLY'",
        "SELECT 1 -- VACUUM, NOTIFY",
        "CREATE TABLE vacuum_jobs (listen int)",
    ],
)
def test_words_in_texts_and_names_are_not_refused(app: Engine, sql: str) -> None:
    with app.begin() as connection:
        connection.execute(text(sql))


@pytest.mark.parametrize("driver", ["postgresql+psycopg", "mysql+pymysql"], indirect=True)
@pytest.mark.parametrize("words", ["SKIP LOCKED", "NOWAIT"])
def test_locks_of_others_are_refused_only_where_there_may_be_any(app: Engine, words: str) -> None:
    sql = text(f"SELECT email FROM users FOR UPDATE {words}")
    with app.begin() as connection:
        connection.execute(USERS.insert(), {"email": "ann"})

    with app.connect() as one:
        assert one.scalars(sql).all() == ["ann"]
        with app.connect() as other, pytest.raises(NotInRollback) as raised:
            other.execute(sql)
        assert one.scalars(sql).all() == ["ann"]

    assert str(raised.value) == (
        f"what another transaction of the same test has locked is not skipped: {sql.text}\n"
        "  All that a test does is in one transaction, which is rolled back behind it; so nothing"
        " was run.\n"
        f"  help: {FRESH}"
    )


@PSYCOPG
def test_transaction_in_two_phases_is_refused_by_the_time_it_is_prepared(app: Engine) -> None:
    def work(connection: Connection) -> None:
        transaction = connection.begin_twophase()
        connection.execute(USERS.insert(), {"email": "ann"})
        transaction.prepare()

    with app.connect() as connection, pytest.raises(NotInRollback):
        work(connection)

    with app.connect() as connection:
        assert emails(connection) == []


@pytest.mark.parametrize("driver", ["postgresql+psycopg2"], indirect=True)
def test_transaction_in_two_phases_is_refused(app: Engine) -> None:
    with app.connect() as connection:
        with pytest.raises(NotInRollback) as raised:
            connection.begin_twophase()
        connection.rollback()

    assert str(raised.value) == (
        "a transaction in two phases cannot be rolled back behind a test\n"
        "  What is prepared outlives its connection; so nothing was run.\n"
        f"  help: {FRESH}"
    )


@PYSQLITE
@pytest.mark.parametrize("of", ["cursor", "connection"])
def test_script_that_commits_first_is_refused(app: Engine, of: str) -> None:
    raw = app.raw_connection()
    target = raw.cursor() if of == "cursor" else raw.dbapi_connection
    with pytest.raises(NotInRollback) as raised:
        target.executescript("INSERT INTO users (email) VALUES ('ann')")  # type: ignore[union-attr]
    raw.close()

    assert str(raised.value) == (
        "executescript() commits before it begins\n"
        "  What the test had changed could not be rolled back; so nothing was run.\n"
        f"  help: execute the statements one by one; or {FRESH}"
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_forked_process_is_refused(app: Engine) -> None:
    with app.connect() as connection:
        connection.execute(USERS.insert(), {"email": "ann"})
        connection.commit()
    reading, writing = os.pipe()

    child = os.fork()
    if child == 0:
        try:
            app.connect().execute(text("SELECT 1"))
        except NotInRollback as error:
            os.write(writing, str(error).encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    said = os.read(reading, 10_000).decode()
    os.close(reading)

    assert said == (
        "a connection of a test is used in another process, which was forked from it\n"
        "  Both would speak in one session, and the server understand neither.\n"
        f"  help: let the process make an engine of its own; {FRESH}"
    )
    with app.connect() as connection:
        assert emails(connection) == ["ann"]
