"""Sessions on a database server, from which databases of our own are made there."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Connection, create_engine, event, text
from sqlalchemy.pool import NullPool, QueuePool

from alembic_assay.dialects.lock import Lock
from alembic_assay.dialects.server import Server

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

    @contextmanager
    def lock(self, name: str) -> Iterator[Lock]:
        # In a session of its own: while one thread waits for it, others go on.
        engine = create_engine(self.url, poolclass=NullPool, connect_args=self._connect_args)
        with engine.connect() as connection:
            yield self._make_lock(connection, name)

    def close(self) -> None:
        self._engine.dispose()

    def _ask(self, query: str, **values: object) -> Sequence[Any]:
        with self._engine.connect() as connection:
            return connection.execute(text(query), values).all()

    def _run(self, statement: str) -> None:
        with self._engine.connect() as connection:
            connection.exec_driver_sql(statement, execution_options={"no_parameters": True})

    @abstractmethod
    def _sign_in(self, connection: Any, record: Any) -> None:
        """Take the owner's lock in a new session, given as the driver's connection."""

    @abstractmethod
    def _make_lock(self, connection: Connection, name: str) -> Lock:
        """Return a lock of this server that a session holds."""
