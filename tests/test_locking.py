"""The migration lock as scripts use it."""

from __future__ import annotations

import logging
import re
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import URL
from tests.processes import Child, Children, Gate, ask, hold_lock, tables, wait_until

from alembic_assay.databases import Databases
from alembic_assay.dialects import Lock, get_backend
from alembic_assay.exceptions import (
    DatabaseUnreachable,
    LockLost,
    LockTimeout,
    LockUnavailable,
    UnsupportedDatabase,
    UsageError,
)
from alembic_assay.locking import held, migration_lock
from alembic_assay.migrate import apply_migrations

if TYPE_CHECKING:
    from tests.conftest import ProjectFiles

END_OTHER_SESSIONS = (
    "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path)


@pytest.fixture
def holder(children: Children, database_url: URL, gate: Gate) -> Child:
    """A process that holds the lock until the gate is opened."""
    child = children.start(hold_lock, database_url, held=str(gate.reached), fifo=str(gate.fifo))
    gate.wait()
    return child


def test_lock_is_held_in_the_block(database_url: URL) -> None:
    with migration_lock(database_url) as lock:
        assert lock.is_held()


def test_lock_of_url_as_text_is_the_same(database_url: URL) -> None:
    text = database_url.render_as_string(hide_password=False)

    with migration_lock(text), pytest.raises(LockTimeout):
        take(database_url)


def test_lock_keeps_a_second_one_out_and_is_free_behind_the_block(database_url: URL) -> None:
    with migration_lock(database_url), pytest.raises(LockTimeout):
        take(database_url)

    take(database_url)
    take(database_url)


def test_lock_keeps_other_threads_out(database_url: URL) -> None:
    free, errors = threading.Event(), list[Exception]()

    def try_in_vain() -> None:
        try:
            take(database_url)
        except LockTimeout as error:
            errors.append(error)
        free.set()

    with migration_lock(database_url):
        thread = threading.Thread(target=try_in_vain)
        thread.start()
        assert free.wait(20)
    thread.join()

    assert len(errors) == 1


def test_lock_of_another_process_is_waited_for(
    database_url: URL, holder: Child, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="alembic_assay")
    taken = threading.Event()

    def wait_and_take() -> None:
        with migration_lock(database_url, timeout=None):
            taken.set()

    thread = threading.Thread(target=wait_and_take)
    thread.start()
    wait_until(lambda: "waiting for the" in caplog.text)
    taken_before = taken.is_set()
    gate.open()
    thread.join(20)

    assert not taken_before
    assert taken.is_set()
    assert holder.result() == {}


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGTERM])
def test_lock_of_a_killed_process_is_free(database_url: URL, holder: Child, by: int) -> None:
    with pytest.raises(LockTimeout):
        take(database_url)

    holder.kill(by)

    with migration_lock(database_url, timeout=20):
        pass


def test_lock_is_the_one_of_apply_migrations(
    database_url: URL, project_files: ProjectFiles
) -> None:
    project_files.add_table("a", None, "first")

    with migration_lock(database_url), pytest.raises(LockTimeout):
        apply_migrations(database_url, config=project_files.ini, lock_timeout=0)

    assert tables(database_url) == set()


def test_lock_of_named_version_table_is_the_one_of_its_history(
    postgresql_url: URL, project_files: ProjectFiles
) -> None:
    ask(postgresql_url, "CREATE SCHEMA ops")
    project_files.write_env(options=', version_table="v", version_table_schema="ops"')
    project_files.add_table("a", None, "first")

    with migration_lock(postgresql_url, version_table="ops.v"), pytest.raises(LockTimeout):
        apply_migrations(postgresql_url, config=project_files.ini, lock_timeout=0)
    with migration_lock(postgresql_url):
        report = apply_migrations(postgresql_url, config=project_files.ini, lock_timeout=0)

    assert report.applied == ("a",)


def test_lock_of_one_file_is_one_for_all_its_histories(sqlite_databases: Databases) -> None:
    with (
        sqlite_databases.temporary() as url,
        migration_lock(url, version_table="one"),
        pytest.raises(LockTimeout),
        migration_lock(url, version_table="other", timeout=0),
    ):
        pass


def test_error_in_the_block_passes_and_frees_the_lock(database_url: URL) -> None:
    error = ValueError("mine")

    with pytest.raises(ValueError, match=r"^mine$") as raised, migration_lock(database_url):
        raise error

    assert raised.value is error
    take(database_url)


