"""Whether two constants put the same value into a column."""

from __future__ import annotations

import re

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from alembic_assay.dialects.mysql.statements import run
from alembic_assay.dialects.mysql.tokens import QUOTED

_PIECE = re.compile(rf"{QUOTED}|[\w.]+|.", re.DOTALL)
_CONSTANT = re.compile(
    r"'.*|0x[\da-f]+|[\d.]+(?:e\d*)?|[bnx]|_\w+|true|false|null|not|and|or|[-+*/%()=<>,\s]",
    re.DOTALL | re.IGNORECASE,
)
_PROBE = "`alembic-assay constant`"


def is_same_constant(scratch: Connection, type_: str, one: str, other: str) -> bool:
    """Whether two defaults of a column of this type are made of literals alone, and the same.

    They are tried in a temporary table of ``scratch``, as the type of a column decides what becomes
    of a literal. Nothing else is run.
    """
    if not all(_CONSTANT.fullmatch(piece) for piece in _PIECE.findall(f"{one} {other}")):
        return False
    columns = f"one {type_} DEFAULT ({one}), other {type_} DEFAULT ({other})"
    try:
        run(scratch, f"CREATE TEMPORARY TABLE {_PROBE} ({columns})")
    except DBAPIError:  # a value that the type does not take
        return False
    try:
        run(scratch, f"INSERT INTO {_PROBE} () VALUES ()")
        # As bytes: to most collations "a" and "A" are equal.
        query = f"SELECT CAST(one AS BINARY) <=> CAST(other AS BINARY) FROM {_PROBE}"
        ((is_same,),) = run(scratch, query)
        return bool(is_same)
    except DBAPIError:  # or one that it takes only where nobody is strict
        return False
    finally:
        run(scratch, f"DROP TEMPORARY TABLE {_PROBE}")
