"""What an application for asyncio sees of its database is the same in a sandbox."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import nullcontext

import pytest
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.pool import NullPool
from tests.sandbox.users import EMAILS, USERS, House, User, async_emails

from alembic_assay.sandboxes import sandbox

INSERT = "INSERT INTO users (email) VALUES ('ann')"


@pytest.fixture(params=["in production", "in a sandbox"])
def app(
    request: pytest.FixtureRequest, async_house: House, async_driver: str
) -> Iterator[AsyncEngine]:
    """The engine of an application; in a sandbox nothing is left behind.

    It keeps no connections, each of which would belong to one of a test's event loops.
    """
    engine = create_async_engine(async_house.with_driver(async_driver), poolclass=NullPool)
    is_sandboxed = request.param == "in a sandbox"
    with sandbox(engine.sync_engine) if is_sandboxed else nullcontext():
        yield engine
    if is_sandboxed:
        assert async_house.emails() == []
    else:
        async_house.clear()


def seen(app: AsyncEngine) -> list[str]:
    async def see() -> list[str]:
        async with app.connect() as connection:
            return await async_emails(connection)

    return asyncio.run(see())


def test_begin_commits(app: AsyncEngine) -> None:
    async def work() -> None:
        async with app.begin() as connection:
            await connection.execute(USERS.insert(), {"email": "ann"})

    asyncio.run(work())

    assert seen(app) == ["ann"]


def test_begin_rolls_back_behind_an_error(app: AsyncEngine) -> None:
    async def work() -> None:
        async with app.begin() as connection:
            await connection.execute(USERS.insert(), {"email": "ann"})
            _ = 1 / 0

    with pytest.raises(ZeroDivisionError):
        asyncio.run(work())

    assert seen(app) == []


def test_connection_commits_and_rolls_back(app: AsyncEngine) -> None:
    async def work() -> None:
        async with app.connect() as connection:
            await connection.execute(USERS.insert(), {"email": "ann"})
            await connection.commit()
            await connection.execute(USERS.insert(), {"email": "bob"})
            await connection.rollback()
            await connection.execute(USERS.insert(), {"email": "eve"})

    asyncio.run(work())

    assert seen(app) == ["ann"]


def test_session_commits(app: AsyncEngine) -> None:
    async def work() -> None:
        async with AsyncSession(app) as session:
            session.add(User(email="ann"))
            await session.commit()

    asyncio.run(work())

    assert seen(app) == ["ann"]


def test_session_rolls_back(app: AsyncEngine) -> None:
    async def work() -> list[str]:
        async with AsyncSession(app) as session:
            session.add(User(email="ann"))
            await session.commit()
            session.add(User(email="bob"))
            await session.flush()
            await session.rollback()
            session.add(User(email="eve"))
            await session.flush()
            return list(await session.scalars(EMAILS))

    assert asyncio.run(work()) == ["ann", "eve"]
    assert seen(app) == ["ann"]


def test_session_begins(app: AsyncEngine) -> None:
    async def work(email: str, divisor: int) -> None:
        async with AsyncSession(app) as session, session.begin():
            session.add(User(email=email))
            await session.flush()
            _ = 1 / divisor

    asyncio.run(work("ann", 1))
    with pytest.raises(ZeroDivisionError):
        asyncio.run(work("bob", 0))

    assert seen(app) == ["ann"]


def test_connection_of_the_driver_commits_and_rolls_back(app: AsyncEngine) -> None:
    def sync_work(raw: object) -> None:
        connection = raw.sync_connection.connection  # type: ignore[attr-defined]
        cursor = connection.cursor()
        cursor.execute(INSERT)
        connection.commit()
        cursor.execute(INSERT.replace("ann", "bob"))
        connection.rollback()
        cursor.execute(INSERT.replace("ann", "eve"))
        cursor.close()

    async def work() -> None:
        async with app.connect() as connection:
            await connection.run_sync(lambda _: sync_work(connection))

    asyncio.run(work())

    assert seen(app) == ["ann"]


def test_error_that_is_swallowed_is_over_with_its_transaction(app: AsyncEngine) -> None:
    async def work() -> None:
        async with app.begin() as connection:
            await connection.execute(USERS.insert(), {"email": "ann"})
        async with app.connect() as connection:
            await connection.execute(USERS.insert(), {"email": "bob"})
            with pytest.raises(IntegrityError):
                await connection.execute(USERS.insert(), {"email": "ann"})
            await connection.rollback()
            await connection.execute(USERS.insert(), {"email": "eve"})
            await connection.commit()

    asyncio.run(work())

    assert seen(app) == ["ann", "eve"]


def test_error_that_is_swallowed_spoils_the_commit_where_it_aborts(app: AsyncEngine) -> None:
    async def work() -> None:
        async with app.begin() as connection:
            await connection.execute(USERS.insert(), {"email": "ann"})
        async with app.begin() as connection:
            await connection.execute(USERS.insert(), {"email": "bob"})
            with pytest.raises(IntegrityError):
                await connection.execute(USERS.insert(), {"email": "ann"})

    asyncio.run(work())

    is_aborted = app.dialect.name == "postgresql"
    assert seen(app) == (["ann"] if is_aborted else ["ann", "bob"])


def test_error_of_a_savepoint_is_over_with_it(app: AsyncEngine) -> None:
    async def nested(session: AsyncSession) -> None:
        async with session.begin_nested():
            await session.execute(USERS.insert(), {"email": "ann"})

    async def work() -> None:
        async with AsyncSession(app) as session:
            await nested(session)
            with pytest.raises(IntegrityError):
                await nested(session)
            session.add(User(email="bob"))
            await session.commit()

    asyncio.run(work())

    assert seen(app) == ["ann", "bob"]


def test_autocommit_commits_each_statement(app: AsyncEngine) -> None:
    async def work() -> None:
        async with app.connect() as plain:
            connection = await plain.execution_options(isolation_level="AUTOCOMMIT")
            await connection.execute(USERS.insert(), {"email": "ann"})
            with pytest.raises(IntegrityError):
                await connection.execute(USERS.insert(), {"email": "ann"})
            await connection.execute(USERS.insert(), {"email": "bob"})
            await connection.rollback()
        async with app.connect() as connection:
            await connection.execute(USERS.insert(), {"email": "eve"})

    asyncio.run(work())

    assert seen(app) == ["ann", "bob"]


def test_engine_made_for_autocommit_commits_each_statement(app: AsyncEngine) -> None:
    engine = create_async_engine(app.url, isolation_level="AUTOCOMMIT", poolclass=NullPool)

    async def work() -> None:
        async with engine.connect() as connection:
            await connection.execute(USERS.insert(), {"email": "ann"})
            await connection.rollback()
            with pytest.raises(IntegrityError):
                await connection.execute(USERS.insert(), {"email": "ann"})
            await connection.execute(USERS.insert(), {"email": "bob"})

    asyncio.run(work())

    assert seen(app) == ["ann", "bob"]


def test_engine_works_on_when_it_was_disposed_of(app: AsyncEngine) -> None:
    async def work(email: str) -> None:
        async with app.begin() as connection:
            await connection.execute(USERS.insert(), {"email": email})
        await app.dispose()

    asyncio.run(work("ann"))
    asyncio.run(work("bob"))

    assert seen(app) == ["ann", "bob"]


def test_many_rows_are_inserted_at_once(app: AsyncEngine) -> None:
    async def work() -> None:
        async with AsyncSession(app) as session:
            session.add_all([User(email=f"{number:02}") for number in range(30)])
            await session.commit()
        async with app.begin() as connection:
            await connection.execute(USERS.insert(), [{"email": "x"}, {"email": "y"}])
        async with app.connect() as connection:
            with pytest.raises(IntegrityError):
                await connection.execute(USERS.insert(), [{"email": "z"}, {"email": "x"}])
            await connection.rollback()

    asyncio.run(work())

    assert seen(app) == [*(f"{number:02}" for number in range(30)), "x", "y"]


def test_rows_are_streamed(app: AsyncEngine) -> None:
    async def work() -> tuple[list[str], list[str]]:
        async with app.begin() as connection:
            rows = [{"email": f"{number:03}"} for number in range(100)]
            await connection.execute(USERS.insert(), rows)
        async with app.connect() as connection:
            result = await connection.stream_scalars(EMAILS.execution_options(yield_per=10))
            some = await result.fetchmany(20)
            return list(some), [one async for one in result]

    some, others = asyncio.run(work())

    assert [*some, *others] == [f"{number:03}" for number in range(100)]
