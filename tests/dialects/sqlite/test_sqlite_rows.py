from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, create_engine

from alembic_assay.dialects.sqlite import BACKEND

VERSION_TABLE = (None, "alembic_version")


@pytest.fixture
def connection() -> Iterator[Connection]:
    """A database with more tables than one statement of SQLite can name."""
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        for number in range(1001):
            connection.exec_driver_sql(f'CREATE TABLE "table ""{number}""" (a)')
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num)")
        connection.exec_driver_sql("INSERT INTO alembic_version VALUES ('0001')")
        yield connection
    engine.dispose()


def test_has_rows_of_many_empty_tables_is_false(connection: Connection) -> None:
    assert not BACKEND.has_rows(connection, except_for=VERSION_TABLE)


@pytest.mark.parametrize("number", [0, 99, 100, 1000])
def test_has_rows_in_one_of_many_tables_is_true(connection: Connection, number: int) -> None:
    connection.exec_driver_sql(f'INSERT INTO "table ""{number}""" VALUES (1)')

    assert BACKEND.has_rows(connection, except_for=VERSION_TABLE)