def test_lock_leaves_its_file_and_no_other_behind(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    path.touch()

    take(URL.create("sqlite", database=str(path)))

    assert sorted(each.name for each in tmp_path.iterdir()) == ["app.db", "app.db.migrate.lock"]
    assert path.read_bytes() == b""


# -- a lock that is lost


def test_lock_whose_session_was_ended_is_lost(postgresql_url: URL) -> None:
    held_locks: list[tuple[Lock, bool]] = []

    def lose() -> None:
        with migration_lock(postgresql_url) as lock:
            ask(postgresql_url, END_OTHER_SESSIONS)
            held_locks.append((lock, lock.is_held()))

    with pytest.raises(LockLost) as raised:
        lose()

    ((lock, is_held),) = held_locks
    assert not is_held
    assert str(raised.value) == (
        f"the {lock.description} was not held any more when it was to be released\n"
        "  Another process may have migrated at the same time.\n"
        "  help: see whether the server ended the session, or a migration calls"
        " pg_advisory_unlock_all() or DISCARD ALL."
    )


def test_error_in_the_block_is_kept_where_the_lock_is_lost_too(
    postgresql_url: URL, caplog: pytest.LogCaptureFixture
) -> None:
    def lose_and_fail() -> None:
        with migration_lock(postgresql_url):
            ask(postgresql_url, END_OTHER_SESSIONS)
            raise ValueError("mine")

    with pytest.raises(ValueError, match=r"^mine$"):
        lose_and_fail()

    (message,) = caplog.messages
    assert re.fullmatch(
        r"releasing the (advisory lock -?\d+) failed: LockLost: the \1 was not held any more when"
        r" it was to be released",
        message,
    )


def test_lock_survives_the_transactions_of_its_connection(postgresql_url: URL) -> None:
    backend = get_backend(postgresql_url)
    with backend.connect(postgresql_url) as connection:
        lock = backend.make_lock(connection, "alembic_version")
        with held(lock, timeout=0):
            connection.exec_driver_sql("CREATE TABLE one (id INTEGER)")
            connection.commit()
            still_held = [lock.is_held()]
            connection.exec_driver_sql("CREATE TABLE two (id INTEGER)")
            connection.rollback()
            still_held.append(lock.is_held())

    assert still_held == [True, True]
    assert tables(postgresql_url) == {"one"}


def test_lock_leaves_no_transaction_open(postgresql_url: URL) -> None:
    backend = get_backend(postgresql_url)
    with backend.connect(postgresql_url) as connection:
        with held(backend.make_lock(connection, "alembic_version"), timeout=0) as lock:
            inside = connection.in_transaction()
            lock.is_held()
            asked = connection.in_transaction()
        behind = connection.in_transaction()

    assert [inside, asked, behind] == [False, False, False]


def test_wait_that_was_cancelled_takes_no_lock_even_if_it_is_free(database_url: URL) -> None:
    cancelled = threading.Event()
    cancelled.set()
    backend = get_backend(database_url)

    with backend.connect(database_url) as connection:
        lock = backend.make_lock(connection, "alembic_version")
        with pytest.raises(LockTimeout) as raised, held(lock, timeout=None, cancelled=cancelled):
            pass
        taken = lock.is_held()

    assert str(raised.value) == f"the wait for the {lock.description} was cancelled"
    assert not taken


# -- a lock that cannot be taken


@pytest.mark.parametrize("kind", ["folder", "link", "dangling link"])
def test_something_else_in_place_of_the_lock_file_is_unavailable(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "app.db.migrate.lock"
    if kind == "folder":
        path.mkdir()
    else:
        target = tmp_path / "target"
        if kind == "link":
            target.touch()
        path.symlink_to(target)

    with pytest.raises(LockUnavailable) as raised:
        take(URL.create("sqlite", database=str(tmp_path / "app.db")))

    cause = raised.value.__cause__
    assert isinstance(cause, OSError)
    assert str(raised.value) == (
        f"the file lock {path} cannot be taken: {type(cause).__name__}: {cause}\n"
        "  Without it two processes could migrate at once; nothing was changed.\n"
        "  help: let this user write in the folder of the database, on a file system with file"
        " locks."
    )
    assert not (tmp_path / "target").exists() or kind == "link"


def test_lock_that_is_unavailable_lets_nothing_be_migrated(
    sqlite_databases: Databases, project_files: ProjectFiles
) -> None:
    project_files.add_table("a", None, "first")

    with sqlite_databases.temporary() as url:
        lock = Path(f"{url.database}.migrate.lock")
        lock.mkdir()
        with pytest.raises(LockUnavailable):
            apply_migrations(url, config=project_files.ini)
        found = tables(url)
        lock.rmdir()

    assert found == set()


def test_lock_of_an_unreachable_server_is_said_without_the_password() -> None:
    with (
        pytest.raises(DatabaseUnreachable) as raised,
        migration_lock("postgresql://app:s3cret@127.0.0.1:1/shop"),
    ):
        pass

    assert raised.value.message.startswith(
        "postgresql://app:***@127.0.0.1:1/shop cannot be reached: OperationalError: "
    )
    assert "s3cret" not in repr(raised.value)


def test_lock_of_a_database_in_memory_is_refused() -> None:
    with pytest.raises(UsageError) as raised, migration_lock("sqlite://"):
        pass

    assert str(raised.value) == (
        "sqlite:// is a database in memory\n"
        "  Nobody else can reach it, so that there is nothing to lock.\n"
        "  help: name a file: sqlite:///app.db"
    )


def test_lock_of_a_database_that_is_not_supported_is_refused() -> None:
    with pytest.raises(UnsupportedDatabase), migration_lock("mssql://server/shop"):
        pass


def take(url: URL) -> None:
    """Take the lock if it is free, and give it back."""
    with migration_lock(url, timeout=0):
        pass
