"""Making the tables of a test in the transaction of its session."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Integer, MetaData, Row, Table, text
from sqlalchemy.orm import Session
from sqlalchemy.schema import Column, SchemaItem


def create(session: Session, name: str, *items: SchemaItem) -> Table:
    """Create a table with a number for its key and these columns and constraints."""
    table = Table(name, MetaData(), Column("id", Integer, primary_key=True), *items)
    table.create(session.connection())
    return table


def run(session: Session, *statements: str) -> None:
    """Run some SQL."""
    for statement in statements:
        session.execute(text(statement))


def values(row: Row[Any]) -> dict[str, Any]:
    """Return a row as a dictionary."""
    return dict(row._mapping)


def count(session: Session, table: str) -> int:
    """Return how many rows a table has."""
    return len(session.execute(text(f"SELECT 1 FROM {table}")).all())
