"""Rows that go to and fro in pieces: cursors on the server, and COPY."""

from __future__ import annotations

import asyncio
import io
import threading
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import Session
from tests.sandbox.users import EMAILS, USERS, User, emails

NAMES = [f"{number:03}" for number in range(100)]
ROWS = [{"email": name} for name in NAMES]

PSYCOPG = pytest.mark.parametrize("driver", ["postgresql+psycopg"], indirect=True)
PSYCOPG2 = pytest.mark.parametrize("driver", ["postgresql+psycopg2"], indirect=True)
POSTGRESQL = pytest.mark.parametrize(
    "driver", ["postgresql+psycopg", "postgresql+psycopg2"], indirect=True
)


def insert(engine: Engine, *names: str) -> None:
    with engine.begin() as connection:
        connection.execute(USERS.insert(), [{"email": name} for name in names])


def test_rows_are_streamed(app: Engine) -> None:
    insert(app, *NAMES)

    with app.connect().execution_options(stream_results=True) as connection:
        result = connection.scalars(EMAILS)
        some = result.fetchmany(20)
        others = result.all()

    assert [*some, *others] == NAMES


def test_objects_are_yielded_in_batches_while_others_work(app: Engine) -> None:
    insert(app, *NAMES)

    with Session(app) as session:
        found = []
        for user in session.query(User).order_by(User.email).yield_per(10):
            found.append(user.email)
            if len(found) % 25 == 0:
                insert(app, f"x{len(found)}")

    assert found[:100] == NAMES
    with app.connect() as connection:
        assert emails(connection) == [*NAMES, "x100", "x25", "x50", "x75"]


@POSTGRESQL
def test_error_of_a_row_that_is_fetched_late_aborts_its_transaction_alone(app: Engine) -> None:
    insert(app, "ann")
    division = text("SELECT 1 / (3 - n) FROM generate_series(1, 5) AS n")

    with app.connect() as one, app.connect() as other:
        result = one.execution_options(stream_results=True, max_row_buffer=1).execute(division)
        with pytest.raises(DataError):
            result.all()
        assert emails(other) == ["ann"]
        insert(app, "bob")
        one.rollback()
        assert emails(one) == ["ann", "bob"]


@POSTGRESQL
def test_cursor_on_the_server_outlives_work_of_others(app: Engine) -> None:
    insert(app, *NAMES)

    with app.connect().execution_options(yield_per=10) as one:
        result = one.scalars(EMAILS)
        some = result.fetchmany(10)
        with app.connect() as other:
            other.execute(USERS.insert(), {"email": "x"})
            other.rollback()
            with pytest.raises(IntegrityError):
                other.execute(USERS.insert(), {"email": "000"})
        assert [*some, *result] == NAMES


@POSTGRESQL
def test_unread_result_is_dropped(app: Engine) -> None:
    insert(app, *NAMES)

    with app.connect().execution_options(yield_per=10) as connection:
        result = connection.scalars(EMAILS)
        assert next(result) == "000"
        result.close()
    with app.connect() as connection:
        assert emails(connection) == NAMES


def copying(app: Engine, *names: str) -> None:
    """COPY rows by psycopg, and commit."""
    raw = app.raw_connection()
    try:
        cursor: Any = raw.cursor()
        with cursor.copy("COPY users (email) FROM STDIN") as copy:
            for name in names:
                copy.write_row([name])
        raw.commit()
    finally:
        raw.close()


@PSYCOPG
def test_rows_are_copied_by_psycopg(app: Engine) -> None:
    copying(app, "ann", "bob")

    raw = app.raw_connection()
    cursor: Any = raw.cursor()
    with cursor.copy("COPY users (email) TO STDOUT") as copy:
        found = [bytes(row) for row in copy]
    raw.close()

    assert found == [b"ann\n", b"bob\n"]


@PSYCOPG
@pytest.mark.parametrize("level", ["READ COMMITTED", "AUTOCOMMIT"])
def test_error_of_a_copy_undoes_that_alone(app: Engine, level: str) -> None:
    insert(app, "ann")
    with app.connect() as other:
        other.execute(USERS.insert(), {"email": "bob"})
        optional = app.execution_options(isolation_level=level)
        with pytest.raises(Exception, match="duplicate key"):
            copying(optional, "eve", "ann")
        assert emails(other) == ["ann", "bob"]
        other.rollback()
        assert emails(other) == ["ann"]


@PSYCOPG
def test_copy_commits_by_itself_where_each_statement_does(app: Engine) -> None:
    with app.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        cursor: Any = connection.connection.cursor()
        with cursor.copy("COPY users (email) FROM STDIN") as copy:
            copy.write_row(["ann"])
        cursor.close()
        connection.rollback()
        assert emails(connection) == ["ann"]


@PSYCOPG
def test_others_wait_for_the_end_of_a_copy(app: Engine) -> None:
    other = threading.Thread(target=insert, args=[app, "bob"])
    raw = app.raw_connection()
    cursor: Any = raw.cursor()
    with cursor.copy("COPY users (email) FROM STDIN") as copy:
        copy.write_row(["ann"])
        other.start()
        copy.write_row(["eve"])
    raw.commit()
    raw.close()
    other.join()

    with app.connect() as connection:
        assert emails(connection) == ["ann", "bob", "eve"]


@PSYCOPG2
def test_rows_are_copied_by_psycopg2(app: Engine) -> None:
    raw = app.raw_connection()
    cursor: Any = raw.cursor()
    cursor.copy_expert("COPY users (email) FROM STDIN", io.StringIO("ann\n"))
    cursor.copy_from(io.StringIO("bob\n"), "users", columns=["email"])
    raw.commit()
    out = io.StringIO()
    cursor.copy_expert("COPY users (email) TO STDOUT", out)
    cursor.copy_expert("COPY users (email) FROM STDIN", io.StringIO("eve\n"))
    raw.rollback()
    with pytest.raises(Exception, match="duplicate key"):
        cursor.copy_expert("COPY users (email) FROM STDIN", io.StringIO("cid\nann\n"))
    raw.close()

    assert out.getvalue() == "ann\nbob\n"
    with app.connect() as connection:
        assert emails(connection) == ["ann", "bob"]


@pytest.mark.parametrize(
    "async_driver", ["postgresql+psycopg", "postgresql+asyncpg", "sqlite+aiosqlite"], indirect=True
)
def test_rows_are_streamed_while_others_work(async_app: AsyncEngine) -> None:
    async def work() -> list[str]:
        async with async_app.begin() as connection:
            await connection.execute(USERS.insert(), ROWS)
        found = []
        async with async_app.connect() as connection:
            result = await connection.stream_scalars(EMAILS.execution_options(yield_per=10))
            async for name in result:
                found.append(name)
                if len(found) % 25 == 0:
                    async with async_app.begin() as other:
                        await other.execute(USERS.insert(), {"email": f"-{len(found)}"})
        return found

    assert asyncio.run(work()) == NAMES
