"""Databases of our own on a MySQL or MariaDB server."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import cached_property
from typing import Any

from sqlalchemy import URL, Connection, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from alembic_assay.dialects.lock import Lock
from alembic_assay.dialects.mysql.clone import Original, clone_database, read_original
from alembic_assay.dialects.mysql.content import read_content
from alembic_assay.dialects.mysql.driver import Run, error_code, fast_arguments, make_run
from alembic_assay.dialects.mysql.lock import NamedLock
from alembic_assay.dialects.mysql.queries import MARK
from alembic_assay.dialects.mysql.tokens import literal, quote
from alembic_assay.dialects.server import (
    OWN_MARK,
    OWN_NAME,
    Note,
    OwnDatabase,
    cannot_make,
    refuse_to_drop,
)
from alembic_assay.dialects.server_session import ServerSession
from alembic_assay.exceptions import UsageError

NO_SUCH_THREAD, NOT_ITS_OWNER = 1094, 1095

_LIFE_SECONDS = 31_536_000

_MOST_SESSIONS = 2
"""That make the tables of a clone: more help little on a slow disk, and are in the way on none."""

_RIGHTS = "give the user the right to: GRANT ALL ON `assay\\_%`.* TO …"
_CONNECTIONS = "raise max_connections of the server, or run fewer workers."
_ROOM = "make room on the disk of the server: alembic-assay databases prune"
_HELP: dict[object, str] = {
    **dict.fromkeys((1044, 1142, 1227, 1370), _RIGHTS),
    **dict.fromkeys((1040, 1203, 1226), _CONNECTIONS),
    **dict.fromkeys((1021, 1114), _ROOM),
}
"""https://mariadb.com/kb/en/mariadb-error-code-reference/"""

_MARKED = re.compile(rf"{OWN_MARK}: (\S+)(?: (.*))?", re.DOTALL)


