"""The fixtures that give each test the database as it was. ``pytest --fixtures`` prints them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import pytest

from alembic_assay.pytest_plugin.choices import named_targets
from alembic_assay.pytest_plugin.errors import errors_as_text
from alembic_assay.pytest_plugin.keeping import has_failed, is_to_keep, report_kept
from alembic_assay.pytest_plugin.marker import wishes_of

if TYPE_CHECKING:
    import sqlalchemy
    from sqlalchemy import Connection, Engine
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession
    from sqlalchemy.orm import Session

    from alembic_assay.databases import Databases
    from alembic_assay.sandbox import Sandbox
    from alembic_assay.template import Template


@dataclass(frozen=True)
class OwnClone:
    """The database of this worker, where it is one that the toolkit has made."""

    url: sqlalchemy.URL
    databases: Databases
    template: Template

    def set_aside(self, request: pytest.FixtureRequest) -> None:
        """Keep it as the test has left it; a new copy takes its place."""
        kept = self.databases.set_aside(self.url, self.template.url, request.node.nodeid)
        report_kept(request, kept)

    def restore(self) -> None:
        """Put a new copy in its place."""
        self.databases.restore(self.url, self.template.url)


OWN_CLONE = pytest.StashKey[OwnClone]()


@dataclass(frozen=True, eq=False)
class Isolation:
    """The database of one test, and what is to be closed when all in it is rolled back."""

    engine: Engine
    behind: ExitStack
    make_async_engine: Callable[[], AsyncEngine]

    @cached_property
    def async_engine(self) -> AsyncEngine:
        return self.make_async_engine()


@pytest.fixture(scope="session")
def assay_targets(pytestconfig: pytest.Config) -> Sequence[object]:
    """Engines, sessions and sessionmakers of the application that are to use the tests' database.

    Those that lead to it by their URL do so anyway. Override it, or name them in the ini file:
    assay_engines, assay_sessions, assay_sessionmakers.
    """
    with errors_as_text():
        return named_targets(pytestconfig)


@pytest.fixture(scope="session")
def assay_sandbox(
    pytestconfig: pytest.Config, migrated_database: sqlalchemy.URL, assay_targets: Sequence[object]
) -> Iterator[Sandbox]:
    """What keeps the tests on migrated_database apart."""
    from alembic_assay.sandbox import Sandbox
    from alembic_assay.sandbox.targets import engines_of

    own = pytestconfig.stash.get(OWN_CLONE, None)
    is_own = own is not None and own.url == migrated_database
    with errors_as_text():
        named = engines_of(assay_targets)
    sandbox = Sandbox(migrated_database, named=named, is_own=is_own)
    yield sandbox
    sandbox.close()


@pytest.fixture(scope="session")
def assay_async_engine(migrated_database: sqlalchemy.URL) -> AsyncEngine:
    """An AsyncEngine on migrated_database, with the driver that the application uses."""
    from alembic_assay.sandbox.async_engines import make_async_engine

    with errors_as_text():
        return make_async_engine(migrated_database)


@pytest.fixture
def assay_isolation(
    request: pytest.FixtureRequest, assay_sandbox: Sandbox, assay_targets: Sequence[object]
) -> Iterator[Isolation]:
    """The database of this test: rolled back behind it, or a new one, as its marker says."""
    from alembic_assay.sandbox.targets import bound

    wishes = wishes_of(request.node)
    isolate = _fresh if wishes.isolation == "fresh" else _rolled_back
    with errors_as_text(), isolate(request, assay_sandbox) as isolation:
        isolation.behind.enter_context(bound(assay_targets, isolation))
        yield isolation


@contextmanager
def _rolled_back(request: pytest.FixtureRequest, sandbox: Sandbox) -> Iterator[Isolation]:
    from alembic_assay.exceptions import SandboxError, TransactionEnded

    own = request.config.stash.get(OWN_CLONE, None) if sandbox.is_own else None
    engine: Engine = request.getfixturevalue("migrated_engine")

    def keep() -> bool:
        return own is not None and is_to_keep(request)

    def make_async_engine() -> AsyncEngine:
        found: AsyncEngine = request.getfixturevalue("assay_async_engine")
        return found

    wishes = wishes_of(request.node)
    try:
        with sandbox.isolated(reset_sequences=wishes.reset_sequences, keep=keep) as behind:
            yield Isolation(engine, behind, make_async_engine)
    except TransactionEnded:
        if own is not None:
            sandbox.close()
            engine.dispose()
            own.restore()
        raise
    except SandboxError:
        if not has_failed(request):  # else it has said so already
            raise
    if own is not None and keep():
        sandbox.close()
        engine.dispose()
        own.set_aside(request)


@contextmanager
def _fresh(request: pytest.FixtureRequest, sandbox: Sandbox) -> Iterator[Isolation]:
    engine: Engine = request.getfixturevalue("fresh_engine")

    def make() -> AsyncEngine:
        from alembic_assay.sandbox.async_engines import make_async_engine

        return make_async_engine(engine.url)

    with ExitStack() as behind, sandbox.redirected(engine.url):
        yield Isolation(engine, behind, make)


@pytest.fixture
def db_engine(assay_isolation: Isolation) -> Engine:
    """An Engine on the migrated database; whatever is committed there is gone after the test.

    That holds for all engines and sessions of the application that lead to the same database too.
    """
    return assay_isolation.engine


@pytest.fixture
def db_connection(assay_isolation: Isolation) -> Connection:
    """A Connection of db_engine; all that is done on it is undone after the test."""
    connection = assay_isolation.engine.connect()
    assay_isolation.behind.callback(connection.close)
    return connection


@pytest.fixture
def db_session(assay_isolation: Isolation) -> Session:
    """A Session on db_engine: the test and the code under test may commit; all is undone."""
    from sqlalchemy.orm import Session

    session = Session(assay_isolation.engine)
    assay_isolation.behind.callback(session.close)
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
    from alembic_assay.sandbox.async_engines import start_connection

    connection, close = start_connection(assay_isolation.async_engine)
    assay_isolation.behind.callback(close)
    return connection


@pytest.fixture
def async_db_session(assay_isolation: Isolation) -> AsyncSession:
    """An AsyncSession on async_db_engine: code under test may commit; all is undone."""
    from sqlalchemy.ext.asyncio import AsyncSession

    session = AsyncSession(assay_isolation.async_engine, expire_on_commit=False)
    assay_isolation.behind.callback(session.sync_session.close)
    return session
