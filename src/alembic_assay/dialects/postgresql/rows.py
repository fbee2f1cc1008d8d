"""What a row of PostgreSQL needs: the checks of domains, and values of types that only it has."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, cast, literal_column, text
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.dialects.postgresql import ranges
from sqlalchemy.types import NullType, TypeEngine

_DOMAIN_CHECKS = text("""
WITH RECURSIVE domains (attname, attnum, oid) AS (
    SELECT a.attname, a.attnum, a.atttypid FROM pg_attribute a
    WHERE a.attrelid = to_regclass(:table) AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT d.attname, d.attnum, t.typbasetype FROM domains d JOIN pg_type t ON t.oid = d.oid
    WHERE t.typtype = 'd'
)
SELECT d.attname, pg_get_expr(c.conbin, 0) FROM domains d JOIN pg_constraint c ON c.contypid = d.oid
WHERE c.contype = 'c' ORDER BY d.attnum, c.conname
""")


def read_domain_checks(connection: Connection, table: str, schema: str | None) -> list[str]:
    """Return the checks of the domains that a table's columns have, as checks of the table."""
    quote = connection.dialect.identifier_preparer.quote_identifier
    found = connection.execute(_DOMAIN_CHECKS, {"table": _regclass(connection, table, schema)})
    return [
        f"(SELECT {check} FROM (SELECT {quote(name)} AS value) AS domain)" for name, check in found
    ]


def next_in_sequence(connection: Connection, column: Column[Any]) -> int | None:
    """Return the next number of the sequence that belongs to a column, if one does."""
    number: int | None = connection.scalar(
        text("SELECT nextval(pg_get_serial_sequence(:table, :column))"),
        {
            "table": _regclass(connection, column.table.name, column.table.schema),
            "column": column.name,
        },
    )
    return number


def base_type(type_: TypeEngine[Any]) -> TypeEngine[Any]:
    """Return what a domain is made of, or any other type itself."""
    while isinstance(type_, pg.DOMAIN):
        type_ = type_.data_type
    return type_


def cast_value(value: ColumnElement[Any], type_: TypeEngine[Any]) -> ColumnElement[Any]:
    """Return a value cast to the type of a column; a domain's own checks would make that fail."""
    type_ = base_type(type_)
    return value if isinstance(type_, NullType) else cast(value, type_)


_TEXTS: dict[type[TypeEngine[Any]], str] = {
    pg.CIDR: "10.{high}.{low}.0/24",
    pg.INET: "10.0.{high}.{low}",
    pg.MACADDR: "08:00:2b:01:{high:02x}:{low:02x}",
    pg.MACADDR8: "08:00:2b:01:02:03:{high:02x}:{low:02x}",
    pg.MONEY: "{number}",
    pg.OID: "{number}",
    pg.HSTORE: "key=>{number}",
    pg.TSVECTOR: "word{number}",
    pg.REGCLASS: "pg_class",
    pg.REGCONFIG: "simple",
}
"""How the server writes them: the drivers disagree about what they take for one."""


def make_value(type_: TypeEngine[Any], number: int) -> Any:
    """Return the n-th value of a type that only PostgreSQL has."""
    if isinstance(type_, pg.BIT):
        length = type_.length or 1
        return literal_column(f"B'{number % 2 ** min(length, 31):0{length}b}'")
    if isinstance(type_, pg.INTERVAL):
        return timedelta(seconds=number)
    if isinstance(type_, ranges.AbstractRange):
        return _make_range(type_, number)
    for kind, wanted in _TEXTS.items():
        if isinstance(type_, kind):
            high, low = number >> 8 & 255, number & 255
            written = wanted.format(number=number, high=high, low=low)
            return cast(literal_column(f"'{written}'"), type_)
    return None


def _make_range(type_: TypeEngine[Any], number: int) -> Any:
    kind = next(one for one in _RANGES if isinstance(type_, one))
    start, step = _RANGES[kind]
    one = pg.Range(start + step * number, start + step * (number + 1), bounds="[)")
    return [one] if isinstance(type_, ranges.AbstractMultiRange) else one


_RANGES: dict[tuple[type[TypeEngine[Any]], ...], tuple[Any, Any]] = {
    (pg.INT4RANGE, pg.INT8RANGE, pg.INT4MULTIRANGE, pg.INT8MULTIRANGE): (0, 1),
    (pg.NUMRANGE, pg.NUMMULTIRANGE): (Decimal(0), Decimal(1)),
    (pg.DATERANGE, pg.DATEMULTIRANGE): (date(2020, 1, 1), timedelta(days=1)),
    (pg.TSRANGE, pg.TSMULTIRANGE): (
        datetime(2020, 1, 1),  # noqa: DTZ001 - without a time zone
        timedelta(days=1),
    ),
    (pg.TSTZRANGE, pg.TSTZMULTIRANGE): (
        datetime(2020, 1, 1, tzinfo=timezone.utc),
        timedelta(days=1),
    ),
}
"""Where they begin, and how long each is."""


def guess_values(
    connection: Connection, column: Column[Any], number: int
) -> Sequence[ColumnElement[Any]]:
    """Return texts, of which one may be a value of the column's type, and are cast to it."""
    type_ = connection.scalar(
        text(
            "SELECT format_type(atttypid, atttypmod) FROM pg_attribute"
            " WHERE attrelid = to_regclass(:table) AND attname = :column"
        ),
        {
            "table": _regclass(connection, column.table.name, column.table.schema),
            "column": column.name,
        },
    )
    sizes = [int(size) for size in re.findall(r"\d+", str(type_))] or [1]
    word = re.sub(r"\W", "", column.name)
    vector = ",".join([str(number)] * min(sizes[-1], 16000))
    texts = (
        f"{word}{number}",
        f"[{vector}]",
        f"SRID={sizes[-1]};POINT({number} 0)",
        f"{number}",
        f"({number},0)",
        f"({number},0),({number + 1},1)",
        f"<({number},0),1>",
        f"{{{number},1,0}}",
        f"<value>{number}</value>",
        f"$.key{number}",
        f"{number}/0",
        f"{number}:{number}:",
        "{}",
    )
    return [literal_column(f"CAST('{one}' AS {type_})") for one in texts]


def _regclass(connection: Connection, table: str, schema: str | None) -> str:
    quote = connection.dialect.identifier_preparer.quote_identifier
    return f"{quote(schema)}.{quote(table)}" if schema else quote(table)
