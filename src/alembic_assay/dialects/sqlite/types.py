"""Whether two declared types of SQLite are the same one."""

from __future__ import annotations

import re

# Only what the SQL standard itself spells in two ways, and what is of one affinity here: what
# SQLite stores alike and the models tell apart, such as VARCHAR(50) and VARCHAR(100), is not.
_SAME = {
    "INT": "INTEGER",
    "INT2": "SMALLINT",
    "INT8": "BIGINT",
    "BOOL": "BOOLEAN",
    "DEC": "NUMERIC",
    "DECIMAL": "NUMERIC",
    "CHARACTER": "CHAR",
    "CHAR VARYING": "VARCHAR",
    "CHARACTER VARYING": "VARCHAR",
    "VARYING CHARACTER": "VARCHAR",
    "NATIONAL CHARACTER": "NCHAR",
    "NATIONAL CHARACTER VARYING": "NVARCHAR",
    "DOUBLE PRECISION": "DOUBLE",
}


def is_same_type(one: str, other: str, *, is_key: bool) -> bool:
    """Whether two types are the same; ``is_key`` for those of a primary key of one column.

    INTEGER alone makes that an alias of the rowid. https://www.sqlite.org/lang_createtable.html
    """
    if is_key and "INTEGER" in (one, other):
        return one == other
    return _standard(one) == _standard(other)


def _standard(type_: str) -> tuple[str, str]:
    name, _, arguments = type_.partition("(")
    standard = _SAME.get(name, name)
    if standard == "NUMERIC":
        arguments = re.sub(r", ?0\)$", ")", arguments)  # the scale that it has without one
    return standard, arguments
