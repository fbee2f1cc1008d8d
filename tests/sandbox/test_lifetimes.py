"""Connections that outlive what they were made for, and rows that are to."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.orm import Session
from tests.sandbox.users import USERS, Base, House, User, async_emails, emails

from alembic_assay.exceptions import SandboxError
from alembic_assay.sandboxes import Sandbox


@pytest.fixture
def engine(house: House, driver: str) -> Iterator[Engine]:
    engine = create_engine(house.with_driver(driver))
    yield engine
    engine.dispose()


@pytest.fixture
def box(house: House) -> Iterator[Sandbox]:
    box = Sandbox(house.url)
    yield box
    box.close()
    house.clear()


def test_connection_that_is_dropped_is_rolled_back(app: Engine) -> None:
    connection = app.connect()
    connection.execute(USERS.insert(), {"email": "ann"})
    del connection
    gc.collect()
    raw = app.raw_connection()
    raw.cursor().execute("INSERT INTO users (email) VALUES ('bob')")
    del raw
    gc.collect()

    with app.connect() as other:
        assert emails(other) == []


def test_connection_that_is_dropped_amid_a_statement_of_another_is_rolled_back(
    app: Engine,
) -> None:
    dropped = [app.connect()]
    dropped[0].execute(USERS.insert(), {"email": "ann"})
    with app.connect() as connection:
        real = connection.connection.dbapi_connection._transactions._link  # type: ignore[union-attr]

        def drop(job: object) -> None:
            dropped.clear()
            gc.collect()
            real.stack.recover()

        real.use(real.first, drop)
        assert emails(connection) == []


@pytest.mark.filterwarnings("ignore:The garbage collector is trying to clean up:Warning")
def test_connection_of_asyncio_that_is_dropped_is_rolled_back(async_app: AsyncEngine) -> None:
    async def drop() -> None:
        connection = await async_app.connect()
        await connection.execute(USERS.insert(), {"email": "ann"})

    async def see() -> list[str]:
        async with async_app.connect() as connection:
            return await async_emails(connection)

    asyncio.run(drop())
    gc.collect()

    assert asyncio.run(see()) == []


def test_connection_of_an_earlier_block_is_refused(box: Sandbox, engine: Engine) -> None:
    with box.isolated():
        connection = engine.connect()
        connection.execute(USERS.insert(), {"email": "ann"})

    with box.isolated():
        with pytest.raises(SandboxError) as raised:
            emails(connection)
        connection.close()
        with engine.connect() as other:
            assert emails(other) == []

    assert str(raised.value) == (
        "a connection that an earlier test has left open is used again\n"
        "  Its transaction was rolled back behind that test, with all that it had read and"
        " written.\n"
        "  help: close sessions and connections at the end of a test, and of a job in a thread"
        " (Session.remove()); of one that lives for longer, tell the toolkit:"
        " assay_sessions = package.module:session"
    )


def test_connection_from_before_the_block_cannot_commit(box: Sandbox, engine: Engine) -> None:
    connection = engine.connect()
    connection.execute(USERS.insert(), {"email": "ann"})

    with box.isolated():
        if engine.dialect.name != "sqlite":  # there it keeps all others from writing
            with engine.begin() as other:
                other.execute(USERS.insert(), {"email": "bob"})
        else:
            engine.connect().close()
        with pytest.raises(SandboxError) as raised:
            connection.commit()
        connection.rollback()
    with engine.connect() as other:
        assert emails(other) == []
    connection.close()

    assert str(raised.value) == (
        "a connection commits that was opened before the test\n"
        "  That would not be rolled back behind the test; so nothing was committed.\n"
        "  help: open connections and sessions in the test that uses them."
    )


def test_session_that_is_left_open_loses_its_rows_alone(box: Sandbox, engine: Engine) -> None:
    with box.isolated():
        session = Session(engine)
        session.add(User(email="ann"))
        session.flush()

    with box.isolated():
        session.rollback()
        session.add(User(email="bob"))
        session.commit()
        with engine.connect() as other:
            assert emails(other) == ["bob"]
        session.close()


def test_sessions_left_behind_the_block_are_closed_without_harm(
    box: Sandbox, engine: Engine
) -> None:
    with box.isolated() as behind:
        session = behind.enter_context(Session(engine))
        session.add(User(email="ann"))
        session.flush()

    with box.isolated(), engine.connect() as other:
        assert emails(other) == []


@pytest.mark.parametrize("is_kept", [True, False])
def test_rows_are_kept_where_that_is_asked_for(
    house: House, box: Sandbox, engine: Engine, *, is_kept: bool
) -> None:
    with box.isolated(keep=lambda: is_kept):
        with engine.begin() as connection:
            connection.execute(USERS.insert(), {"email": "ann"})
        connection = engine.connect()
        connection.execute(USERS.insert(), {"email": "bob"})
        dropped = engine.connect()
        dropped.execute(USERS.insert(), {"email": "cid"})
        dropped.rollback()
    connection.close()
    dropped.close()

    assert house.emails() == (["ann", "bob"] if is_kept else [])


def test_rows_before_an_error_are_kept(house: House, box: Sandbox, engine: Engine) -> None:
    with box.isolated(keep=lambda: True):
        with engine.begin() as connection:
            connection.execute(USERS.insert(), {"email": "ann"})
        connection = engine.connect()
        with pytest.raises(Exception, match=r"(?i)unique|duplicate"):
            connection.execute(USERS.insert(), {"email": "ann"})
    connection.close()

    assert house.emails() == ["ann"]


@pytest.fixture
def elsewhere(house: House) -> Iterator[House]:
    with house.databases.temporary() as url:
        engine = house.databases.backend.make_own_engine(url)
        Base.metadata.create_all(engine)
        engine.dispose()
        yield House(house.databases, url)


def test_engines_are_led_to_another_database_for_real(
    house: House, box: Sandbox, engine: Engine, elsewhere: House
) -> None:
    statements: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *given: statements.append(given[2]))

    with box.redirected(elsewhere.url):
        with Session(engine) as session:
            session.add(User(email="ann"))
            session.commit()
        with engine.connect() as connection:
            connection.execute(USERS.insert(), {"email": "bob"})
            connection.rollback()
    with engine.connect() as connection:
        assert emails(connection) == []

    assert (elsewhere.emails(), house.emails()) == (["ann"], [])
    assert [one.split()[0] for one in statements] == ["INSERT", "INSERT", "SELECT"]


def test_threads_are_led_to_another_database_at_once(
    engine: Engine, elsewhere: House, house: House, box: Sandbox
) -> None:
    def insert(number: int) -> None:
        with Session(engine) as session:
            session.add(User(email=f"{number:03}"))
            session.commit()

    with box.redirected(elsewhere.url), ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(insert, number) for number in range(100)]:
            done.result()

    assert elsewhere.emails() == [f"{number:03}" for number in range(100)]
    assert house.emails() == []


def test_engines_of_asyncio_are_led_to_another_database_for_real(
    async_house: House, async_driver: str
) -> None:
    engine = create_async_engine(async_house.with_driver(async_driver))
    box = Sandbox(async_house.url)

    async def insert(email: str) -> None:
        async with engine.begin() as connection:
            await connection.execute(USERS.insert(), {"email": email})

    with async_house.databases.temporary() as url:
        there = House(async_house.databases, url)
        own = async_house.databases.backend.make_own_engine(url)
        Base.metadata.create_all(own)
        own.dispose()
        with box.redirected(url):
            asyncio.run(insert("ann"))
            asyncio.run(insert("bob"))
        found = there.emails()
    box.close()

    assert (found, async_house.emails()) == (["ann", "bob"], [])


@pytest.mark.parametrize("driver", ["sqlite", "postgresql+psycopg"], indirect=True)
def test_rows_of_a_change_that_nobody_has_read_yet_keep_no_other_from_changing(
    app: Engine,
) -> None:
    with app.connect() as one, app.connect() as other:
        inserted = one.execute(USERS.insert().returning(USERS.c.email), {"email": "ann"})
        other.execute(USERS.insert(), {"email": "bob"})

        assert inserted.scalars().all() == ["ann"]
        other.commit()
        one.commit()

        assert emails(one) == ["ann", "bob"]


@pytest.mark.parametrize("driver", ["postgresql+psycopg"], indirect=True)
def test_session_that_died_between_two_tests_fails_one_and_is_made_anew(
    engine: Engine, house: House, box: Sandbox
) -> None:
    with box.isolated(), engine.connect() as connection:
        process = connection.scalar(text("SELECT pg_backend_pid()"))
    with engine.connect() as other:
        other.execute(text("SELECT pg_terminate_backend(:process, 5000)"), {"process": process})

    with pytest.raises(OperationalError), box.isolated(), engine.connect() as connection:
        emails(connection)
    with box.isolated(), engine.connect() as connection:
        assert emails(connection) == []
