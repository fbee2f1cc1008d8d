"""Connections to an empty MariaDB or MySQL database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import URL, Connection, create_engine
from sqlalchemy.pool import NullPool


@pytest.fixture
def connection(mysql_url: URL) -> Iterator[Connection]:
    """A connection on which each statement is a transaction of its own."""
    engine = create_engine(mysql_url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection


@pytest.fixture
def mariadb(connection: Connection) -> Connection:
    """The same, where the server is MariaDB, whose words and objects are not all those of MySQL."""
    if not getattr(connection.dialect, "is_mariadb", False):
        pytest.skip("the server is MySQL, and this is about MariaDB")
    return connection
