"""What a database says of a table, as far as a new row depends on it."""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from sqlalchemy import Column, Connection, Inspector, MetaData, Numeric, Table, inspect
from sqlalchemy.engine.interfaces import ReflectedColumn, ReflectedIndex
from sqlalchemy.exc import NoSuchTableError, SAWarning
from sqlalchemy.types import TypeEngine

from alembic_assay.dialects import Backend


@dataclass(frozen=True, slots=True)
class StoredColumn:
    """A column; ``default`` is SQL. What ``is_numbered`` or ``is_computed`` needs no value."""

    name: str
    type: TypeEngine[Any]
    nullable: bool
    default: str | None
    is_numbered: bool
    is_computed: bool
    takes_values: bool


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key."""

    columns: tuple[str, ...]
    schema: str | None
    table: str
    referred: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Condition:
    """What must hold for each row: a check, or that no other row has the same key.

    ``sql`` is said of the columns of one row, which stand in a table of the same name.
    """

    sql: str
    columns: frozenset[str]
    label: str
    is_unique: bool = False


@dataclass(frozen=True, slots=True)
class Shape:
    """A table; ``table`` is what the database has of it, without any constraints."""

    table: Table
    columns: Mapping[str, StoredColumn]
    key: tuple[str, ...]
    references: tuple[Reference, ...]
    conditions: tuple[Condition, ...]

    @property
    def label(self) -> str:
        """The name, with that of the schema where one was given."""
        return self.table.fullname


def read_shape(
    connection: Connection, backend: Backend, name: str, schema: str | None
) -> Shape | None:
    """Read a table anew, in the transaction of ``connection``; None where there is none."""
    inspector = inspect(connection)
    with warnings.catch_warnings():
        # Of types and indexes that SQLAlchemy does not know.
        warnings.simplefilter("ignore", SAWarning)
        try:
            found = inspector.get_columns(name, schema)
        except NoSuchTableError:
            return None
        key = tuple(inspector.get_pk_constraint(name, schema)["constrained_columns"])
        indexes = inspector.get_indexes(name, schema)
        uniques = inspector.get_unique_constraints(name, schema)
    numbered = backend.numbered_columns(connection, name, schema, found)
    columns = {one["name"]: _make_column(one, key, numbered) for one in found}
    if not backend.has_decimals:
        _read_decimals_as_they_are(columns.values())
    _read_unique_prefixes(columns, indexes)
    table = Table(
        name,
        MetaData(),
        *(Column(one.name, one.type, primary_key=one.name in key) for one in columns.values()),
        schema=schema,
    )
    quote = connection.dialect.identifier_preparer.quote_identifier
    label = connection.dialect.identifier_preparer.format_table(table)
    keys = [(tuple(map(quote, one)), "") for one in (key, *(u["column_names"] for u in uniques))]
    keys += [_unique_expressions(one, quote) for one in indexes if one["unique"]]
    checks = backend.read_checks(connection, name, schema)
    conditions = [
        *(_make_check(sql) for sql in dict.fromkeys(checks)),
        *(_make_unique(label, *one) for one in dict.fromkeys(keys) if one[0]),
    ]
    return Shape(
        table,
        columns,
        key,
        tuple(_read_references(inspector, name, schema)),
        tuple(
            Condition(one.sql, _mentioned(one, columns), one.label, one.is_unique)
            for one in conditions
        ),
    )


def _make_column(
    found: ReflectedColumn, key: Sequence[str], numbered: Collection[str]
) -> StoredColumn:
    name = found["name"]
    return StoredColumn(
        name,
        found["type"],
        # SQLite allows NULL in a key, and nobody wants it there.
        found["nullable"] and name not in key,
        found["default"],
        name in numbered,
        "computed" in found,
        not found.get("identity", {}).get("always", False),
    )


def _read_decimals_as_they_are(columns: Iterable[StoredColumn]) -> None:
    for column in columns:
        if isinstance(column.type, Numeric):
            column.type.asdecimal = False


def _read_unique_prefixes(
    columns: Mapping[str, StoredColumn], indexes: Iterable[ReflectedIndex]
) -> None:
    """Let texts be no longer than the part of them that an index of MySQL looks at."""
    for index in indexes:
        for option, lengths in index.get("dialect_options", {}).items():
            if index["unique"] and option.endswith("_length"):
                for name, length in lengths.items():
                    type_: Any = columns[name].type
                    type_.length = length


def _read_references(inspector: Inspector, name: str, schema: str | None) -> Iterator[Reference]:
    for key in inspector.get_foreign_keys(name, schema):
        yield Reference(
            tuple(key["constrained_columns"]),
            key["referred_schema"],
            key["referred_table"],
            tuple(key["referred_columns"]),
        )


def _unique_expressions(index: ReflectedIndex, quote: Any) -> tuple[tuple[str, ...], str]:
    """Return what is unique, and the condition under which it is, as SQL."""
    columns = [quote(name) for name in index["column_names"] if name is not None]
    options = index.get("dialect_options", {})
    where = next((str(value) for key, value in options.items() if key.endswith("_where")), "")
    expressions = index.get("expressions")
    if expressions is None:
        return tuple(columns), where
    named = [one if column is None else quote(column) for one, column in
             zip(expressions, index["column_names"], strict=True)]  # fmt: skip
    return tuple(named), where


def _make_check(sql: str) -> Condition:
    return Condition(f"({sql}) IS NOT FALSE", frozenset(), f"CHECK ({_unwrap(sql)})")


def _make_unique(table: str, expressions: Sequence[str], where: str) -> Condition:
    # The names inside of the inner SELECT are those of the rows that the table has.
    key = ", ".join(expressions)
    sql = f"({key}) NOT IN (SELECT {key} FROM {table}{where and f' WHERE {where}'})"
    if where:
        sql = f"({where}) IS NOT TRUE OR {sql}"
    return Condition(f"({sql}) IS NOT FALSE", frozenset(), f"the unique key ({key})", True)


def _mentioned(condition: Condition, columns: Iterable[str]) -> frozenset[str]:
    # Quoted or not; a word too many, in a literal, does no harm.
    return frozenset(
        name
        for name in columns
        if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", condition.sql, re.IGNORECASE)
    )


def _unwrap(sql: str) -> str:
    depths = list(accumulate((one == "(") - (one == ")") for one in sql))
    return _unwrap(sql[1:-1]) if sql.startswith("(") and depths.index(0) == len(sql) - 1 else sql
