"""Sessions on a database server, from which databases of our own are made there."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool, QueuePool

from alembic_assay.dialects.lock import Lock
from alembic_assay.dialects.server import Server
from alembic_assay.exceptions import ServerUnavailable, first_line
from alembic_assay.urls import mask

SESSIONS = 3
"""At most: a test's own thread, and those that make databases ahead."""

_LONGEST_STATEMENT_SECONDS = 600


class ServerSession(Server):
    """What is asked of a server is asked in one session, or in as many as there are threads.

    The lock by which the owner shows that it lives is taken in each, and so again where one had to
    be opened anew.
    """

    def __init__(self, url: URL, connect_args: Mapping[str, Any]) -> None:
        super().__init__(url)
        self._connect_args = dict(connect_args)
        self._has_signed_in = False
        self._engine = create_engine(
            url,
            isolation_level="AUTOCOMMIT",
            poolclass=QueuePool,
            pool_size=SESSIONS,
            max_overflow=0,
            pool_timeout=_LONGEST_STATEMENT_SECONDS,
            pool_reset_on_return=None,
            connect_args=self._connect_args,
        )
        event.listen(self._engine, "connect", self._sign_in)
        event.listen(self._engine, "connect", self._note_session)

    @contextmanager
    def lock(self, name: str) -> Iterator[Lock]:
        # In a session of its own: while one thread waits for it, others go on.
        engine = create_engine(self.url, poolclass=NullPool, connect_args=self._connect_args)
        with self._further_session(engine) as connection:
            yield self._make_lock(connection, name)

    def close(self) -> None:
        self._engine.dispose()

    def _ask(self, query: str, **values: object) -> Sequence[Any]:
        try:
            with self._own_session() as connection:
                return connection.execute(text(query), values).all()
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
        # The server has ended the session; to ask once more, in a new one, does no harm.
        with self._own_session() as connection:
            return connection.execute(text(query), values).all()

    def _run(self, statement: str) -> None:
        with self._own_session() as connection:
            connection.exec_driver_sql(statement, execution_options={"no_parameters": True})

    def _own_session(self) -> Connection:
        if self._has_signed_in:
            return self._further_session(self._engine)
        return self._engine.connect()

    def _further_session(self, engine: Engine) -> Connection:
        try:
            return engine.connect()
        except DBAPIError as error:
            raise ServerUnavailable(
                f"no further session can be had on {mask(self.url)}: {first_line(error)}",
                effect=f"A process needs up to {SESSIONS + 1} of them, besides those of its tests.",
                help="raise max_connections of the server, or the limit of the user, or run fewer"
                " workers; if it does not run any more, start it.",
            ) from error

    def _note_session(self, connection: Any, record: Any) -> None:
        self._has_signed_in = True

    @abstractmethod
    def _sign_in(self, connection: Any, record: Any) -> None:
        """Take the owner's lock in a new session, given as the driver's connection."""

    @abstractmethod
    def _make_lock(self, connection: Connection, name: str) -> Lock:
        """Return a lock of this server that a session holds."""
