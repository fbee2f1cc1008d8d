"""Many transactions at once in a single one of the database, by savepoints.

Savepoints lie on each other: what is undone is all that came after one. So of transactions that
overlap, one can be undone only as long as nobody else has written since it began to; where that is
not so, ``OverlapError`` is raised, and no row is lost without a word.

Each write has a number. A level, that is a transaction or a savepoint of the application in it,
knows the number at which it began, and each transaction that of its own last write. A level can be
undone if no other transaction has a number behind the level's, whether it is committed or not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from alembic_assay.exceptions import OverlapError

FRESH_HINT = '@pytest.mark.assay(isolation="fresh") gives the test a database of its own.'

_SHIELD = "assay_shield"
_NOWHERE = "assay_nowhere"

T = TypeVar("T")


@dataclass(eq=False, slots=True)
class Level:
    """The work since a point to which a transaction may go back.

    ``name`` is the application's savepoint; that of a transaction itself is empty.
    """

    name: str
    started: int
    written_before: int
    """The last write of the transaction before this level."""
    is_laid: bool = False
    """Whether there is a savepoint of the database for it."""


@dataclass(eq=False, slots=True)
class Transaction:
    """A transaction of the application: whose it is, its levels, and its last write."""

    holder: str
    levels: list[Level] = field(default_factory=list)
    last_write: int = 0
    has_failed: bool = False
    """Whether the database would refuse all but a rollback, had it a connection of its own."""

    def has_written_in(self, level: Level) -> bool:
        """Whether it has written since a level of it began."""
        return self.last_write > level.written_before


class Stack:
    """The transactions in one transaction of the database.

    ``run`` runs a statement in it. ``errors_abort`` says that behind an error the database refuses
    all statements until a rollback, as PostgreSQL does. It is for one thread at a time.
    """

    def __init__(self, run: Callable[[str], None], *, errors_abort: bool) -> None:
        self._run = run
        self._errors_abort = errors_abort
        self._open: list[Transaction] = []
        self._laid: list[Level | None] = []
        """The savepoints of the database, from the bottom up; of some the level is gone."""
        self._clock = 0
        self._kept, self._keeper = 0, ""
        """The last write that was committed, and by whom."""
        self._aborting: Transaction | None = None
        """Who made the error behind which the database itself may refuse all statements."""

    @property
    def has_written(self) -> bool:
        """Whether anything was written that was not undone."""
        return self._kept > 0 or any(one.last_write for one in self._open)

    @property
    def has_ever_written(self) -> bool:
        """Whether anything was written, be it that it was undone."""
        return self._clock > 0

    @property
    def is_busy(self) -> bool:
        """Whether any transaction is open."""
        return bool(self._open)

    def others_are_open(self, transaction: Transaction | None) -> bool:
        """Whether any other transaction is open."""
        return any(one is not transaction for one in self._open)

    def execute(
        self,
        transaction: Transaction,
        call: Callable[[], T],
        *,
        writes: bool,
        is_atomic: Callable[[], bool] = lambda: False,
    ) -> T:
        """Have a statement run by ``call`` as a part of a transaction; return what that returns.

        Raises what it raises; an error harms nobody else's transaction. One that ``is_atomic`` has
        written nothing then; of others, such as one for many rows, it is not known.
        """
        if self._aborting is not None and self._aborting is not transaction:
            self.recover()
        if transaction.has_failed:
            return self._refused(call)
        level = transaction.levels[-1] if transaction.levels else None
        if level is None or not level.is_laid or (writes and not transaction.has_written_in(level)):
            self._lay(transaction, moves=writes)
        # Else an error could only be undone with what somebody else has written.
        is_shielded = self._errors_abort and self._since(transaction, transaction.levels[-1])
        if is_shielded:
            self._run(f"SAVEPOINT {_SHIELD}")
        try:
            result = call()
        except BaseException as error:
            if is_shielded:
                self._run(f"ROLLBACK TO SAVEPOINT {_SHIELD}")
                transaction.has_failed = True
            elif self._errors_abort:
                self._aborting = transaction
            # What was cancelled may have been done all the same.
            if writes and not is_shielded and not (isinstance(error, Exception) and is_atomic()):
                self._count_write(transaction)
            raise
        if writes:
            self._count_write(transaction)
        if is_shielded:
            self._run(f"RELEASE SAVEPOINT {_SHIELD}")
        return result

    def distrust(self, transaction: Transaction) -> None:
        """Count on an error of work that goes past us; to be called before that, and behind it."""
        if not self._errors_abort or not transaction.levels:
            return
        if self._since(transaction, transaction.levels[-1]):
            transaction.levels.append(Level("", self._clock, transaction.last_write))
            self._lay(transaction)
        self._aborting = transaction

    def savepoint(self, transaction: Transaction, name: str, call: Callable[[], object]) -> None:
        """Set a savepoint of the application. Behind an error ``call`` is refused."""
        self.recover()
        if transaction.has_failed:
            self._refused(call)
            return
        self._lay(transaction)
        transaction.levels.append(Level(name, self._clock, transaction.last_write))
        self._lay(transaction)

    def rollback_to(self, transaction: Transaction, name: str, call: Callable[[], object]) -> None:
        """Undo what was done since a savepoint, which stays. Without such a one ``call`` fails."""
        position = _position(transaction, name)
        if position is None:
            self.execute(transaction, call, writes=False)
            return
        self.recover()
        self._undo(transaction, transaction.levels[position])
        self._forget(transaction, position + 1)

    def release(self, transaction: Transaction, name: str, call: Callable[[], object]) -> None:
        """Forget a savepoint and later ones. Without it, or behind an error, ``call`` fails."""
        self.recover()
        position = _position(transaction, name)
        if position is None or transaction.has_failed:
            self.execute(transaction, call, writes=False)
            return
        self._forget(transaction, position)

    def commit(self, transaction: Transaction, check: Callable[[], object]) -> None:
        """Keep what a transaction did; if an error has aborted it, undo that, as databases do.

        They do so as well where ``check`` raises an error, which goes on: it is for what is checked
        at commits alone.
        """
        if not transaction.levels:
            return
        self.recover()
        if transaction.has_failed:
            self.rollback(transaction)
            return
        if transaction.last_write:
            try:
                self.execute(transaction, check, writes=False)
            except BaseException:
                self.rollback(transaction)
                raise
        if transaction.last_write > self._kept:
            self._kept, self._keeper = transaction.last_write, transaction.holder
        self._end(transaction)

    def rollback(self, transaction: Transaction) -> None:
        """Undo what a transaction did. It ends, also where that raises ``OverlapError``."""
        if not transaction.levels:
            return
        try:
            self.recover()
            self._undo(transaction, transaction.levels[0])
        finally:
            if transaction.last_write > self._kept:  # it could not be undone, and so it stays
                self._kept, self._keeper = transaction.last_write, transaction.holder
            self._end(transaction)

    def _count_write(self, transaction: Transaction) -> None:
        self._clock += 1
        transaction.last_write = self._clock

    def _end(self, transaction: Transaction) -> None:
        self._forget(transaction, 0)
        transaction.last_write, transaction.has_failed = 0, False
        self._open.remove(transaction)

    def _lay(self, transaction: Transaction, *, moves: bool = False) -> None:
        """Have a savepoint of the database for each level, in their order.

        Before a transaction writes it ``moves`` the levels in which it has not written yet on top
        of what others have written since, so that these are no obstacle to undo them.
        """
        if not transaction.levels:
            transaction.levels.append(Level("", self._clock, transaction.last_write))
            self._open.append(transaction)
        has_to_move = False
        for level in transaction.levels:
            if moves and not has_to_move and not transaction.has_written_in(level):
                has_to_move = self._since(transaction, level) is not None
            if level.is_laid and not has_to_move:
                continue
            if level.is_laid:
                self._laid[self._laid.index(level)] = None
            level.started = self._clock
            self._run(f"SAVEPOINT {_savepoint(len(self._laid))}")
            self._laid.append(level)
            level.is_laid = True

    def _undo(self, transaction: Transaction, level: Level) -> None:
        """Undo all that a transaction did in a level and those above; the levels stay."""
        other = self._since(transaction, level)
        if other is None:
            if level.is_laid:
                self._back_to(level)
        elif transaction.has_written_in(level):
            raise OverlapError(
                f"two transactions that overlap have both written, and one of them rolls back:"
                f" {transaction.holder}, {other}",
                effect="All that a test does is in one transaction of the database, in which the"
                " second cannot be kept without the first; here both are kept, and so the test"
                " fails.",
                help=f"end one transaction before the other writes; or {FRESH_HINT}",
            )
        # With nothing written there is nothing to undo; but a failure ends here all the same.
        transaction.last_write = level.written_before
        transaction.has_failed = False

    def _since(self, transaction: Transaction, level: Level) -> str | None:
        """Return who else has written since a level began."""
        if self._kept > level.started:
            return self._keeper
        for other in self._open:
            if other.last_write > level.started and other is not transaction:
                return other.holder
        return None

    def _back_to(self, level: Level) -> None:
        position = self._laid.index(level)
        self._run(f"ROLLBACK TO SAVEPOINT {_savepoint(position)}")
        for gone in self._laid[position + 1 :]:
            if gone is not None:
                gone.is_laid = False  # nothing was written in it; it is laid again when it is used
        del self._laid[position + 1 :]

    def _forget(self, transaction: Transaction, position: int) -> None:
        """Drop the levels of a transaction from one on, and keep what was done in them."""
        for level in transaction.levels[position:]:
            if level.is_laid:
                self._laid[self._laid.index(level)] = None
                level.is_laid = False
        del transaction.levels[position:]
        unused = len(self._laid)
        while unused and self._laid[unused - 1] is None:
            unused -= 1
        if unused < len(self._laid):
            self._run(f"RELEASE SAVEPOINT {_savepoint(unused)}")
            del self._laid[unused:]

    def recover(self) -> None:
        """End the refusal behind an error, if there is one; remember it of who made the error.

        An error of the driver alone, such as a parameter of a wrong type, makes none.
        """
        failed, self._aborting = self._aborting, None
        if failed is None or not failed.levels:
            return
        try:
            self._run(f"SAVEPOINT {_SHIELD}")
        except Exception:
            level = failed.levels[-1]
            self._back_to(level)
            failed.last_write = level.written_before
            failed.has_failed = True
        else:
            self._run(f"RELEASE SAVEPOINT {_SHIELD}")

    def _refused(self, call: Callable[[], T]) -> T:
        """Let the database refuse a statement, as it would behind an error, in its own words."""
        self._run(f"SAVEPOINT {_SHIELD}")
        try:
            self._run(f"ROLLBACK TO SAVEPOINT {_NOWHERE}")
        except Exception:
            return call()
        finally:
            self._run(f"ROLLBACK TO SAVEPOINT {_SHIELD}")
            self._run(f"RELEASE SAVEPOINT {_SHIELD}")
        raise AssertionError("there is no such savepoint")


def _position(transaction: Transaction, name: str) -> int | None:
    """Return which level is the last one with the name of a savepoint."""
    for position in range(len(transaction.levels) - 1, 0, -1):
        if transaction.levels[position].name == name:
            return position
    return None


def _savepoint(position: int) -> str:
    return f"assay_{position}"
