"""The schema of a SQLite database, read from the statements that it has stored."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import Connection

from alembic_assay.catalog import Definition, ObjectId, Part, Snapshot
from alembic_assay.dialects.sqlite.cursor import Unparsable
from alembic_assay.dialects.sqlite.ddl import parse_table
from alembic_assay.dialects.sqlite.statements import (
    define_index,
    define_text,
    define_trigger,
    define_view,
    define_virtual_table,
)
from alembic_assay.dialects.sqlite.table import Table


class _Row(NamedTuple):
    type: str
    name: str
    owner: str
    sql: str


@dataclass(frozen=True, slots=True)
class _Source:
    """All that is stored of a table or view; ``table`` is what of it is understood."""

    name: str
    rows: tuple[_Row, ...]
    table: Table | None
    implied: frozenset[bytes]
    """The tables whose primary keys are meant by foreign keys that name no columns."""


@dataclass(frozen=True, slots=True, eq=False)
class _Memory:
    """What the reader of a snapshot knew beside the snapshot: at first, nothing."""

    rows: frozenset[_Row] = frozenset()
    hidden: frozenset[bytes] = frozenset()
    sources: Mapping[bytes, _Source] = field(default_factory=dict)


def read_catalog(
    connection: Connection,
    *,
    version_table: tuple[str | None, str],
    previous: Snapshot | None = None,
) -> Snapshot:
    """Return the schema of the main database behind ``connection``; see ``Backend``.

    A part is a table or view, identified by its name. Whether anything changed is told from the
    stored statements and not from ``PRAGMA schema_version``, whose numbers come back: the first
    change after a rollback has the number of the one that was rolled back. All statements are
    fetched each time, which is quick; only those that are new are looked at.
    """
    memory = _recall(previous)
    rows = _read_rows(connection)
    hidden = _find_hidden_tables(connection, rows, version_table)
    touched = {_fold(row.owner) for row in rows ^ memory.rows} | (hidden ^ memory.hidden)
    if previous is not None and not touched:
        return previous
    news = _read_sources(rows, touched - hidden)
    sources = {owner: known for owner, known in memory.sources.items() if owner not in touched}
    sources |= news
    dependents = [owner for owner, one in sources.items() if not one.implied.isdisjoint(touched)]
    old = previous.parts if previous is not None else {}
    made: dict[str, Part] = {}
    for source in (sources[owner] for owner in {*news, *dependents}):
        part = _make_part(source, sources)
        made[source.name] = old[source.name] if old.get(source.name) == part else part
    parts: dict[Hashable, Part] = {
        one.name: made[one.name] if one.name in made else old[one.name]
        for _, one in sorted(sources.items())
    }
    return Snapshot(parts, {_Memory: _Memory(rows, hidden, sources)})


def _recall(previous: Snapshot | None) -> _Memory:
    memory = previous.marks.get(_Memory) if previous is not None else None
    return memory if isinstance(memory, _Memory) else _Memory()


def _read_rows(connection: Connection) -> frozenset[_Row]:
    # Not sqlite_schema, which is the name only since 3.33; an index without SQL is implied by a
    # constraint.
    found = connection.exec_driver_sql(
        "SELECT type, name, tbl_name, sql FROM main.sqlite_master WHERE sql IS NOT NULL"
    )
    return frozenset(map(_Row._make, found.all()))


def _find_hidden_tables(
    connection: Connection, rows: Iterable[_Row], version_table: tuple[str | None, str]
) -> frozenset[bytes]:
    """Return the tables that are not the user's, but for those that SQLite itself names."""
    schema, name = version_table
    own = {_fold(name)} if schema in (None, "main") else set()
    return frozenset(own | _find_shadow_tables(connection, rows))


def _find_shadow_tables(connection: Connection, rows: Iterable[_Row]) -> set[bytes]:
    virtual = {_fold(row.name) for row in rows if _is_virtual(row)}
    if not virtual:
        return set()
    listed = connection.exec_driver_sql("PRAGMA main.table_list").all()
    if listed:
        return {_fold(name) for _, name, type_, *_ in listed if type_ == "shadow"}
    # Before 3.37 nothing says so but the names that the modules of SQLite itself use.
    return {name + b"_" + suffix for name in virtual for suffix in _SHADOW_SUFFIXES}


_SHADOW_SUFFIXES = b"config content data docsize idx node parent rowid segdir segments stat".split()


