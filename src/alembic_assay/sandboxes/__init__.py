"""A database in which whatever is committed is gone behind the test, whoever has committed it.

Every engine that leads to the database takes part, from its first use on, whenever and wherever it
was made: ``Engine.raw_connection``, through which each connection of SQLAlchemy comes, hands out
virtual connections instead, which share one session of the database.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import URL, Dialect, Engine
from sqlalchemy.exc import SQLAlchemyError

from alembic_assay.dialects import get_backend
from alembic_assay.exceptions import NotInRollback, SandboxError, UnsupportedDatabase
from alembic_assay.sandboxes.link import Driver, Link
from alembic_assay.sandboxes.loop_thread import Job, LoopThread
from alembic_assay.sandboxes.member import (
    Member,
    all_engines,
    open_connection,
    raw_connections_by,
    require_private_names,
    sets_up_connections,
    tell_listeners,
    virtual_connections_by,
)
from alembic_assay.sandboxes.on_loop import connections_on_loop
from alembic_assay.sandboxes.stack import FRESH_HINT
from alembic_assay.sandboxes.transactions import Transactions
from alembic_assay.sandboxes.virtual import VirtualConnection

__all__ = ["Sandbox", "sandbox"]


class Sandbox:
    """A database whose sessions stay open from test to test; ``isolated`` is for one of these.

    Engines take part that lead to the database of ``url``, and besides all of ``named``. The
    database ``is_own`` if it was made for tests, and nobody minds what is changed in it.
    """

    def __init__(self, url: URL, *, named: Iterable[Engine] = (), is_own: bool = False) -> None:
        require_private_names()
        self._url = url
        self.is_own = is_own
        self._resets_sequences = False
        self._undo = ExitStack()
        self._backend = get_backend(url)
        self._links: dict[str, Link] = {}
        self._members: WeakKeyDictionary[Dialect, Member | None] = WeakKeyDictionary()
        self._named = {engine.dialect for engine in named}
        self._loop: LoopThread | None = None
        self._lock = threading.RLock()

    @contextmanager
    def isolated(
        self, *, reset_sequences: bool = False, keep: Callable[[], bool] = lambda: False
    ) -> Iterator[ExitStack]:
        """Have all that happens in the database within a block rolled back behind it.

        Yield what is to be left when that is done, such as sessions of the block's own, with which
        nothing can go wrong then. With ``reset_sequences`` the numbers for new rows go on behind
        those of the rows that are there, in each block anew. Where ``keep()`` is true behind the
        block, all is committed.

        Raises ``TransactionEnded`` if something has ended the transaction, and the first error of
        the sandbox's own in the block, such as ``OverlapError``, be it that somebody has caught it.
        """
        self._set_resets_sequences(reset_sequences)
        with ExitStack() as behind, ExitStack() as stack:
            stack.callback(self._end, keep)
            stack.enter_context(raw_connections_by(self._route))
            for dialect, member in list(self._members.items()):
                if member is not None:
                    stack.enter_context(virtual_connections_by(dialect))
            self._undo = stack
            yield behind

    @contextmanager
    def redirected(self, url: URL) -> Iterator[None]:
        """Have the engines that take part lead to another database within a block, for real.

        Connections of asyncio drivers to there can be used in any event loop.
        """
        members: WeakKeyDictionary[Dialect, Member] = WeakKeyDictionary()

        def route(engine: Engine) -> Member | None:
            is_for_loops = engine.dialect.is_async and self.leads_to(url, engine)
            if not (is_for_loops or self.takes_part(engine)):
                return None
            if engine.dialect not in members:
                make = partial(open_connection, engine, url)
                if engine.dialect.is_async:
                    make = partial(open_on_loop, make)
                members[engine.dialect] = Member(engine, make)
            return members[engine.dialect]

        with connections_on_loop() as open_on_loop, raw_connections_by(route):
            yield

    def takes_part(self, engine: Engine) -> bool:
        """Whether an engine takes part. Raises ``SandboxError`` for a named one that cannot."""
        if engine.dialect in self._named:
            self._require_same_kind(engine)
            return True
        return self.leads_to(self._url, engine)

    def leads_to(self, url: URL, engine: Engine) -> bool:
        """Whether an engine leads to a database, by its URL."""
        try:
            return self._backend.is_same_database(engine.url, url)
        except UnsupportedDatabase:
            return False

    def close(self) -> None:
        """Close the sessions."""
        for link in self._links.values():
            link.close()
        self._links.clear()
        self._members.clear()
        if self._loop is not None:
            self._loop.close()
            self._loop = None

    # -- which engines take part

    def _route(self, engine: Engine) -> Member | None:
        """Return the member that an engine is, if it takes part."""
        with self._lock:
            if engine.dialect not in self._members:
                self._members[engine.dialect] = None  # while it connects, for the first time
                try:
                    member = self._adopted(engine)
                except BaseException:
                    del self._members[engine.dialect]
                    raise
                self._members[engine.dialect] = member
            return self._members[engine.dialect]

    def _adopted(self, engine: Engine) -> Member | None:
        if not self.takes_part(engine):
            return None
        on_loop = self._runner(engine.dialect)
        connection, is_autocommit, settings = on_loop(partial(self._open, engine))
        link = self._links.get(self._backend.rollback.family(engine.dialect))
        if link is None:
            driver = self._driver(engine.dialect, connection)
            link = self._new_link(engine, driver)
        else:
            on_loop(lambda job: engine.dialect.do_close(connection))
            driver = link.drivers.get(engine.dialect.is_async) or self._joined(link, engine.dialect)
            self._set_up(engine, link, driver, settings)
        self._undo.enter_context(virtual_connections_by(engine.dialect))

        def make() -> VirtualConnection:
            return VirtualConnection(Transactions(link, driver, is_autocommit=is_autocommit))

        return Member(engine, make)

    def _require_same_kind(self, engine: Engine) -> None:
        if engine.url.get_backend_name() != self._url.get_backend_name():
            raise SandboxError(
                f"the engine {engine.url!r} is for another kind of database than {self._url!r}",
                effect="It was named to take part in the tests on that, and cannot.",
                help="do not name it; or have the tests run on its kind: --assay-url.",
            )

    def _open(self, engine: Engine, job: Job) -> tuple[Any, bool, frozenset[str]]:
        """Return a new connection, whether it commits each statement, and what it is set to."""
        rules, dialect = self._backend.rollback, engine.dialect
        url = None if self.leads_to(self._url, engine) else self._url
        connection = open_connection(engine, url)
        is_autocommit = rules.is_autocommit(dialect, connection)
        settings = rules.settings(Driver(dialect, connection, None).ask)
        dialect.do_rollback(connection)
        return connection, is_autocommit, settings

    # -- sessions

    def _set_resets_sequences(self, value: bool) -> None:  # noqa: FBT001 - one of two states
        if value and not (self.is_own or self._backend.rollback.resettable_sequences):
            raise NotInRollback(
                f"the numbers for new rows of {self._url!r} cannot begin anew",
                effect="On this kind of database that lasts, and this one is not the toolkit's.",
                help=FRESH_HINT,
            )
        self._resets_sequences = value
        for link in self._links.values():
            link.resets_sequences = value

    def _new_link(self, engine: Engine, driver: Driver) -> Link:
        rules, dialect = self._backend.rollback, driver.dialect
        link = Link(rules, driver, self._links)
        link.use_blocking(driver, lambda job: rules.take_over(dialect, driver.connection))
        link.resets_sequences = self._resets_sequences
        self._links[rules.family(dialect)] = link
        self._adopt_listeners_of(rules.family(dialect))
        return link

    def _adopt_listeners_of(self, family: str) -> None:
        """Have engines take part now whose listeners may set what a transaction does not let them.

        What goes wrong with one of them does so again when it is used.
        """
        for engine in all_engines():
            if (
                engine.dialect not in self._members
                and self._backend.rollback.family(engine.dialect) == family
                and (engine.dialect in self._named or self.leads_to(self._url, engine))
                and sets_up_connections(engine)
            ):
                with suppress(SQLAlchemyError, SandboxError):
                    self._route(engine)

    def _driver(self, dialect: Dialect, connection: Any) -> Driver:
        return Driver(dialect, connection, self._loop if dialect.is_async else None)

    def _joined(self, link: Link, dialect: Dialect) -> Driver:
        """Return a driver of another kind in the session of a link."""
        rules, first = self._backend.rollback, link.first
        theirs = first.dialect.get_driver_connection(first.connection)
        connection = self._runner(dialect)(lambda job: rules.join(dialect, theirs))
        link.drivers[dialect.is_async] = driver = self._driver(dialect, connection)
        return driver

    def _set_up(self, engine: Engine, link: Link, driver: Driver, settings: frozenset[str]) -> None:
        """Let the listeners of an engine set up a session that is there already."""

        def tell(job: Job) -> None:
            tell_listeners(engine, driver.connection)

        if not link.is_begun or link.has_rested():
            link.use_blocking(driver, tell)
            link.use_blocking(
                driver,
                lambda job: self._backend.rollback.take_over(driver.dialect, driver.connection),
            )
            return
        link.set_up_within(driver, tell, settings, engine)

    def _runner(self, dialect: Dialect) -> Callable[[Callable[[Job], Any]], Any]:
        """Return what runs functions that use a dialect, and waits for them."""
        if not dialect.is_async:
            return lambda function: function(Job())
        self._loop = self._loop or LoopThread()
        return self._loop.wait

    def _end(self, keep: Callable[[], bool]) -> None:
        is_to_keep, errors = keep(), []
        for family, link in list(self._links.items()):
            errors += link.errors
            try:
                link.end(keep=is_to_keep)
            except SandboxError as error:
                errors.insert(0, error)
            if link.is_lost:
                del self._links[family]
                with suppress(Exception):
                    link.close()
                self._members.clear()
        if errors:
            raise errors[0]


@contextmanager
def sandbox(engine: Engine, *, reset_sequences: bool = False) -> Iterator[None]:
    """Have all that happens in the database of an engine within a block rolled back behind it.

    That holds for each engine, session and connection of SQLAlchemy that leads to this database, in
    whichever thread, sync or async, and whenever it was made. For an ``AsyncEngine`` give its
    ``sync_engine``. Transactions, savepoints, ``dispose()`` and events are as ever.

    Raises what ``Sandbox.isolated`` does.
    """
    box = Sandbox(engine.url, named=[engine])
    try:
        with box.isolated(reset_sequences=reset_sequences):
            yield
    finally:
        box.close()
