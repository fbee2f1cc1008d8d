"""Sessions on databases with the tables of a test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import URL
from sqlalchemy.orm import Session

from alembic_assay.databases import Databases


@pytest.fixture
def session(databases: Databases, database_url: URL) -> Iterator[Session]:
    """A session on an empty database of each kind in turn."""
    yield from _session(databases, database_url)


@pytest.fixture
def postgresql_session(postgresql_databases: Databases, postgresql_url: URL) -> Iterator[Session]:
    """A session on an empty PostgreSQL database."""
    yield from _session(postgresql_databases, postgresql_url)


@pytest.fixture
def mysql_session(mysql_databases: Databases, mysql_url: URL) -> Iterator[Session]:
    """A session on an empty MySQL or MariaDB database."""
    yield from _session(mysql_databases, mysql_url)


@pytest.fixture
def sqlite_session(sqlite_databases: Databases) -> Iterator[Session]:
    """A session on an empty SQLite database."""
    with sqlite_databases.temporary() as url:
        yield from _session(sqlite_databases, url)


@pytest.fixture(params=["postgresql", "mysql"])
def server_session(request: pytest.FixtureRequest) -> Session:
    """A session on an empty database of each kind that can add a check to a table."""
    return request.getfixturevalue(f"{request.param}_session")  # type: ignore[no-any-return]


@pytest.fixture(params=["sqlite", "postgresql"])
def indexing_session(request: pytest.FixtureRequest) -> Session:
    """A session on an empty database of each kind that has indexes on expressions."""
    return request.getfixturevalue(f"{request.param}_session")  # type: ignore[no-any-return]


def _session(databases: Databases, url: URL) -> Iterator[Session]:
    engine = databases.backend.make_own_engine(url)
    with Session(engine) as session:
        yield session
    engine.dispose()
