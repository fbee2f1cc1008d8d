"""Drivers that share a session see each other's rows; others are told apart."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from tests.sandbox.users import USERS, House, Houses, async_emails, emails

from alembic_assay.exceptions import SandboxError
from alembic_assay.sandboxes import Sandbox

SHARING = [("postgresql+psycopg", "postgresql+psycopg"), ("sqlite+pysqlite", "sqlite+aiosqlite")]
APART = [
    ("postgresql+psycopg", "postgresql+asyncpg"),
    ("postgresql+psycopg2", "postgresql+psycopg"),
    ("mysql+pymysql", "mysql+aiomysql"),
    ("mysql+pymysql", "mysql+asyncmy"),
]


@pytest.fixture
def house(houses: Houses, driver: str) -> House:
    return houses(driver)


@pytest.fixture
def engine(house: House, driver: str) -> Iterator[Engine]:
    engine = create_engine(house.with_driver(driver))
    yield engine
    engine.dispose()
    assert house.emails() == []


@pytest.fixture
def async_engine(house: House, async_driver: str) -> AsyncEngine:
    return create_async_engine(house.with_driver(async_driver))


@pytest.fixture
def box(house: House) -> Iterator[Sandbox]:
    box = Sandbox(house.url)
    yield box
    box.close()


def insert(engine: Engine, email: str) -> None:
    with engine.begin() as connection:
        connection.execute(USERS.insert(), {"email": email})


def seen(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return emails(connection)


async def async_insert(engine: AsyncEngine, email: str) -> None:
    async with engine.begin() as connection:
        await connection.execute(USERS.insert(), {"email": email})


async def async_seen(engine: AsyncEngine) -> list[str]:
    async with engine.connect() as connection:
        return await async_emails(connection)


@pytest.mark.parametrize(("driver", "async_driver"), SHARING, indirect=True)
def test_sync_and_async_see_each_others_rows(
    box: Sandbox, engine: Engine, async_engine: AsyncEngine
) -> None:
    with box.isolated():
        insert(engine, "ann")
        assert asyncio.run(async_seen(async_engine)) == ["ann"]
        asyncio.run(async_insert(async_engine, "bob"))
        with pytest.raises(IntegrityError):
            asyncio.run(async_insert(async_engine, "ann"))
        with pytest.raises(IntegrityError):
            insert(engine, "bob")

        assert seen(engine) == asyncio.run(async_seen(async_engine)) == ["ann", "bob"]

    assert seen(engine) == []


@pytest.mark.parametrize(("driver", "async_driver"), SHARING, indirect=True)
def test_sync_joins_an_async_session(
    box: Sandbox, engine: Engine, async_engine: AsyncEngine
) -> None:
    for _ in range(2):
        with box.isolated():
            asyncio.run(async_insert(async_engine, "ann"))
            insert(engine, "bob")

            assert asyncio.run(async_seen(async_engine)) == ["ann", "bob"]


@pytest.mark.parametrize(("driver", "async_driver"), SHARING, indirect=True)
def test_async_engine_that_sets_up_connections_may_come_late(
    box: Sandbox, engine: Engine, async_engine: AsyncEngine
) -> None:
    def set_up(connection: Any, record: object) -> None:
        connection.cursor().execute("SELECT 1")

    with box.isolated():
        insert(engine, "ann")
        event.listen(async_engine.sync_engine, "connect", set_up)
        assert asyncio.run(async_seen(async_engine)) == ["ann"]

    with box.isolated():
        # Its listener waits for an event loop, and there is none here.
        assert seen(engine) == []
        assert asyncio.run(async_seen(async_engine)) == []


@pytest.mark.parametrize(("driver", "async_driver"), SHARING, indirect=True)
def test_sync_works_within_async_code(
    box: Sandbox, engine: Engine, async_engine: AsyncEngine
) -> None:
    async def work() -> None:
        async with async_engine.connect() as connection:
            await connection.execute(USERS.insert(), {"email": "ann"})
            assert seen(engine) == ["ann"]
            await asyncio.to_thread(insert, engine, "bob")
            await connection.commit()

    with box.isolated():
        asyncio.run(work())

        assert seen(engine) == ["ann", "bob"]


@pytest.mark.parametrize(("driver", "async_driver"), APART, indirect=True)
def test_driver_is_refused_where_another_has_written(
    box: Sandbox, engine: Engine, async_engine: AsyncEngine
) -> None:
    with box.isolated():
        asyncio.run(async_insert(async_engine, "ann"))
        with pytest.raises(SandboxError) as raised:
            seen(engine)

        assert asyncio.run(async_seen(async_engine)) == ["ann"]

    assert str(raised.value) == (
        f"{engine.dialect.driver} is used in a test in which {async_engine.dialect.driver} has"
        " written, or is at work\n"
        "  Each has a session of its own, which does not see what the other has not committed; and"
        " behind a test nothing is.\n"
        "  help: use one driver for both; psycopg can do sync and async. Or"
        ' @pytest.mark.assay(isolation="fresh") gives the test a database of its own.'
    )


@pytest.mark.parametrize(("driver", "async_driver"), APART, indirect=True)
def test_drivers_that_only_read_go_together(
    box: Sandbox, engine: Engine, async_engine: AsyncEngine
) -> None:
    with box.isolated():
        assert seen(engine) == asyncio.run(async_seen(async_engine)) == seen(engine) == []
        asyncio.run(async_insert(async_engine, "ann"))

        assert asyncio.run(async_seen(async_engine)) == ["ann"]


@pytest.mark.parametrize(("driver", "async_driver"), APART[:2], indirect=True)
@pytest.mark.parametrize("reset", [True, False])
def test_session_that_has_read_keeps_no_locks(
    box: Sandbox, engine: Engine, async_engine: AsyncEngine, *, reset: bool
) -> None:
    async def truncate() -> None:
        async with async_engine.begin() as connection:
            await connection.execute(text("TRUNCATE users RESTART IDENTITY"))
            await connection.execute(USERS.insert(), {"email": "ann"})

    with box.isolated(reset_sequences=reset):
        assert seen(engine) == []
        asyncio.run(truncate())

        assert asyncio.run(async_seen(async_engine)) == ["ann"]


@pytest.mark.parametrize(("driver", "async_driver"), APART[:1], indirect=True)
def test_session_at_work_that_has_restarted_sequences_is_told(
    box: Sandbox, engine: Engine, async_engine: AsyncEngine
) -> None:
    with box.isolated(reset_sequences=True), engine.connect() as reader:
        assert emails(reader) == []
        with pytest.raises(SandboxError):
            asyncio.run(async_insert(async_engine, "ann"))
