"""Statements that run as they stand: a percent sign in one is no place for a parameter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection


def run(connection: Connection, sql: str) -> Sequence[Sequence[Any]]:
    """Run one statement, and return its rows, if it has any."""
    result = connection.exec_driver_sql(sql, execution_options={"no_parameters": True})
    return result.all() if result.returns_rows else []
