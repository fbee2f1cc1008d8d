"""PostgreSQL: a server with databases, transactional DDL, advisory locks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import (
    URL,
    Column,
    ColumnElement,
    Connection,
    Engine,
    MetaData,
    create_engine,
    event,
    text,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool, Pool
from sqlalchemy.types import TypeEngine

from alembic_assay.catalog import Snapshot
from alembic_assay.dialects.base import Backend, connection_url, unreachable
from alembic_assay.dialects.likeness import Likeness, Objects
from alembic_assay.dialects.lock import Lock
from alembic_assay.dialects.postgresql.databases import PostgreSQLServer
from alembic_assay.dialects.postgresql.lock import AdvisoryLock
from alembic_assay.dialects.postgresql.rollback import PostgreSQLRollbackRules
from alembic_assay.dialects.postgresql.sqlstates import (
    ACTIVE_TRANSACTION,
    DUPLICATE_DATABASE,
    UNIQUE_VIOLATION,
    sqlstate,
)
from alembic_assay.dialects.postgresql.type_changes import type_change_options
from alembic_assay.dialects.server import Server
from alembic_assay.exceptions import (
    DatabaseUnreachable,
    ServerUnavailable,
    first_line,
)
from alembic_assay.urls import mask


class PostgreSQL(Backend):
    """PostgreSQL; a server's URL names the database from which others are created.

    What only the checks need is imported late: a test that takes a database does not wait for it.
    """

    name = "postgresql"
    sync_drivers = ("psycopg", "psycopg2", "pg8000")
    rollback = PostgreSQLRollbackRules()
    async_drivers = ("psycopg", "asyncpg")
    extra = "postgresql"
    has_triggers_by_table = True

    def is_same_database(self, one: URL, other: URL) -> bool:
        return self._place(one) == self._place(other)

    def connect_read_only(self, url: URL) -> Connection:
        connection = self.connect(url)
        connection.exec_driver_sql("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
        connection.commit()
        return connection

    def ensure_database(self, url: URL) -> None:
        if self.exists(url):
            return
        # Late: it takes as long to import as all of the rest.
        from sqlalchemy_utils import create_database

        try:
            create_database(self.sync_url(url))
        except DBAPIError as error:
            # Another process was faster: both ways in which the server says so.
            if sqlstate(error) not in (DUPLICATE_DATABASE, UNIQUE_VIOLATION):
                raise DatabaseUnreachable(
                    f"the database {url.database} does not exist and cannot be created:"
                    f" {first_line(error)}",
                    effect=f"There is nothing to migrate at {mask(url)}.",
                    help="create it, or give the user the right to: ALTER ROLE … CREATEDB",
                ) from error

    def make_own_engine(self, url: URL, pool: type[Pool] = NullPool) -> Engine:
        engine = self.make_engine(url, pool)
        event.listen(engine, "connect", _trade_safety_for_speed)
        return engine

    def exists(self, url: URL) -> bool:
        with suppress(DBAPIError):
            self._ask(url, "SELECT 1")
            return True
        # At connect there is no error code, so the server is asked through the database that every
        # server has.
        with suppress(DBAPIError):
            if not self._ask(
                url.set(database="postgres"),
                "SELECT 1 FROM pg_database WHERE datname = :name",
                name=url.database,
            ):
                return False
        # Another process may have created it between the two questions.
        self._require_reachable(url)
        return True

    def has_tables(self, connection: Connection, *, except_for: tuple[str | None, str]) -> bool:
        # Other schemas may well belong to other applications.
        found = connection.execute(
            text(
                "SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
                " WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')"
                " AND n.nspname IN (current_schema(), :schema)"
                " AND (c.relname <> :name OR n.nspname <> coalesce(:schema, current_schema()))"
                " AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = c.oid"
                " AND d.classid = 'pg_class'::regclass AND d.deptype = 'e') LIMIT 1"
            ),
            {"schema": except_for[0], "name": except_for[1]},
        ).first()
        return found is not None

    def has_rows(self, connection: Connection, *, except_for: tuple[str | None, str]) -> bool:
        # Without a vacuum a table that ever had rows stays larger than nothing.
        found = connection.execute(
            text(
                "SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
                " WHERE c.oid >= 16384 AND c.relkind IN ('r', 'm')"
                " AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
                " AND NOT (c.relname = :name"
                " AND n.nspname = coalesce(cast(:schema AS text), current_schema()))"
                " AND pg_relation_size(c.oid) > 0 LIMIT 1"
            ),
            {"schema": except_for[0], "name": except_for[1]},
        ).first()
        return found is not None

    def make_lock(self, connection: Connection, name: str) -> Lock:
        return AdvisoryLock(connection, name)

    @contextmanager
    def serve(self, url: URL, folder: Path | None) -> Iterator[tuple[Server, str]]:
        if url.host or "host" in url.query:
            with self._open(url) as server:
                yield server, f"the server at {url.host or url.query['host']}"
            return
        # Late: the launcher stands on POSIX locks, and connecting needs none of it.
        from alembic_assay.dialects.postgresql.binaries import find_binaries
        from alembic_assay.dialects.postgresql.server import running_server

        binaries = find_binaries()
        if binaries is None:
            raise ServerUnavailable(
                "there is no PostgreSQL server to make databases on, nor the programs of one",
                effect="The project runs on PostgreSQL; SQLite would prove nothing about it.",
                help='pip install "alembic-assay[embedded]", install PostgreSQL, or name a server:'
                " ASSAY_URL=postgresql://user:password@host/postgres",
            )
        with running_server(binaries) as own, self._open(own) as server:
            yield server, f"a server of its own, {binaries.origin}"

    def session_settings(self, connection: Connection) -> Mapping[str, str]:
        # Alembic's recipe for a schema per tenant sets the search path of env.py's connection.
        # https://alembic.sqlalchemy.org/en/latest/cookbook.html#rudimental-schema-level-multi-tenancy-for-postgresql-databases
        return {"search_path": _search_path(connection)}

    def apply_session_settings(self, connection: Connection, settings: Mapping[str, str]) -> None:
        path = settings.get("search_path")
        if path is None or path == _search_path(connection):
            return
        was_in_transaction = connection.in_transaction()
        connection.execute(_SET_SEARCH_PATH, {"path": path})
        schema = connection.exec_driver_sql("SELECT current_schema()").scalar()
        connection.dialect.default_schema_name = schema
        if not was_in_transaction:
            connection.commit()

    @contextmanager
    def catalog_reader(self, connection: Connection) -> Iterator[Connection]:
        # The driver forgets its prepared statements at each DROP, ALTER or ROLLBACK that it sees;
        # and for a handful of objects an index is always better than to hash a whole catalogue.
        engine = connection.engine.execution_options(isolation_level="AUTOCOMMIT")
        with engine.connect() as reader:
            reader.exec_driver_sql("SET enable_hashjoin = off")
            reader.exec_driver_sql("SET enable_mergejoin = off")
            reader.execute(_SET_SEARCH_PATH, {"path": _search_path(connection)})
            yield reader

    def read_catalog(
        self,
        connection: Connection,
        *,
        version_table: tuple[str | None, str],
        previous: Snapshot | None = None,
    ) -> Snapshot:
        from alembic_assay.dialects.postgresql.catalog import read_catalog

        return read_catalog(connection, version_table=version_table, previous=previous)

    def prepare_for_models(self, connection: Connection, metadatas: Sequence[MetaData]) -> bool:
        from alembic_assay.dialects.postgresql.models import prepare_for_models

        return prepare_for_models(connection, metadatas)

    def clear_for_models(self, connection: Connection, metadatas: Sequence[MetaData]) -> None:
        from alembic_assay.dialects.postgresql.models import clear_for_models

        clear_for_models(connection, metadatas)

    def make_way_for_models(self, connection: Connection, error: Exception) -> bool:
        from alembic_assay.dialects.postgresql.models import make_way_for_models

        return make_way_for_models(connection, error)

    def is_refused_in_transaction(self, error: Exception) -> bool:
        return isinstance(error, DBAPIError) and sqlstate(error) == ACTIVE_TRANSACTION

    def rename_sql(self, kind: str, table: str, name: str, new_name: str) -> str:
        if kind == "index":
            return f"ALTER INDEX {name} RENAME TO {new_name}"
        return f"ALTER TABLE {table} RENAME CONSTRAINT {name} TO {new_name}"

    def type_change_options(
        self, connection: Connection, column: str, there: str, wanted: str
    ) -> Mapping[str, str]:
        return type_change_options(connection, column, there, wanted)

    def likeness(self, scratch: Connection, models: Objects, migrated: Objects) -> Likeness:
        from alembic_assay.dialects.postgresql.likeness import PostgreSQLLikeness

        return PostgreSQLLikeness(scratch, models, migrated)

    def read_checks(self, connection: Connection, table: str, schema: str | None) -> Sequence[str]:
        from alembic_assay.dialects.postgresql.rows import read_domain_checks

        own = super().read_checks(connection, table, schema)
        return [*own, *read_domain_checks(connection, table, schema)]

    def next_number(self, connection: Connection, column: Column[Any]) -> Any:
        from alembic_assay.dialects.postgresql.rows import next_in_sequence

        number = next_in_sequence(connection, column)
        return super().next_number(connection, column) if number is None else number

    def base_type(self, type_: TypeEngine[Any]) -> TypeEngine[Any]:
        from alembic_assay.dialects.postgresql.rows import base_type

        return base_type(type_)

    def make_value(self, type_: TypeEngine[Any], number: int) -> Any:
        from alembic_assay.dialects.postgresql.rows import make_value

        return make_value(type_, number)

    def guess_values(
        self, connection: Connection, column: Column[Any], number: int
    ) -> Sequence[ColumnElement[Any]]:
        from alembic_assay.dialects.postgresql.rows import guess_values

        return guess_values(connection, column, number)

    def cast_value(self, value: ColumnElement[Any], type_: TypeEngine[Any]) -> ColumnElement[Any]:
        from alembic_assay.dialects.postgresql.rows import cast_value

        return cast_value(value, type_)

    @contextmanager
    def _open(self, url: URL) -> Iterator[Server]:
        named = url if url.database else url.set(database="postgres")
        server = PostgreSQLServer(self.sync_url(named))
        try:
            server.version  # noqa: B018 - connects
        except DBAPIError as error:
            raise unreachable(named, error) from error
        with closing(server):
            yield server

    def _require_reachable(self, server: URL) -> None:
        try:
            self._ask(server, "SELECT 1")
        except DBAPIError as error:
            raise unreachable(server, error) from error

    def _ask(self, url: URL, query: str, **values: object) -> object:
        with self._autocommit(url).connect() as connection:
            return connection.execute(text(query), values).scalar()

    def _autocommit(self, url: URL) -> Engine:
        return create_engine(self.sync_url(url), poolclass=NullPool, isolation_level="AUTOCOMMIT")

    def _place(self, url: URL) -> tuple[str, str, int, str]:
        """Return backend, host, port and database, as the driver would get them."""
        if url.get_backend_name() != self.name:
            return url.get_backend_name(), "", 0, ""
        dialect = url.get_dialect()()
        reached = connection_url(dialect, *dialect.create_connect_args(url))
        host = reached.host or "localhost"
        host = "localhost" if host in ("127.0.0.1", "::1") else host
        return self.name, host, reached.port or 5432, reached.database or url.username or ""


BACKEND = PostgreSQL()


def _trade_safety_for_speed(connection: Any, record: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
    connection.commit()


_SET_SEARCH_PATH = text("SELECT set_config('search_path', :path, false)")


def _search_path(connection: Connection) -> str:
    was_in_transaction = connection.in_transaction()
    path: str = connection.exec_driver_sql("SHOW search_path").scalar_one()
    if not was_in_transaction:
        connection.rollback()
    return path
