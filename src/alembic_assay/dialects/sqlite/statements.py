"""Stored CREATE INDEX, VIEW, TRIGGER and VIRTUAL TABLE statements of SQLite as definitions."""

from __future__ import annotations

from collections.abc import Collection

from alembic_assay.catalog import Definition
from alembic_assay.dialects.sqlite.cursor import Cursor, Unparsable, take_qualified_name
from alembic_assay.dialects.sqlite.tokens import (
    read_tokens,
    render_expression,
    render_term,
    render_tokens,
)


def define_index(sql: str, columns: Collection[str]) -> Definition:
    """Return what CREATE INDEX says; ``columns`` are those of its table."""
    cursor = Cursor(read_tokens(sql))
    try:
        unique = cursor.take_words("CREATE INDEX", "CREATE UNIQUE INDEX") == "CREATE UNIQUE INDEX"
        take_qualified_name(cursor)
        cursor.take_words("ON")
        cursor.take_name()
        terms = [render_term(term, columns) for term in cursor.take_items()]
        where = render_expression(cursor.take_until()) if cursor.accept("WHERE") else None
        cursor.take_end()
    except Unparsable:
        return define_text(sql)
    return {"unique": unique, "columns": ", ".join(terms), "where": where}


def define_view(sql: str) -> Definition:
    """Return what CREATE VIEW says."""
    cursor = Cursor(read_tokens(sql))
    try:
        cursor.take_words("CREATE VIEW", "CREATE TEMP VIEW", "CREATE TEMPORARY VIEW")
        take_qualified_name(cursor)
        columns = render_tokens(cursor.take_group()) if cursor.at("(") else None
        cursor.take_words("AS")
    except Unparsable:
        return define_text(sql)
    return {"columns": columns, "query": render_tokens(cursor.take_until())}


def define_trigger(sql: str) -> Definition:
    """Return what CREATE TRIGGER says; FOR EACH ROW is the only kind that there is."""
    cursor = Cursor(read_tokens(sql))
    try:
        cursor.take_words("CREATE TRIGGER", "CREATE TEMP TRIGGER", "CREATE TEMPORARY TRIGGER")
        take_qualified_name(cursor)
        is_spelled = not any(map(cursor.at, ("DELETE", "INSERT", "UPDATE")))
        timing = cursor.take_words("BEFORE", "AFTER", "INSTEAD OF") if is_spelled else "BEFORE"
        event = render_tokens(cursor.take_until("ON"))
        cursor.take_words("ON")
        cursor.take_name()
        cursor.accept("FOR", "EACH", "ROW")
        when = render_expression(cursor.take_until("BEGIN")) if cursor.accept("WHEN") else None
        cursor.take_words("BEGIN")
    except Unparsable:
        return define_text(sql)
    body = render_tokens(cursor.take_until()).removesuffix("END").rstrip("; ")
    return {"timing": timing, "event": event, "when": when, "body": body}


def define_virtual_table(sql: str) -> Definition:
    """Return the module and the arguments that CREATE VIRTUAL TABLE gives."""
    cursor = Cursor(read_tokens(sql))
    try:
        cursor.take_words("CREATE VIRTUAL TABLE")
        take_qualified_name(cursor)
        cursor.take_words("USING")
    except Unparsable:
        return define_text(sql)
    return {"using": render_tokens(cursor.take_until())}


def define_text(sql: str) -> Definition:
    """Return the whole text: what is not understood differs at least where its text does."""
    return {"sql": render_tokens(read_tokens(sql))}
