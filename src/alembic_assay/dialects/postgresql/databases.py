"""Databases of our own on a PostgreSQL server."""

from __future__ import annotations

import re
import time
from collections.abc import Collection
from contextlib import closing, suppress
from functools import cached_property
from typing import Any

from sqlalchemy import URL, Connection
from sqlalchemy.exc import DBAPIError

from alembic_assay.dialects.lock import Lock
from alembic_assay.dialects.postgresql.lock import AdvisoryLock
from alembic_assay.dialects.postgresql.sqlstates import (
    DISK_FULL,
    INSUFFICIENT_PRIVILEGE,
    TOO_MANY_CONNECTIONS,
    sqlstate,
)
from alembic_assay.dialects.server import (
    OWN_MARK,
    OWN_NAME,
    Note,
    OwnDatabase,
    cannot_make,
    refuse_to_drop,
)
from alembic_assay.dialects.server_session import ServerSession

BIRTHMARK = 1_095_979_865
"""CONNECTION LIMIT of databases of our own, far above any real one.

It is there from the moment at which the database is, as a comment is not; and no copy has it.
"""

TORN = -2
"""What the server puts in its place as it begins a drop: the database is fit for no other use then.

https://www.postgresql.org/docs/release/15.4/
"""

OWNERS = 0x41535359
"""The first half of the advisory locks by which owners show that they live."""

_MAY_LEAVE_SECONDS, _MUST_LEAVE_SECONDS, _POLL_SECONDS = 0.1, 5.0, 0.001

_LISTS = ("local_preload_libraries", "search_path", "session_preload_libraries", "temp_tablespaces")
"""Settings that are stored as lists of quoted names."""

_QUOTED = re.compile(r'"((?:[^"]|"")*)"')

_READ_SEQUENCES = """
DO $$
DECLARE
    sequence regclass;
    number bigint;
    is_called boolean;
    found text := '';
BEGIN
    FOR sequence IN SELECT seqrelid FROM pg_catalog.pg_sequence ORDER BY seqrelid LOOP
        EXECUTE 'SELECT last_value, is_called FROM ' || sequence INTO number, is_called;
        found := found || sequence || ' ' || number || ' ' || is_called || E'\\n';
    END LOOP;
    PERFORM set_config('alembic_assay.sequences', found, true);
END
$$
"""

_HELP = {
    DISK_FULL: "make room on the disk of the server: alembic-assay databases prune",
    INSUFFICIENT_PRIVILEGE: "give the user the right to: ALTER ROLE … CREATEDB",
    TOO_MANY_CONNECTIONS: "raise max_connections of the server, or run fewer workers.",
}


