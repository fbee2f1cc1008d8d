"""What a database needs for transactions that are rolled back behind a test, and refuses."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from sqlalchemy import Dialect

Ask = Callable[[str], Sequence[Sequence[Any]]]
"""Runs one statement in the transaction around a test, and returns its rows, if it has any."""


class RollbackRules:
    """The defaults suit a database in which everything can be rolled back."""

    errors_abort: ClassVar[bool] = False
    """Whether all is refused behind an error until a rollback, to a savepoint at least."""

    begin: ClassVar[str] = ""
    """What begins a transaction, where the driver does not do that by itself."""

    begin_commits: ClassVar[bool] = False
    """Whether a BEGIN within a transaction commits that."""

    refusals: ClassVar[Sequence[tuple[str, str]]] = ()
    """Patterns of statements that cannot be, or would not do what they do elsewhere, and why."""

    lasting: ClassVar[str] = r"(?!)"
    """The pattern of statements that change the session so that a rollback does not undo it."""

    survives_cancellation: ClassVar[bool] = True
    """Whether a session goes on when a task is cancelled that waits for a statement."""

    resettable_sequences: ClassVar[bool] = True
    """Whether the numbers for new rows can begin anew within a transaction."""

    reads_at_once: ClassVar[bool] = False
    """Whether a driver's rows must be read before anything else is run in the session."""

    def take_over(self, dialect: Dialect, connection: Any) -> None:
        """Have a connection of the DBAPI begin and end transactions only where it is told to."""
        del dialect, connection

    def is_autocommit(self, dialect: Dialect, connection: Any) -> bool:
        """Whether a new connection of the DBAPI commits each statement by itself."""
        return bool(dialect.detect_autocommit_setting(connection))

    def family(self, dialect: Dialect) -> str:
        """Return a name for those drivers that can share one session of the database."""
        return dialect.driver

    def join(self, dialect: Dialect, driver_connection: Any) -> Any:
        """Return a connection of the DBAPI in the session of another driver of the family."""
        raise AssertionError(f"{dialect.driver} is a family of its own")

    def cursor_arguments(self, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return what a cursor is asked for, where it must not keep others from being used."""
        return arguments

    def settings(self, ask: Ask) -> frozenset[str]:
        """Return what is switched on at connects, and cannot be within a transaction."""
        del ask
        return frozenset()

    def has_deferred_constraints(self, ask: Ask) -> bool:
        """Whether there are constraints which are checked only at a commit."""
        del ask
        return False

    def check_deferred_constraints(self, dialect: Dialect, ask: Ask) -> None:
        """Raise the driver's error for what a commit would find; change nothing."""
        del dialect, ask

    def what_stayed(self, ask: Ask) -> str | None:
        """Say in what the test has written that the rollback just now has not undone, if it has."""
        del ask
        return None

    def restart_sequences(self, ask: Ask) -> None:
        """Have the numbers for new rows go on behind those of the rows that are there."""
        del ask

    def refusal(self, sql: str) -> str | None:
        """Return why a statement cannot be run in a transaction that is rolled back, if so."""
        found = ((_search(pattern, sql), why) for pattern, why in self.refusals)
        return next(
            (f"{' '.join(one[0].upper().split())} {why}" for one, why in found if one), None
        )

    def lasts(self, sql: str) -> bool:
        """Whether a statement changes the session for good."""
        return _search(self.lasting, sql) is not None

    def is_atomic(self, sql: str, ask: Ask) -> bool:
        """Whether a statement that has failed has surely changed nothing."""
        del ask
        return _is_plain(sql) and ";" not in sql.rstrip("; \n")

    def may_end_transaction(self, sql: str) -> bool:
        """Whether a statement could do so, as a procedure may."""
        return not _is_plain(sql)


def _is_plain(sql: str) -> bool:
    return _PLAIN.match(sql) is not None


def _search(pattern: str, sql: str) -> re.Match[str] | None:
    return re.search(pattern, _COMMENTS_AND_TEXTS.sub(" ", sql), re.IGNORECASE)


_PLAIN = re.compile(
    r"\s*(?:SELECT|INSERT|UPDATE|DELETE|MERGE|REPLACE|WITH|FETCH|CLOSE)\b", re.IGNORECASE
)
"""How reads and changes of rows begin."""

_COMMENTS_AND_TEXTS = re.compile(r"--[^\n]*|/\*(?!!).*?\*/|'(?:[^']|'')*'", re.DOTALL)
