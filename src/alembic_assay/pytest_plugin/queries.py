"""The statements that the application runs, counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, event

from alembic_assay.sandboxes.statements import CONTROLS, read_statement


@contextmanager
def counted(of: Callable[[Engine], bool], maximum: int | None) -> Iterator[list[str]]:
    """Have the statements of some engines within a block, but for those about transactions.

    Raises ``AssertionError`` behind the block if there are more than ``maximum``.
    """
    statements: list[str] = []

    def note(connection: Connection, cursor: object, statement: str, *_: object) -> None:
        if of(connection.engine) and read_statement(statement).kind not in CONTROLS:
            statements.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    if maximum is not None and len(statements) > maximum:
        listed = "\n".join(f"  {' '.join(statement.split())}" for statement in statements)
        raise AssertionError(
            f"{len(statements)} statements instead of {maximum} at most:\n{listed}"
        )
