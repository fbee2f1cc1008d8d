"""SQLite: a file, real transactions that must be asked for, a file lock beside it."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

from filelock import FileLock, Timeout
from sqlalchemy import URL, Connection, Engine, MetaData, create_engine, event
from sqlalchemy.pool import NullPool

from alembic_assay.catalog import Snapshot
from alembic_assay.config import mask
from alembic_assay.dialects.base import IMMEDIATE, Backend, Lock, refuse_to_drop
from alembic_assay.dialects.likeness import Likeness, Objects
from alembic_assay.dialects.sqlite.catalog import read_catalog
from alembic_assay.dialects.sqlite.likeness import SQLiteLikeness
from alembic_assay.dialects.sqlite.names import fold
from alembic_assay.exceptions import (
    DatabaseUnreachable,
    LockUnavailable,
    NotADatabase,
    UsageError,
)

OWN_MARK = 0x41535359
"""``PRAGMA application_id`` of the toolkit's own databases; it travels with the copies."""


class SQLite(Backend):
    """SQLite, whose URL names a file; a server is the folder in which the files lie."""

    name = "sqlite"
    sync_drivers = ("pysqlite",)
    async_drivers = ("aiosqlite",)
    schemas_are_databases = True  # files that are attached
    # Alembic takes SQLite's DDL for non-transactional, as the driver leaves it by default.
    context_options: ClassVar[Mapping[str, Any]] = {"transactional_ddl": True}
    has_alter_constraint = False

    def make_engine(self, url: URL) -> Engine:
        """Return an engine whose transactions are real: ``BEGIN IMMEDIATE``, DDL included.

        By default the driver commits before DDL, so that a migration which fails half-way leaves
        its first tables behind and every later try fails on them.
        https://docs.sqlalchemy.org/en/20/dialects/sqlite.html#pysqlite-serializable
        """
        engine = create_engine(
            self.sync_url(url), poolclass=NullPool, connect_args={"check_same_thread": False}
        )
        event.listen(engine, "connect", _leave_transactions_to_us)
        event.listen(engine, "begin", _begin)
        return engine

    def make_own_engine(self, url: URL) -> Engine:
        engine = self.make_engine(url)
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
            _require_database(path)

    def exists(self, url: URL) -> bool:
        path = database_path(url)
        if path is None or not path.exists():
            return False
        _require_database(path)
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
        return _FileLock(_lock_path(path))

    @contextmanager
    def serve(self, url: URL, folder: Path | None) -> Iterator[tuple[URL, str]]:
        if folder is not None:
            yield URL.create("sqlite+pysqlite", database=str(folder)), f"files in {folder}"
            return
        with TemporaryDirectory(prefix="alembic-assay-", ignore_cleanup_errors=True) as temporary:
            yield URL.create("sqlite+pysqlite", database=temporary), "files in a temporary folder"

    def create(self, server: URL, name: str) -> URL:
        path = Path(server.database or "") / f"{name}.db"
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute(f"PRAGMA application_id = {OWN_MARK}")
        return server.set(database=str(path))

    def clone(self, source: URL, name: str) -> URL:
        path = database_path(source)
        assert path is not None, "only a file can be copied"
        copied = path.with_name(f"{name}.db")
        shutil.copyfile(path, copied)
        return source.set(database=str(copied))

    def drop(self, url: URL) -> None:
        path = database_path(url)
        if path is None or not self.exists(url):
            return
        with closing(sqlite3.connect(path)) as connection:
            (mark,) = connection.execute("PRAGMA application_id").fetchone()
        if mark != OWN_MARK:
            refuse_to_drop(url)
        for left in (path, _lock_path(path), *path.parent.glob(f"{path.name}-*")):
            left.unlink(missing_ok=True)

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
        return SQLiteLikeness(scratch, models, migrated)


BACKEND = SQLite()


def database_path(url: URL) -> Path | None:
    """Return the file of a URL, symbolic links resolved; ``None`` for a database in memory."""
    name = url.database or ""
    if name.startswith("file:"):
        parts = urlsplit(name)
        if "mode=memory" in parts.query or url.query.get("mode") == "memory":
            return None
        name = unquote(parts.path)
    if name in ("", ":memory:"):
        return None
    return Path(name).resolve()


def _lock_path(path: Path) -> Path:
    return path.with_name(path.name + ".migrate.lock")


class _FileLock(Lock):
    """A lock of the operating system on a file beside the database, which is never deleted.

    Never on the database file: to close that would drop SQLite's own locks on it.
    https://www.sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_
    """

    def __init__(self, path: Path) -> None:
        self.description = f"file lock {path}"
        # A marker file, to which filelock would fall back, outlives a crash of its owner.
        self._lock = FileLock(path, timeout=0, thread_local=False, fallback_to_soft=False)

    def try_acquire(self) -> bool:
        try:
            self._lock.acquire()
        except Timeout:
            return False
        except (OSError, NotImplementedError) as error:
            raise LockUnavailable(
                f"the {self.description} cannot be taken: {type(error).__name__}: {error}",
                effect="Without it two processes could migrate at once; nothing was changed.",
                help="let this user write in the folder of the database, on a file system with"
                " file locks.",
            ) from error
        return True

    def is_held(self) -> bool:
        return self._lock.is_locked

    def release(self) -> None:
        self._lock.release()


def _leave_transactions_to_us(connection: Any, record: Any) -> None:
    connection.isolation_level = None


def _trade_safety_for_speed(connection: Any, record: Any) -> None:
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA journal_mode = MEMORY")


def _begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    # Inside Alembic's autocommit_block() there is to be no transaction: VACUUM, PRAGMA.
    if options.get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get(IMMEDIATE) else "BEGIN")


def _require_database(path: Path) -> None:
    """Let SQLite itself say whether the file is one of its own; an empty file is."""
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            connection.execute("PRAGMA schema_version").fetchone()
    except sqlite3.OperationalError as error:
        raise DatabaseUnreachable(
            f"{path} cannot be opened: {error}",
            effect="It was not touched.",
            help="see that it is a file that this user may read, and that nobody else locks it.",
        ) from error
    except sqlite3.DatabaseError as error:
        raise NotADatabase(
            f"{path} is not an SQLite database: {error}",
            effect="It is something else, or damaged; it was not touched.",
            help="correct the path in the URL, or restore the file from a backup.",
        ) from error
