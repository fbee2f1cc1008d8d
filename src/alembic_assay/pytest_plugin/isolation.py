"""The fixtures that give each test the database as it was. ``pytest --fixtures`` prints them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from alembic_assay.pytest_plugin.choices import DEFAULT, named_targets
from alembic_assay.pytest_plugin.errors import errors_as_text
from alembic_assay.pytest_plugin.flask_db import app_context, flask_database
from alembic_assay.pytest_plugin.marker import wishes_of

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession
    from sqlalchemy.orm import Session

    from alembic_assay.pytest_plugin.others import Others
    from alembic_assay.pytest_plugin.worker_database import Clone, Isolation, WorkerDatabase
    from alembic_assay.seeding import RowFactory

CLONE = pytest.StashKey[Any]()
"""The ``Clone`` that migrated_database is, where that fixture is the toolkit's own."""


def clone_of(config: pytest.Config, url: URL) -> Clone | None:
    """Return what migrated_database is a copy of, if ``url`` is that of the toolkit's own."""
    clone: Clone | None = config.stash.get(CLONE, None)
    return clone if clone is not None and clone.url == url else None


@pytest.fixture(scope="session")
def assay_targets(pytestconfig: pytest.Config) -> Sequence[object]:
    """Engines, sessions and sessionmakers of the application that are to use the tests' database.

    Those that lead to it by their URL do so anyway. Override it, or name them in the ini file:
    assay_engines, assay_sessions, assay_sessionmakers.
    """
    with errors_as_text():
        return named_targets(pytestconfig, DEFAULT)


@pytest.fixture(scope="session")
def assay_worker_database(
    request: pytest.FixtureRequest,
    migrated_database: URL,
    migrated_engine: Engine,
    assay_targets: Sequence[object],
) -> Iterator[WorkerDatabase]:
    """What keeps the tests on migrated_database apart."""
    from alembic_assay.pytest_plugin.worker_database import WorkerDatabase

    with errors_as_text():
        database = WorkerDatabase(
            migrated_database,
            migrated_engine,
            targets=assay_targets,
            clone=clone_of(request.config, migrated_database),
        )
    yield database
    database.close()


@pytest.fixture(scope="session")
def assay_others(request: pytest.FixtureRequest) -> Iterator[Others]:
    """The databases that the project has besides: [tool.alembic-assay.databases]."""
    from alembic_assay.pytest_plugin.others import Others

    with errors_as_text():
        others = Others(request)
    yield others
    others.close()


@pytest.fixture
def assay_isolations(
    request: pytest.FixtureRequest, assay_worker_database: WorkerDatabase
) -> Iterator[Mapping[str, Isolation]]:
    """The databases of this test: rolled back behind it, or new ones, as its marker says."""
    from alembic_assay.sandboxes.current import current
    from alembic_assay.sandboxes.targets import bound

    wishes = wishes_of(request.node)

    def fresh_engine() -> Engine:
        engine: Engine = request.getfixturevalue("fresh_engine")
        return engine

    with errors_as_text(), ExitStack() as stack:
        own = stack.enter_context(assay_worker_database.isolated(request, wishes, fresh_engine))
        isolations = {DEFAULT: own}
        for name in wishes.databases:
            if name != DEFAULT:
                other = request.getfixturevalue("assay_others").get(name)
                isolations[name] = stack.enter_context(
                    other.isolated(request, wishes, other.fresh_engine)
                )
        own.behind.enter_context(app_context(request))
        if (flask := flask_database(request)) is not None:
            # Its sessions are those of a context, and that may be one of the whole run.
            own.behind.enter_context(bound([flask.session], own))
        stack.enter_context(current(lambda: request.getfixturevalue("db_session")))
        yield isolations


@pytest.fixture
def assay_isolation(assay_isolations: Mapping[str, Isolation]) -> Isolation:
    """The database of this test."""
    return assay_isolations[DEFAULT]


@pytest.fixture
def db_engine(request: pytest.FixtureRequest, assay_isolation: Isolation) -> Engine:
    """An Engine on the migrated database; whatever is committed there is gone after the test.

    That holds for all engines and sessions of the application that lead to the same database too.
    """
    flask = flask_database(request)
    engine: Engine = assay_isolation.engine if flask is None else flask.engine
    return engine


@pytest.fixture
def db_connection(assay_isolation: Isolation, db_engine: Engine) -> Connection:
    """A Connection of db_engine; all that is done on it is undone after the test."""
    connection = db_engine.connect()
    assay_isolation.behind.callback(connection.close)
    return connection


@pytest.fixture
def db_session(request: pytest.FixtureRequest, assay_isolation: Isolation) -> Session:
    """A Session on db_engine: the test and the code under test may commit; all is undone."""
    flask = flask_database(request)
    session: Session = assay_isolation.session if flask is None else flask.session
    return session


@pytest.fixture
def async_db_engine(assay_isolation: Isolation) -> AsyncEngine:
    """An AsyncEngine on the migrated database; whatever is committed there is gone afterwards.

    It can be used in any event loop, under pytest-asyncio as well as under anyio.
    """
    return assay_isolation.async_engine


@pytest.fixture
def async_db_connection(assay_isolation: Isolation) -> AsyncConnection:
    """An AsyncConnection of async_db_engine; all that is done on it is undone after the test."""
    from alembic_assay.sandboxes.async_engines import start_connection

    connection, close = start_connection(assay_isolation.async_engine)
    assay_isolation.behind.callback(close)
    return connection


@pytest.fixture
def async_db_session(assay_isolation: Isolation) -> AsyncSession:
    """An AsyncSession on async_db_engine: code under test may commit; all is undone."""
    return assay_isolation.async_session


@pytest.fixture
def db_engines(assay_isolations: Mapping[str, Isolation]) -> Mapping[str, Engine]:
    """An Engine for each database of the test: @pytest.mark.assay(databases=["default", "audit"]).

    They are as db_engine, which is the one by the name "default".
    """
    return {name: isolation.engine for name, isolation in assay_isolations.items()}


@pytest.fixture
def db_sessions(assay_isolations: Mapping[str, Isolation]) -> Mapping[str, Session]:
    """A Session for each database of the test, as db_session is for the default one."""
    return {name: isolation.session for name, isolation in assay_isolations.items()}


@pytest.fixture
def async_db_engines(assay_isolations: Mapping[str, Isolation]) -> Mapping[str, AsyncEngine]:
    """An AsyncEngine for each database of the test, as async_db_engine is for the default one."""
    return {name: isolation.async_engine for name, isolation in assay_isolations.items()}


@pytest.fixture
def row_factory(db_session: Session) -> RowFactory:
    """Make one valid row of a model or table, and the rows that it requires.

    Such as row_factory(User, name="Ada") or row_factory("users"); what is not given is filled in.
    """
    from alembic_assay.seeding import RowFactory

    return RowFactory(db_session)


@pytest.fixture
def db_queries(
    assay_worker_database: WorkerDatabase, assay_isolation: Isolation
) -> Callable[..., object]:
    """Count the statements of the application.

    A block ``with db_queries(max=3):`` fails if there are more; ``with db_queries() as queries:``
    gives them as a list.
    """
    from alembic_assay.pytest_plugin.queries import counted

    def is_of_the_test(engine: Engine) -> bool:
        sandbox = assay_worker_database.sandbox
        return sandbox.takes_part(engine) or sandbox.leads_to(assay_isolation.engine.url, engine)

    return lambda max=None: counted(is_of_the_test, max)  # noqa: A006
