"""The SQL that reads what SHOW CREATE TABLE does not tell.

Only one table of ``information_schema`` is read at a time: MariaDB 10.11 crashed on a join of two.
``{database}`` stands for the name of the database as a literal: for ``DATABASE()`` the server would
look into all others as well. ``{mode}`` is its own SQL mode, as only another one is worth telling.
https://mariadb.com/kb/en/information-schema-optimization/
"""

from __future__ import annotations

SESSION = "SELECT DATABASE(), @@sql_mode, @@GLOBAL.sql_mode, @@lower_case_table_names"

DEFAULTS = "SELECT @@character_set_database, @@collation_database"
"""Of the database that a session begins in, whoever may read ``information_schema``."""

_MODE = "NULLIF(SQL_MODE, {mode})"

TRIGGERS = f"""
SELECT EVENT_OBJECT_TABLE, TRIGGER_NAME, ACTION_TIMING, EVENT_MANIPULATION, ACTION_ORDER,
  ACTION_STATEMENT, {_MODE}
FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = {{database}} ORDER BY TRIGGER_NAME
"""
TRIGGER = ("timing", "event", "order", "body", "sql mode")

MARK = "alembic_assay"
"""The procedure that marks a database as the toolkit's own, and is no part of the schema."""

ROUTINES = f"""
SELECT ROUTINE_TYPE, ROUTINE_NAME, NULLIF(CONCAT_WS(' ', DTD_IDENTIFIER, COLLATION_NAME), ''),
  ROUTINE_DEFINITION, IS_DETERMINISTIC, SQL_DATA_ACCESS, SECURITY_TYPE,
  ROUTINE_COMMENT, {_MODE}
FROM information_schema.ROUTINES
WHERE ROUTINE_SCHEMA = {{database}} AND ROUTINE_NAME <> '{MARK}' ORDER BY ROUTINE_NAME
"""
ROUTINE = ("returns", "body", "deterministic", "data access", "security", "comment", "sql mode")

PARAMETERS = f"""
SELECT CONCAT(ROUTINE_TYPE, ' ', SPECIFIC_NAME),
  CONCAT_WS(' ', PARAMETER_MODE, PARAMETER_NAME, DTD_IDENTIFIER, COLLATION_NAME)
FROM information_schema.PARAMETERS
WHERE SPECIFIC_SCHEMA = {{database}} AND SPECIFIC_NAME <> '{MARK}' AND ORDINAL_POSITION > 0
ORDER BY SPECIFIC_NAME, ORDINAL_POSITION
"""

EVENTS = f"""
SELECT EVENT_NAME, EVENT_TYPE, CONCAT(INTERVAL_VALUE, ' ', INTERVAL_FIELD),
  CASE WHEN CONVERT_TZ(STARTS, TIME_ZONE, @@time_zone) NOT IN (CREATED, LAST_ALTERED)
    THEN STARTS END,
  ENDS, STATUS, ON_COMPLETION, EVENT_DEFINITION, EVENT_COMMENT, {_MODE}
FROM information_schema.EVENTS WHERE EVENT_SCHEMA = {{database}} ORDER BY EVENT_NAME
"""
# Not EXECUTE_AT, and not STARTS where it is implied: when an event was made is no definition. Its
# times are those of its own time zone, but for CREATED and LAST_ALTERED, which are the session's.
EVENT = (
    "type",
    "every",
    "starts",
    "ends",
    "status",
    "on completion",
    "body",
    "comment",
    "sql mode",
)
