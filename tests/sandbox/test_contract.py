"""What an application sees of its database is the same in a sandbox as in production."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext, suppress

import pytest
from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from tests.sandbox.users import EMAILS, USERS, House, User, emails

from alembic_assay.sandboxes import sandbox

INSERT = "INSERT INTO users (email) VALUES ('ann')"


@pytest.fixture(params=["in production", "in a sandbox"])
def app(request: pytest.FixtureRequest, house: House, driver: str) -> Iterator[Engine]:
    """The engine of an application; in a sandbox nothing is left behind."""
    engine = create_engine(house.with_driver(driver))
    is_sandboxed = request.param == "in a sandbox"
    with sandbox(engine) if is_sandboxed else nullcontext():
        yield engine
    engine.dispose()
    if is_sandboxed:
        assert house.emails() == []
    else:
        house.clear()


def seen(app: Engine) -> list[str]:
    with app.connect() as connection:
        return emails(connection)


def test_begin_commits(app: Engine) -> None:
    with app.begin() as connection:
        connection.execute(USERS.insert(), {"email": "ann"})

    assert seen(app) == ["ann"]


def test_begin_rolls_back_behind_an_error(app: Engine) -> None:
    with suppress(ZeroDivisionError), app.begin() as connection:
        connection.execute(USERS.insert(), {"email": "ann"})
        _ = 1 / 0

    assert seen(app) == []


def test_connection_commits_and_rolls_back(app: Engine) -> None:
    with app.connect() as connection:
        connection.execute(USERS.insert(), {"email": "ann"})
        connection.commit()
        connection.execute(USERS.insert(), {"email": "bob"})
        connection.rollback()
        connection.execute(USERS.insert(), {"email": "eve"})

    assert seen(app) == ["ann"]


def test_session_commits(app: Engine) -> None:
    with Session(app) as session:
        session.add(User(email="ann"))
        session.commit()

    assert seen(app) == ["ann"]


def test_session_rolls_back(app: Engine) -> None:
    with Session(app) as session:
        session.add(User(email="ann"))
        session.commit()
        session.add(User(email="bob"))
        session.flush()
        session.rollback()
        session.add(User(email="eve"))
        session.flush()

        assert list(session.scalars(EMAILS)) == ["ann", "eve"]

    assert seen(app) == ["ann"]


def test_session_begins(app: Engine) -> None:
    with Session(app) as session, session.begin():
        session.add(User(email="ann"))
    with suppress(ZeroDivisionError), Session(app) as session, session.begin():
        session.add(User(email="bob"))
        session.flush()
        _ = 1 / 0

    assert seen(app) == ["ann"]


def test_connection_of_the_driver_commits(app: Engine) -> None:
    connection = app.raw_connection()
    cursor = connection.cursor()
    cursor.execute(INSERT)
    connection.commit()
    cursor.execute("SELECT email FROM users")
    found = cursor.fetchall()
    cursor.close()
    connection.close()

    assert [tuple(row) for row in found] == [("ann",)]
    assert seen(app) == ["ann"]


def test_connection_of_the_driver_rolls_back(app: Engine) -> None:
    connection = app.raw_connection()
    cursor = connection.cursor()
    cursor.execute(INSERT)
    connection.rollback()
    cursor.execute(INSERT.replace("ann", "bob"))
    cursor.close()
    connection.close()

    assert seen(app) == []


def test_error_that_is_swallowed_is_over_with_its_transaction(app: Engine) -> None:
    with app.begin() as connection:
        connection.execute(USERS.insert(), {"email": "ann"})
    with app.connect() as connection:
        connection.execute(USERS.insert(), {"email": "bob"})
        with pytest.raises(IntegrityError):
            connection.execute(USERS.insert(), {"email": "ann"})
        connection.rollback()
        connection.execute(USERS.insert(), {"email": "eve"})
        connection.commit()

    assert seen(app) == ["ann", "eve"]


def test_error_that_is_swallowed_spoils_the_commit_where_it_aborts(app: Engine) -> None:
    with app.begin() as connection:
        connection.execute(USERS.insert(), {"email": "ann"})
    with app.begin() as connection:
        connection.execute(USERS.insert(), {"email": "bob"})
        with pytest.raises(IntegrityError):
            connection.execute(USERS.insert(), {"email": "ann"})

    is_aborted = app.dialect.name == "postgresql"
    assert seen(app) == (["ann"] if is_aborted else ["ann", "bob"])


def test_error_of_a_savepoint_is_over_with_it(app: Engine) -> None:
    with Session(app) as session:
        session.add(User(email="ann"))
        session.flush()
        with pytest.raises(IntegrityError), session.begin_nested():
            session.execute(USERS.insert(), {"email": "ann"})
        session.add(User(email="bob"))
        session.commit()

    assert seen(app) == ["ann", "bob"]


def test_savepoints_are_kept_and_undone_each(app: Engine) -> None:
    with app.begin() as connection:
        with connection.begin_nested():
            connection.execute(USERS.insert(), {"email": "ann"})
        with connection.begin_nested() as nested:
            connection.execute(USERS.insert(), {"email": "bob"})
            with connection.begin_nested():
                connection.execute(USERS.insert(), {"email": "cid"})
            nested.rollback()
        connection.execute(USERS.insert(), {"email": "eve"})

    assert seen(app) == ["ann", "eve"]


def test_autocommit_commits_each_statement(app: Engine) -> None:
    with app.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(USERS.insert(), {"email": "ann"})
        with pytest.raises(IntegrityError):
            connection.execute(USERS.insert(), {"email": "ann"})
        connection.execute(USERS.insert(), {"email": "bob"})
        connection.rollback()
    with app.connect() as connection:
        connection.execute(USERS.insert(), {"email": "eve"})

    assert seen(app) == ["ann", "bob"]


def test_engine_in_autocommit_commits_each_statement(app: Engine) -> None:
    with app.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(USERS.insert(), {"email": "ann"})
        connection.rollback()
    with app.connect() as connection:
        connection.execute(USERS.insert(), {"email": "eve"})

    assert seen(app) == ["ann"]


def test_engine_made_for_autocommit_commits_each_statement(app: Engine) -> None:
    engine = create_engine(app.url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(USERS.insert(), {"email": "ann"})
        connection.rollback()
        with pytest.raises(IntegrityError):
            connection.execute(USERS.insert(), {"email": "ann"})
        connection.execute(USERS.insert(), {"email": "bob"})
    engine.dispose()

    assert seen(app) == ["ann", "bob"]


def test_engine_works_on_when_it_was_disposed_of(app: Engine) -> None:
    with app.begin() as connection:
        connection.execute(USERS.insert(), {"email": "ann"})

    app.dispose()
    with app.begin() as connection:
        connection.execute(USERS.insert(), {"email": "bob"})

    assert seen(app) == ["ann", "bob"]


def test_many_rows_are_inserted_at_once(app: Engine) -> None:
    with Session(app) as session:
        session.add_all([User(email=f"{number:02}") for number in range(30)])
        session.commit()
    with app.begin() as connection:
        connection.execute(USERS.insert(), [{"email": "x"}, {"email": "y"}])
    with pytest.raises(IntegrityError), app.begin() as connection:
        connection.execute(USERS.insert(), [{"email": "z"}, {"email": "x"}])

    assert seen(app) == [*(f"{number:02}" for number in range(30)), "x", "y"]
