from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest
from sqlalchemy import URL, Column, Connection, Engine, Integer, MetaData, String, Table, inspect
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from tests.states import with_transactional_ddl

from alembic_assay.databases import Databases
from alembic_assay.exceptions import UsageError
from alembic_assay.sandbox import rolled_back_connection


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(50), unique=True)


USERS = Base.metadata.tables["users"]
OTHER = Table("other", MetaData(), Column("id", Integer, primary_key=True))


@pytest.fixture
def engine(databases: Databases, database_url: URL) -> Iterator[Engine]:
    """A database with an empty table ``users``, on an engine as that of migrated_engine."""
    engine = databases.backend.make_own_engine(database_url)
    with engine.begin() as connection:
        Base.metadata.create_all(connection)
    yield engine
    engine.dispose()


def emails(connection: Connection) -> list[str]:
    return list(connection.scalars(USERS.select().with_only_columns(USERS.c.email)))


def emails_seen_by_others(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return emails(connection)


def test_commit_of_a_connection_is_gone_behind_the_block(engine: Engine) -> None:
    with rolled_back_connection(engine) as connection:
        connection.execute(USERS.insert(), {"email": "ann"})
        connection.commit()

        assert emails(connection) == ["ann"]

    assert emails_seen_by_others(engine) == []


def test_rollback_after_a_commit_keeps_what_was_committed(engine: Engine) -> None:
    with rolled_back_connection(engine) as connection:
        connection.execute(USERS.insert(), {"email": "ann"})
        connection.commit()
        connection.execute(USERS.insert(), {"email": "bob"})
        connection.rollback()

        assert emails(connection) == ["ann"]


def test_begin_blocks_commit_and_roll_back_as_ever(engine: Engine) -> None:
    with rolled_back_connection(engine) as connection:
        with connection.begin():
            connection.execute(USERS.insert(), {"email": "ann"})
        with pytest.raises(IntegrityError), connection.begin():
            connection.execute(USERS.insert(), [{"email": "bob"}, {"email": "ann"}])

        assert emails(connection) == ["ann"]


def test_nested_transactions_commit_and_roll_back_as_ever(engine: Engine) -> None:
    with rolled_back_connection(engine) as connection:
        with connection.begin():
            connection.execute(USERS.insert(), {"email": "ann"})
            with connection.begin_nested() as nested:
                connection.execute(USERS.insert(), {"email": "bob"})
                nested.rollback()
            with connection.begin_nested():
                connection.execute(USERS.insert(), {"email": "eve"})

        assert emails(connection) == ["ann", "eve"]

    assert emails_seen_by_others(engine) == []


def test_commit_of_a_session_is_gone_behind_the_block(engine: Engine) -> None:
    with rolled_back_connection(engine) as connection:
        with Session(connection) as session:
            session.add(User(email="ann"))
            session.commit()
        with Session(connection) as session:
            found = [user.email for user in session.query(User)]

        assert found == ["ann"]

    assert emails_seen_by_others(engine) == []


def test_rollback_of_a_session_undoes_only_its_own_work(engine: Engine) -> None:
    with rolled_back_connection(engine) as connection, Session(connection) as session:
        session.add(User(email="ann"))
        session.commit()
        session.add(User(email="bob"))
        session.flush()
        session.rollback()

        assert [user.email for user in session.query(User)] == ["ann"]


def test_nested_transaction_of_a_session_is_a_savepoint(engine: Engine) -> None:
    with rolled_back_connection(engine) as connection, Session(connection) as session:
        session.add(User(email="ann"))
        session.flush()
        with pytest.raises(IntegrityError), session.begin_nested():
            session.execute(USERS.insert(), {"email": "ann"})
        session.commit()

        assert [user.email for user in session.query(User)] == ["ann"]

    assert emails_seen_by_others(engine) == []


def test_error_of_the_database_is_over_after_a_rollback(engine: Engine) -> None:
    with rolled_back_connection(engine) as connection:
        connection.execute(USERS.insert(), {"email": "ann"})
        connection.commit()
        with pytest.raises(IntegrityError):
            connection.execute(USERS.insert(), {"email": "ann"})
        connection.rollback()

        assert emails(connection) == ["ann"]

    assert emails_seen_by_others(engine) == []


@pytest.mark.parametrize("is_committed", [True, False])
def test_error_inside_the_block_leaves_nothing(engine: Engine, *, is_committed: bool) -> None:
    def work() -> None:
        with rolled_back_connection(engine) as connection:
            connection.execute(USERS.insert(), {"email": "ann"})
            if is_committed:
                connection.commit()
            _ = 1 / 0

    with pytest.raises(ZeroDivisionError):
        work()

    assert emails_seen_by_others(engine) == []


@with_transactional_ddl
def test_ddl_inside_the_block_is_gone_behind_it(engine: Engine) -> None:
    with rolled_back_connection(engine) as connection:
        OTHER.create(connection)
        connection.execute(OTHER.insert(), {"id": 1})
        USERS.drop(connection)
        connection.commit()

        assert inspect(connection).get_table_names() == ["other"]

    assert inspect(engine).get_table_names() == ["users"]


def test_commit_cannot_be_seen_by_another_connection(engine: Engine) -> None:
    with rolled_back_connection(engine) as connection:
        connection.execute(USERS.insert(), {"email": "ann"})
        connection.commit()

        assert emails_seen_by_others(engine) == []


def test_rows_from_before_the_block_stay(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(USERS.insert(), {"email": "old"})

    with rolled_back_connection(engine) as connection:
        connection.execute(USERS.delete())
        connection.commit()

        assert emails(connection) == []

    assert emails_seen_by_others(engine) == ["old"]


def test_blocks_one_after_the_other_begin_alike(engine: Engine) -> None:
    for _ in range(3):
        with rolled_back_connection(engine) as connection:
            assert emails(connection) == []
            connection.execute(USERS.insert(), {"email": "ann"})
            connection.commit()

    assert emails_seen_by_others(engine) == []


@pytest.mark.parametrize("databases", ["mysql"], indirect=True)
@pytest.mark.parametrize("end", ["commit", "rollback", "close"])
def test_ddl_that_commits_is_an_error_at_the_end_of_the_transaction(
    engine: Engine, end: str
) -> None:
    def work() -> None:
        with rolled_back_connection(engine) as connection:
            connection.execute(USERS.insert(), {"email": "ann"})
            OTHER.create(connection)
            getattr(connection, end)()

    with pytest.raises(UsageError) as raised:
        work()

    assert str(raised.value) == (
        "a statement committed the transaction that was to be rolled back behind the test\n"
        "  DDL does that on this database. What the test had changed stays there, and the next"
        " tests see it.\n"
        "  help: leave CREATE, ALTER, DROP and TRUNCATE to migrations, or run them in the test on a"
        " connection and a database of its own."
    )
    assert emails_seen_by_others(engine) == ["ann"]


@pytest.mark.parametrize("databases", ["postgresql"], indirect=True)
def test_sequence_goes_on_behind_the_block(engine: Engine) -> None:
    with rolled_back_connection(engine) as connection:
        first = connection.scalar(USERS.insert().returning(USERS.c.id), {"email": "ann"})
    with rolled_back_connection(engine) as connection:
        second = connection.scalar(USERS.insert().returning(USERS.c.id), {"email": "ann"})

    assert (first, second) == (1, 2)


def test_connection_of_the_block_is_closed_behind_it(
    engine: Engine, databases: Databases, database_url: URL
) -> None:
    with rolled_back_connection(engine) as connection:
        connection.execute(USERS.insert(), {"email": "ann"})
        connection.commit()

    databases.drop(database_url)

    assert not databases.backend.exists(database_url)


def test_commit_of_an_aborted_transaction_loses_nothing_but_that(engine: Engine) -> None:
    with rolled_back_connection(engine) as connection:
        with Session(bind=connection, join_transaction_mode="create_savepoint") as session:
            session.execute(USERS.insert(), {"email": "ann"})
            session.commit()
            with pytest.raises(IntegrityError):
                session.execute(USERS.insert(), {"email": "ann"})
            with suppress(DBAPIError):  # PostgreSQL takes no more statements
                session.commit()
        connection.rollback()

        assert emails(connection) == ["ann"]


@pytest.mark.parametrize("is_kept", [True, False])
def test_transaction_is_committed_where_it_is_to_be_kept(engine: Engine, *, is_kept: bool) -> None:
    with rolled_back_connection(engine, keep=lambda: is_kept) as connection:
        connection.execute(USERS.insert(), {"email": "ann"})
        connection.commit()
        connection.execute(USERS.insert(), {"email": "bob"})

    assert emails_seen_by_others(engine) == (["ann"] if is_kept else [])
