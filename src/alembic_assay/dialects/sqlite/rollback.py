"""SQLite: all can be rolled back, once the driver leaves transactions to us."""

from __future__ import annotations

import sqlite3
from typing import Any

from sqlalchemy import Dialect

from alembic_assay.dialects.rollback import Ask, RollbackRules

_LEGACY = getattr(sqlite3, "LEGACY_TRANSACTION_CONTROL", -1)


class SQLiteRollbackRules(RollbackRules):
    """One file, one writer."""

    begin = "BEGIN"
    reads_at_once = True  # no savepoint can be set while a change has rows that nobody has read
    lasting = r"^\s*(?:PRAGMA\s.*=|ATTACH|DETACH)"
    refusals = (
        (r"^\s*VACUUM", "cannot be run within a transaction"),
        (r"^\s*PRAGMA\s+foreign_keys\s*(?=[=(])", "does nothing within a transaction"),
    )

    def take_over(self, dialect: Dialect, connection: Any) -> None:
        # By default the driver begins a transaction at the first change only, and not before a
        # savepoint, the release of which then commits.
        # https://docs.python.org/3/library/sqlite3.html#transaction-control
        if hasattr(connection, "autocommit"):  # since Python 3.12
            connection.autocommit = _LEGACY
        connection.isolation_level = None
        connection.rollback()

    def family(self, dialect: Dialect) -> str:
        return dialect.name

    def join(self, dialect: Dialect, driver_connection: Any) -> Any:
        if not dialect.is_async:
            # The one for which aiosqlite has a thread; it has no public name.
            return driver_connection._conn  # noqa: SLF001
        import aiosqlite

        def make(*_: object, **__: object) -> Any:
            return aiosqlite.Connection(lambda: driver_connection, iter_chunk_size=64)

        return dialect.loaded_dbapi.connect(async_creator_fn=make)

    def settings(self, ask: Ask) -> frozenset[str]:
        # https://www.sqlite.org/pragma.html#pragma_foreign_keys
        return frozenset(["foreign_keys"] if ask("PRAGMA foreign_keys")[0][0] else [])

    def is_atomic(self, sql: str, ask: Ask) -> bool:
        # With ON CONFLICT FAIL, be it in the definition of a table, some rows may be there.
        # https://www.sqlite.org/lang_conflict.html
        if not super().is_atomic(sql, ask) or "FAIL" in sql.upper():
            return False
        return not ask("SELECT 1 FROM sqlite_master WHERE sql LIKE '%FAIL%' LIMIT 1")

    def has_deferred_constraints(self, ask: Ask) -> bool:
        if not self.settings(ask):
            return False
        return bool(
            ask("SELECT 1 FROM sqlite_master WHERE upper(sql) LIKE '%INITIALLY DEFERRED%' LIMIT 1")
        )

    def check_deferred_constraints(self, dialect: Dialect, ask: Ask) -> None:
        if ask("PRAGMA foreign_key_check"):
            raise dialect.loaded_dbapi.IntegrityError("FOREIGN KEY constraint failed")
