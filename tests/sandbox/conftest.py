"""A database of each kind for all tests here: what they do there is gone behind each."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest
from sqlalchemy import Engine, create_engine
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from tests.sandbox.users import ASYNC, SYNC, Base, House, Houses

from alembic_assay.databases import Databases
from alembic_assay.sandboxes import sandbox


@pytest.fixture(scope="session")
def houses(request: pytest.FixtureRequest) -> Houses:
    """Return a function that returns the database of a kind, or for a driver."""

    @cache
    def house(name: str) -> House:
        databases: Databases = request.getfixturevalue(f"{name}_databases")
        url = databases.create()
        engine = databases.backend.make_own_engine(url)
        Base.metadata.create_all(engine)
        engine.dispose()
        return House(databases, url)

    return lambda name: house(name.partition("+")[0])


@pytest.fixture(params=SYNC)
def driver(request: pytest.FixtureRequest) -> str:
    """Each driver that blocks."""
    return str(request.param)


@pytest.fixture(params=ASYNC)
def async_driver(request: pytest.FixtureRequest) -> str:
    """Each driver for asyncio."""
    return str(request.param)


@pytest.fixture
def house(houses: Houses, driver: str) -> House:
    """The database for the driver."""
    return houses(driver)


@pytest.fixture
def async_house(houses: Houses, async_driver: str) -> House:
    """The database for the driver for asyncio."""
    return houses(async_driver)


@pytest.fixture
def app(house: House, driver: str) -> Iterator[Engine]:
    """The engine of an application, in a sandbox; nothing is left behind that."""
    engine = create_engine(house.with_driver(driver))
    with sandbox(engine):
        yield engine
    engine.dispose()
    assert house.emails() == []


@pytest.fixture
def async_app(async_house: House, async_driver: str) -> Iterator[AsyncEngine]:
    """The engine for asyncio of an application, in a sandbox; nothing is left behind that."""
    engine = create_async_engine(async_house.with_driver(async_driver))
    with sandbox(engine.sync_engine):
        yield engine
    assert async_house.emails() == []
