"""Every error that the toolkit raises on its own account.

    AssayError
    ├── UsageError                  what was asked cannot be carried out as asked
    │   ├── ConfigError             no Alembic configuration, or one that cannot be read
    │   ├── UnsupportedDatabase     no dialect, or no driver, for this URL
    │   ├── UnsafePlace             another machine, or production: no place for tests
    │   └── HistoryError            the revision files do not make a graph with one answer
    │       └── MultipleHeads
    ├── DatabaseError               the database is not in a state in which we may go on
    │   ├── DatabaseUnreachable
    │   ├── NotADatabase            a file that is something else
    │   ├── DatabaseAhead           at a revision that these files do not have
    │   ├── UnmanagedDatabase       tables, but no version
    │   └── ServerUnavailable       no server to make databases on
    ├── LockError
    │   ├── LockTimeout             (also a TimeoutError)
    │   ├── LockUnavailable         the lock cannot be taken at all
    │   └── LockLost                it was ours and is not any more
    ├── SandboxError                what a test did cannot be both kept apart and rolled back
    │   ├── OverlapError            two transactions that cannot be undone one without the other
    │   ├── TransactionEnded        something ended the transaction around the test
    │   └── NotInRollback           it needs real commits: a database of the test's own
    └── MigrationError
        ├── MigrationFailed         a revision raised; the error itself is the __cause__
        └── EnvironmentFault        env.py did not do what it was run for
            ├── WrongDatabase       it would have reached another database
            └── NotAtTarget         it returned, but the database is not at the target
    FindingsDetected                (an AssertionError) raised by the pytest plugin alone

Errors of Alembic, SQLAlchemy and the drivers pass through as they are, or as the ``__cause__``.
"""

from __future__ import annotations

import re
from typing import Any


class AssayError(Exception):
    """What is so, what that means, and what to do about it, in this order."""

    def __init__(self, message: str, *, effect: str = "", help: str = "") -> None:  # noqa: A002 - the word that is printed
        super().__init__(message)
        self.message = message
        self.effect = effect
        self.help = help

    def __str__(self) -> str:
        lines = [self.message]
        if self.effect:
            lines.append(f"  {self.effect}")
        if self.help:
            lines.append(f"  help: {self.help}")
        return "\n".join(lines)

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions pickle by their positional arguments alone; ours travel between processes
        # (pytest-xdist, multiprocessing), so the keywords must come along.
        return _rebuild, (type(self), self.__dict__, self.args)


def _rebuild(
    kind: type[AssayError], state: dict[str, Any], arguments: tuple[Any, ...]
) -> AssayError:
    error = kind.__new__(kind)
    error.args = arguments
    error.__dict__.update(state)
    return error


class UsageError(AssayError):
    """What was asked cannot be carried out as asked."""


class ConfigError(UsageError):
    """There is no Alembic configuration, or it cannot be read."""


class UnsupportedDatabase(UsageError):
    """There is no dialect, or no installed driver, for this URL."""


class UnsafePlace(UsageError):
    """No database may be made or dropped there: it is another machine, or production."""


class HistoryError(UsageError):
    """The revision files are broken: a syntax error, a missing parent, a duplicate, a cycle."""


class MultipleHeads(HistoryError):
    """The history has several heads and one was asked for."""


class DatabaseError(AssayError):
    """The database is not in a state in which we may go on; nothing was changed in it."""


class DatabaseUnreachable(DatabaseError):
    """No connection to the database could be made."""


class NotADatabase(DatabaseError):
    """The file is not a database of this kind."""


class DatabaseAhead(DatabaseError):
    """The database is at a revision that these revision files do not have."""


class UnmanagedDatabase(DatabaseError):
    """The database has tables but no Alembic version."""


class ServerUnavailable(DatabaseError):
    """There is no server on which databases could be made."""


class LockError(AssayError):
    """The migration lock could not be taken or kept."""


class LockTimeout(LockError, TimeoutError):
    """Another process kept the migration lock for longer than we were to wait."""


class LockUnavailable(LockError):
    """The migration lock cannot be taken here at all."""


class LockLost(LockError):
    """The migration lock was ours and is not any more."""


class SandboxError(AssayError):
    """What a test did cannot be both kept apart and rolled back behind it."""


class OverlapError(SandboxError):
    """Two transactions ran into each other so that one cannot be undone without the other."""


class TransactionEnded(SandboxError):
    """Something ended the transaction around a test; what it had changed may have stayed."""


class NotInRollback(SandboxError):
    """What was asked needs real commits, as there are on a database of the test's own."""


class MigrationError(AssayError):
    """The migrations were run and the database is not at the target."""


class MigrationFailed(MigrationError):
    """A revision raised an error, which is the ``__cause__``.

    ``revision`` is the one that failed, ``applied`` the ones that stay applied.
    """

    def __init__(
        self,
        message: str,
        *,
        effect: str = "",
        help: str = "",  # noqa: A002 - the word that is printed
        revision: str,
        applied: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message, effect=effect, help=help)
        self.revision = revision
        self.applied = applied


class EnvironmentFault(MigrationError):
    """env.py did not do what it was run for."""


class WrongDatabase(EnvironmentFault):
    """env.py opened another database than the one it was given."""


class NotAtTarget(EnvironmentFault):
    """env.py returned as if all were well, but the database is not where it was to go."""


class FindingsDetected(AssertionError):
    """The checks found something; raised by the pytest plugin alone."""


def first_line(error: BaseException | None) -> str:
    """Say an error in one line: its type and first line, or those of the driver's own error."""
    error = getattr(error, "orig", None) or error
    text = _OBJECT.sub(r"\1", str(error).strip())
    return f"{type(error).__name__}: {text.splitlines()[0]}" if text else type(error).__name__


_OBJECT = re.compile(r"<(?:\w+\.)*(\w+) object at 0x[0-9a-fA-F]+>")
"""What Python prints of an object that has no words for itself: another one in each run."""
