"""What the tables of models need on PostgreSQL before, and what they leave behind."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

from sqlalchemy import Connection, MetaData
from sqlalchemy.dialects.postgresql import DOMAIN, ENUM
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.schema import CreateSchema

from alembic_assay.dialects.named_types import named_types
from alembic_assay.dialects.postgresql.sqlstates import (
    DUPLICATE_FUNCTION,
    DUPLICATE_OBJECT,
    DUPLICATE_TABLE,
    sqlstate,
)

_USERS_TABLES = """
SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_class'::regclass
    AND e.objid = c.oid AND e.deptype = 'e')
"""

_NAME = r'(?:"(?:[^"]|"")*"|[\w$]+)'
_CREATE = re.compile(
    r"\s*CREATE\s+(?:OR\s+REPLACE\s+)?(?P<kind>FUNCTION|PROCEDURE|AGGREGATE|VIEW|SEQUENCE|TYPE"
    r"|MATERIALIZED\s+VIEW|DOMAIN|COLLATION|EXTENSION)\s+"
    rf"(?:IF\s+NOT\s+EXISTS\s+)?(?:{_NAME}\.)?(?P<name>{_NAME})",
    re.IGNORECASE,
)
_ROUTINES = "SELECT oid::regprocedure::text FROM pg_proc WHERE oid >= 16384 AND proname = %(name)s"


def prepare_for_models(connection: Connection, metadatas: Sequence[MetaData]) -> bool:
    """Make the schemas that the models name, and the types that they leave to somebody else.

    An enum or a domain with ``create_type=False`` is all in the models nevertheless. Return whether
    there are any.
    """
    schemas = _schemas(connection, metadatas)
    for schema in schemas:
        connection.execute(CreateSchema(schema, if_not_exists=True))
    types = [type_ for type_ in _types(connection, metadatas) if not type_.create_type]
    for type_ in types:
        # What it is made of may come with the migrations, as for a domain over another type.
        with suppress(DBAPIError), connection.begin_nested():
            type_.create(connection, checkfirst=True)
    connection.commit()
    return bool(schemas or types)


def clear_for_models(connection: Connection, metadatas: Sequence[MetaData]) -> None:
    """Drop all tables and what hangs on them, and the types and sequences that the models make.

    What a function of the migrations stands on is left, as the models may in turn need that.
    """
    _drop_all(connection, metadatas)  # with what listeners of the models drop
    for (table,) in connection.exec_driver_sql(_USERS_TABLES).all():
        _execute(connection, f"DROP TABLE IF EXISTS {table} CASCADE")
    _drop_all(connection, metadatas)
    for type_ in _types(connection, metadatas):
        with suppress(DBAPIError), connection.begin_nested():
            type_.drop(connection, checkfirst=True)
    connection.commit()


def make_way_for_models(connection: Connection, error: Exception) -> bool:
    """Drop what stands in the way of a statement by which the models make an object; and commit.

    Return whether anything was dropped.
    """
    in_the_way = (DUPLICATE_FUNCTION, DUPLICATE_OBJECT, DUPLICATE_TABLE)
    if not isinstance(error, DBAPIError) or sqlstate(error) not in in_the_way:
        return False
    found = _CREATE.match(error.statement or "")
    if found is None:
        return False
    kind, name = found["kind"].upper(), found["name"]
    dropped = False
    for sql in _drops(connection, kind, name):
        with suppress(DBAPIError), connection.begin_nested():
            _execute(connection, sql)
            dropped = True
    connection.commit()
    return dropped


def _drops(connection: Connection, kind: str, name: str) -> Iterable[str]:
    if kind not in ("FUNCTION", "PROCEDURE", "AGGREGATE"):
        return [f"DROP {kind} {name} CASCADE"]
    folded = name[1:-1].replace('""', '"') if name.startswith('"') else name.lower()
    routines = connection.exec_driver_sql(_ROUTINES, {"name": folded}).scalars().all()
    return [f"DROP ROUTINE {routine} CASCADE" for routine in routines]


def _drop_all(connection: Connection, metadatas: Sequence[MetaData]) -> None:
    for metadata in metadatas:
        with suppress(SQLAlchemyError), connection.begin_nested():
            metadata.drop_all(connection)


def _execute(connection: Connection, statement: str) -> None:
    connection.exec_driver_sql(statement.replace("%", "%%"))


def _schemas(connection: Connection, metadatas: Sequence[MetaData]) -> list[str]:
    translated = connection.get_execution_options().get("schema_translate_map") or {}
    named = {table.schema for metadata in metadatas for table in metadata.tables.values()}
    named |= {type_.schema for type_ in _types(connection, metadatas)}
    schemas = {translated.get(schema, schema) for schema in named}
    return sorted(schema for schema in schemas if schema is not None)


def _types(connection: Connection, metadatas: Sequence[MetaData]) -> Iterator[ENUM | DOMAIN]:
    for metadata in metadatas:
        for table in metadata.tables.values():
            for type_ in named_types(table, connection.dialect):
                if isinstance(type_, ENUM | DOMAIN):
                    yield type_
