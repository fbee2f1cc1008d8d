"""Whether two server defaults of SQLite put the same value into a column."""

from __future__ import annotations

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from alembic_assay.dialects.sqlite.expressions import Node, is_constant, parse_expression
from alembic_assay.dialects.sqlite.names import Names

_NOW_STRING: Node = ("string", "now")

_NOW: dict[Node, str] = {
    ("call", "datetime"): "CURRENT_TIMESTAMP",
    ("call", "datetime", _NOW_STRING): "CURRENT_TIMESTAMP",
    ("call", "strftime", ("string", "%Y-%m-%d %H:%M:%S"), _NOW_STRING): "CURRENT_TIMESTAMP",
    ("call", "date"): "CURRENT_DATE",
    ("call", "date", _NOW_STRING): "CURRENT_DATE",
    ("call", "time"): "CURRENT_TIME",
    ("call", "time", _NOW_STRING): "CURRENT_TIME",
}
"""What gives the same as a keyword. https://www.sqlite.org/lang_datefunc.html"""


def is_same_default(scratch: Connection, type_: str | None, one: str, other: str) -> bool:
    """Whether two defaults of a column of this type are the same.

    What is made of literals alone is tried in a temporary table of ``scratch``, which is left in
    its transaction: the type of a column decides what becomes of a literal. Nothing else is run.
    """
    ours, theirs = _parse(one), _parse(other)
    if ours == theirs:
        return True
    return (
        is_constant(ours) and is_constant(theirs) and _is_stored_alike(scratch, type_, one, other)
    )


def _parse(default: str) -> Node:
    tree = parse_expression(default, Names())
    keyword = _NOW.get(tree)
    return (keyword,) if keyword else tree


def _is_stored_alike(scratch: Connection, type_: str | None, one: str, other: str) -> bool:
    # With the type of the models in both, as a difference of types is told by itself.
    column = type_ or ""
    create = f"{_PROBE} (one {column} DEFAULT ({one}), other {column} DEFAULT ({other}))"
    if column == "ANY":  # a strict table leaves a value of that type as it is, another does not
        create += " STRICT"
    try:
        scratch.exec_driver_sql(f"CREATE TABLE {create}")
        scratch.exec_driver_sql(f"INSERT INTO {_PROBE} DEFAULT VALUES")
        found = scratch.exec_driver_sql(f"SELECT typeof(one), quote(one) FROM {_PROBE}").one()
        other_found = scratch.exec_driver_sql(
            f"SELECT typeof(other), quote(other) FROM {_PROBE}"
        ).one()
        scratch.exec_driver_sql(f"DROP TABLE {_PROBE}")
    except DBAPIError:  # a type that is a word of SQL, or a value that SQLite does not take
        return False
    return found == other_found


_PROBE = "temp.alembic_assay_default"
