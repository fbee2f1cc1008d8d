"""A connection on which whatever is committed is gone in the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.pool import StaticPool

from alembic_assay.dialects import get_backend
from alembic_assay.exceptions import UsageError

_SAVEPOINT = "alembic_assay_transaction"


@contextmanager
def rolled_back_connection(
    engine: Engine, *, keep: Callable[[], bool] = lambda: False
) -> Iterator[Connection]:
    """Have a connection for a block, in a transaction that is rolled back behind it.

    Within the block, ``begin()``, ``commit()`` and ``rollback()`` do what they always do, as far as
    this connection and the sessions bound to it can see: each of its transactions is a savepoint.
    Nobody else sees any of it.

    Where DDL commits, as on MySQL, the next ``commit()`` or ``rollback()`` behind it raises
    ``UsageError``: what was changed up to the DDL could not be rolled back.

    Where ``keep()`` is true behind the block, the transaction is committed instead.
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
            if keep():
                transaction.commit()
            else:
                transaction.rollback()


def _make_transactions_savepoints(engine: Engine) -> None:
    """Let the engine's transactions begin and end as savepoints of the one around them.

    ``do_begin``, ``do_commit`` and ``do_rollback`` are SQLAlchemy's own hooks for how a dialect
    does that; they are replaced on the dialect of this engine alone.
    https://docs.sqlalchemy.org/en/20/core/internals.html#sqlalchemy.engine.Dialect.do_begin
    """
    dialect: Any = engine.dialect
    backend = get_backend(engine.url)
    is_open = False

    def end(connection: Any, *statements: str) -> None:
        nonlocal is_open
        if not is_open:
            return
        try:
            for statement in statements:
                _execute(connection, f"{statement} {_SAVEPOINT}")
            is_open = False
        except Exception as error:
            if not backend.is_savepoint_gone(error):
                raise
            is_open = False
            raise UsageError(
                "a statement committed the transaction that was to be rolled back behind the test",
                effect="DDL does that on this database. What the test had changed stays there, and"
                " the next tests see it.",
                help="leave CREATE, ALTER, DROP and TRUNCATE to migrations, or run them in the test"
                " on a connection and a database of its own.",
            ) from error

    def begin(connection: Any) -> None:
        nonlocal is_open
        _execute(connection, f"SAVEPOINT {_SAVEPOINT}")
        is_open = True

    def commit(connection: Any) -> None:
        try:
            end(connection, "RELEASE SAVEPOINT")
        except Exception:
            # Whoever commits is done with the transaction, also where that fails.
            rollback(connection)
            raise

    def rollback(connection: Any) -> None:
        end(connection, "ROLLBACK TO SAVEPOINT", "RELEASE SAVEPOINT")

    dialect.do_begin, dialect.do_commit, dialect.do_rollback = begin, commit, rollback


def _execute(connection: Any, statement: str) -> None:
    cursor = connection.cursor()
    try:
        cursor.execute(statement)
    finally:
        cursor.close()
