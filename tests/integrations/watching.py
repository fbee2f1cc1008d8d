"""A pytest plugin for the projects: tests run in both orders, and nothing may be left of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Engine, MetaData, select


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Have tests run there and back again; in parallel, where they come mixed, only back."""
    if hasattr(config, "workerinput"):
        items.reverse()
    else:
        items += items[-2::-1]


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left(migrated_engine: Engine) -> Iterator[None]:
    """Behind all tests the database of a worker has the rows that it had before."""
    with migrated_engine.connect() as connection:
        before = rows(connection)
    yield
    with migrated_engine.connect() as connection:
        assert rows(connection) == before


def rows(connection: Connection) -> dict[str, list[tuple[object, ...]]]:
    metadata = MetaData()
    metadata.reflect(connection)
    return {
        table.name: sorted(map(tuple, connection.execute(select(table))), key=repr)
        for table in metadata.sorted_tables
    }