class MySQLServer(ServerSession):
    """A session in none of the server's databases.

    MySQL has no comments on databases: the mark, and a note, is that of a procedure. It names its
    database, as a mark is worth nothing in a copy that somebody made.
    """

    def __init__(self, url: URL) -> None:
        nowhere = url.set(database="")
        super().__init__(nowhere, fast_arguments(nowhere))
        self._templates: dict[URL, Original] = {}
        # One for all databases: SQLAlchemy asks the server for its ways only once.
        self._other_sessions = create_engine(
            nowhere,
            isolation_level="AUTOCOMMIT",
            poolclass=NullPool,
            connect_args=self._connect_args,
        )

    @cached_property
    def version(self) -> str:
        return str(self._ask("SELECT VERSION()")[0][0])

    def create(self, name: str) -> URL:
        url = self.url.set(database=name)
        try:
            self._run(f"CREATE DATABASE {quote(name)}")
        except DBAPIError as error:
            raise self._failure(error) from error
        try:
            self._run(
                f"CREATE PROCEDURE {quote(name)}.{MARK}() COMMENT '{OWN_MARK}: {name}' BEGIN END"
            )
        except DBAPIError as error:
            with suppress(DBAPIError):  # as where the server is gone: it has no mark, nor an owner
                self._run(f"DROP DATABASE {quote(name)}")
            raise self._failure(error) from error
        return url

    def clone(self, source: URL, name: str) -> URL:
        url = self.create(name)
        try:
            original = self._read(source)
            with self._sessions(url) as sessions:
                clone_database(original, sessions)
        except BaseException as error:
            with suppress(DBAPIError):
                self.drop(url)
            if isinstance(error, DBAPIError) and error_code(error.orig) in _HELP:
                raise self._failure(error) from error
            raise
        return url

    def content(self, url: URL) -> object | None:
        try:
            # What a forgotten session has not committed is not seen, and may be later.
            self._end_idle_sessions(str(url.database))
            with self._session(url) as run:
                return read_content(run)
        except (DBAPIError, UsageError):  # somebody dropped it, or made what we may not read
            return None

    def drop(self, url: URL) -> None:
        self._templates.pop(url, None)
        name = str(url.database)
        known = "SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = :name"
        if not self._ask(known, name=name):
            return
        if name not in self._marks("ROUTINE_SCHEMA = :name", name=name) and not self._is_unfinished(
            name
        ):
            refuse_to_drop(url)
        # A transaction that a test forgot would keep the database, and let this wait for a day.
        self._end_idle_sessions(name)
        self._run(f"DROP DATABASE IF EXISTS {quote(name)}")

    def seal(self, url: URL, note: Note) -> None:
        # There is nothing on the server that would keep others from writing.
        self.annotate(url, note)

    def annotate(self, url: URL, note: Note) -> None:
        name = str(url.database)
        comment = literal(f"{OWN_MARK}: {name} {note}")
        self._run(f"ALTER PROCEDURE {quote(name)}.{MARK} COMMENT {comment}")

    def set_aside(self, url: URL, template: URL, name: str) -> URL:
        kept = self.clone(url, name)
        self.drop(url)
        self.clone(template, str(url.database))
        return kept

    def own_databases(self) -> list[OwnDatabase]:
        # Those of other users may well be theirs to drop, and not ours.
        marks = self._marks("DEFINER = CURRENT_USER()")
        names = self._ask(
            "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA"
            r" WHERE SCHEMA_NAME LIKE 'assay\_%' ORDER BY SCHEMA_NAME"
        )
        return [
            OwnDatabase(self.url.set(database=name), parts[1], marks.get(name))
            for (name,) in names
            if (parts := OWN_NAME.fullmatch(name)) and (name in marks or self._is_unfinished(name))
        ]

    def living(self, owners: Collection[str]) -> set[str]:
        return {
            owner
            for owner in owners
            if self._ask("SELECT 1 FROM DUAL WHERE IS_USED_LOCK(:name)", name=_owner_lock(owner))
        }

    def _note(self, name: str) -> Note | None:
        return self._marks("ROUTINE_SCHEMA = :name", name=name).get(name)

    def _marks(self, condition: str, **values: object) -> dict[str, Note | None]:
        """Return the notes on the databases that have our mark, by their names."""
        found = self._ask(
            "SELECT ROUTINE_SCHEMA, ROUTINE_COMMENT FROM information_schema.ROUTINES"
            f" WHERE ROUTINE_NAME = :mark AND {condition}",
            mark=MARK,
            **values,
        )
        marks = {name: _MARKED.fullmatch(comment) for name, comment in found}
        return {
            name: Note.parse(parts[2] or "")
            for name, parts in marks.items()
            if parts and parts[1] == name
        }

    def _is_unfinished(self, name: str) -> bool:
        """Whether this is a database that was made and has no mark yet, as its maker was killed.

        It has one of our names, and nothing in it that could be lost.
        """
        if not OWN_NAME.fullmatch(name):
            return False
        # Not SHOW TABLES, which fails where it is gone by now.
        tables = "SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = :name LIMIT 1"
        routines = "SELECT 1 FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = :name LIMIT 1"
        return not self._ask(tables, name=name) and not self._ask(routines, name=name)

    def _end_idle_sessions(self, name: str) -> None:
        # While a session of anybody reads information_schema, it is shown in one database after
        # the other: only where it does nothing it is sure to be in its own.
        # Statements are not asked for, as the server may cut one inside a letter.
        idle = self._ask(
            "SELECT id FROM information_schema.processlist WHERE db = :name AND command = 'Sleep'",
            name=name,
        )
        for (session,) in idle:
            try:
                self._run(f"KILL {session}")
            except DBAPIError as error:
                if error_code(error.orig) not in (NO_SUCH_THREAD, NOT_ITS_OWNER):
                    raise

    def _read(self, url: URL) -> Original:
        """Read what is to be copied; a template only once, as nobody changes it."""
        if url in self._templates:
            return self._templates[url]
        with self._session(url) as run:
            original = read_original(run)
        note = self._note(str(url.database))
        if note is not None and note.kind == "template":
            self._templates[url] = original
        return original

    @contextmanager
    def _sessions(self, url: URL) -> Iterator[list[Run]]:
        """Have sessions in a database: as many as are of use, and as the server lets us have."""
        with ExitStack() as stack:
            sessions = [stack.enter_context(self._session(url))]
            # One on MySQL: a table locks those that its foreign keys name, so that two sessions
            # could wait for each other. https://dev.mysql.com/doc/refman/8.4/en/metadata-locking.html
            with suppress(DBAPIError):
                while self._is_mariadb and len(sessions) < _MOST_SESSIONS:
                    sessions.append(stack.enter_context(self._session(url)))
            yield sessions

    @contextmanager
    def _session(self, url: URL) -> Iterator[Run]:
        with self._other_sessions.connect() as connection:
            run = make_run(connection)
            run(f"USE {quote(str(url.database))}")
            yield run

    @property
    def _is_mariadb(self) -> bool:
        return "mariadb" in self.version.lower()

    def _failure(self, error: DBAPIError) -> Exception:
        code = error_code(error.orig)
        return cannot_make(self.url, error, _HELP.get(code, _RIGHTS))

    def _sign_in(self, connection: Any, record: Any) -> None:
        with closing(connection.cursor()) as cursor:
            cursor.execute(f"SET SESSION wait_timeout = {_LIFE_SECONDS}")
            cursor.execute(f"SELECT GET_LOCK('{_owner_lock(self.owner)}', 0)")
            cursor.fetchall()

    def _make_lock(self, connection: Connection, name: str) -> Lock:
        return NamedLock(connection, name)


def _owner_lock(owner: str) -> str:
    return f"alembic-assay-owner-{owner}"
