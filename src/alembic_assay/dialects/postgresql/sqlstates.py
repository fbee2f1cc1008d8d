"""The codes by which the server says what is wrong.

https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError

ACTIVE_TRANSACTION = "25001"
DISK_FULL = "53100"
DUPLICATE_DATABASE = "42P04"
DUPLICATE_FUNCTION = "42723"
DUPLICATE_OBJECT = "42710"
DUPLICATE_TABLE = "42P07"
INSUFFICIENT_PRIVILEGE = "42501"
TOO_MANY_CONNECTIONS = "53300"
UNIQUE_VIOLATION = "23505"


def sqlstate(error: DBAPIError) -> str | None:
    """Return the code of an error, by whichever driver."""
    return getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)