class PostgreSQLServer(ServerSession):
    """A session in the database that the server's URL names."""

    def __init__(self, url: URL) -> None:
        super().__init__(url, {})

    @cached_property
    def version(self) -> str:
        return str(self._setting("server_version"))

    def create(self, name: str) -> URL:
        return self._create(name, "ENCODING 'utf8' TEMPLATE template1")

    def clone(self, source: URL, name: str) -> URL:
        template = str(source.database)
        # The server refuses to copy a database in use, and an env.py may well keep a connection in
        # the pool of its engine.
        self._disconnect_all(template, patience=0.0)
        url = self._create(name, f"TEMPLATE {self._quote(template)} {self._strategy}")
        # These are not in the database, and so not in its copy.
        try:
            for setting in self._settings_of(template):
                key, _, value = setting.partition("=")
                values = _as_literals(value) if key in _LISTS else _literal(value)
                self._run(f"ALTER DATABASE {self._quote(name)} SET {key} TO {values}")
        except BaseException:
            self.drop(url)
            raise
        return url

    def drop(self, url: URL) -> None:
        name = str(url.database)
        found = self._ask(
            "SELECT datconnlimit, datistemplate FROM pg_database WHERE datname = :name", name=name
        )
        if not found:
            return
        is_torn = found[0].datconnlimit == TORN and OWN_NAME.fullmatch(name)
        if found[0].datconnlimit != BIRTHMARK and not is_torn:
            refuse_to_drop(url)
        if found[0].datistemplate:
            # It fails where somebody else drops it, too; if it is for another reason, DROP fails.
            with suppress(DBAPIError):
                self._alter(name, "IS_TEMPLATE false")
        # While somebody is there the server waits for 100 ms before it looks again.
        self._disconnect_all(name, patience=_MAY_LEAVE_SECONDS)
        self._run(f"DROP DATABASE IF EXISTS {self._quote(name)} WITH (FORCE)")

    def seal(self, url: URL, note: Note) -> None:
        name = str(url.database)
        self._alter(name, "ALLOW_CONNECTIONS false IS_TEMPLATE true")
        self._disconnect_all(name, patience=0.0)
        self.annotate(url, note)

    def annotate(self, url: URL, note: Note) -> None:
        comment = _literal(f"{OWN_MARK} {note}")
        self._run(f"COMMENT ON DATABASE {self._quote(str(url.database))} IS {comment}")

    def set_aside(self, url: URL, template: URL, name: str) -> URL:
        old = str(url.database)
        self._disconnect_all(old, patience=0.0)
        self._run(f"ALTER DATABASE {self._quote(old)} RENAME TO {self._quote(name)}")
        self.clone(template, old)
        return url.set(database=name)

    def content(self, url: URL) -> object | None:
        # Before 15 the statistics came some time after the session that they are of had ended.
        if self._version_number < 150_000:
            return None
        name = str(url.database)
        self._disconnect_all(name, patience=_MAY_LEAVE_SECONDS)
        written = self._ask(
            "SELECT tup_inserted, tup_updated, tup_deleted FROM pg_stat_database"
            " WHERE datname = :name",
            name=name,
        )
        if not written:
            return None  # somebody dropped it
        if any(written[0]):
            return written  # as no untouched one has it
        try:
            return self._sequences(url), self._settings_of(name)
        except self._driver_error:  # nobody may connect, or not read one of them
            return None

    def own_databases(self) -> list[OwnDatabase]:
        # Those of other users can be neither dropped nor, with tables of theirs, be used.
        found = self._ask(
            "SELECT datname, shobj_description(oid, 'pg_database') FROM pg_database"
            f" WHERE datconnlimit IN ({BIRTHMARK}, {TORN}) AND pg_has_role(datdba, 'USAGE')"
            " ORDER BY datname"
        )
        return [
            OwnDatabase(self.url.set(database=name), parts[1], _note(comment))
            for name, comment in found
            if (parts := OWN_NAME.fullmatch(name))
        ]

    def living(self, owners: Collection[str]) -> set[str]:
        # Of whichever database they were taken in.
        found = self._ask(
            "SELECT objid::bigint FROM pg_locks"
            f" WHERE locktype = 'advisory' AND classid = {OWNERS} AND objsubid = 2"
        )
        return {f"{number:08x}" for (number,) in found} & set(owners)

    def _sequences(self, url: URL) -> object:
        """Return what the sequences have given out: that is neither counted nor undone."""
        dialect = self._engine.dialect
        arguments, keywords = dialect.create_connect_args(url)
        with (
            closing(dialect.connect(*arguments, **keywords)) as connection,
            closing(connection.cursor()) as cursor,
        ):
            # Not pg_sequences, which does not show a number that was set and not given out yet.
            cursor.execute(_READ_SEQUENCES)
            cursor.execute("SELECT current_setting('alembic_assay.sequences')")
            return cursor.fetchall()

    def _create(self, name: str, clauses: str) -> URL:
        try:
            self._run(f"CREATE DATABASE {self._quote(name)} {clauses} CONNECTION LIMIT {BIRTHMARK}")
        except DBAPIError as error:
            help_ = _HELP.get(sqlstate(error) or "", "see what the server says.")
            raise cannot_make(self.url, error, help_) from error
        return self.url.set(database=name)

    @property
    def _driver_error(self) -> type[Exception]:
        return self._engine.dialect.loaded_dbapi.Error

    @cached_property
    def _strategy(self) -> str:
        """The faster way to copy: that of files, where the server does not sync each of them.

        https://www.postgresql.org/docs/current/sql-createdatabase.html#CREATE-DATABASE-STRATEGY
        """
        has_strategies = self._version_number >= 150_000
        return "STRATEGY FILE_COPY" if has_strategies and self._setting("fsync") == "off" else ""

    @cached_property
    def _version_number(self) -> int:
        return int(self._setting("server_version_num"))

    def _setting(self, name: str) -> str:
        return str(self._ask("SELECT current_setting(:name)", name=name)[0][0])

    def _settings_of(self, name: str) -> list[str]:
        found = self._ask(
            "SELECT unnest(setconfig) FROM pg_db_role_setting WHERE setrole = 0"
            " AND setdatabase = (SELECT oid FROM pg_database WHERE datname = :name)",
            name=name,
        )
        return [setting for (setting,) in found]

    def _disconnect_all(self, name: str, *, patience: float) -> None:
        """Wait until nobody is connected; after ``patience`` seconds end who still is."""
        started, has_ended = time.monotonic(), False
        # Only superusers may end autovacuum, which is never in the way of the server itself. Of
        # sessions that we may not end, the type is hidden.
        query = (
            "FROM pg_stat_activity WHERE datname = :name AND backend_type <> 'autovacuum worker'"
        )
        while self._ask(f"SELECT 1 {query} LIMIT 1", name=name):
            waited = time.monotonic() - started
            if waited > _MUST_LEAVE_SECONDS:
                return  # the server itself says what is wrong
            if waited >= patience and not has_ended:
                self._ask(f"SELECT pg_terminate_backend(pid) {query}", name=name)
                has_ended = True
            time.sleep(_POLL_SECONDS)

    def _alter(self, name: str, clauses: str) -> None:
        self._run(f"ALTER DATABASE {self._quote(name)} WITH {clauses}")

    def _quote(self, name: str) -> str:
        return self._engine.dialect.identifier_preparer.quote(name)

    def _sign_in(self, connection: Any, record: Any) -> None:
        number = int(self.owner, 16)
        signed = number - (1 << 32) if number >= 1 << 31 else number
        with closing(connection.cursor()) as cursor:
            cursor.execute(f"SELECT pg_advisory_lock_shared({OWNERS}, {signed})")
            cursor.execute(
                "SELECT set_config(name, '0', false) FROM pg_settings"
                " WHERE name IN ('idle_session_timeout', 'statement_timeout', 'lock_timeout')"
            )
        connection.commit()

    def _make_lock(self, connection: Connection, name: str) -> Lock:
        return AdvisoryLock(connection, name)


def _as_literals(values: str) -> str:
    """Write the names in a list as texts: one that is quoted may be empty, an identifier not."""
    return _QUOTED.sub(lambda found: _literal(found[1].replace('""', '"')), values)


def _literal(value: str) -> str:
    return "'{}'".format(value.replace("'", "''"))


def _note(comment: str | None) -> Note | None:
    return Note.parse((comment or "").removeprefix(OWN_MARK))
