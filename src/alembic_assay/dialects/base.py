"""What differs between databases, as the methods that each one fills in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy import (
    URL,
    Column,
    ColumnElement,
    Connection,
    Dialect,
    Engine,
    MetaData,
    create_engine,
    func,
    inspect,
    literal,
    select,
)
from sqlalchemy.engine.interfaces import ReflectedColumn
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool, Pool
from sqlalchemy.types import TypeEngine

from alembic_assay.catalog import Snapshot
from alembic_assay.dialects.likeness import Likeness, Objects
from alembic_assay.dialects.lock import Lock
from alembic_assay.dialects.rollback import RollbackRules
from alembic_assay.dialects.server import Server
from alembic_assay.exceptions import (
    DatabaseUnreachable,
    UnsupportedDatabase,
    first_line,
)
from alembic_assay.urls import mask

IMMEDIATE = "alembic_assay_immediate"
"""Execution option of a connection: its transactions take the lock for writing as they begin."""


class Backend(ABC):
    """One kind of database. The module's ``BACKEND`` is its only instance and has no state."""

    name: ClassVar[str]
    """SQLAlchemy's backend name, such as ``postgresql``."""

    sync_drivers: ClassVar[tuple[str, ...]]
    """Drivers that block, the one we like best first."""

    async_drivers: ClassVar[tuple[str, ...]]
    """Drivers for ``create_async_engine``, the one we like best first."""

    context_options: ClassVar[Mapping[str, Any]] = {}
    """What Alembic's ``context.configure()`` must be told for real transactions."""

    has_alter_constraint: ClassVar[bool] = True
    """Whether constraints come and go by ALTER TABLE; else the table must be made anew."""

    has_triggers_by_table: ClassVar[bool] = False
    """Whether the name of a trigger is only one in its table, and is said with that."""

    extra: ClassVar[str] = ""
    """The extra of this distribution that installs a driver, where one must be installed."""

    rollback: ClassVar[RollbackRules]
    """What a transaction that is rolled back behind a test needs, and cannot do."""

    schemas_are_databases: ClassVar[bool] = False
    """Whether a table of another schema is one of another database, and so of somebody else's."""

    has_decimals: ClassVar[bool] = True
    """Whether numbers are exact, so that Python's Decimal stands for them."""

    # -- URLs and engines

    def sync_url(self, url: URL) -> URL:
        """Return ``url`` with an installed driver that blocks; its own, if that is one.

        Raises ``UnsupportedDatabase`` where none is installed.
        """
        return self._with_driver(url, self.sync_drivers)

    def async_url(self, url: URL) -> URL:
        """Return ``url`` with an installed asyncio driver; its own, if that is one.

        Raises ``UnsupportedDatabase`` where none is installed.
        """
        return self._with_driver(url, self.async_drivers)

    def make_engine(self, url: URL, pool: type[Pool] = NullPool) -> Engine:
        """Return an engine on which each transaction, DDL too, is a real one where it can be.

        By default connections are not pooled: a closed one is gone, and nothing holds the database.
        """
        return create_engine(self.sync_url(url), poolclass=pool)

    def make_own_engine(self, url: URL, pool: type[Pool] = NullPool) -> Engine:
        """Return an engine as ``make_engine`` does, for a database of our own.

        It is faster where a database may be so that need not survive a power cut.
        """
        return self.make_engine(url, pool)

    def connect(self, url: URL) -> Connection:
        """Return a connection of ``make_engine``. Raises ``DatabaseUnreachable``."""
        try:
            return self.make_engine(url).connect()
        except DBAPIError as error:
            raise unreachable(url, error) from error

    @abstractmethod
    def connect_read_only(self, url: URL) -> Connection:
        """Return a connection on which the database itself refuses every change.

        Raises ``DatabaseUnreachable``, also where there is no such database.
        """

    @abstractmethod
    def is_same_database(self, one: URL, other: URL) -> bool:
        """Whether two URLs, of whatever driver and spelling, lead to the same database."""

    def is_in_memory(self, url: URL) -> bool:
        """Whether the database lives in one connection and ends with it."""
        return False

    # -- a database that is somebody's

    @abstractmethod
    def ensure_database(self, url: URL) -> None:
        """Create the database if there is none; one that exists is left as it is.

        Raises ``DatabaseUnreachable`` or ``NotADatabase``, with nothing changed.
        """

    @abstractmethod
    def exists(self, url: URL) -> bool:
        """Whether the database exists. Raises as ``ensure_database`` does; creates nothing."""

    @abstractmethod
    def has_tables(self, connection: Connection, *, except_for: tuple[str | None, str]) -> bool:
        """Whether there is any table or view of the user's but this one (schema or None, name)."""

    @abstractmethod
    def has_rows(self, connection: Connection, *, except_for: tuple[str | None, str]) -> bool:
        """Whether there may be rows in any table but this one (schema or None, name).

        Of a database of our own, in which nobody else writes.
        """

    @abstractmethod
    def make_lock(self, connection: Connection, name: str) -> Lock:
        """Return the migration lock of the database behind ``connection``.

        ``name`` tells apart several histories in one database: the name of the version table.
        Where the lock belongs to a session it is that of ``connection``, so that a statement
        which outlives its client keeps the lock for as long as it runs.
        """

    # -- databases of our own

    @abstractmethod
    def serve(self, url: URL, folder: Path | None) -> AbstractContextManager[tuple[Server, str]]:
        """Yield a server for databases of our own, and say in a few words which one it is.

        That is the one of ``url``, where it names a host; else one that is found or started.
        Databases that are files lie in ``folder``, by default in the user's own one for them.
        Raises ``ServerUnavailable`` or ``DatabaseUnreachable``.
        """

    def run_script(self, connection: Connection, sql: str) -> None:
        """Run the statements of an SQL file in a database of our own, and commit."""
        connection.exec_driver_sql(sql, execution_options={"no_parameters": True})
        connection.commit()

    def session_settings(self, connection: Connection) -> Mapping[str, str]:
        """Return what env.py may have set on its session and tables depend on; by default nothing.

        The connection is left in the transaction that it was in, or in none.
        """
        del connection
        return {}

    def apply_session_settings(self, connection: Connection, settings: Mapping[str, str]) -> None:
        """Set on a session what ``session_settings`` returned of another."""
        del connection, settings

    # -- the catalogue

    def catalog_reader(self, connection: Connection) -> AbstractContextManager[Connection]:
        """Yield a connection for ``read_catalog``, to be used between the transactions of another.

        That is ``connection`` itself, or one of its own where the catalogue is read faster so.
        """
        return nullcontext(connection)

    @abstractmethod
    def read_catalog(
        self,
        connection: Connection,
        *,
        version_table: tuple[str | None, str],
        previous: Snapshot | None = None,
    ) -> Snapshot:
        """Return the schema of the database behind ``connection``, names and all.

        ``version_table`` is Alembic's own (schema or None, name) and is left out. With
        ``previous``, an earlier snapshot of the *same* database, only what has changed since is
        read again. Reads only; the transaction that is open, or that the first statement begins,
        is left open.
        """

    # -- the models beside the migrations

    def match_defaults(self, url: URL, other: URL) -> None:
        """Give to a new database of our own what tables inherit from the database ``other``.

        That is its character set and collation, where tables take them from their database. Raises
        nothing where it cannot be known or had.
        """
        del url, other

    def prepare_for_models(self, connection: Connection, metadatas: Sequence[MetaData]) -> bool:
        """Make in a database of our own what ``create_all`` expects to be there; and commit.

        Return whether anything was made, so that what has failed may be tried again.
        """
        del connection, metadatas
        return False

    @abstractmethod
    def clear_for_models(self, connection: Connection, metadatas: Sequence[MetaData]) -> None:
        """Drop in a database of our own all tables, and whatever else the models make; and commit.

        What only the migrations make stays: functions, types, extensions.
        """

    def make_way_for_models(self, connection: Connection, error: Exception) -> bool:
        """Drop what stood in the way of ``create_all``, by its ``error``; and commit.

        Return whether anything was dropped, so that it may be tried again.
        """
        del connection, error
        return False

    def is_refused_in_transaction(self, error: Exception) -> bool:
        """Whether a statement failed only as it was in a transaction."""
        del error
        return False

    def folded(self, name: str) -> str:
        """Return a name as the database compares it: in one case, where that is all the same."""
        return name

    def folded_inside(self, name: str) -> str:
        """Return the name of what is in a table, such as a column, as the database compares it."""
        return self.folded(name)

    def rename_sql(self, kind: str, table: str, name: str, new_name: str) -> str | None:
        """Return what renames a constraint or an index, if anything does.

        The names are quoted; that of the table and of an index are with their schema.
        """
        del kind, table, name, new_name
        return None

    def type_change_options(
        self, connection: Connection, column: str, there: str, wanted: str
    ) -> Mapping[str, str]:
        """Return what ``op.alter_column`` must be told to make one type of a column another.

        ``column`` is quoted, the types are as the catalogue has them. By default it is nothing.
        """
        del connection, column, there, wanted
        return {}

    def likeness(self, scratch: Connection, models: Objects, migrated: Objects) -> Likeness:
        """Return what means the same in two databases of this kind; see ``Likeness``."""
        return Likeness(scratch, models, migrated)

    # -- rows for tests

    def read_checks(self, connection: Connection, table: str, schema: str | None) -> Sequence[str]:
        """Return, as SQL, what must hold for each row of a table: its checks, and its types'."""
        found = inspect(connection).get_check_constraints(table, schema)
        return [check["sqltext"] for check in found]

    def numbered_columns(
        self,
        connection: Connection,
        table: str,
        schema: str | None,
        columns: Sequence[ReflectedColumn],
    ) -> Collection[str]:
        """Return those of a table's columns in which the database numbers the rows, if left out."""
        return [one["name"] for one in columns if one.get("autoincrement") is True]

    def next_number(self, connection: Connection, column: Column[Any]) -> Any:
        """Return a number for such a column, which the database will not take for another row."""
        return connection.scalar(select(func.coalesce(func.max(column), 0) + 1))

    def base_type(self, type_: TypeEngine[Any]) -> TypeEngine[Any]:
        """Return what a type is made of, where it is one with a name of its own; else itself."""
        return type_

    def make_value(self, type_: TypeEngine[Any], number: int) -> Any:
        """Return the n-th value, or an SQL expression of it, of a type that only this one has.

        None stands for a type that other databases have, too.
        """
        return None

    def guess_values(
        self, connection: Connection, column: Column[Any], number: int
    ) -> Sequence[ColumnElement[Any]]:
        """Return expressions, of which one may fit a column of a type SQLAlchemy does not know."""
        return [literal(f"{column.name}-{number}")]

    def cast_value(self, value: ColumnElement[Any], type_: TypeEngine[Any]) -> ColumnElement[Any]:
        """Return a value as checks find it in a column of this type: by default, as it is."""
        return value

    def _with_driver(self, url: URL, drivers: tuple[str, ...]) -> URL:
        own = url.get_driver_name()
        missing: ModuleNotFoundError | None = None
        for driver in (own, *drivers) if own in drivers else drivers:
            # With the name in the URL, as MariaDB's has a dialect of its own.
            candidate = url.set(drivername=f"{url.get_backend_name()}+{driver}")
            try:
                candidate.get_dialect().import_dbapi()
            except ModuleNotFoundError as error:
                missing = missing or error
                continue
            return candidate
        raise UnsupportedDatabase(
            f"no driver for {self.name} is installed: looked for {', '.join(drivers)}",
            effect=f"{mask(url)} cannot be connected to.",
            help=f'pip install "alembic-assay[{self.extra}]"'
            if self.extra
            else f"pip install {drivers[0]}",
        ) from missing


def unreachable(url: URL, error: Exception) -> DatabaseUnreachable:
    """Return the error for a database to which no connection can be made."""
    return DatabaseUnreachable(
        f"{mask(url)} cannot be reached: {first_line(error)}",
        effect="Nothing was changed.",
        help="see that the server runs, and that host, port, user and password are right.",
    )


def connection_url(dialect: Dialect, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> URL:
    """Return where a driver's ``connect(*arguments, **keywords)`` leads to, as a URL.

    It has no user, password or driver: it tells which database is meant, and no more.
    """
    named = [keywords.get(name) for name in ("dbname", "database", "db")]
    database = next((str(name) for name in named if name), None)
    if database is None and arguments and arguments[0]:
        database = str(arguments[0])
    # A socket goes before the host, which is then only named for the certificate.
    host, port = keywords.get("unix_socket") or keywords.get("host"), keywords.get("port")
    return URL.create(
        dialect.name,
        host=str(host) if host else None,
        port=int(port) if port and str(port).isdigit() else None,
        database=database,
    )
