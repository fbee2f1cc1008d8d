"""MySQL and MariaDB: rows can be rolled back; DDL and much else commits at once.

https://dev.mysql.com/doc/refman/8.4/en/implicit-commit.html
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Dialect

from alembic_assay.dialects.rollback import RollbackRules

_COMMITS = "commits at once on this database"


class MySQLRollbackRules(RollbackRules):
    """One session; tables with transactions, such as those of InnoDB."""

    begin = "START TRANSACTION"
    begin_commits = True
    resettable_sequences = False
    lasting = r"^\s*(?:SET|PREPARE|CREATE(?:\s+OR\s+REPLACE)?\s+TEMPORARY)\b|:=|\bGET_LOCK\s*\("
    refusals = (
        (
            r"^\s*(?:CREATE(?:\s+OR\s+REPLACE)?|DROP)\s+(?!TEMPORARY\b|PREPARE\b|OR\b)\w+",
            _COMMITS,
        ),
        (r"^\s*(?:ALTER|RENAME|TRUNCATE|ANALYZE|OPTIMIZE|REPAIR|CHECK|CACHE)\s+\w+", _COMMITS),
        (
            r"^\s*(?:(?:UN)?LOCK\s+TABLES?|GRANT|REVOKE|FLUSH|RESET|LOAD\s+INDEX|INSTALL)\b",
            _COMMITS,
        ),
        (r"^\s*SET\s+(?:SESSION\s+|LOCAL\s+|@@(?:SESSION\.|LOCAL\.)?)?autocommit\b", _COMMITS),
        (r"^\s*SET\s+PASSWORD\b", _COMMITS),
        (r"^\s*XA\b", "cannot be run within a transaction"),
    )

    def take_over(self, dialect: Dialect, connection: Any) -> None:
        # START TRANSACTION suspends the autocommit of a session until the transaction ends.
        del dialect, connection

    def cursor_arguments(self, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        # A cursor that fetches from the server row by row keeps all others from asking.
        del arguments
        return ()
