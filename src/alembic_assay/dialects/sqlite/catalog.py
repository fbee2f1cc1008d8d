"""The schema of a SQLite database, read from the statements that it has stored."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field, replace
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
    """All that a part is made of; where it is equal, so is the part."""

    rows: tuple[_Row, ...]
    table: Table | None = field(default=None, compare=False)
    referenced_keys: tuple[tuple[str, ...], ...] = ()


def read_catalog(
    connection: Connection,
    *,
    version_table: tuple[str | None, str],
    previous: Snapshot | None = None,
) -> Snapshot:
    """Return the schema of the main database behind ``connection``; see ``Backend``.

    A part is a table or view, identified by its name. Whether anything changed is told from the
    stored statements and not from ``PRAGMA schema_version``, whose numbers come back: the first
    change after a rollback has the number of the one that was rolled back.
    """
    known = previous.marks if previous else {}
    sources = _read_sources(connection, version_table, known)
    if previous is not None and sources == known:
        return previous
    parts: dict[Hashable, Part] = {}
    for name, source in sources.items():
        is_known = previous is not None and known.get(name) == source
        parts[name] = previous.parts[name] if previous and is_known else _make_part(name, source)
    marks: dict[Hashable, Hashable] = {}
    marks.update(sources)
    return Snapshot(parts, marks)


def _read_sources(
    connection: Connection,
    version_table: tuple[str | None, str],
    known: Mapping[Hashable, Hashable],
) -> dict[str, _Source]:
    rows = _read_rows(connection)
    hidden = _find_shadow_tables(connection, rows)
    if version_table[0] in (None, "main"):
        hidden.add(_fold(version_table[1]))
    groups: dict[bytes, list[_Row]] = {}
    for row in rows:
        owner = _fold(row.owner)
        if owner not in hidden and not owner.startswith(b"sqlite_"):
            groups.setdefault(owner, []).append(row)
    sources = {}
    for group in groups.values():
        main = next(row for row in group if row.type in ("table", "view"))
        old, rows_of_it = known.get(main.name), tuple(group)
        is_known = isinstance(old, _Source) and old.rows == rows_of_it
        table = old.table if isinstance(old, _Source) and is_known else _parse(main)
        sources[main.name] = _Source(rows_of_it, table)
    return _with_referenced_keys(sources)


def _read_rows(connection: Connection) -> list[_Row]:
    # Not sqlite_schema, which is the name only since 3.33; an index without SQL is implied by a
    # constraint.
    found = connection.exec_driver_sql(
        "SELECT type, name, tbl_name, sql FROM main.sqlite_master WHERE sql IS NOT NULL"
        " ORDER BY type, name"
    )
    return [_Row(*row) for row in found]


def _find_shadow_tables(connection: Connection, rows: list[_Row]) -> set[bytes]:
    virtual = {_fold(row.name) for row in rows if _is_virtual(row)}
    if not virtual:
        return set()
    listed = connection.exec_driver_sql("PRAGMA main.table_list").all()
    if listed:
        return {_fold(name) for _, name, type_, *_ in listed if type_ == "shadow"}
    # Before 3.37 nothing says so but the names that the modules of SQLite itself use.
    return {name + b"_" + suffix for name in virtual for suffix in _SHADOW_SUFFIXES}


_SHADOW_SUFFIXES = b"config content data docsize idx node parent rowid segdir segments stat".split()


def _with_referenced_keys(sources: dict[str, _Source]) -> dict[str, _Source]:
    """Add the primary keys which foreign keys that name no columns refer to."""
    keys = {
        _fold(name): source.table.primary_key.columns
        for name, source in sources.items()
        if source.table and source.table.primary_key
    }
    for name, source in sources.items():
        if source.table and source.table.foreign_keys:
            referenced_keys = (
                key.referenced or keys.get(_fold(key.table), ())
                for key in source.table.foreign_keys
            )
            sources[name] = replace(source, referenced_keys=tuple(referenced_keys))
    return sources


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


def _make_part(name: str, source: _Source) -> Part:
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
            objects.extend(_constraints(source))
        else:
            define = define_virtual_table if _is_virtual(row) else define_text
            part[ObjectId("table", name)] = define(row.sql)
    for kind, label, definition in sorted(objects, key=repr):
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


def _constraints(source: _Source) -> Iterator[tuple[str, str, Definition]]:
    table = source.table
    if table is None:
        return
    keys = [table.primary_key] if table.primary_key else []
    for kind, constraints in (("primary key", keys), ("unique constraint", table.uniques)):
        for constraint in constraints:
            columns = ", ".join(constraint.columns)
            definition = {"columns": columns, "on conflict": constraint.conflict}
            yield kind, constraint.name or f"({columns})", definition
    for key, referenced_key in zip(table.foreign_keys, source.referenced_keys, strict=True):
        columns = ", ".join(key.columns)
        referenced = ", ".join(referenced_key) or "its primary key"
        yield (
            "foreign key",
            key.name or f"({columns})",
            {
                "columns": columns,
                "references": f"{key.table} ({referenced})",
                "on delete": key.on_delete,
                "on update": key.on_update,
                "match": key.match,
                "deferred": key.deferred,
            },
        )
    for check in table.checks:
        yield "check constraint", check.name or f"({check.expression})", {"check": check.expression}
