"""PostgreSQL's advisory lock, held by the session that migrates."""

from __future__ import annotations

import hashlib

from sqlalchemy import Connection

from alembic_assay.dialects.session_lock import SessionLock


class AdvisoryLock(SessionLock):
    """A session-level advisory lock on the connection that migrates.

    A transaction-level one would be lost at the first ``autocommit_block()``; on a connection of
    its own it would be free while the statement of a killed client still runs.
    https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS
    """

    ways_to_lose = (
        "the server ended the session, or a migration calls pg_advisory_unlock_all() or DISCARD ALL"
    )

    def __init__(self, connection: Connection, name: str) -> None:
        digest = hashlib.blake2b(f"alembic-assay\0{name}".encode(), digest_size=8).digest()
        self._key = int.from_bytes(digest, "big", signed=True)
        super().__init__(connection, f"advisory lock {self._key}")

    def try_acquire(self) -> bool:
        # Never the blocking pg_advisory_lock, whose snapshot deadlocks with the holder's CREATE
        # INDEX CONCURRENTLY; and no transaction may stay open while waiting, for the same reason,
        # nor afterwards, or Alembic would take it for the caller's and commit nothing.
        return bool(self._scalar(f"SELECT pg_try_advisory_lock({self._key})"))

    def _is_held_query(self) -> str:
        return f"SELECT 1 {self._holders()} AND l.pid = pg_backend_pid()"

    def _release_query(self) -> str:
        return f"SELECT pg_advisory_unlock({self._key})"

    def holder(self) -> str:
        with self._connection.begin():
            found = self._connection.exec_driver_sql(
                "SELECT l.pid, coalesce(a.client_addr::text, 'this host'), a.application_name,"
                f" a.backend_start::timestamp(0)::text {self._holders()}"
            ).first()
        if found is None:
            return super().holder()
        pid, host, application, since = found
        name = application or "no application name"
        return f"server process {pid} ({name}, from {host}, since {since})"

    def _holders(self) -> str:
        high, low = (self._key >> 32) & 0xFFFFFFFF, self._key & 0xFFFFFFFF
        return (
            "FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid"
            f" WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1"
            f" AND l.classid = {high} AND l.objid = {low}"
            " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
