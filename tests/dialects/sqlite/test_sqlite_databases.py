"""Databases that are files: write-ahead logs, read-only templates, full disks, open connections."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import URL, make_url
from tests.processes import NOBODY, ask

from alembic_assay.databases import Databases, open_databases
from alembic_assay.dialects import Note
from alembic_assay.exceptions import ServerUnavailable, UsageError

REMEDY = (
    "  The checks and the fixtures need databases of their own; none was made.\n"
    "  help: let this user write in {folder}, and make room on its disk."
)
LOCKED = (
    "an SQLite database of our own cannot be copied: it is locked\n"
    "  Somebody is connected to it, in a transaction that does not end.\n"
    "  help: close the sessions and connections on which a test has begun a transaction."
)


@pytest.fixture(autouse=True)
def base_of_run(tmp_path: Path) -> None:
    """pytest chooses the folder of the run now: not in one that goes with a test."""


@pytest.fixture
def databases(tmp_path: Path) -> Iterator[Databases]:
    """Databases in a folder of this test's own."""
    with open_databases(make_url("sqlite://"), folder=tmp_path) as databases:
        yield databases


def path_of(url: URL) -> Path:
    return Path(str(url.database))


def log_of(url: URL) -> Path:
    return Path(f"{url.database}-wal")


@contextmanager
def connected(url: URL) -> Iterator[sqlite3.Connection]:
    """Have a connection of the driver, on which each statement is a transaction of its own."""
    with closing(sqlite3.connect(path_of(url), isolation_level=None, timeout=0)) as connection:
        yield connection


def rows(connection: sqlite3.Connection) -> list[int]:
    return [number for (number,) in connection.execute("SELECT n FROM numbers ORDER BY n")]


def numbers(url: URL) -> list[int]:
    with connected(url) as connection:
        return rows(connection)


def note(folder: Path) -> Note:
    return Note.signed("template", str(folder), "a fingerprint")


def write_ahead(connection: sqlite3.Connection, url: URL) -> None:
    """Write three rows that are in the log alone."""
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE numbers (n INTEGER)")
    connection.execute("INSERT INTO numbers VALUES (1), (2), (3)")
    assert log_of(url).stat().st_size > 0


def test_clone_has_what_is_in_the_log_of_its_source(databases: Databases) -> None:
    source = databases.create()
    with connected(source) as connection:
        write_ahead(connection, source)

        clone = databases.clone(source)

        assert numbers(clone) == [1, 2, 3]
        assert ask(clone, "PRAGMA journal_mode") == [("wal",)]
        databases.drop(clone)


def test_clone_has_what_was_committed_where_somebody_is_writing(databases: Databases) -> None:
    source = databases.create()
    with connected(source) as connection, connected(source) as reader:
        write_ahead(connection, source)
        reader.execute("BEGIN")
        assert rows(reader) == [1, 2, 3]
        connection.execute("BEGIN")
        connection.execute("INSERT INTO numbers VALUES (4)")

        clone = databases.clone(source)

        assert numbers(clone) == [1, 2, 3]
        databases.drop(clone)


LOCK = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('BEGIN IMMEDIATE')"


def test_file_of_another_that_was_not_dropped_is_still_locked(
    databases: Databases, tmp_path: Path
) -> None:
    url = URL.create("sqlite", database=str(tmp_path / "app.db"))
    with connected(url) as connection:
        connection.execute("CREATE TABLE numbers (n INTEGER)")
        connection.execute("BEGIN IMMEDIATE")

        with pytest.raises(UsageError):
            databases.drop(url)

        other = subprocess.run(
            [sys.executable, "-c", LOCK, str(url.database)],
            check=False,
            capture_output=True,
            text=True,
        )
        assert "database is locked" in other.stderr


def test_template_is_sealed_with_what_is_in_its_log(databases: Databases, tmp_path: Path) -> None:
    template = databases.create()
    with connected(template) as connection:
        write_ahead(connection, template)

        databases.seal(template, note(tmp_path))

        assert log_of(template).stat().st_size == 0
        clones = [databases.clone(template)]
    # As where the log is lost.
    log_of(template).unlink(missing_ok=True)
    clones.append(databases.clone(template))
    assert [numbers(clone) for clone in clones] == [[1, 2, 3]] * 2
    databases.drop(template)


