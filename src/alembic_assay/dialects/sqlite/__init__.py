"""SQLite: a file, real transactions that must be asked for, a file lock beside it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy import URL, Connection, Engine, MetaData, create_engine, event
from sqlalchemy.engine.interfaces import ReflectedColumn
from sqlalchemy.pool import NullPool, Pool

from alembic_assay.catalog import Snapshot
from alembic_assay.dialects.base import IMMEDIATE, Backend
from alembic_assay.dialects.likeness import Likeness, Objects
from alembic_assay.dialects.lock import Lock
from alembic_assay.dialects.server import Server
from alembic_assay.dialects.sqlite.databases import SQLiteFolder
from alembic_assay.dialects.sqlite.files import database_path, lock_path, require_database
from alembic_assay.dialects.sqlite.lock import DiskLock
from alembic_assay.dialects.sqlite.names import fold
from alembic_assay.dialects.sqlite.rollback import SQLiteRollbackRules
from alembic_assay.dialects.user_folder import ensure_own_directory, user_folder
from alembic_assay.exceptions import DatabaseUnreachable, UsageError
from alembic_assay.urls import mask


class SQLite(Backend):
    """SQLite, whose URL names a file; a server is the folder in which the files lie.

    What only the checks need is imported late: a test that takes a database does not wait for it.
    """

    name = "sqlite"
    sync_drivers = ("pysqlite",)
    rollback = SQLiteRollbackRules()
    async_drivers = ("aiosqlite",)
    schemas_are_databases = True  # files that are attached
    # Alembic takes SQLite's DDL for non-transactional, as the driver leaves it by default.
    context_options: ClassVar[Mapping[str, Any]] = {"transactional_ddl": True}
    has_alter_constraint = False
    has_decimals = False

    def make_engine(self, url: URL, pool: type[Pool] = NullPool) -> Engine:
        """Return an engine whose transactions are real: ``BEGIN IMMEDIATE``, DDL included.

        By default the driver commits before DDL, so that a migration which fails half-way leaves
        its first tables behind and every later try fails on them.
        https://docs.sqlalchemy.org/en/20/dialects/sqlite.html#pysqlite-serializable
        """
        engine = create_engine(
            self.sync_url(url), poolclass=pool, connect_args={"check_same_thread": False}
        )
        event.listen(engine, "connect", _leave_transactions_to_us)
        event.listen(engine, "begin", _begin)
        return engine

    def make_own_engine(self, url: URL, pool: type[Pool] = NullPool) -> Engine:
        engine = self.make_engine(url, pool)
        event.listen(engine, "connect", _trade_safety_for_speed)
        return engine

    def connect_read_only(self, url: URL) -> Connection:
        path = database_path(url)
        if path is None:
            raise UsageError(
                f"{mask(url)} is a database in memory",
                effect="It is empty for everyone but the connection that made it.",
                help="name a file: sqlite:///path/to/file.db",
            )
        if not self.exists(url):
            raise DatabaseUnreachable(
                f"{path} does not exist",
                effect="There is no database to read; none was made.",
                help="correct the path in the URL.",
            )
        return self.connect(
            url.set(database=path.as_uri()).update_query_dict({"mode": "ro", "uri": "true"})
        )

    def is_same_database(self, one: URL, other: URL) -> bool:
        if one.get_backend_name() != self.name or other.get_backend_name() != self.name:
            return False
        return database_path(one) == database_path(other)

    def is_in_memory(self, url: URL) -> bool:
        return database_path(url) is None

    def ensure_database(self, url: URL) -> None:
        path = database_path(url)
        if path is None:
            return
        if not path.parent.is_dir():
            raise DatabaseUnreachable(
                f"the folder {path.parent} does not exist",
                effect=f"The database {path.name} can be neither opened nor created in it.",
                help=f"create the folder first: mkdir -p {path.parent}",
            )
        if path.exists():
            require_database(path)

    def exists(self, url: URL) -> bool:
        path = database_path(url)
        if path is None or not path.exists():
            return False
        require_database(path)
        return True

    def has_tables(self, connection: Connection, *, except_for: tuple[str | None, str]) -> bool:
        found = connection.exec_driver_sql(
            "SELECT 1 FROM sqlite_master WHERE type IN ('table', 'view')"
            " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name <> ? LIMIT 1",
            (except_for[1],),
        ).first()
        return found is not None

    def has_rows(self, connection: Connection, *, except_for: tuple[str | None, str]) -> bool:
        tables = connection.exec_driver_sql(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND rootpage > 0"
            " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name <> ?",
            (except_for[1],),
        ).scalars()
        quote = connection.dialect.identifier_preparer.quote_identifier
        selects = [f"SELECT 1 FROM {quote(table)}" for table in tables.all()]
        # One statement for many, but not for all: https://www.sqlite.org/limits.html allows 500.
        return any(
            connection.exec_driver_sql(" UNION ALL ".join(selects[first : first + 100])).first()
            for first in range(0, len(selects), 100)
        )

    def make_lock(self, connection: Connection, name: str) -> Lock:
        path = database_path(connection.engine.url)
        assert path is not None, "a database in memory has no other users to lock out"
        return DiskLock(lock_path(path))

    @contextmanager
    def serve(self, url: URL, folder: Path | None) -> Iterator[tuple[Server, str]]:
        if folder is None:
            folder, origin = user_folder() / "sqlite", "files in a temporary folder"
            ensure_own_directory(folder, 0o700)
        else:
            origin = f"files in {folder}"
        with closing(SQLiteFolder(folder)) as server:
            yield server, origin

    def run_script(self, connection: Connection, sql: str) -> None:
        # The driver's execute() takes one statement.
        driver: Any = connection.connection.driver_connection
        driver.executescript(sql)

    def read_catalog(
        self,
        connection: Connection,
        *,
        version_table: tuple[str | None, str],
        previous: Snapshot | None = None,
    ) -> Snapshot:
        from alembic_assay.dialects.sqlite.catalog import read_catalog

        return read_catalog(connection, version_table=version_table, previous=previous)

    def folded(self, name: str) -> str:
        return fold(name)

    def clear_for_models(self, connection: Connection, metadatas: Sequence[MetaData]) -> None:
        # Views stay: what they read is made anew.
        tables = connection.exec_driver_sql(
            "SELECT name FROM sqlite_master WHERE type = 'table'"
            " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
        ).scalars()
        quote = connection.dialect.identifier_preparer.quote_identifier
        for table in tables.all():
            connection.exec_driver_sql(f"DROP TABLE IF EXISTS {quote(table)}")
        connection.commit()

    def likeness(self, scratch: Connection, models: Objects, migrated: Objects) -> Likeness:
        from alembic_assay.dialects.sqlite.likeness import SQLiteLikeness

        return SQLiteLikeness(scratch, models, migrated)

    def read_checks(self, connection: Connection, table: str, schema: str | None) -> Sequence[str]:
        from alembic_assay.dialects.sqlite.rows import read_checks

        return read_checks(connection, table, schema)

    def numbered_columns(
        self,
        connection: Connection,
        table: str,
        schema: str | None,
        columns: Sequence[ReflectedColumn],
    ) -> Collection[str]:
        from alembic_assay.dialects.sqlite.rows import numbered_columns

        return numbered_columns(connection, table, schema)


BACKEND = SQLite()


def _leave_transactions_to_us(connection: Any, record: Any) -> None:
    connection.isolation_level = None


def _trade_safety_for_speed(connection: Any, record: Any) -> None:
    connection.execute("PRAGMA synchronous = OFF")
    # The write-ahead log that a migration has chosen is part of what it made.
    if connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
        connection.execute("PRAGMA journal_mode = MEMORY")


def _begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    # Inside Alembic's autocommit_block() there is to be no transaction: VACUUM, PRAGMA.
    if options.get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get(IMMEDIATE) else "BEGIN")
