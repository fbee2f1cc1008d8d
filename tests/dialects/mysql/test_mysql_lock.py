"""The named lock: whose it is, who holds it, and how it may be lost."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import URL
from tests.processes import ask, heads, tables

from alembic_assay.databases import Databases
from alembic_assay.dialects import get_backend
from alembic_assay.exceptions import LockLost, LockTimeout, LockUnavailable
from alembic_assay.locking import held, migration_lock
from alembic_assay.migrate import apply_migrations

if TYPE_CHECKING:
    from tests.conftest import ProjectFiles

OTHER_SESSIONS = (
    "SELECT ID FROM information_schema.PROCESSLIST"
    " WHERE DB = DATABASE() AND ID <> CONNECTION_ID() AND COMMAND = 'Sleep'"
)


def end_other_sessions(url: URL) -> None:
    for (number,) in ask(url, OTHER_SESSIONS):
        ask(url, f"KILL {number}")


def test_lock_survives_the_transactions_and_the_ddl_of_its_connection(mysql_url: URL) -> None:
    backend = get_backend(mysql_url)
    with (
        backend.connect(mysql_url) as connection,
        held(backend.make_lock(connection, "alembic_version"), timeout=0) as lock,
    ):
        connection.exec_driver_sql("CREATE TABLE one (id INTEGER)")
        connection.commit()
        still_held = [lock.is_held()]
        connection.exec_driver_sql("INSERT INTO one VALUES (1)")
        connection.rollback()
        still_held.append(lock.is_held())

    assert still_held == [True, True]


def test_lock_leaves_no_transaction_open(mysql_url: URL) -> None:
    backend = get_backend(mysql_url)
    with backend.connect(mysql_url) as connection:
        with held(backend.make_lock(connection, "alembic_version"), timeout=0) as lock:
            inside = connection.in_transaction()
            lock.is_held()
            asked = connection.in_transaction()
        behind = connection.in_transaction()

    assert [inside, asked, behind] == [False, False, False]


def test_lock_is_not_held_by_a_session_that_others_keep_out(mysql_url: URL) -> None:
    backend = get_backend(mysql_url)
    with backend.connect(mysql_url) as one, backend.connect(mysql_url) as other:
        first = backend.make_lock(one, "alembic_version")
        second = backend.make_lock(other, "alembic_version")

        assert first.try_acquire()
        assert not second.try_acquire()
        assert [first.is_held(), second.is_held()] == [True, False]


def test_name_has_the_database_and_the_version_table_in_it(mysql_databases: Databases) -> None:
    backend = mysql_databases.backend
    with (
        mysql_databases.temporary() as one,
        mysql_databases.temporary() as other,
        backend.connect(one) as here,
        backend.connect(other) as there,
    ):
        names = {
            backend.make_lock(connection, table).description
            for connection in (here, there)
            for table in ("alembic_version", "audit_version")
        }

    assert len(names) == 4
    assert all(re.fullmatch(r"named lock alembic-assay-[0-9a-f]{32}", name) for name in names)


def test_lock_timeout_names_the_holder(mysql_url: URL, project_files: ProjectFiles) -> None:
    project_files.add_table("a", None, "first")

    with migration_lock(mysql_url), pytest.raises(LockTimeout) as raised:
        apply_migrations(mysql_url, config=project_files.ini, lock_timeout=0)

    assert re.fullmatch(
        r"the named lock alembic-assay-[0-9a-f]{32} was not free within 0\.\d s; it is held by"
        rf" connection \d+ \({mysql_url.username} from \S+, for \d+ s in its state\)",
        raised.value.message,
    )
    assert tables(mysql_url) == set()


def test_session_that_was_ended_has_lost_the_lock(mysql_url: URL) -> None:
    is_held = []

    def lose() -> None:
        with migration_lock(mysql_url) as lock:
            end_other_sessions(mysql_url)
            is_held.append(lock.is_held())

    with pytest.raises(LockLost) as raised:
        lose()

    assert is_held == [False]
    assert raised.value.help == (
        "see whether the server ended the session (wait_timeout, KILL), or a migration calls"
        " RELEASE_ALL_LOCKS()."
    )


def test_revision_that_releases_all_locks_stops_the_next(
    mysql_url: URL, project_files: ProjectFiles
) -> None:
    project_files.add_table("a", None, "first")
    project_files.add_revision("b", "a", upgrade='op.execute("SELECT RELEASE_ALL_LOCKS()")')
    project_files.add_table("c", "b", "last")

    with pytest.raises(LockLost, match="was lost before revision c"):
        apply_migrations(mysql_url, config=project_files.ini)

    assert heads(mysql_url) == ["b"]
    assert tables(mysql_url) == {"alembic_version", "first"}


def test_lock_of_a_session_that_is_gone_is_unavailable(mysql_url: URL) -> None:
    backend = get_backend(mysql_url)
    with backend.connect(mysql_url) as connection:
        lock = backend.make_lock(connection, "alembic_version")
        end_other_sessions(mysql_url)

        with pytest.raises(LockUnavailable) as raised:
            lock.try_acquire()

    assert raised.value.message.startswith(f"the {lock.description} cannot be taken: ")
    assert raised.value.effect == (
        "Without it two processes could migrate at once; nothing was changed."
    )
