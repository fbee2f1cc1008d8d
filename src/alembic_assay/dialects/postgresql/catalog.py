"""PostgreSQL's catalogue as a snapshot, of which only what has changed since the last is read."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import Connection

from alembic_assay.catalog import Definition, ObjectId, Part, Snapshot
from alembic_assay.dialects.postgresql import queries


def read_catalog(
    connection: Connection,
    *,
    version_table: tuple[str | None, str],
    previous: Snapshot | None = None,
) -> Snapshot:
    """Return the schema of the database behind ``connection``; see ``Backend.read_catalog``.

    A row of the catalogue that was written since ``previous`` tells so by its ``xmin``, and its
    object is read again; the number of rows tells whether any are gone. Everything is read where
    that does not suffice: in a transaction that has itself written, whose rows all look alike;
    under another search path; and after a rename, as the server prints the names of the moment.
    """
    session = _read_session(connection, version_table)
    memory = _recall(previous, session)
    if previous is not None and memory.session and memory.session.visible == session.visible:
        return previous
    news = _read_news(connection, session, memory)
    if _reads_differently(session, memory, news):
        memory = _Memory()
        news = _read_news(connection, session, memory)
    if previous is not None and memory.session and not news.touched:
        return previous
    return _make_snapshot(session, memory, news, previous)


class _Row(NamedTuple):
    """A row of the catalogue. That of an object is also the identity of the object's part."""

    catalog: str
    key: int


_Links = dict[str, dict[int, _Row]]
"""By catalogue and key, the row that another belongs to. The row of an object leads to itself."""

_Names = Mapping[int, tuple[str | None, str]]
"""Schema and name of an object (0) and of its pieces that the text of others may mention."""


class _Session(NamedTuple):
    """What a connection sees, and by which settings it is told."""

    server_version: int
    is_writing: bool
    visible: str
    horizon: str
    schema: str | None
    path_length: int
    settings: str
    extension_members: int
    version_table: tuple[str | None, str]

    def is_told_the_same_as(self, other: _Session) -> bool:
        return self[4:] == other[4:] and not (self.is_writing or other.is_writing)


@dataclass(frozen=True, slots=True, eq=False)
class _Memory:
    """What the reader of a snapshot knew beside the snapshot: at first, nothing."""

    session: _Session | None = None
    links: _Links = field(default_factory=dict)
    names: Mapping[_Row, _Names] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _News:
    """What has changed since a memory: the parts to forget, and those of them that still are."""

    links: _Links
    touched: set[_Row]
    parts: Mapping[_Row, Mapping[ObjectId, Definition]]
    names: Mapping[_Row, _Names]


def _read_session(connection: Connection, version_table: tuple[str | None, str]) -> _Session:
    row = connection.exec_driver_sql(queries.SESSION).one()
    return _Session._make((*row, version_table))


def _recall(previous: Snapshot | None, session: _Session) -> _Memory:
    memory = previous.marks.get(_Memory) if previous is not None else None
    if not isinstance(memory, _Memory) or memory.session is None:
        return _Memory()
    return memory if session.is_told_the_same_as(memory.session) else _Memory()


def _read_news(connection: Connection, session: _Session, memory: _Memory) -> _News:
    links, touched = _follow_rows(connection, memory)
    touched |= _find_dependents(connection, memory, links, touched)
    tables = links.get("pg_class", {})
    by_catalog = defaultdict(list)
    for row in touched:
        # A table that is not known is gone, or a TOAST table, which has an index that is.
        is_known = row.catalog != "pg_class" or row.key in tables
        if is_known and _find_part(links, row) == row:
            by_catalog[row.catalog].append(row.key)
    schema, table = session.version_table
    parts: dict[_Row, Mapping[ObjectId, Definition]] = {}
    names: dict[_Row, _Names] = {}
    for catalog, keys in by_catalog.items():
        details = [
            sql
            for source, sql in queries.DETAILS.get(catalog, ())
            if not (source and touched.isdisjoint(links.get(source, {}).values()))
        ]
        if details:
            sql = queries.make_query(details, session.server_version)
            parameters = {"oids": keys, "schema": schema, "table": table}
            rows = connection.exec_driver_sql(sql, parameters).all()
            for key, (objects, named) in _assemble(rows, session.schema).items():
                parts[_Row(catalog, key)] = objects
                names[_Row(catalog, key)] = named
    return _News(links, touched, parts, names)


