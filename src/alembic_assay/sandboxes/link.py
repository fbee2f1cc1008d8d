"""One session of a database, in a transaction that is rolled back, used by many connections."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Dialect, Engine

from alembic_assay.dialects.rollback import RollbackRules
from alembic_assay.exceptions import NotInRollback, SandboxError, TransactionEnded, first_line
from alembic_assay.sandboxes.loop_thread import Job, LoopThread
from alembic_assay.sandboxes.stack import FRESH_HINT, Stack

T = TypeVar("T")

_CANARY, _PROBE = "assay_canary", "assay_probe"

_UNINTERRUPTED = Job()
"""Of drivers that block: nothing cancels it."""


class Driver:
    """A connection of the DBAPI to the session, and the loop on which it is used, if any."""

    def __init__(self, dialect: Dialect, connection: Any, loop: LoopThread | None) -> None:
        self.dialect = dialect
        self.connection = connection
        self.loop = loop

    def ask(self, sql: str) -> Sequence[Sequence[Any]]:
        """Run a statement of our own; return its rows, if it has any."""
        with closing(self.connection.cursor()) as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else ()

    def run(self, sql: str) -> None:
        """Run a statement of our own that has no rows."""
        with closing(self.connection.cursor()) as cursor:
            cursor.execute(sql)

    def close(self, _: Job) -> None:
        """Close the connection."""
        self.connection.close()


class Link:
    """A session of the database, and all that is known of what happened in it.

    It begins its transaction when it is first used in a test, and is at rest between two of them.
    """

    def __init__(self, rules: RollbackRules, driver: Driver, all_links: Mapping[str, Link]) -> None:
        self.rules = rules
        self.resets_sequences = False
        self._all = all_links
        self.first = driver
        self.drivers = {driver.dialect.is_async: driver}
        self.test = 0
        """The number of the test; connections of earlier ones are of no use any more."""
        self.stack = self._new_stack()
        self.is_begun = False
        self.is_lost = False
        """Whether the session is in a state that the next test must not find."""
        self.errors: list[SandboxError] = []
        """What was raised in this test, be it that somebody has caught it."""
        self.lock = threading.RLock()
        """Held by who uses the session."""
        self._process = os.getpid()
        self._due: deque[Callable[[], None]] = deque()
        self._current = driver
        self._suspects: list[str] = []
        self._has_deferred: bool | None = None

    def use(self, driver: Driver, function: Callable[[Job], T]) -> T:
        """Run a function that uses a driver, while nobody else uses the session."""
        if os.getpid() != self._process:
            raise NotInRollback(
                "a connection of a test is used in another process, which was forked from it",
                effect="Both would speak in one session, and the server understand neither.",
                help=f"let the process make an engine of its own; {FRESH_HINT}",
            )
        if not self.is_begun:
            self._rest_others()
        if driver.loop is None:
            return self._exclusively(driver, function, _UNINTERRUPTED)
        return driver.loop.call(partial(self._exclusively, driver, function))

    def use_blocking(self, driver: Driver, function: Callable[[Job], T]) -> T:
        """Do as ``use`` does, wherever it is called: without ``await``."""
        if driver.loop is None:
            return self._exclusively(driver, function, _UNINTERRUPTED)
        return driver.loop.wait(partial(self._exclusively, driver, function))

    def use_later(self, function: Callable[[], None]) -> None:
        """Have a function run before the session is next used.

        That can be asked for anywhere, as the garbage collector does, be it amid another use.
        """
        self._due.append(function)

    def _exclusively(self, driver: Driver, function: Callable[[Job], T], job: Job) -> T:
        with self.lock:
            self._current = driver
            while self._due:
                with suppress(Exception):  # who has asked for it is not there any more
                    self._due.popleft()()
            return function(job)

    def ensure_begun(self) -> None:
        """Begin the transaction of this test, if it has not begun.

        Raises ``SandboxError`` if another session of the same database has written in this test.
        """
        if len(self._all) > 1:
            self._require_no_other()
        if self.is_begun:
            return
        try:
            self._begin(self._current)
        except BaseException:
            self.is_lost = True
            raise
        self.stack, self.is_begun = self._new_stack(), True

    def _begin(self, driver: Driver) -> None:
        rules = self.rules
        if self.resets_sequences and not rules.resettable_sequences:
            rules.restart_sequences(driver.ask)
        if rules.begin:
            driver.run(rules.begin)
        driver.run(f"SAVEPOINT {_CANARY}")
        if self.resets_sequences and rules.resettable_sequences:
            rules.restart_sequences(driver.ask)

    def has_rested(self) -> bool:
        """End the transaction, to begin it anew, if nothing has happened in it; tell if so."""
        return self.use_blocking(self.first, lambda job: self._rest())

    def _rest(self) -> bool:
        if self.stack.is_busy or self.stack.has_written:
            return False
        if self.is_begun:
            self.first.connection.rollback()
            self.is_begun = False
        return True

    def _rest_others(self) -> None:
        """Have sessions that do nothing keep no locks, for which this one would wait for ever."""
        for other in list(self._all.values()):
            if other is not self and other.is_begun:
                other.has_rested()

    def set_up_within(
        self,
        driver: Driver,
        tell: Callable[[Job], None],
        settings: frozenset[str],
        engine: Engine,
    ) -> None:
        """Let listeners of an engine set up the session within its transaction.

        Raises ``SandboxError`` where that is not possible.
        """

        def set_up(job: Job) -> None:
            driver.run(f"SAVEPOINT {_PROBE}")
            tell(job)
            driver.run(f"RELEASE SAVEPOINT {_PROBE}")
            if not settings <= self.rules.settings(driver.ask):
                raise ValueError("what they set cannot be set within a transaction")

        try:
            self.use_blocking(driver, set_up)
        except Exception as error:
            raise SandboxError(
                f"the engine {engine.url!r} is used for the first time in a transaction, and its"
                f" connect listeners cannot do their work in there: {first_line(error)}",
                effect="The test's earlier work could not be rolled back, or the engine would work"
                " without its settings.",
                help="make the engine, or use it, before the test writes; or name it:"
                " assay_engines = package.module:engine",
            ) from error
        # What they set is rolled back too; they set up the next session before it begins.
        self.is_lost = True

    def check_deferred_constraints(self) -> None:
        """Raise the driver's error for what a real commit would find."""
        if self._has_deferred is None:
            self._has_deferred = self.rules.has_deferred_constraints(self._current.ask)
        if self._has_deferred:
            self.rules.check_deferred_constraints(self._current.dialect, self._current.ask)

    def note(self, sql: str, where: str) -> None:
        """Remember what may have changed the session for good, or ended the transaction."""
        self.is_lost = self.is_lost or self.rules.lasts(sql)
        if self.rules.may_end_transaction(sql):
            self._suspects.append(f"{' '.join(sql.split())[:200]} ({where})")

    def end(self, *, keep: bool) -> None:
        """Roll back what happened in this test, or commit it.

        Raises ``TransactionEnded`` if that was not possible, as the transaction had ended before.
        """
        self.test += 1
        self.errors.clear()
        if not self.is_begun:
            return
        self.is_begun = False
        driver = self.drivers.get(False, self.first)
        suspects, self._suspects = self._suspects, []
        try:
            self.use_blocking(driver, lambda job: self._end(driver, keep=keep))
        except TransactionEnded:
            self.is_lost = True
            raise
        except Exception as error:
            self.is_lost = True
            raise TransactionEnded(
                "the transaction around the test was ended before the test was:"
                f" {first_line(error)}",
                effect="What the test had changed may have stayed; its database is made anew.",
                help=_advice(suspects),
            ) from error

    def close(self) -> None:
        """Close the session."""
        for driver in self.drivers.values():
            self.use_blocking(driver, driver.close)

    @contextmanager
    def noting_errors(self) -> Iterator[None]:
        """Remember the errors of our own."""
        try:
            yield
        except SandboxError as error:
            self.errors.append(error)
            raise

    def _end(self, driver: Driver, *, keep: bool) -> None:
        if keep:
            self.stack.recover()  # else an aborted transaction would be rolled back
            driver.connection.commit()
            return
        try:
            driver.run(f"ROLLBACK TO SAVEPOINT {_CANARY}")
            if self.stack.has_ever_written:
                self._require_undone(driver)
        finally:
            driver.connection.rollback()

    def _require_undone(self, driver: Driver) -> None:
        place = self.rules.what_stayed(driver.ask)
        if place is not None:
            raise TransactionEnded(
                f"the test has written in {place}",
                effect="What it wrote has stayed; its database is made anew.",
                help="give the table another engine: ALTER TABLE ... ENGINE=InnoDB; or"
                f" {FRESH_HINT}",
            )

    def _new_stack(self) -> Stack:
        def run(sql: str) -> None:
            self._current.run(sql)

        return Stack(run, errors_abort=self.rules.errors_abort)

    def _require_no_other(self) -> None:
        for other in self._all.values():
            if other is self or not other.is_begun:
                continue
            # To have restarted a sequence locks it.
            if other.stack.has_written or self.resets_sequences:
                raise SandboxError(
                    f"{self.first.dialect.driver} is used in a test in which"
                    f" {other.first.dialect.driver} has written, or is at work",
                    effect="Each has a session of its own, which does not see what the other has"
                    " not committed; and behind a test nothing is.",
                    help=f"use one driver for both; psycopg can do sync and async. Or {FRESH_HINT}",
                )


def _advice(suspects: list[str]) -> str:
    if suspects:
        return (
            f"it was by one of these, which need real commits: {'; '.join(suspects)}. {FRESH_HINT}"
        )
    return (
        "leave the transaction of the driver's connection alone: commit and roll back through"
        f" SQLAlchemy; or {FRESH_HINT}"
    )
