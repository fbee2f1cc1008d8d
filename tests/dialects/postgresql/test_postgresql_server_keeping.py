"""A throw-away server stays for a while, and its databases survive its end and every kill."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import URL, create_engine, text
from sqlalchemy.pool import NullPool
from tests.dialects.postgresql.servers import (
    ask,
    generations,
    parent_of,
    processes_in,
    server_at,
    url_of,
    user,
    wait_until,
)

from alembic_assay.dialects.postgresql import server, supervisor
from alembic_assay.dialects.postgresql.binaries import Binaries
from alembic_assay.dialects.postgresql.launch import INITDB_OPTIONS, make_plan
from alembic_assay.dialects.postgresql.run_directory import RunDirectory, ensure_run_directory
from alembic_assay.dialects.postgresql.server import running_server

LINGER_SECONDS = 1.5

ONLY_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="needs the parent death signal")


def test_databases_at_the_next_start_are_there_again(base: Path, binaries: Binaries) -> None:
    with running_server(binaries, linger=0) as url:
        first = server_at(base, url)
        make_database(url, "kept")
    wait_until(first.is_gone)

    with running_server(binaries, linger=0) as url:
        assert ask(url.set(database="kept"), "SELECT count(*) FROM numbers") == 3
        assert server_at(base, url).generation != first.generation


def test_statistics_at_the_next_start_are_there_again(
    fresh_base: Path, any_binaries: Binaries
) -> None:
    with running_server(any_binaries, linger=0) as url:
        first = server_at(fresh_base, url)
        make_database(url, "kept")
    wait_until(first.is_gone)

    with running_server(any_binaries, linger=0) as url:
        inserted = "SELECT n_tup_ins FROM pg_stat_user_tables WHERE relname = 'numbers'"
        assert ask(url.set(database="kept"), inserted) == 3


def test_server_after_its_last_use_can_be_joined_for_a_while(
    base: Path, any_binaries: Binaries
) -> None:
    with running_server(any_binaries, linger=LINGER_SECONDS) as url:
        first = server_at(base, url)

    with running_server(any_binaries, linger=LINGER_SECONDS) as url:
        second = server_at(base, url)

    assert (second.generation, second.pid) == (first.generation, first.pid)
    wait_until(second.is_gone)


def test_server_that_is_joined_notes_the_time_of_its_use(
    base: Path, any_binaries: Binaries
) -> None:
    with running_server(any_binaries, linger=0) as url:
        users = server_at(base, url).generation / "users.lock"
        before = users.stat().st_mtime_ns

        with running_server(any_binaries, linger=0):
            assert users.stat().st_mtime_ns > before


def test_server_used_between_two_looks_of_its_supervisor_stays(
    tmp_path: Path, any_binaries: Binaries
) -> None:
    plan = make_plan(run_of(any_binaries), tmp_path, executables=tmp_path, linger=LINGER_SECONDS)
    used_until = time.monotonic() + 2 * LINGER_SECONDS

    def is_used_no_more() -> bool:
        os.utime(tmp_path / "users.lock")  # as by one who has come and gone again
        return time.monotonic() > used_until

    with supervisor.opened(tmp_path / "users.lock") as users:
        watch = threading.Thread(target=supervisor.wait_until_unused, args=(users, plan))
        watch.start()
        wait_until(is_used_no_more)

        assert watch.is_alive()
        wait_until(lambda: not watch.is_alive())


def test_server_with_an_open_session_stays(base: Path, any_binaries: Binaries) -> None:
    with running_server(any_binaries, linger=LINGER_SECONDS) as url:
        running = server_at(base, url)
        engine = create_engine(url, poolclass=NullPool)
        session = engine.connect()
    age = text(f"SELECT clock_timestamp() > now() + interval '{2 * LINGER_SECONDS} s'")

    wait_until(lambda: session.scalar(age))

    assert not running.is_gone()
    session.close()
    wait_until(running.is_gone)


@pytest.mark.parametrize("damage", ["empty", "no archive", "half", "no data", "bad settings"])
def test_archive_that_no_server_comes_up_from_is_replaced(
    fresh_base: Path, any_binaries: Binaries, damage: str
) -> None:
    with running_server(any_binaries, linger=0) as url:
        make_database(url, "lost")
    wait_until(lambda: not generations(fresh_base))
    archive = archive_of(any_binaries)
    damages: dict[str, Callable[[], object]] = {
        "empty": lambda: archive.write_bytes(b""),
        "no archive": lambda: archive.write_bytes(b"\xff" * 20_000),
        "half": lambda: os.truncate(archive, archive.stat().st_size // 2),
        "no data": lambda: tarfile.open(archive, "w").close(),
        "bad settings": lambda: add_to_archive(archive, "postgresql.conf", "no_such_name = 1\n"),
    }
    damages[damage]()

    with running_server(any_binaries, linger=0) as url:
        assert "lost" not in databases(url)
        make_database(url, "kept")
    wait_until(lambda: not generations(fresh_base))

    with running_server(any_binaries, linger=0) as url:
        assert "kept" in databases(url)


@ONLY_LINUX
def test_databases_of_a_killed_supervisor_are_those_of_the_archive_before(
    fresh_base: Path, any_binaries: Binaries
) -> None:
    with running_server(any_binaries, linger=0) as url:
        make_database(url, "older")
    wait_until(lambda: not generations(fresh_base))
    with running_server(any_binaries, linger=0) as url:
        make_database(url, "newer")
        orphan = server_at(fresh_base, url)
        os.kill(parent_of(orphan.pid), signal.SIGKILL)
        wait_until(lambda: processes_in([orphan.data]) == [])

    with running_server(any_binaries, linger=0) as url:
        assert {"older", "newer"} & databases(url) == {"older"}
        assert orphan.is_gone()


def test_databases_of_a_supervisor_killed_while_it_packs_are_those_of_the_archive_before(
    fresh_base: Path, any_binaries: Binaries, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_server(any_binaries, linger=0) as url:
        make_database(url, "older")
    wait_until(lambda: not generations(fresh_base))
    with gate_before_packing(fresh_base, monkeypatch) as gate:
        with running_server(any_binaries, linger=0) as url:
            make_database(url, "newer")
            ending = server_at(fresh_base, url)
            owner = parent_of(ending.pid)
            gate.unlink()
        wait_until((ending.generation / "partial.tar").exists)
        os.kill(owner, signal.SIGKILL)

        with running_server(any_binaries, linger=0) as url:
            assert {"older", "newer"} & databases(url) == {"older"}
            assert ending.is_gone()
            gate.touch()


def test_newcomer_during_the_end_waits_and_finds_the_databases(
    fresh_base: Path, any_binaries: Binaries, monkeypatch: pytest.MonkeyPatch
) -> None:
    with gate_before_packing(fresh_base, monkeypatch) as gate:
        with running_server(any_binaries, linger=0) as url:
            make_database(url, "kept")
            ending = server_at(fresh_base, url)
            gate.unlink()
        wait_until((ending.generation / "partial.tar").exists)
        with user(any_binaries) as newcomer:
            wait_until(lambda: is_locked(run_of(any_binaries).path / "start.lock"))

            assert generations(fresh_base) == [ending.generation]
            gate.touch()
            assert "kept" in databases(url_of(newcomer))


def test_newcomer_during_an_end_without_end_starts_from_the_archive_before(
    fresh_base: Path, any_binaries: Binaries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "ENDING_TIMEOUT_SECONDS", 0.1)
    with gate_before_packing(fresh_base, monkeypatch) as gate:
        with running_server(any_binaries, linger=0) as url:
            make_database(url, "late")
            ending = server_at(fresh_base, url)
            gate.unlink()
        wait_until((ending.generation / "partial.tar").exists)

        with running_server(any_binaries, linger=0) as url:
            assert "late" not in databases(url)
            gate.touch()


@pytest.mark.parametrize(
    ("file", "largest", "is_worth"),
    [("base/1/1259", 4, True), ("base/1/1259", 3, False), ("pg_tblspc/16384", 4, False)],
)
def test_data_too_large_or_partly_elsewhere_are_not_worth_keeping(
    tmp_path: Path,
    any_binaries: Binaries,
    monkeypatch: pytest.MonkeyPatch,
    file: str,
    largest: int,
    is_worth: bool,  # noqa: FBT001 - a parameter of the table above
) -> None:
    monkeypatch.setattr(supervisor, "LARGEST_KEPT_BYTES", largest)
    plan = make_plan(run_of(any_binaries), tmp_path, executables=tmp_path, linger=0)
    plan["data"] = str(tmp_path / "data")
    for folder in ("base/1", "pg_tblspc"):
        (tmp_path / "data" / folder).mkdir(parents=True)
    (tmp_path / "data" / file).write_text("rows")

    assert supervisor.is_worth_keeping(tmp_path, plan) == is_worth


def make_database(url: URL, name: str) -> None:
    maintenance = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with maintenance.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    with create_engine(url.set(database=name), poolclass=NullPool).begin() as connection:
        connection.execute(text("CREATE TABLE numbers (number integer)"))
        connection.execute(text("INSERT INTO numbers VALUES (1), (2), (3)"))


def databases(url: URL) -> set[str]:
    with create_engine(url, poolclass=NullPool).connect() as connection:
        return set(connection.scalars(text("SELECT datname FROM pg_database")))


def run_of(binaries: Binaries) -> RunDirectory:
    return ensure_run_directory(binaries, INITDB_OPTIONS)


def archive_of(binaries: Binaries) -> Path:
    return run_of(binaries).archive


def add_to_archive(archive: Path, name: str, content: str) -> None:
    (archive.parent / name).write_text(content)
    with tarfile.open(archive, "a") as tar:
        tar.add(archive.parent / name, f"./{name}")


def is_locked(path: Path) -> bool:
    try:
        supervisor.locked(path, fcntl.LOCK_EX | fcntl.LOCK_NB).close()
    except BlockingIOError:
        return True
    return False


@contextmanager
def gate_before_packing(base: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a file without which no data directory is packed by a server started meanwhile."""
    gate, programs = base / "gate", base / "programs"
    programs.mkdir(mode=0o755, exist_ok=True)
    wait = f'while [ "$1" = -cf ] && [ ! -e "{gate}" ]; do sleep 0.01; done'
    (programs / "tar").write_text(f'#!/bin/sh\n{wait}\nexec "{shutil.which("tar")}" "$@"\n')
    (programs / "tar").chmod(0o755)
    gate.touch()
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(programs), prepend=os.pathsep)
        try:
            yield gate
        finally:
            gate.touch()
