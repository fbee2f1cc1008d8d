"""What a row of MySQL or MariaDB needs: its checks, and values of types that only these have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, literal_column
from sqlalchemy.dialects.mysql import BIT, SET, TINYINT, YEAR
from sqlalchemy.types import TypeEngine

from alembic_assay.dialects.mysql.tokens import quote, split_words, unwrap_comments


def read_checks(connection: Connection, table: str, schema: str | None) -> list[str]:
    """Return the checks of a table and of its columns, which SQLAlchemy does not read."""
    name = f"{quote(schema)}.{quote(table)}" if schema else quote(table)
    options = {"no_parameters": True}
    found = connection.exec_driver_sql(f"SHOW CREATE TABLE {name}", execution_options=options)
    checks = []
    for line in unwrap_comments(str(found.one()[1])).partition("\n) ")[0].split("\n"):
        words = split_words(line.strip().removesuffix(","))
        if words[-2:] != ["NOT", "ENFORCED"]:
            checks += [after for word, after in zip(words, words[1:]) if word == "CHECK"]  # noqa: B905, RUF007 - pairs
    return checks


def make_value(type_: TypeEngine[Any], number: int) -> Any:
    """Return the n-th value of a type that only MySQL has."""
    if isinstance(type_, TINYINT) and type_.display_width == 1:
        return 0  # what it makes of BOOLEAN
    if isinstance(type_, YEAR):
        return 2000 + number % 100
    if isinstance(type_, BIT):
        return number % 2 ** (type_.length or 1)
    if isinstance(type_, SET):
        return {type_.values[0]}
    return None


def guess_values(number: int) -> Sequence[ColumnElement[Any]]:
    """Return a value of the only types that SQLAlchemy does not know."""
    wanted = (f"POINT({number} 0)", "LINESTRING(0 0, 1 1)", "POLYGON((0 0, 1 0, 1 1, 0 0))")
    return [literal_column(f"ST_GeomFromText('{one}')") for one in wanted]
