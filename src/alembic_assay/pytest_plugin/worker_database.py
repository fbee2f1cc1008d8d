"""The database that the tests of a worker have in common, and what each of them gets of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import pytest

from alembic_assay.exceptions import SandboxError, TransactionEnded
from alembic_assay.pytest_plugin.keeping import has_failed, is_to_keep, report_kept
from alembic_assay.pytest_plugin.marker import Wishes
from alembic_assay.sandboxes import Sandbox
from alembic_assay.sandboxes.targets import bound, engines_of

if TYPE_CHECKING:
    from sqlalchemy import URL, Engine
    from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
    from sqlalchemy.orm import Session

    from alembic_assay.databases import Databases
    from alembic_assay.template import Template


@dataclass(frozen=True)
class Clone:
    """Where a database comes from that the toolkit has made: the copy of a template."""

    url: URL
    databases: Databases
    template: Template

    def set_aside(self, request: pytest.FixtureRequest) -> None:
        """Keep it as the test has left it; a new copy takes its place."""
        kept = self.databases.set_aside(self.url, self.template.url, request.node.nodeid)
        report_kept(request, kept)

    def restore(self) -> None:
        """Put a new copy in its place."""
        self.databases.restore(self.url, self.template.url)


@dataclass(frozen=True, eq=False)
class Isolation:
    """The database of one test, and what is to be left when all that is in it is rolled back."""

    engine: Engine
    behind: ExitStack
    make_async_engine: Callable[[], AsyncEngine]

    @cached_property
    def async_engine(self) -> AsyncEngine:
        return self.make_async_engine()

    @cached_property
    def session(self) -> Session:
        from sqlalchemy.orm import Session

        session = Session(self.engine)
        self.behind.callback(session.close)
        return session

    @cached_property
    def async_session(self) -> AsyncSession:
        from sqlalchemy.ext.asyncio import AsyncSession

        session = AsyncSession(self.async_engine, expire_on_commit=False)
        self.behind.callback(session.sync_session.close)
        return session


class WorkerDatabase:
    """A database that is rolled back behind each test; ``clone`` says that it is the toolkit's."""

    def __init__(
        self, url: URL, engine: Engine, *, targets: Sequence[object], clone: Clone | None
    ) -> None:
        self._url = url
        self._engine = engine
        self._targets = targets
        self._clone = clone
        self.sandbox = Sandbox(url, named=engines_of(targets), is_own=clone is not None)

    @contextmanager
    def isolated(
        self, request: pytest.FixtureRequest, wishes: Wishes, fresh: Callable[[], Engine]
    ) -> Iterator[Isolation]:
        """Have the database for a test: as it was, or one that ``fresh`` makes."""
        isolate = (
            self._fresh(fresh())
            if wishes.isolation == "fresh"
            else self._rolled_back(request, wishes)
        )
        with isolate as isolation:
            isolation.behind.enter_context(bound(self._targets, isolation))
            yield isolation

    @contextmanager
    def _rolled_back(self, request: pytest.FixtureRequest, wishes: Wishes) -> Iterator[Isolation]:
        clone, sandbox = self._clone, self.sandbox

        def keep() -> bool:
            return clone is not None and is_to_keep(request)

        try:
            with sandbox.isolated(reset_sequences=wishes.reset_sequences, keep=keep) as behind:
                yield Isolation(self._engine, behind, self._make_async_engine)
        except TransactionEnded:
            if clone is not None:
                self._disconnect()
                clone.restore()
            raise
        except SandboxError:
            if not has_failed(request):  # else it has said so already
                raise
        if clone is not None and keep():
            self._disconnect()
            clone.set_aside(request)

    @contextmanager
    def _fresh(self, engine: Engine) -> Iterator[Isolation]:
        def make_async_engine() -> AsyncEngine:
            from alembic_assay.sandboxes.async_engines import make_async_engine

            return make_async_engine(engine.url, self.sandbox)

        with self.sandbox.redirected(engine.url), ExitStack() as behind:
            yield Isolation(engine, behind, make_async_engine)

    def close(self) -> None:
        """Close what is open."""
        self.sandbox.close()

    def _make_async_engine(self) -> AsyncEngine:
        return self._async_engine

    @cached_property
    def _async_engine(self) -> AsyncEngine:
        from alembic_assay.sandboxes.async_engines import make_async_engine

        return make_async_engine(self._url, self.sandbox)

    def _disconnect(self) -> None:
        self.sandbox.close()
        self._engine.dispose()
