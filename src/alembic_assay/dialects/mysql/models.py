"""What the tables of models find on MySQL and MariaDB in a copy of a migrated database."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from sqlalchemy import Connection, MetaData
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from alembic_assay.dialects.mysql.statements import run
from alembic_assay.dialects.mysql.tokens import QUOTED, quote

DUPLICATE_TABLE, DUPLICATE_ROUTINE, DUPLICATE_EVENT = 1050, 1304, 1537

_CREATE = re.compile(
    rf"\s*CREATE\s(?:{QUOTED}|[^'`(])*?\b(?P<kind>VIEW|FUNCTION|PROCEDURE|EVENT|SEQUENCE)\s+"
    r"(?:IF\s+NOT\s+EXISTS\s+)?(?P<name>`(?:[^`]|``)*`|[\w$]+)",
    re.IGNORECASE,
)


def clear_for_models(connection: Connection, metadatas: Sequence[MetaData]) -> None:
    """Drop all tables with their triggers, and the sequences that the models make; and commit."""
    with _without_references(connection):
        _drop_all(connection, metadatas)  # with what listeners of the models drop
        _drop_tables(connection)
        _drop_all(connection, metadatas)
    connection.commit()


def make_way_for_models(connection: Connection, code: object, statement: str) -> bool:
    """Drop what stands in the way of a statement by which the models make an object; and commit.

    What they had made until then goes too, as it was committed at once: for a table that is there
    its listeners are not called again. Return whether anything was dropped.
    """
    if code not in (DUPLICATE_TABLE, DUPLICATE_ROUTINE, DUPLICATE_EVENT):
        return False
    found = _CREATE.match(statement)
    if found is None:
        return False
    try:
        run(connection, f"DROP {found['kind']} {found['name']}")
    except DBAPIError:
        return False
    with _without_references(connection):
        _drop_tables(connection)
    connection.commit()
    return True


@contextmanager
def _without_references(connection: Connection) -> Iterator[None]:
    """Let tables be dropped in any order, though others refer to them."""
    ((usual,),) = run(connection, "SELECT @@SESSION.foreign_key_checks")
    run(connection, "SET SESSION foreign_key_checks = 0")
    try:
        yield
    finally:
        run(connection, f"SET SESSION foreign_key_checks = {usual}")


def _drop_all(connection: Connection, metadatas: Sequence[MetaData]) -> None:
    translated = connection.get_execution_options().get("schema_translate_map") or {}
    for metadata in metadatas:
        schemas = {metadata.schema, *(table.schema for table in metadata.tables.values())}
        if any(translated.get(schema, schema) for schema in schemas):
            continue  # these are other databases, and somebody else's
        with suppress(SQLAlchemyError):
            metadata.drop_all(connection)


def _drop_tables(connection: Connection) -> None:
    for name, type_ in run(connection, "SHOW FULL TABLES"):
        if type_ not in ("VIEW", "SEQUENCE"):
            run(connection, f"DROP TABLE {quote(name)}")
