"""A connection on which whatever is committed is gone in the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.pool import StaticPool

_SAVEPOINT = "alembic_assay_transaction"


@contextmanager
def rolled_back_connection(engine: Engine) -> Iterator[Connection]:
    """Have a connection for a block, in a transaction that is rolled back behind it.

    Within the block, ``begin()``, ``commit()`` and ``rollback()`` do what they always do, as far as
    this connection and the sessions bound to it can see: each of its transactions is a savepoint.
    Nobody else sees any of it.
    """
    with engine.connect() as outer:
        transaction = outer.begin()
        raw = outer.connection.driver_connection
        inner = create_engine(engine.url, creator=lambda: raw, poolclass=StaticPool)
        _make_transactions_savepoints(inner)
        try:
            with inner.connect() as connection:
                yield connection
        finally:
            transaction.rollback()


def _make_transactions_savepoints(engine: Engine) -> None:
    """Let the engine's transactions begin and end as savepoints of the one around them.

    ``do_begin``, ``do_commit`` and ``do_rollback`` are SQLAlchemy's own hooks for how a dialect
    does that; they are replaced on the dialect of this engine alone.
    https://docs.sqlalchemy.org/en/20/core/internals.html#sqlalchemy.engine.Dialect.do_begin
    """
    dialect: Any = engine.dialect
    is_open = False

    def begin(connection: Any) -> None:
        nonlocal is_open
        _execute(connection, f"SAVEPOINT {_SAVEPOINT}")
        is_open = True

    def commit(connection: Any) -> None:
        nonlocal is_open
        if is_open:
            _execute(connection, f"RELEASE SAVEPOINT {_SAVEPOINT}")
        is_open = False

    def rollback(connection: Any) -> None:
        nonlocal is_open
        if is_open:
            _execute(connection, f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}")
            _execute(connection, f"RELEASE SAVEPOINT {_SAVEPOINT}")
        is_open = False

    dialect.do_begin, dialect.do_commit, dialect.do_rollback = begin, commit, rollback


def _execute(connection: Any, statement: str) -> None:
    cursor = connection.cursor()
    try:
        cursor.execute(statement)
    finally:
        cursor.close()
