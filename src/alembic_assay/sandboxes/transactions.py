"""The transactions of one virtual connection, one after the other."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from alembic_assay.dialects.rollback import RollbackRules
from alembic_assay.exceptions import NotInRollback, SandboxError
from alembic_assay.sandboxes.link import Driver, Link
from alembic_assay.sandboxes.loop_thread import Job
from alembic_assay.sandboxes.stack import FRESH_HINT, Transaction
from alembic_assay.sandboxes.statements import CONTROLS, Kind, Statement, read_statement

T = TypeVar("T")

_SKIPS_LOCKED = re.compile(r"\b(?:SKIP\s+LOCKED|NOWAIT)\b", re.IGNORECASE)
_NOT_THE_APPLICATION = ("alembic_assay", "asyncio", "contextlib", "greenlet", "sqlalchemy")


class Transactions:
    """Runs the statements of a virtual connection as parts of its transactions.

    One begins with the first statement, unless ``is_autocommit``; then each statement is one.
    """

    def __init__(self, link: Link, driver: Driver, *, is_autocommit: bool) -> None:
        self.driver = driver
        self.rules = link.rules
        self.is_autocommit = is_autocommit
        self._link = link
        self._test = link.test
        self._open: Transaction | None = None

    @property
    def is_over(self) -> bool:
        """Whether they were of a test that has ended."""
        return self._test != self._link.test

    def run(self, sql: str, call: Callable[[], T], *, is_single: bool = False) -> T | None:
        """Run a statement by ``call``, and return what that returns; nothing if it is not needed.

        It ``is_single`` if it is run but once, and not for each of many rows.

        Raises what ``call`` raises, ``OverlapError`` for a rollback that is not possible, and
        ``NotInRollback`` for what is not to be run here.
        """
        self._require_current()
        place = _place() if self._open is None else ""
        return self._link.use(
            self.driver, lambda job: self._run(sql, job, call, place, is_single=is_single)
        )

    @contextmanager
    def block(self, sql: str, manager: AbstractContextManager[T]) -> Iterator[T]:
        """Run a statement by entering ``manager``; errors of it may come as that is left."""
        with self._link.lock:
            is_alone = self._open is None and self.is_autocommit
            self._open = self._open or Transaction(_place())
            try:
                with ExitStack() as stack:
                    entered = self.run(sql, lambda: self._enter(stack, manager))
                    assert entered is not None, "it is no statement about transactions"
                    yield entered
            except BaseException:
                self._link.stack.distrust(self._open)
                if is_alone:
                    self.rollback()
                raise
            if is_alone:
                self.commit()

    def commit(self) -> None:
        """Commit what is open."""
        if self._open is not None and not self.is_over:
            self._link.use(self.driver, lambda job: self._commit())

    def rollback(self) -> None:
        """Roll back what is open. Raises ``OverlapError`` if that is not possible."""
        if self._open is not None and not self.is_over:
            self._link.use(self.driver, lambda job: self._rollback())

    def abandon(self) -> None:
        """Roll back what is open, be it that the garbage collector says so, wherever it runs."""
        if self._open is not None and not self.is_over:
            self._link.use_later(self._rollback)

    def lend(self) -> None:
        """Count on everything: somebody uses the session without our seeing it."""
        if self.is_over:
            return
        place = _place()

        def lend(job: Job) -> None:
            self._run("CALL", job, lambda: None, place)
            if self._open is not None:
                self._link.stack.distrust(self._open)

        self._link.use_blocking(self.driver, lend)

    def _run(
        self, sql: str, job: Job, call: Callable[[], T], place: str, *, is_single: bool = False
    ) -> T | None:
        reading, link = _read(self.rules, sql), self._link
        self._require_allowed(reading, sql)
        link.ensure_begun()
        if self.driver.loop is not None:
            call = job.interruptible(call, ends_at_once=self.rules.survives_cancellation)
        if not reading.is_control:
            return self._execute(reading, sql, call, place, is_single=is_single)
        statement, stack = reading.statement, link.stack
        if statement.kind is Kind.COMMIT:
            self._commit()
        elif statement.kind is Kind.ROLLBACK:
            self._rollback()
        elif statement.kind is not Kind.BEGIN or not self._begins(place):
            transaction = self._open = self._open or Transaction(place)
            if statement.kind is Kind.SAVEPOINT:
                stack.savepoint(transaction, statement.name, call)
            elif statement.kind is Kind.ROLLBACK_TO:
                with link.noting_errors():
                    stack.rollback_to(transaction, statement.name, call)
            elif statement.kind is Kind.RELEASE:
                stack.release(transaction, statement.name, call)
            else:
                stack.execute(transaction, call, writes=False)
        return None

    def _execute(
        self, reading: _Reading, sql: str, call: Callable[[], T], place: str, *, is_single: bool
    ) -> T:
        link, is_alone = self._link, self._open is None and self.is_autocommit
        transaction = self._open = self._open or Transaction(place)
        if reading.is_to_note:
            link.note(sql, transaction.holder)
        try:
            result = link.stack.execute(
                transaction,
                call,
                writes=reading.writes,
                is_atomic=lambda: is_single and self.rules.is_atomic(sql, self.driver.ask),
            )
        except BaseException:
            if is_alone:
                self._rollback()
            raise
        if is_alone:
            self._commit()
        return result

    def _enter(self, stack: ExitStack, manager: AbstractContextManager[T]) -> T:
        if self._open is not None:
            self._link.stack.distrust(self._open)
        return stack.enter_context(manager)

    def _begins(self, place: str) -> bool:
        """Begin a transaction that was asked for by name, if there is none, or it ends by that."""
        if self._open is not None and self.rules.begin_commits:
            self._commit()
        if self._open is not None:
            return False  # the database itself says what it thinks of it
        self._open = Transaction(place)
        return True

    def _commit(self) -> None:
        transaction, self._open = self._open, None
        if transaction is not None:
            with self._link.noting_errors():
                self._link.stack.commit(transaction, self._link.check_deferred_constraints)

    def _rollback(self) -> None:
        transaction, self._open = self._open, None
        if transaction is not None:
            with self._link.noting_errors():
                self._link.stack.rollback(transaction)

    def _require_current(self) -> None:
        if self.is_over:
            raise SandboxError(
                "a connection that an earlier test has left open is used again",
                effect="Its transaction was rolled back behind that test, with all that it had"
                " read and written.",
                help="close sessions and connections at the end of a test, and of a job in a"
                " thread (Session.remove()); of one that lives for longer, tell the toolkit:"
                " assay_sessions = package.module:session",
            )

    def _require_allowed(self, reading: _Reading, sql: str) -> None:
        refusal = reading.refusal
        if reading.skips_locked and self._link.stack.others_are_open(self._open):
            refusal = "what another transaction of the same test has locked is not skipped"
        if refusal is not None:
            raise NotInRollback(
                f"{refusal}: {' '.join(sql.split())[:200]}",
                effect="All that a test does is in one transaction, which is rolled back behind"
                " it; so nothing was run.",
                help=FRESH_HINT,
            )


@dataclass(frozen=True, slots=True)
class _Reading:
    """What the text of a statement says, in a kind of database."""

    statement: Statement
    is_control: bool
    writes: bool
    refusal: str | None
    skips_locked: bool
    is_to_note: bool


@lru_cache(maxsize=2048)
def _read(rules: RollbackRules, sql: str) -> _Reading:
    statement = read_statement(sql)
    return _Reading(
        statement,
        is_control=statement.kind in CONTROLS,
        writes=statement.kind is Kind.WRITE,
        refusal=rules.refusal(sql),
        skips_locked=_SKIPS_LOCKED.search(sql) is not None,
        is_to_note=rules.lasts(sql) or rules.may_end_transaction(sql),
    )


def _place() -> str:
    """Return where the application is: the innermost line that is not of a library of ours."""
    frame = sys._getframe(1)  # noqa: SLF001 - what ``inspect`` calls, without what it reads
    while frame is not None:
        if frame.f_globals.get("__name__", "").partition(".")[0] not in _NOT_THE_APPLICATION:
            return f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment]
    with suppress(RuntimeError):
        task = asyncio.current_task()
        if task is not None:
            return f"the task {task.get_name()}"
    return "a library"
