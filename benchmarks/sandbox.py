"""Measure what a rolled-back test costs, and a statement in it, beside the same by hand.

    pip install -e '.[embedded,mysql]'
    python benchmarks/sandbox.py [--rounds 7] [--repeat 300] [URL ...]

A URL says where the databases are made: ``sqlite://``, ``postgresql://`` for a server that is found
or started, or the URL of a server. Without any, the first two are measured.

Set-up and tear-down: a test that writes one row on a connection of its engine, within
``Sandbox.isolated()`` as the fixtures use it, from before it is entered until behind it; beside the
same row on a connection of SQLAlchemy that stays open, in a transaction and a savepoint that are
begun and rolled back by hand. "by the driver" is that without SQLAlchemy.

A statement: a SELECT of one row by its primary key, and an INSERT, on an open connection in an open
transaction, within a sandbox and without one. With the asyncio drivers both go through SQLAlchemy's
asyncio extension.

All take turns; the medians of the rounds are compared.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable

from pytest_runs import workplace
from servers import open_server
from sqlalchemy import (
    URL,
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    make_url,
    select,
)
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from alembic_assay.sandboxes import Sandbox

USERS = Table(
    "users", MetaData(), Column("id", Integer, primary_key=True), Column("name", String(50))
)
SELECT = select(USERS.c.name).where(USERS.c.id == 1)
INSERT = USERS.insert()

BY_HAND, BY_DRIVER, OURS = "by hand", "by the driver alone", "Sandbox.isolated()"
SET_UP_TARGET, STATEMENT_TARGET = 2.0, 1.3

ASYNC_DRIVERS = {
    "sqlite": ["aiosqlite"],
    "postgresql": ["psycopg", "asyncpg"],
    "mysql": ["aiomysql"],
}

Times = dict[str, list[float]]


def main() -> None:
    options = parse_options()
    for text in options.url or ["sqlite://", "postgresql://"]:
        with workplace() as folder, open_server(make_url(text), folder) as databases:
            print(f"{databases.url.get_backend_name()} ({databases.origin}), {load()}", flush=True)
            url = databases.create()
            engine = databases.backend.make_own_engine(url)
            with engine.begin() as connection:
                USERS.metadata.create_all(connection)
                connection.execute(INSERT, {"name": "Ada"})
            box = Sandbox(url)
            set_ups: Times = defaultdict(list)
            statements: Times = defaultdict(list)
            for _ in range(options.rounds):
                measure_set_up(set_ups, engine, box, options.repeat)
                measure_statements(statements, engine, box, options.repeat)
            box.close()
            print_table("set-up and tear-down, with one row written", set_ups, BY_HAND)
            print_statements(f"a statement, {engine.dialect.driver}", statements)
            for driver in ASYNC_DRIVERS[databases.url.get_backend_name()]:
                statements = defaultdict(list)
                for _ in range(options.rounds):
                    measure_async(
                        statements,
                        url.set(drivername=f"{databases.backend.name}+{driver}"),
                        options.repeat,
                    )
                print_statements(f"a statement, asyncio, {driver}", statements)
            print(f"\n{load()} at the end\n")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("url", nargs="*", help="where to make the databases")
    parser.add_argument("--rounds", type=int, default=7, help="default: %(default)s")
    parser.add_argument("--repeat", type=int, default=300, help="in a round; default: %(default)s")
    return parser.parse_args()


def load() -> str:
    return f"load {os.getloadavg()[0]:.2f}"


def measure_set_up(times: Times, engine: Engine, box: Sandbox, repeat: int) -> None:
    names = itertools.count()

    def by_hand(connection: Connection) -> None:
        transaction = connection.begin()
        connection.begin_nested()
        connection.execute(INSERT, {"name": f"name {next(names)}"})
        transaction.rollback()

    def by_driver(connection: Connection) -> None:
        driver = connection.connection.dbapi_connection
        assert driver is not None, "it is connected"
        cursor = driver.cursor()
        for statement in ("BEGIN", "SAVEPOINT one", "INSERT INTO users (name) VALUES ('Ada')"):
            cursor.execute(statement)
        driver.rollback()

    def ours() -> None:
        with box.isolated(), engine.connect() as connection:
            connection.execute(INSERT, {"name": f"name {next(names)}"})

    ours()  # opens the session, which stays
    with engine.connect() as connection:
        times[BY_HAND].append(median(lambda: by_hand(connection), repeat))
        times[BY_DRIVER].append(median(lambda: by_driver(connection), repeat))
    times[OURS].append(median(ours, repeat))


def measure_statements(times: Times, engine: Engine, box: Sandbox, repeat: int) -> None:
    def measure(connection: Connection, where: str) -> None:
        ids = itertools.count(10)
        times[f"SELECT {where}"].append(median(lambda: connection.execute(SELECT).all(), repeat))
        insert = median(
            lambda: connection.execute(INSERT, {"id": next(ids), "name": "Bob"}), repeat
        )
        times[f"INSERT {where}"].append(insert)
        connection.rollback()

    with engine.connect() as connection:
        measure(connection, "outside")
    with box.isolated(), engine.connect() as connection:
        measure(connection, "inside")


def measure_async(times: Times, url: URL, repeat: int) -> None:
    async def measure(connection: AsyncConnection, where: str) -> None:
        ids = itertools.count(10)

        async def insert() -> None:
            await connection.execute(INSERT, {"id": next(ids), "name": "Bob"})

        async def ask() -> None:
            (await connection.execute(SELECT)).all()

        times[f"SELECT {where}"].append(await async_median(ask, repeat))
        times[f"INSERT {where}"].append(await async_median(insert, repeat))
        await connection.rollback()

    async def run(where: str) -> None:
        async with engine.connect() as connection:
            await measure(connection, where)
        await engine.dispose()

    engine = create_async_engine(url)
    asyncio.run(run("outside"))
    box = Sandbox(url)
    with box.isolated():
        asyncio.run(run("inside"))
    box.close()


def median(function: Callable[[], object], repeat: int) -> float:
    times = []
    for _ in range(repeat):
        started = time.perf_counter()
        function()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


async def async_median(function: Callable[[], Awaitable[object]], repeat: int) -> float:
    times = []
    for _ in range(repeat):
        started = time.perf_counter()
        await function()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def print_table(heading: str, times: Times, base: str) -> None:
    print(f"\n{heading:<50}{'median':>10}{'it / base':>12}   target")
    medians = {name: statistics.median(each) for name, each in times.items()}
    for name, seconds in medians.items():
        ratio = seconds / medians[base]
        said = verdict(ratio, SET_UP_TARGET) if name == OURS else ""
        print(f"{name:<50}{seconds * 1e6:>7.0f} µs{ratio:>12.2f}   {said}".rstrip(), flush=True)


def print_statements(heading: str, times: Times) -> None:
    print(f"\n{heading:<50}{'outside':>10}{'inside':>10}{'ratio':>8}   target")
    for kind in ("SELECT", "INSERT"):
        outside, inside = (
            statistics.median(times[f"{kind} {where}"]) for where in ("outside", "inside")
        )
        said = verdict(inside / outside, STATEMENT_TARGET)
        print(
            f"{kind:<50}{outside * 1e6:>7.0f} µs{inside * 1e6:>7.0f} µs{inside / outside:>8.2f}"
            f"   {said}",
            flush=True,
        )


def verdict(ratio: float, target: float) -> str:
    return f"{'met' if ratio <= target else 'MISSED'} (at most {target})"


if __name__ == "__main__":
    main()
