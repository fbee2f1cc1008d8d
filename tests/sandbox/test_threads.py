"""Threads, tasks and event loops that use one database at the same time."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import Session
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from tests.sandbox.users import COUNT, EMAILS, USERS, User, async_emails


def test_threads_commit_all_their_rows(app: Engine) -> None:
    start = threading.Barrier(5)

    def work(thread: int) -> None:
        start.wait()
        for number in range(20):
            with Session(app) as session:
                session.add(User(email=f"{thread}-{number}"))
                session.commit()

    with ThreadPoolExecutor(5) as pool:
        list(pool.map(work, range(5)))

    with app.connect() as connection:
        assert connection.scalar(COUNT) == 100


def test_threads_roll_back_one_after_the_other(app: Engine) -> None:
    turn = threading.Lock()

    def work(thread: int) -> None:
        for _ in range(10):
            with turn, Session(app) as session:
                session.add(User(email=f"{thread}"))
                session.flush()
                session.rollback()

    with ThreadPoolExecutor(5) as pool:
        list(pool.map(work, range(5)))

    with app.connect() as connection:
        assert connection.scalar(COUNT) == 0


def test_tasks_commit_all_their_rows(async_app: AsyncEngine) -> None:
    async def one(task: int) -> None:
        for number in range(5):
            async with AsyncSession(async_app) as session:
                session.add(User(email=f"{task}-{number}"))
                await session.commit()

    async def work() -> int | None:
        await asyncio.gather(*[one(task) for task in range(8)])
        async with async_app.connect() as connection:
            return await connection.scalar(COUNT)

    assert asyncio.run(work()) == 40


def test_error_of_one_task_harms_no_other(async_app: AsyncEngine) -> None:
    async def insert(email: str) -> None:
        async with async_app.begin() as connection:
            await connection.execute(USERS.insert(), {"email": email})

    async def work() -> tuple[list[object], list[str]]:
        await insert("ann")
        outcomes = await asyncio.gather(
            *[insert(email) for email in ("bob", "ann", "eve")], return_exceptions=True
        )
        async with async_app.connect() as connection:
            return [type(one) for one in outcomes], await async_emails(connection)

    outcomes, found = asyncio.run(work())

    assert outcomes == [type(None), IntegrityError, type(None)]
    assert found == ["ann", "bob", "eve"]


def test_engine_is_used_in_loops_one_after_the_other(async_app: AsyncEngine) -> None:
    async def insert(email: str) -> None:
        async with async_app.begin() as connection:
            await connection.execute(USERS.insert(), {"email": email})

    async def see() -> list[str]:
        async with async_app.connect() as connection:
            return await async_emails(connection)

    asyncio.run(insert("ann"))
    asyncio.run(insert("bob"))

    assert asyncio.run(see()) == ["ann", "bob"]


def test_engine_is_used_in_loops_of_threads_at_once(async_app: AsyncEngine) -> None:
    async def insert(thread: int, number: int) -> None:
        async with async_app.begin() as connection:
            await connection.execute(USERS.insert(), {"email": f"{thread}-{number}"})

    def work(thread: int) -> None:
        for number in range(10):
            asyncio.run(insert(thread, number))

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, range(3)))

    async def count() -> int | None:
        async with async_app.connect() as connection:
            return await connection.scalar(COUNT)

    assert asyncio.run(count()) == 30


@pytest.mark.parametrize("is_entered", [True, False])
def test_engine_is_used_by_the_test_client_of_starlette(
    async_app: AsyncEngine, *, is_entered: bool
) -> None:
    async def register(request: Request) -> JSONResponse:
        async with AsyncSession(async_app) as session:
            session.add(User(email=request.path_params["email"]))
            await session.commit()
            return JSONResponse((await session.scalars(EMAILS)).all())

    # It has a new loop for each request, or one for all of them, in a thread of its own.
    client = TestClient(Starlette(routes=[Route("/{email}", register)]))
    with client if is_entered else nullcontext():
        answers = [client.get(f"/{email}").json() for email in ("ann", "bob")]

    assert answers == [["ann"], ["ann", "bob"]]


def test_session_goes_on_in_another_loop(async_app: AsyncEngine) -> None:
    session = AsyncSession(async_app)

    async def add(email: str) -> None:
        session.add(User(email=email))
        await session.flush()

    async def commit() -> list[str]:
        await session.commit()
        found = await async_emails(await session.connection())
        await session.close()
        return found

    asyncio.run(add("ann"))
    asyncio.run(add("bob"))

    assert asyncio.run(commit()) == ["ann", "bob"]


SLEEP = {
    "postgresql": "SELECT pg_sleep(30)",
    "mysql": "SELECT SLEEP(1)",
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 5000000)"
    " SELECT count(*) FROM n",
}


def test_statement_that_is_cancelled_harms_nobody_else(async_app: AsyncEngine) -> None:
    async def insert(email: str) -> None:
        async with async_app.begin() as connection:
            await connection.execute(USERS.insert(), {"email": email})

    async def work() -> list[str]:
        await insert("ann")
        async with async_app.connect() as other:
            await other.execute(USERS.insert(), {"email": "bob"})

            async def sleep() -> None:
                async with async_app.begin() as connection:
                    await connection.execute(USERS.insert(), {"email": "lost"})
                    await connection.execute(text(SLEEP[async_app.dialect.name]))

            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(sleep(), 0.2)
            await other.execute(USERS.insert(), {"email": "eve"})
            await other.commit()
        await insert("fay")
        async with async_app.connect() as connection:
            return await async_emails(connection)

    assert asyncio.run(work()) == ["ann", "bob", "eve", "fay"]


def test_connection_goes_on_behind_a_statement_that_is_cancelled(async_app: AsyncEngine) -> None:
    async def work() -> list[str]:
        async with async_app.connect() as connection:
            await connection.execute(USERS.insert(), {"email": "ann"})
            await connection.commit()
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(connection.execute(text(SLEEP[async_app.dialect.name])), 0.2)
        async with async_app.connect() as connection:
            return await async_emails(connection)

    assert asyncio.run(work()) == ["ann"]
