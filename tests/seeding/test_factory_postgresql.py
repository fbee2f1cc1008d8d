from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import URL, text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session
from tests.seeding.tables import run

from alembic_assay import RowFactory
from alembic_assay.dialects import get_backend
from alembic_assay.exceptions import UsageError

TYPES = {
    "uuid": "00000000-0000-4000-8000-000000000001",
    "json": "{}",
    "jsonb": "{}",
    "text[]": "{}",
    "int[]": "{}",
    "int4range": "[1,2)",
    "int8range": "[1,2)",
    "numrange": "[1,2)",
    "daterange": "[2020-01-02,2020-01-03)",
    "tsrange": '["2020-01-02 00:00:00","2020-01-03 00:00:00")',
    "int4multirange": "{[1,2)}",
    "inet": "10.0.0.1/32",
    "cidr": "10.0.1.0/24",
    "macaddr": "08:00:2b:01:00:01",
    "macaddr8": "08:00:2b:01:02:03:00:01",
    "interval": "00:00:01",
    "bytea": "\\x76616c75652d31",
    "bit(3)": "001",
    "varbit": "1",
    "money": "$1.00",
    "oid": "1",
    "numeric": "1",
    "numeric(5,2)": "1.00",
    "real": "1",
    "double precision": "1",
    "smallint": "1",
    "char(5)": "val-1",
    "name": "value-1",
    "tsvector": "'word1'",
    "tsquery": "'value1'",
    "xml": "value1",
    "point": "(1,0)",
    "box": "(2,1),(1,0)",
    "circle": "<(1,0),1>",
    "line": "{1,-1,-1}",
    "path": "((1,0))",
    "jsonpath": "1",
    "pg_lsn": "1/0",
    "timestamptz": "2020-01-01 00:00:01+00",
    "timetz": "00:00:01+00",
    "mood": "fine",
    "mood[]": "{}",
}


def test_types_of_postgresql_get_values(postgresql_session: Session) -> None:
    made = {}
    run(postgresql_session, "SET TIME ZONE 'UTC'", "CREATE TYPE mood AS ENUM ('fine', 'bad')")
    for number, name in enumerate(TYPES):
        run(postgresql_session, f"CREATE TABLE t{number} (value {name} NOT NULL)")
        RowFactory(postgresql_session)(f"t{number}")
        found = postgresql_session.execute(text(f"SELECT value::text FROM t{number}"))
        made[name] = found.scalar_one()

    assert made == TYPES


def test_checks_of_domains_are_met(postgresql_session: Session) -> None:
    run(
        postgresql_session,
        "CREATE DOMAIN slug AS varchar(20) CHECK (VALUE ~ '^[a-z]+$') CHECK (length(VALUE) > 6)",
        "CREATE DOMAIN short_slug AS slug CHECK (length(VALUE) < 8) NOT NULL",
        "CREATE TABLE items (slug slug NOT NULL UNIQUE, short short_slug, free slug)",
    )
    factory = RowFactory(postgresql_session)

    rows = [factory("items") for _ in range(2)]

    assert [len(row.short) for row in rows] == [7, 7]
    assert rows[0].slug != rows[1].slug
    assert rows[0].free is None


def test_check_on_an_enum_and_an_array_is_met(postgresql_session: Session) -> None:
    run(
        postgresql_session,
        "CREATE TYPE mood AS ENUM ('fine', 'bad')",
        "CREATE TABLE items (mood mood NOT NULL CHECK (mood > 'fine'),"
        " tags text[] NOT NULL CHECK (cardinality(tags) > 0),"
        " data jsonb NOT NULL CHECK (data ? 'kind'),"
        " code text NOT NULL CHECK (code ~ '^[A-Z]{3}-?[0-9]*$'))",
    )

    row = RowFactory(postgresql_session)("items")

    assert (row.mood, row.tags, row.data) == ("bad", ["tags-1"], {"kind": "data-1"})
    assert row.code == "AAA"


def test_exclusion_is_met_by_different_ranges(postgresql_session: Session) -> None:
    run(
        postgresql_session,
        "CREATE TABLE stays (during tstzrange NOT NULL, EXCLUDE USING gist (during WITH &&))",
    )
    factory = RowFactory(postgresql_session)

    assert factory("stays").during != factory("stays").during


def test_type_that_is_not_known_says_what_to_give(postgresql_session: Session) -> None:
    run(
        postgresql_session,
        "CREATE TYPE pair AS (one int, other date)",
        "CREATE TABLE items (value pair NOT NULL)",
    )
    factory = RowFactory(postgresql_session)

    with pytest.raises(UsageError) as refused:
        factory("items")

    assert str(refused.value) == (
        '"items.value" needs a value, and none is known for its type NullType()\n'
        '  It is NOT NULL and has no default. No row of "items" was made.\n'
        '  help: give one: factory("items", value=...)'
    )
    assert postgresql_session.execute(text("SELECT 1")).scalar_one() == 1


async def fill(url: URL) -> dict[str, Any]:
    engine = create_async_engine(url)
    async with AsyncSession(engine) as session:
        await session.execute(
            text(
                "CREATE TABLE items (id serial PRIMARY KEY, code varchar(9) NOT NULL UNIQUE"
                " CHECK (code ~ '^[a-z]+$'), at timestamptz NOT NULL, during int4range NOT NULL,"
                " host inet NOT NULL, bits bit(3) NOT NULL, size numeric(5,2) NOT NULL,"
                " data jsonb NOT NULL, took interval NOT NULL, tags text[] NOT NULL,"
                " spot point NOT NULL, cost money NOT NULL)"
            )
        )
        row = await session.run_sync(lambda sync: RowFactory(sync)("items"))
        await session.rollback()
    await engine.dispose()
    return dict(row._mapping)


def test_asyncpg_takes_the_values_too(postgresql_url: URL) -> None:
    import asyncio

    url = get_backend(postgresql_url).async_url(postgresql_url).set(
        drivername="postgresql+asyncpg"
    )  # fmt: skip

    row = asyncio.run(fill(url))

    assert (row["id"], row["code"], row["data"], row["tags"]) == (1, "codea", {}, [])
