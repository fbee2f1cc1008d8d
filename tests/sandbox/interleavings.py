"""What a table must have in it while several sessions work at once, each step in any of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import chain, product
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from alembic_assay.exceptions import OverlapError
from alembic_assay.sandboxes import Sandbox

SESSIONS = st.integers(0, 3)
NAMES = ("one", "two", "three")


@dataclass(eq=False)
class Change:
    """A row that was inserted or deleted; or a change that failed, and has done nothing."""

    session: Session
    row: int
    kind: str
    is_undone: bool = False


@dataclass
class Level:
    """What a session did since a savepoint, or since its transaction began."""

    name: str
    changes: list[Change] = field(default_factory=list)


@dataclass(eq=False)
class Session:
    """A session, and what it must have done."""

    engine: Engine
    is_autocommit: bool = False
    connection: Connection | None = None
    levels: list[Level] = field(default_factory=list)
    has_failed: bool = False
    """Whether PostgreSQL refuses all but a rollback."""

    def connect(self) -> Connection:
        if self.connection is None:
            self.connection = self.engine.connect()
            if self.is_autocommit:
                self.connection.execution_options(isolation_level="AUTOCOMMIT")
        return self.connection

    def changes(self, position: int = 0) -> list[Change]:
        return [change for level in self.levels[position:] for change in level.changes]

    def position(self, name: str) -> int | None:
        names = [level.name for level in self.levels]
        return names.index(name) if name in names else None

    def end(self) -> None:
        self.levels, self.has_failed = [], False


class Interleavings(RuleBasedStateMachine):
    """Steps of four sessions of two engines; the last one commits each statement."""

    box: Sandbox
    engines: tuple[Engine, Engine]
    count: Callable[[str], None]

    def __init__(self) -> None:
        super().__init__()
        one, other = self.engines
        self.sessions = [Session(one), Session(one), Session(other), Session(other, True)]
        self.log: list[Change] = []
        self.next_row = 0
        self.has_overlapped = False
        self.aborts = one.dialect.name == "postgresql"
        self.isolated = self.box.isolated()
        self.isolated.__enter__()

    # -- steps

    @rule(number=SESSIONS)
    def insert(self, number: int) -> None:
        self.next_row += 1
        self.change(
            number, f"INSERT INTO numbers VALUES ({self.next_row})", self.next_row, "insert"
        )

    @rule(number=SESSIONS, choice=st.integers(0, 100))
    def delete(self, number: int, choice: int) -> None:
        rows = sorted(self.rows())
        if rows and not any(session.has_failed for session in self.sessions):
            row = rows[choice % len(rows)]
            self.change(number, f"DELETE FROM numbers WHERE id = {row}", row, "delete")

    @rule(number=SESSIONS)
    def fail(self, number: int) -> None:
        session, sql = self.sessions[number], "INSERT INTO numbers VALUES (NULL)"
        with pytest.raises(DBAPIError):
            session.connect().execute(text(sql))
        self.count("fail")
        if not session.is_autocommit:
            self.note(session, Change(session, 0, "fail"))
            session.has_failed = self.aborts

    @rule(number=SESSIONS)
    def read(self, number: int) -> None:
        session = self.sessions[number]
        if session.has_failed:
            self.refused(session, "SELECT id FROM numbers")
            return
        found = set(session.connect().scalars(text("SELECT id FROM numbers")))
        assert found in self.possible_rows(), (found, self.possible_rows())
        if not session.is_autocommit and not session.levels:
            session.levels.append(Level(""))

    @rule(number=SESSIONS, name=st.sampled_from(NAMES))
    def savepoint(self, number: int, name: str) -> None:
        session = self.sessions[number]
        if session.is_autocommit or session.position(name) is not None:
            return
        if session.has_failed:
            self.refused(session, f"SAVEPOINT {name}")
            return
        session.connect().execute(text(f"SAVEPOINT {name}"))
        session.levels = session.levels or [Level("")]
        session.levels.append(Level(name))

    @rule(number=SESSIONS, name=st.sampled_from(NAMES))
    def roll_back_to_savepoint(self, number: int, name: str) -> None:
        session = self.sessions[number]
        if (position := session.position(name)) is None:
            return
        sql = text(f"ROLLBACK TO SAVEPOINT {name}")
        if self.overlaps(lambda: session.connect().execute(sql), session, position):
            return
        for change in session.changes(position):
            change.is_undone = True
        del session.levels[position + 1 :]
        session.levels[position].changes.clear()
        session.has_failed = False

    @rule(number=SESSIONS, name=st.sampled_from(NAMES))
    def release(self, number: int, name: str) -> None:
        session = self.sessions[number]
        if (position := session.position(name)) is None:
            return
        if session.has_failed:
            self.refused(session, f"RELEASE SAVEPOINT {name}")
            return
        session.connect().execute(text(f"RELEASE SAVEPOINT {name}"))
        session.levels[position - 1].changes += session.changes(position)
        del session.levels[position:]

    @rule(number=SESSIONS)
    def commit(self, number: int) -> None:
        session = self.sessions[number]
        if session.has_failed:
            self.roll_back(session, session.connect().commit)
            session.connect().rollback()  # as SQLAlchemy asks for, behind a commit that failed
            return
        session.connect().commit()
        session.end()

    @rule(number=SESSIONS)
    def rollback(self, number: int) -> None:
        session = self.sessions[number]
        self.roll_back(session, session.connect().rollback)

    @rule(number=SESSIONS)
    def close(self, number: int) -> None:
        session = self.sessions[number]
        self.roll_back(session, session.connect().close)
        session.connection = None

    # -- what must hold

    @invariant()
    def table_is_as_it_must_be(self) -> None:
        found = self.found()
        assert found in self.possible_rows(), (found, self.possible_rows())

    def teardown(self) -> None:
        for session in self.sessions:
            if session.connection is not None:
                self.roll_back(session, session.connection.close)
        if self.has_overlapped:
            with pytest.raises(OverlapError):
                self.isolated.__exit__(None, None, None)
        else:
            self.isolated.__exit__(None, None, None)
        assert self.found() == set()

    def found(self) -> set[int]:
        """Return what is in the table."""
        with self.engines[0].connect() as connection:
            return set(connection.scalars(text("SELECT id FROM numbers")))

    def rows(self, without: Iterable[Change] = ()) -> set[int]:
        """Return what the changes make that were not undone; those of open sessions count."""
        rows: set[int] = set()
        skipped = list(without)
        for change in self.log:
            if change.is_undone or change in skipped:
                continue
            if change.kind == "insert":
                rows.add(change.row)
            elif change.kind == "delete":
                rows.discard(change.row)
        return rows

    def possible_rows(self) -> list[set[int]]:
        """Return what the table may have in it.

        Of a transaction that can only be rolled back any more it does not matter whether the last
        changes are there until then.
        """
        doomed = [one.levels[-1].changes for one in self.sessions if one.has_failed]
        choices = product(*[([], changes) for changes in doomed])
        return [self.rows(chain(*choice)) for choice in choices]

    # -- how a step goes

    def change(self, number: int, sql: str, row: int, kind: str) -> None:
        session = self.sessions[number]
        if session.has_failed:
            self.refused(session, sql)
            return
        session.connect().execute(text(sql))
        self.count("change")
        self.note(session, Change(session, row, kind))

    def note(self, session: Session, change: Change) -> None:
        self.log.append(change)
        if not session.is_autocommit:
            session.levels = session.levels or [Level("")]
            session.levels[-1].changes.append(change)

    def refused(self, session: Session, sql: str) -> None:
        with pytest.raises(DBAPIError, match="aborted"):
            session.connect().execute(text(sql))

    def roll_back(self, session: Session, step: Callable[[], Any]) -> None:
        if not self.overlaps(step, session, 0):
            for change in session.changes():
                change.is_undone = True
            session.end()
            return
        doomed = session.levels[-1].changes if session.has_failed else []
        session.end()
        if self.found() not in self.possible_rows():
            for change in doomed:
                change.is_undone = True

    def overlaps(self, step: Callable[[], Any], session: Session, position: int) -> bool:
        """Take a step that undoes something; tell whether that was refused, with good reason."""
        try:
            step()
        except OverlapError:
            self.count("overlap")
            self.has_overlapped = True
            mine = [one for one in session.changes(position) if not one.is_undone]
            assert mine, "nothing was changed"
            later = self.log[self.log.index(mine[0]) :]
            assert any(one.session is not session and not one.is_undone for one in later)
            return True
        return False