def _follow_rows(connection: Connection, memory: _Memory) -> tuple[_Links, set[_Row]]:
    """Find the rows that were written or are gone, and return the parts that they belong to."""
    fresh: dict[str, dict[int, _Row]] = defaultdict(dict)
    totals = {}
    if memory.session is None:
        sql, since = queries.CHANGES, "2"
    else:
        sql, since = queries.CHANGES + queries.CHANGED_COLUMNS, memory.session.horizon
    for catalog, key, target, number in connection.exec_driver_sql(sql, {"since": since}).all():
        if key is None:
            totals[catalog] = number
        else:
            fresh[catalog][key] = _Row(target, number)
    written = [_Row(catalog, key) for catalog, rows in fresh.items() for key in rows]
    links = memory.links | {
        catalog: memory.links.get(catalog, {}) | rows for catalog, rows in fresh.items()
    }
    shrunken = [name for name, total in totals.items() if total != len(links.get(name, ()))]
    if shrunken:
        sql = "\nUNION ALL ".join(queries.KEYS[name] for name in shrunken)
        for catalog, keys in connection.exec_driver_sql(sql).all():
            gone = links[catalog].keys() - set(map(int, (keys or "").split()))
            written += (_Row(catalog, key) for key in gone)
            links[catalog] = dict(links[catalog])
            for key in gone:
                del links[catalog][key]
    touched = {_find_part(links, row) for row in written}
    touched |= {
        _find_part(memory.links, row)
        for row in written
        if row.key in memory.links.get(row.catalog, ())
    }
    return links, touched


def _find_part(links: _Links, row: _Row) -> _Row:
    target = links.get(row.catalog, {}).get(row.key, row)
    return row if target == row else _find_part(links, target)


def _find_dependents(
    connection: Connection, memory: _Memory, links: _Links, touched: set[_Row]
) -> set[_Row]:
    relations = [row.key for row in touched if row.catalog == "pg_class" and row in memory.names]
    if not relations or not (links.get("pg_rewrite") or links.get("pg_proc")):
        return set()
    rows = connection.exec_driver_sql(queries.DEPENDENTS, {"oids": relations})
    return {_find_part(links, _Row(*row)) for row in rows}


def _assemble(rows: Iterable[Any], default_schema: str | None) -> dict[int, tuple[Part, _Names]]:
    """Sort described objects into parts, by the OID of the part; see ``queries`` for the rows.

    What belongs to a table that is left out is left out with it.
    """
    names: dict[int, dict[int, tuple[str | None, str]]] = defaultdict(dict)
    pieces, definitions = [], []
    parts: dict[int, dict[ObjectId, Definition]] = {}
    for oid, sub, kind, schema, name, definition in rows:
        if sub is not None:
            names[oid][sub] = (schema, name)
        if kind is not None:
            pieces.append((oid, sub, kind, name))
            definitions.append(definition)
    for oid, named in names.items():
        if 0 in named:
            parts[oid] = {}
    # One text for all is parsed several times faster than a text for each.
    loaded = json.loads(f"[{','.join(definitions)}]")
    for (oid, sub, kind, name), definition in zip(pieces, loaded, strict=True):
        if oid in parts:
            schema, owner = names[oid][0]
            path = owner if sub == 0 else f"{owner}.{name}"
            qualified = path if schema in (None, default_schema) else f"{schema}.{path}"
            parts[oid][ObjectId(kind, qualified)] = definition
    return {oid: (objects, names[oid]) for oid, objects in parts.items()}


def _reads_differently(session: _Session, memory: _Memory, news: _News) -> bool:
    """Whether rows that nobody wrote may yet be printed in another way than before."""
    for part in news.names.keys() & memory.names.keys():
        before, after = memory.names[part], news.names[part]
        if any(before[sub] != after[sub] for sub in before.keys() & after.keys()):
            return True
    if session.path_length < 2:
        return False
    # a name is printed with its schema where one that stands earlier in the path has it too
    appeared = [names for part, names in news.names.items() if part not in memory.names]
    vanished = [
        memory.names[part] for part in news.touched - news.names.keys() if part in memory.names
    ]
    if not appeared and not vanished:
        return False
    others = {_bare(names) for part, names in memory.names.items() if part not in news.touched}
    return any(_bare(names) in others for names in appeared + vanished)


def _bare(names: _Names) -> str:
    return names[0][1].partition("(")[0]


def _make_snapshot(
    session: _Session, memory: _Memory, news: _News, previous: Snapshot | None
) -> Snapshot:
    old = previous.parts if previous is not None else {}
    # Copied as a whole, which is quick however much there is; only what was touched is looked at.
    parts: dict[Hashable, Part] = dict(old) if memory.session else {}
    names = dict(memory.names)
    for part in news.touched:
        parts.pop(part, None)
        names.pop(part, None)
    for part, objects in news.parts.items():
        parts[part] = old[part] if old.get(part) == objects else objects
    names |= news.names
    return Snapshot(parts, {_Memory: _Memory(session, news.links, names)})
