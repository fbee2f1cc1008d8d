"""A named lock of the server, held by the session that migrates."""

from __future__ import annotations

import hashlib

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from alembic_assay.dialects.session_lock import SessionLock, scalar_between_transactions
from alembic_assay.exceptions import LockUnavailable, first_line


class NamedLock(SessionLock):
    """What ``GET_LOCK`` takes: it outlives transactions, and the implicit commits of DDL.

    The names are those of the whole server, of 64 characters at most, and on MySQL the same in
    upper and lower case; so they have the database in them, as a digest.
    https://mariadb.com/kb/en/get_lock/
    """

    ways_to_lose = (
        "the server ended the session (wait_timeout, KILL), or a migration calls"
        " RELEASE_ALL_LOCKS()"
    )

    def __init__(self, connection: Connection, name: str) -> None:
        database = str(scalar_between_transactions(connection, "SELECT DATABASE()")).lower()
        digest = hashlib.blake2b(f"{database}\0{name}".encode(), digest_size=16).hexdigest()
        self._name = f"alembic-assay-{digest}"
        super().__init__(connection, f"named lock {self._name}")

    def try_acquire(self) -> bool:
        # Without a wait in the server, which nobody could end, and in no transaction that stays
        # open: Alembic would take it for the caller's and commit nothing.
        cause: DBAPIError | None = None
        taken = None
        try:
            taken = self._scalar(f"SELECT GET_LOCK('{self._name}', 0)")
        except DBAPIError as error:
            cause = error
        if taken is None:
            reason = first_line(cause) if cause else "GET_LOCK returned NULL"
            raise LockUnavailable(
                f"the {self.description} cannot be taken: {reason}",
                effect="Without it two processes could migrate at once; nothing was changed.",
                help="connect to a server that has GET_LOCK: not to a cluster that forbids it, nor"
                " through a proxy that shares sessions.",
            ) from cause
        return bool(taken)

    def _is_held_query(self) -> str:
        return f"SELECT IS_USED_LOCK('{self._name}') = CONNECTION_ID()"

    def _release_query(self) -> str:
        return f"SELECT RELEASE_LOCK('{self._name}')"

    def holder(self) -> str:
        # The list shows the sessions of other users to those only who have the right PROCESS.
        with self._connection.begin():
            number = self._scalar(f"SELECT IS_USED_LOCK('{self._name}')")
            # Not SHOW PROCESSLIST, which may cut a statement inside a letter.
            found = self._connection.exec_driver_sql(
                "SELECT user, host, time FROM information_schema.processlist"
                f" WHERE id = {number or 0}"
            ).first()
        if found is not None:
            user, host, seconds = found
            return f"connection {number} ({user} from {host}, for {seconds} s in its state)"
        return super().holder()