def _read_sources(rows: Iterable[_Row], owners: Collection[bytes]) -> dict[bytes, _Source]:
    groups: dict[bytes, list[_Row]] = {}
    for row in rows:
        owner = _fold(row.owner)
        if owner in owners and not owner.startswith(b"sqlite_"):
            groups.setdefault(owner, []).append(row)
    return {owner: _make_source(sorted(group)) for owner, group in groups.items()}


def _make_source(rows: Sequence[_Row]) -> _Source:
    main = next(row for row in rows if row.type in ("table", "view"))
    table = _parse(main)
    keys = table.foreign_keys if table else ()
    implied = frozenset(_fold(key.table) for key in keys if not key.referenced)
    return _Source(main.name, tuple(rows), table, implied)


def _parse(row: _Row) -> Table | None:
    if row.type == "view" or _is_virtual(row):
        return None
    try:
        return parse_table(row.sql)
    except Unparsable:
        return None


def _is_virtual(row: _Row) -> bool:
    return row.sql.startswith("CREATE VIRTUAL TABLE")


def _fold(name: str) -> bytes:
    """Only the letters of ASCII are the same to SQLite in upper and lower case."""
    return name.encode().lower()


def _make_part(source: _Source, sources: Mapping[bytes, _Source]) -> Part:
    name = source.name
    columns = [column.name for column in source.table.columns] if source.table else []
    objects: list[tuple[str, str, Definition]] = []
    part: dict[ObjectId, Definition] = {}
    for row in source.rows:
        if row.type == "index":
            objects.append(("index", row.name, define_index(row.sql, columns)))
        elif row.type == "trigger":
            objects.append(("trigger", row.name, define_trigger(row.sql)))
        elif row.type == "view":
            part[ObjectId("view", name)] = define_view(row.sql)
        elif source.table:
            part[ObjectId("table", name)] = {
                "strict": source.table.strict,
                "without rowid": source.table.without_rowid,
            }
            objects.extend(_columns(source.table))
            objects.extend(_constraints(source.table, sources))
        else:
            define = define_virtual_table if _is_virtual(row) else define_text
            part[ObjectId("table", name)] = define(row.sql)
    have_names_of_their_own = len({one[:2] for one in objects}) == len(objects)
    for kind, label, definition in (
        objects if have_names_of_their_own else sorted(objects, key=repr)
    ):
        part[_free_id(kind, f"{name}.{label}", part)] = definition
    return part


def _free_id(kind: str, label: str, part: Part) -> ObjectId:
    """Number constraints that have the same name, or none and the same content."""
    key, number = ObjectId(kind, label), 1
    while key in part:
        number += 1
        key = ObjectId(kind, f"{label} #{number}")
    return key


def _columns(table: Table) -> Iterator[tuple[str, str, Definition]]:
    for column in table.columns:
        definition = {
            "type": column.type or None,
            "nullable": column.nullable,
            "not null constraint": column.null_constraint,
            "on null": column.null_conflict,
            "default": column.default,
            "collation": column.collation,
            "generated": column.generated,
            "autoincrement": column.autoincrement,
        }
        yield "column", column.name, definition


def _constraints(
    table: Table, sources: Mapping[bytes, _Source]
) -> Iterator[tuple[str, str, Definition]]:
    keys = [table.primary_key] if table.primary_key else []
    for kind, constraints in (("primary key", keys), ("unique constraint", table.uniques)):
        for constraint in constraints:
            columns = ", ".join(constraint.columns)
            definition = {"columns": columns, "on conflict": constraint.conflict}
            yield kind, constraint.name or f"({columns})", definition
    for key in table.foreign_keys:
        columns = ", ".join(key.columns)
        referenced = ", ".join(key.referenced or _primary_key(sources.get(_fold(key.table))))
        yield (
            "foreign key",
            key.name or f"({columns})",
            {
                "columns": columns,
                "references": f"{key.table} ({referenced or 'its primary key'})",
                "on delete": key.on_delete,
                "on update": key.on_update,
                "match": key.match,
                "deferred": key.deferred,
            },
        )
    for check in table.checks:
        yield "check constraint", check.name or f"({check.expression})", {"check": check.expression}


def _primary_key(source: _Source | None) -> tuple[str, ...]:
    key = source.table.primary_key if source and source.table else None
    return key.columns if key else ()