def test_template_whose_log_could_not_be_emptied_is_cloned_with_it(
    databases: Databases, tmp_path: Path
) -> None:
    template = databases.create()
    with connected(template) as connection, connected(template) as reader:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE numbers (n INTEGER)")
        reader.execute("BEGIN")
        assert rows(reader) == []
        connection.execute("INSERT INTO numbers VALUES (1), (2), (3)")

        databases.seal(template, note(tmp_path))

        assert numbers(databases.clone(template)) == [1, 2, 3]
    assert numbers(databases.clone(template)) == [1, 2, 3]
    databases.drop(template)


def test_clone_of_a_sealed_template_is_writable(databases: Databases, tmp_path: Path) -> None:
    template = databases.create()
    ask(template, "CREATE TABLE numbers (n INTEGER)")
    databases.seal(template, note(tmp_path))

    clone = databases.clone(template)
    ask(clone, "INSERT INTO numbers VALUES (1)")

    assert stat.S_IMODE(path_of(template).stat().st_mode) == 0o400
    assert stat.S_IMODE(path_of(clone).stat().st_mode) & 0o600 == 0o600
    assert (numbers(clone), numbers(template)) == ([1], [])
    databases.drop(template)


@contextmanager
def user_with_permissions() -> Iterator[None]:
    """Be a user for whom permissions count."""
    if os.geteuid() != 0:
        yield
        return
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


def test_sealed_template_with_a_log_is_cloned_and_set_aside_by_its_user(
    own_temporary_folder: Path,
) -> None:
    folder = own_temporary_folder / "databases"
    folder.mkdir()
    folder.chmod(0o777)
    with (
        user_with_permissions(),
        open_databases(make_url("sqlite://"), folder=folder) as databases,
    ):
        template = databases.create()
        with connected(template) as connection:
            write_ahead(connection, template)
            databases.seal(template, note(folder))
        with connected(template) as connection, pytest.raises(sqlite3.OperationalError):
            connection.execute("INSERT INTO numbers VALUES (4)")

        clone = databases.clone(template)
        ask(clone, "INSERT INTO numbers VALUES (4)")
        kept = databases.set_aside(clone, template, "a test")

        assert (numbers(kept), numbers(clone)) == ([1, 2, 3, 4], [1, 2, 3])
        assert [one.url for one in databases.prune(everything=True)] == [template, kept]
    assert list(folder.iterdir()) == []


def test_folder_that_cannot_be_written_to_is_said(own_temporary_folder: Path) -> None:
    folder = own_temporary_folder / "closed"
    folder.mkdir()
    folder.chmod(0o555)

    with (
        user_with_permissions(),
        pytest.raises(ServerUnavailable) as raised,
        open_databases(make_url("sqlite://"), folder=folder),
    ):
        pass

    first, rest = str(raised.value).split("\n", 1)
    assert first.startswith(f"no database can be made on sqlite+pysqlite:///{folder}: ")
    assert "PermissionError" in first
    assert rest == REMEDY.format(folder=folder)
    assert list(folder.iterdir()) == []


def test_folder_that_is_closed_later_is_said_and_nothing_is_left(
    own_temporary_folder: Path,
) -> None:
    folder = own_temporary_folder / "closed"
    folder.mkdir()
    folder.chmod(0o777)
    with (
        user_with_permissions(),
        open_databases(make_url("sqlite://"), folder=folder) as databases,
    ):
        source = databases.create()
        alive = {path.name for path in folder.iterdir()}
        with as_owner():
            folder.chmod(0o555)
        for work in (databases.create, lambda: databases.clone(source)):
            with pytest.raises(ServerUnavailable) as raised:
                work()
            assert str(raised.value).endswith(REMEDY.format(folder=folder))
        assert {path.name for path in folder.iterdir()} == alive
        with as_owner():
            folder.chmod(0o777)
    assert list(folder.iterdir()) == []


