"""MySQL and MariaDB: rows can be rolled back; DDL and much else commits at once.

https://dev.mysql.com/doc/refman/8.4/en/implicit-commit.html
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Dialect

from alembic_assay.dialects.mysql.tokens import quote
from alembic_assay.dialects.rollback import Ask, RollbackRules

_COUNTING = """
    SELECT t.TABLE_NAME, c.COLUMN_NAME, t.AUTO_INCREMENT
    FROM information_schema.TABLES t
    JOIN information_schema.COLUMNS c USING (TABLE_SCHEMA, TABLE_NAME)
    WHERE t.TABLE_SCHEMA = DATABASE() AND t.AUTO_INCREMENT > 1 AND c.EXTRA LIKE '%auto_increment%'
"""

_NOT_ROLLED_BACK = 1196
"""ER_WARNING_NOT_COMPLETE_ROLLBACK"""

_COMMITS = "commits at once on this database"


class MySQLRollbackRules(RollbackRules):
    """One session; tables with transactions, such as those of InnoDB."""

    begin = "START TRANSACTION"
    begin_commits = True
    survives_cancellation = False  # the drivers close a connection when they are interrupted
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

    def restart_sequences(self, ask: Ask) -> None:
        # What MySQL keeps of this for a day, and MariaDB does not; it would be too old.
        # https://dev.mysql.com/doc/refman/8.4/en/server-system-variables.html#sysvar_information_schema_stats_expiry
        if ask("SHOW VARIABLES LIKE 'information_schema_stats_expiry'"):
            ask("SET SESSION information_schema_stats_expiry = 0")
        counting = ask(_COUNTING)
        if not counting:
            return
        latest = ask(
            " UNION ALL ".join(
                f"SELECT {number}, MAX({quote(column)}) FROM {quote(table)}"
                for number, (table, column, _) in enumerate(counting)
            )
        )
        for number, value in latest:
            table, _, following = counting[number]
            wanted = (value or 0) + 1
            if following != wanted:
                ask(f"ALTER TABLE {quote(table)} AUTO_INCREMENT = {wanted}")

    def what_stayed(self, ask: Ask) -> str | None:
        if any(warning[1] == _NOT_ROLLED_BACK for warning in ask("SHOW WARNINGS")):
            return "a table without transactions, such as one of MyISAM"
        return None

    def cursor_arguments(self, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        # A cursor that fetches from the server row by row keeps all others from asking.
        del arguments
        return ()
