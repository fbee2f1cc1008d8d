"""MySQL and MariaDB: a server with databases, DDL that commits at once, named locks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Column, ColumnElement, Connection, Engine, MetaData, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool, Pool
from sqlalchemy.types import TypeEngine

from alembic_assay.catalog import Snapshot
from alembic_assay.dialects.base import Backend, connection_url, unreachable
from alembic_assay.dialects.likeness import Likeness, Objects
from alembic_assay.dialects.lock import Lock
from alembic_assay.dialects.mysql import rows
from alembic_assay.dialects.mysql.catalog import read_catalog
from alembic_assay.dialects.mysql.databases import MySQLServer
from alembic_assay.dialects.mysql.driver import LOCAL_HOSTS, error_code, fast_arguments
from alembic_assay.dialects.mysql.likeness import MySQLLikeness
from alembic_assay.dialects.mysql.lock import NamedLock
from alembic_assay.dialects.mysql.models import clear_for_models, make_way_for_models
from alembic_assay.dialects.mysql.queries import DEFAULTS
from alembic_assay.dialects.mysql.rollback import MySQLRollbackRules
from alembic_assay.dialects.mysql.script import split_script
from alembic_assay.dialects.mysql.tokens import quote
from alembic_assay.dialects.server import Server
from alembic_assay.exceptions import (
    DatabaseUnreachable,
    ServerUnavailable,
    UsageError,
    first_line,
)
from alembic_assay.urls import mask

UNKNOWN_DATABASE = 1049

SETTINGS = (
    "default_storage_engine",
    "foreign_key_checks",
    "innodb_lock_wait_timeout",
    "lock_wait_timeout",
    "sql_mode",
    "time_zone",
    "unique_checks",
)
"""The variables of a session that change what DDL does, or how long it waits."""


class MySQL(Backend):
    """MySQL and MariaDB, whose URLs may begin with either name."""

    name = "mysql"
    sync_drivers = ("pymysql", "mysqldb", "mariadbconnector", "mysqlconnector")
    rollback = MySQLRollbackRules()
    async_drivers = ("aiomysql", "asyncmy")
    extra = "mysql"
    schemas_are_databases = True

    def make_own_engine(self, url: URL, pool: type[Pool] = NullPool) -> Engine:
        url = self.sync_url(url)
        return create_engine(url, poolclass=pool, connect_args=fast_arguments(url))

    def connect_read_only(self, url: URL) -> Connection:
        connection = self.connect(url)
        connection.exec_driver_sql("SET SESSION TRANSACTION READ ONLY")
        connection.commit()
        return connection

    def is_same_database(self, one: URL, other: URL) -> bool:
        return self._place(one) == self._place(other)

    def ensure_database(self, url: URL) -> None:
        if self.exists(url):
            return
        try:
            # With the server's own character set; another process may be faster.
            self._run(url, f"CREATE DATABASE IF NOT EXISTS {quote(str(url.database))}")
        except DBAPIError as error:
            raise DatabaseUnreachable(
                f"the database {url.database} does not exist and cannot be created:"
                f" {first_line(error)}",
                effect=f"There is nothing to migrate at {mask(url)}.",
                help=f"create it, or give the user the right to: GRANT CREATE ON"
                f" {quote(str(url.database))}.* TO …",
            ) from error

    def exists(self, url: URL) -> bool:
        if not url.database:
            raise UsageError(
                f"{mask(url)} names no database",
                effect="A server has many, and nothing says which one is meant.",
                help="write its name behind the host: mysql+pymysql://user:password@host/shop",
            )
        try:
            with self.make_engine(url).connect():
                return True
        except DBAPIError as error:
            if error_code(error.orig) == UNKNOWN_DATABASE:
                return False
            raise unreachable(url, error) from error

    def has_tables(self, connection: Connection, *, except_for: tuple[str | None, str]) -> bool:
        return any(
            name != except_for[1] and type_ != "SEQUENCE"
            for name, type_ in connection.exec_driver_sql("SHOW FULL TABLES")
        )

    def has_rows(self, connection: Connection, *, except_for: tuple[str | None, str]) -> bool:
        # The server's own numbers of rows are estimates.
        queries = [
            f"EXISTS (SELECT 1 FROM {quote(name)})"
            for name, type_ in connection.exec_driver_sql("SHOW FULL TABLES")
            if name != except_for[1] and type_ not in ("VIEW", "SEQUENCE")
        ]
        options = {"no_parameters": True}
        query = f"SELECT {' OR '.join(queries) or '0'}"
        return bool(connection.exec_driver_sql(query, execution_options=options).scalar())

    def make_lock(self, connection: Connection, name: str) -> Lock:
        return NamedLock(connection, name)

    @contextmanager
    def serve(self, url: URL, folder: Path | None) -> Iterator[tuple[Server, str]]:
        host = url.host or url.query.get("host") or url.query.get("unix_socket")
        if not host:
            raise ServerUnavailable(
                "there is no MySQL or MariaDB server to make databases on",
                effect="The project runs on MySQL or MariaDB; another database would prove nothing"
                " about it.",
                help=f"name a server: ASSAY_URL={url.get_backend_name()}+pymysql://"
                "user:password@host/",
            )
        named = self.sync_url(url)
        server = MySQLServer(named)
        try:
            server.version  # noqa: B018 - connects
        except DBAPIError as error:
            raise unreachable(url, error) from error
        with closing(server):
            yield server, f"the server at {host}"

    def run_script(self, connection: Connection, sql: str) -> None:
        # The driver's execute() takes one statement.
        for statement in split_script(sql):
            connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
        connection.commit()

    def session_settings(self, connection: Connection) -> Mapping[str, str]:
        was_in_transaction = connection.in_transaction()
        columns = ", ".join(f"@@SESSION.{name} AS {name}" for name in SETTINGS)
        found = connection.exec_driver_sql(f"SELECT {columns}").mappings().one()
        if not was_in_transaction:
            connection.rollback()
        return {name: str(value) for name, value in found.items()}

    def apply_session_settings(self, connection: Connection, settings: Mapping[str, str]) -> None:
        was_in_transaction = connection.in_transaction()
        own = self.session_settings(connection)
        for name, value in settings.items():
            if value != own[name]:
                # A number in quotes would be refused.
                literal = value if value.isdigit() else f"'{value}'"
                connection.exec_driver_sql(f"SET SESSION {name} = {literal}")
        if not was_in_transaction:
            connection.rollback()

    def read_catalog(
        self,
        connection: Connection,
        *,
        version_table: tuple[str | None, str],
        previous: Snapshot | None = None,
    ) -> Snapshot:
        return read_catalog(connection, version_table=version_table, previous=previous)

    def match_defaults(self, url: URL, other: URL) -> None:
        name = quote(str(url.database))
        # It may need more than a URL to be reached, or be of a server with collations that ours has
        # not: then the comparison of the tables tells the difference.
        with suppress(DBAPIError):
            with self.make_engine(other).connect() as theirs:
                charset, collation = theirs.exec_driver_sql(DEFAULTS).one()
            self._run(url, f"ALTER DATABASE {name} CHARACTER SET {charset} COLLATE {collation}")

    def clear_for_models(self, connection: Connection, metadatas: Sequence[MetaData]) -> None:
        clear_for_models(connection, metadatas)

    def make_way_for_models(self, connection: Connection, error: Exception) -> bool:
        if not isinstance(error, DBAPIError):
            return False
        return make_way_for_models(connection, error_code(error.orig), error.statement or "")

    def folded_inside(self, name: str) -> str:
        # https://dev.mysql.com/doc/refman/8.4/en/identifier-case-sensitivity.html
        return name.lower()

    def likeness(self, scratch: Connection, models: Objects, migrated: Objects) -> Likeness:
        return MySQLLikeness(scratch, models, migrated)

    def read_checks(self, connection: Connection, table: str, schema: str | None) -> Sequence[str]:
        return rows.read_checks(connection, table, schema)

    def make_value(self, type_: TypeEngine[Any], number: int) -> Any:
        return rows.make_value(type_, number)

    def guess_values(
        self, connection: Connection, column: Column[Any], number: int
    ) -> Sequence[ColumnElement[Any]]:
        return rows.guess_values(number)

    def _run(self, url: URL, statement: str) -> None:
        with self._server_engine(url).connect() as connection:
            connection.exec_driver_sql(statement)

    def _server_engine(self, url: URL) -> Engine:
        """Return an engine on the server of a database, in none of its databases."""
        server = self.sync_url(url).set(database="")
        return create_engine(
            server,
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            connect_args=fast_arguments(server),
        )

    def _place(self, url: URL) -> tuple[str, str, int, str]:
        """Return backend, host, port and database, as the driver would get them."""
        if url.get_backend_name() not in ("mysql", "mariadb"):
            return url.get_backend_name(), "", 0, ""
        dialect = url.get_dialect()()
        reached = connection_url(dialect, *dialect.create_connect_args(url))
        host = reached.host or "localhost"
        host = "localhost" if host in LOCAL_HOSTS else host
        return self.name, host, reached.port or 3306, reached.database or ""


BACKEND = MySQL()
