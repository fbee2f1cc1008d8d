"""A table, what is in it, and the drivers by which it is reached."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from sqlalchemy import (
    URL,
    Connection,
    Engine,
    MetaData,
    String,
    create_engine,
    func,
    select,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from alembic_assay.databases import Databases
from alembic_assay.sandboxes import sandbox

SYNC = ("postgresql+psycopg", "postgresql+psycopg2", "sqlite+pysqlite", "mysql+pymysql")
ASYNC = (
    "postgresql+psycopg",
    "postgresql+asyncpg",
    "sqlite+aiosqlite",
    "mysql+aiomysql",
    "mysql+asyncmy",
)


class Base(DeclarativeBase):
    metadata = MetaData()


class User(Base):
    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(50), unique=True)


USERS = Base.metadata.tables["users"]
EMAILS = select(USERS.c.email).order_by(USERS.c.email)
COUNT = select(func.count()).select_from(USERS)


@dataclass(frozen=True)
class House:
    """A database with an empty table ``users``."""

    databases: Databases
    url: URL

    def with_driver(self, drivername: str) -> URL:
        return self.url.set(drivername=drivername)

    @contextmanager
    def outside(self) -> Iterator[Connection]:
        """Have a connection of its own, in no sandbox: to be opened outside of one."""
        with self.databases.backend.connect(self.url) as connection:
            yield connection

    def emails(self) -> list[str]:
        """Return what is really there."""
        with self.outside() as connection:
            return emails(connection)

    def clear(self) -> None:
        with self.outside() as connection:
            connection.execute(USERS.delete())
            connection.commit()


Houses = Callable[[str], House]


@contextmanager
def failing_sandbox(
    house: House, driver: str, error: type[Exception]
) -> Iterator[tuple[Engine, pytest.ExceptionInfo[Exception]]]:
    """Have an engine in a sandbox, the end of which raises an error; nothing is left behind it."""
    engine = create_engine(house.with_driver(driver))
    with pytest.raises(error) as raised, sandbox(engine):
        yield engine, raised
    engine.dispose()
    assert house.emails() == []


def emails(connection: Connection) -> list[str]:
    return list(connection.scalars(EMAILS))


async def async_emails(connection: AsyncConnection) -> list[str]:
    return list(await connection.scalars(EMAILS))