@contextmanager
def as_owner() -> Iterator[None]:
    """Be root again within ``user_with_permissions``."""
    if os.getuid() != 0:
        yield
        return
    os.seteuid(0)
    yield
    os.seteuid(NOBODY)


@pytest.fixture
def small_disk(own_temporary_folder: Path) -> Iterator[Path]:
    """A folder on a disk of 64 KiB."""
    folder = own_temporary_folder / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)],
        check=False,
        capture_output=True,
    )
    if mounted.returncode:
        pytest.skip("this user cannot mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


WORK: dict[str, Callable[[Databases, URL, URL], object]] = {
    "create": lambda databases, template, source: databases.create(),
    "clone": lambda databases, template, source: databases.clone(source),
    "keep": lambda databases, template, source: databases.keep(source, "a test"),
    "seal": lambda databases, template, source: databases.seal(source, note(Path("/"))),
    "set_aside": lambda databases, template, source: databases.set_aside(source, template, "t"),
}


@pytest.mark.parametrize("work", WORK.values(), ids=WORK.keys())
def test_full_disk_is_said_and_leaves_no_file(
    small_disk: Path, work: Callable[[Databases, URL, URL], object]
) -> None:
    with open_databases(make_url("sqlite://"), folder=small_disk) as databases:
        template = databases.create()
        source = databases.create()
        with connected(source) as connection:
            connection.execute("CREATE TABLE blobs (b BLOB)")
            connection.execute("INSERT INTO blobs VALUES (zeroblob(9000))")
        fill(small_disk)
        files = {path.name for path in small_disk.iterdir()}

        with pytest.raises(ServerUnavailable) as raised:
            work(databases, template, source)

        first, rest = str(raised.value).split("\n", 1)
        assert first.startswith(f"no database can be made on sqlite+pysqlite:///{small_disk}: ")
        assert rest == REMEDY.format(folder=small_disk)
        assert {path.name for path in small_disk.iterdir()} == files


def fill(folder: Path) -> None:
    """Leave no room on a disk."""
    disk = os.statvfs(folder)
    (folder / "ballast").write_bytes(bytes(disk.f_bavail * disk.f_frsize))


def test_connection_goes_on_with_the_content_of_the_template_after_set_aside(
    databases: Databases, tmp_path: Path
) -> None:
    template = databases.create()
    ask(template, "CREATE TABLE numbers (n INTEGER)")
    databases.seal(template, note(tmp_path))
    url = databases.clone(template)

    with connected(url) as connection:
        connection.execute("INSERT INTO numbers VALUES (1)")
        connection.execute("CREATE TABLE more (n INTEGER)")
        kept = databases.set_aside(url, template, "a test")

        assert rows(connection) == []
        connection.execute("INSERT INTO numbers VALUES (2)")
        assert ask(url, "SELECT name FROM sqlite_master") == [("numbers",)]
    assert (numbers(url), numbers(kept), numbers(template)) == ([2], [1], [])
    for each in (kept, template):
        databases.drop(each)


@pytest.mark.parametrize("statement", ["SELECT n FROM numbers", "INSERT INTO numbers VALUES (2)"])
def test_transaction_that_does_not_end_is_an_error_of_set_aside(
    databases: Databases, tmp_path: Path, statement: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = databases.create()
    ask(template, "CREATE TABLE numbers (n INTEGER)")
    databases.seal(template, note(tmp_path))
    url = databases.clone(template)
    ask(url, "INSERT INTO numbers VALUES (1)")
    files = {path.name for path in tmp_path.iterdir() if path.suffix == ".db"}

    with connected(url) as connection:
        connection.execute("BEGIN")
        connection.execute(statement).fetchone()
        with pytest.raises(ServerUnavailable) as raised:
            databases.set_aside(url, template, "a test")
        connection.execute("ROLLBACK")

    assert str(raised.value) == LOCKED
    assert {path.name for path in tmp_path.iterdir() if path.suffix == ".db"} == files
    assert numbers(url) == [1]
    databases.drop(template)
