"""Copying a database, object by object: there is no statement for it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError

from alembic_assay.dialects.mysql.ddl import define_table
from alembic_assay.dialects.mysql.definitions import (
    Definitions,
    Statement,
    prepare,
    read_definitions,
    read_filled,
)
from alembic_assay.dialects.mysql.driver import Run, error_code
from alembic_assay.dialects.mysql.queries import DEFAULTS
from alembic_assay.dialects.mysql.tokens import quote

_MISSING = {1054, 1146, 1305, 1356}
"""A view cannot be made: a column, a table or a routine is not there, or another view is broken."""


@dataclass(frozen=True, slots=True)
class Original:
    """A database of our own that is copied, and which of its tables have rows."""

    name: str
    definitions: Definitions
    filled: list[str]


def read_original(run: Run) -> Original:
    """Read the database that a session is in."""
    prepare(run)
    ((name,),) = run("SELECT DATABASE()")
    definitions = read_definitions(run, name=name)
    return Original(name, definitions, read_filled(run, list(definitions.tables)))


def clone_database(original: Original, sessions: Sequence[Run]) -> None:
    """Make all that is in the original, rows too, in the empty database of these sessions.

    Each one makes some of the tables: a server that waits for its disk after each table waits for
    several at once. Of system-versioned tables the rows of today are copied, and their history
    begins anew. A view that cannot be made, as what it stands on is gone, is left out: nobody could
    use it.
    """
    for run in sessions:
        prepare(run)
        run("SET foreign_key_checks = 0, unique_checks = 0")
    ((name,),) = sessions[0]("SELECT DATABASE()")
    targets = [_renaming(run, original.name, name) for run in sessions]
    target, found = targets[0], original.definitions
    _set_defaults(target, name, found)
    _make_sequences(target, found)
    _make_tables(targets, list(found.tables.values()))
    _copy_rows(sessions[0], original)
    _make(target, found.routines)
    _make_views(target, found.views)
    # After the rows, which they would change, and the routines, which they may call.
    _make(target, found.triggers)
    _make(target, found.events)


def _renaming(run: Run, old: str, new: str) -> Run:
    # The name stands nowhere else in a statement: it is that of a database of our own.
    return lambda sql: run(sql.replace(old, new))


def _set_defaults(target: Run, name: str, found: Definitions) -> None:
    # What routines declare depends on them.
    if found.defaults != target(DEFAULTS):
        ((charset, collation),) = found.defaults
        target(f"ALTER DATABASE {quote(name)} CHARACTER SET {charset} COLLATE {collation}")


def _make_sequences(target: Run, found: Definitions) -> None:
    # Before the tables: columns may take their defaults from them.
    for sequence in found.sequences:
        target(sequence.sql)
        target(f"SELECT SETVAL({quote(sequence.name)}, {sequence.state[0]}, 0)")


def _make_tables(targets: Sequence[Run], statements: Sequence[str]) -> None:
    def make(number: int) -> None:
        for sql in statements[number :: len(targets)]:
            targets[number](sql)

    with ThreadPoolExecutor(len(targets)) as threads:
        for _ in threads.map(make, range(len(targets))):
            pass


def _copy_rows(target: Run, original: Original) -> None:
    target("START TRANSACTION")
    for name in original.filled:
        sql = original.definitions.tables[name]
        columns = ", ".join(quote(column) for column in _stored_columns(name, sql))
        target(
            f"INSERT INTO {quote(name)} ({columns})"
            f" SELECT {columns} FROM {quote(original.name)}.{quote(name)}"
        )
    target("COMMIT")


def _stored_columns(table: str, sql: str) -> list[str]:
    generated = {"computed as", "stored as", "generated"}
    return [
        key.name.removeprefix(f"{table}.")
        for key, definition in define_table(table, sql, {}).items()
        if key.kind == "column" and generated.isdisjoint(definition)
    ]


def _make(target: Run, statements: Sequence[Statement]) -> None:
    for sql, mode, zone in statements:
        target(f"SET sql_mode = '{mode}', time_zone = '{zone}'")
        target(sql)
    prepare(target)


def _make_views(target: Run, views: Sequence[Statement]) -> None:
    # One may stand on another: as long as any could be made, the others are tried again.
    waiting = list(views)
    while waiting:
        later = [view for view in waiting if not _can_make(target, view)]
        if later == waiting:
            return
        waiting = later


def _can_make(target: Run, view: Statement) -> bool:
    try:
        target(view.sql)
    except DBAPIError as error:
        if error_code(error.orig) not in _MISSING:
            raise
        return False
    return True
