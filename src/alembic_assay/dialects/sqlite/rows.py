"""What SQLite has stored of a table, as far as a new row depends on it."""

from __future__ import annotations

from sqlalchemy import Connection

from alembic_assay.dialects.sqlite.cursor import Unparsable
from alembic_assay.dialects.sqlite.ddl import parse_table
from alembic_assay.dialects.sqlite.table import Table


def read_checks(connection: Connection, table: str, schema: str | None) -> list[str]:
    """Return the checks of a table; SQLAlchemy reads none that stands in several lines."""
    stored = _read_table(connection, table, schema)
    return [check.expression for check in stored.checks] if stored else []


def numbered_columns(connection: Connection, table: str, schema: str | None) -> list[str]:
    """Return the column that is the rowid; SQLAlchemy reads INT as INTEGER, which it is not.

    https://www.sqlite.org/lang_createtable.html#rowid
    """
    stored = _read_table(connection, table, schema)
    if stored is None or stored.without_rowid or stored.primary_key is None:
        return []
    key = stored.primary_key.columns
    return [one.name for one in stored.columns if (one.name,) == key and one.type == "INTEGER"]


def _read_table(connection: Connection, table: str, schema: str | None) -> Table | None:
    quote = connection.dialect.identifier_preparer.quote_identifier
    sql = connection.exec_driver_sql(
        f"SELECT sql FROM {quote(schema or 'main')}.sqlite_master"
        " WHERE type = 'table' AND lower(name) = lower(?)",
        (table,),
    ).scalar()
    try:
        return parse_table(sql or "")
    except Unparsable:
        return None
