"""A lock that a server keeps for a session, which is the one that migrates."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import nullcontext
from typing import ClassVar

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from alembic_assay.dialects.lock import Lock
from alembic_assay.exceptions import LockLost


class SessionLock(Lock):
    """A lock of the session behind ``connection``: it outlives transactions, and ends with it."""

    ways_to_lose: ClassVar[str]
    """What to look for where it was lost."""

    def __init__(self, connection: Connection, description: str) -> None:
        self._connection = connection
        self.description = description

    def is_held(self) -> bool:
        try:
            return bool(self._scalar(self._is_held_query()))
        except SQLAlchemyError:
            return False  # the session is gone, and the lock with it

    def release(self) -> None:
        cause: SQLAlchemyError | None = None
        try:
            if self._scalar(self._release_query()):
                return
        except SQLAlchemyError as error:
            cause = error
        raise LockLost(
            f"the {self.description} was not held any more when it was to be released",
            effect="Another process may have migrated at the same time.",
            help=f"see whether {self.ways_to_lose}.",
        ) from cause

    @abstractmethod
    def _is_held_query(self) -> str:
        """Return SQL for something true if this very session holds the lock."""

    @abstractmethod
    def _release_query(self) -> str:
        """Return SQL that releases it, and for something true if it was held."""

    def _scalar(self, query: str) -> object:
        return scalar_between_transactions(self._connection, query)


def scalar_between_transactions(connection: Connection, query: str) -> object:
    """Ask in a transaction of its own, unless there is one: none is left open by it.

    Alembic would take one for the caller's and commit nothing.
    """
    transaction = None if connection.in_transaction() else connection.begin()
    with transaction or nullcontext():
        return connection.exec_driver_sql(query).scalar()
