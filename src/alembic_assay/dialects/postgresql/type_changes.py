"""Which types PostgreSQL makes of a column by itself, and which only when it is told how."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sqlalchemy import Connection

_CASTS_BY_ITSELF = """
SELECT t.oid = w.oid OR w.typcategory = 'S' OR EXISTS (SELECT FROM pg_cast c
    WHERE c.castsource = t.oid AND c.casttarget = w.oid AND c.castcontext <> 'e')
FROM pg_type t, pg_type w WHERE t.oid = to_regtype(%(there)s) AND w.oid = to_regtype(%(wanted)s)
"""
# What can be assigned; every type to text. https://www.postgresql.org/docs/current/sql-createcast.html


def type_change_options(
    connection: Connection, column: str, there: str, wanted: str
) -> Mapping[str, str]:
    """Return how to cast, where that must be said; see ``Backend.type_change_options``."""
    types = {"there": there, "wanted": wanted}
    if connection.exec_driver_sql(_CASTS_BY_ITSELF, types).scalar():
        return {}
    # Without a length, to which an explicit cast would cut in silence.
    return {"postgresql_using": f"{column}::{re.sub(r'[(][0-9, ]*[)]', '', wanted)}"}
