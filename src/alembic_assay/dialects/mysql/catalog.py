"""The schema of a MySQL or MariaDB database, read from what SHOW CREATE prints."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

from sqlalchemy import Connection

from alembic_assay.catalog import Definition, ObjectId, Part, Snapshot
from alembic_assay.dialects.mysql import queries
from alembic_assay.dialects.mysql.ddl import (
    Lines,
    define_sequence,
    define_table,
    define_view,
    without_counter,
)
from alembic_assay.dialects.mysql.tokens import literal, quote

_Rows = tuple[tuple[Any, ...], ...]


class _Source(NamedTuple):
    """All that a part is made of; where it is equal, so is the part."""

    kind: str
    sql: str
    rows: _Rows = ()


def read_catalog(
    connection: Connection,
    *,
    version_table: tuple[str | None, str],
    previous: Snapshot | None = None,
) -> Snapshot:
    """Return the schema of the database that is in use; see ``Backend.read_catalog``.

    A part is a table with its triggers, a view, a sequence, a routine or an event. No counter or
    time stamp says reliably what has changed, so the text of each one is read, which the server has
    at hand; a part whose text is the same as in ``previous`` is not read further.
    """
    sources = _read_sources(connection, version_table)
    known: Mapping[Hashable, Hashable] = previous.marks if previous is not None else {}
    if previous is not None and sources == known:
        return previous
    parts: dict[Hashable, Part] = {}
    lines: Lines = {}
    for identity, source in sources.items():
        is_known = previous is not None and known.get(identity) == source
        parts[identity] = (
            previous.parts[identity]
            if previous is not None and is_known
            else _make_part(identity[1], source, lines)
        )
    marks: dict[Hashable, Hashable] = {}
    marks.update(sources)
    return Snapshot(parts, marks)


def _read_sources(
    connection: Connection, version_table: tuple[str | None, str]
) -> dict[tuple[str, str], _Source]:
    # Through SQLAlchemy each of hundreds of short statements would cost several times as much; the
    # first one goes there, so that it knows of the transaction.
    database, mode, usual_mode, folds_names = connection.exec_driver_sql(queries.SESSION).one()
    schema, name = version_table
    if schema not in (None, database):
        name = ""
    hidden = {name, name.lower()} if folds_names else {name}
    driver: Any = connection.connection
    with closing(driver.cursor()) as cursor, _plain_mode(cursor, mode):
        literals = {"database": literal(database), "mode": literal(usual_mode)}
        tables = [row for row in _rows(cursor, "SHOW FULL TABLES") if row[0] not in hidden]
        triggers = _group(_rows(cursor, queries.TRIGGERS.format(**literals)))
        sources = {}
        for table, type_ in tables:
            sql, kind = _show(cursor, table, type_, database), _KINDS.get(type_, "table")
            sources["table", table] = _Source(kind, sql, triggers.get(table, ()))
        parameters = _group(_rows(cursor, queries.PARAMETERS.format(**literals)))
        for kind, *routine in _rows(cursor, queries.ROUTINES.format(**literals)):
            rows = (tuple(routine), *parameters.get(f"{kind} {routine[0]}", ()))
            sources[kind.lower(), routine[0]] = _Source("routine", kind.lower(), rows)
        for event in _rows(cursor, queries.EVENTS.format(**literals)):
            sources["event", event[0]] = _Source("event", "", (event,))
    return sources


_KINDS = {"VIEW": "view", "SEQUENCE": "sequence"}


def _show(cursor: Any, name: str, type_: str, database: str) -> str:
    word = "SEQUENCE" if type_ == "SEQUENCE" else "TABLE"
    sql: str = _rows(cursor, f"SHOW CREATE {word} {quote(name)}")[0][1]
    # The server names it before the names of sequences, for one.
    sql = sql.replace(f"{quote(database)}.", "")
    return without_counter(sql) if type_ not in _KINDS else sql


def _make_part(name: str, source: _Source, lines: Lines) -> Part:
    if source.kind == "view":
        return define_view(name, source.sql)
    if source.kind == "sequence":
        return define_sequence(name, source.sql)
    if source.kind == "routine":
        routine, *parameters = source.rows
        return {ObjectId(source.sql, name): _define(queries.ROUTINE, routine[1:], parameters)}
    if source.kind == "event":
        return {ObjectId("event", name): _define(queries.EVENT, source.rows[0][1:])}
    triggers = {
        ObjectId("trigger", f"{name}.{trigger}"): _define(queries.TRIGGER, row)
        for trigger, *row in source.rows
    }
    return {**define_table(name, source.sql, lines), **triggers}


def _define(
    names: Sequence[str], values: Sequence[object], parameters: Sequence[Sequence[object]] = ()
) -> Definition:
    definition = dict(zip(names, values, strict=True))
    if parameters:
        definition["parameters"] = ", ".join(str(text) for (text,) in parameters)
    return {key: value for key, value in definition.items() if value not in (None, "")}


def _group(rows: _Rows) -> dict[str, _Rows]:
    groups: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for first, *rest in rows:
        groups[first].append(tuple(rest))
    return {first: tuple(group) for first, group in groups.items()}


def _rows(cursor: Any, query: str) -> _Rows:
    cursor.execute(query)
    return tuple(cursor.fetchall())


@contextmanager
def _plain_mode(cursor: Any, mode: str) -> Iterator[None]:
    """Let the server quote in its usual way, whatever the SQL mode of the session says."""
    if {"ANSI_QUOTES", "NO_BACKSLASH_ESCAPES"}.isdisjoint(mode.split(",")):
        yield
        return
    cursor.execute("SET sql_mode = ''")
    try:
        yield
    finally:
        cursor.execute(f"SET sql_mode = '{mode}'")
