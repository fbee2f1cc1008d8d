"""Test runs whose workers are killed, and runs beside each other on one server."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.places import Place
from tests.processes import wait_until

if TYPE_CHECKING:
    from tests.conftest import ProjectFiles

# pytester forgets the modules that are first imported while it is there; imported a second time,
# SQLAlchemy's would register everything twice.
for _name in ("psycopg", "pymysql", "alembic_assay.dialects.mysql"):
    importlib.import_module(_name)

DEADLINE_SECONDS = 120

CRASHING_TESTS = """
import os
import pathlib

import pytest
from sqlalchemy import text

COUNT = text("SELECT count(*) FROM users")
INSERT = text("INSERT INTO users (id) VALUES (7)")


def test_killed(fresh_engine, migrated_engine):
    with fresh_engine.begin() as connection, migrated_engine.connect() as other:
        connection.execute(INSERT)
        other.execute(INSERT)
        if pathlib.Path("deadly").exists():
            os.kill(os.getpid(), 9)


@pytest.mark.parametrize("number", range(6))
def test_fresh(fresh_engine, number):
    with fresh_engine.begin() as connection:
        assert connection.scalar(COUNT) == 0
        connection.execute(INSERT)


@pytest.mark.parametrize("number", range(6))
def test_rolled_back(db_connection, number):
    assert db_connection.scalar(COUNT) == 0
    db_connection.execute(INSERT)
    db_connection.commit()
"""

MEETING_TESTS = """
import os
import pathlib
import time

import pytest
from sqlalchemy import text

COUNT = text("SELECT count(*) FROM users")
INSERT = text("INSERT INTO users (id) VALUES (7)")


@pytest.fixture(scope="session", autouse=True)
def meet():
    pathlib.Path(f"here-{os.getpid()}").touch()
    while len(list(pathlib.Path().glob("here-*"))) < 2:
        assert time.monotonic() < DEADLINE


@pytest.mark.parametrize("number", range(12))
def test_own(fresh_engine, db_session, number):
    with fresh_engine.begin() as connection:
        assert connection.scalar(COUNT) == 0
        connection.execute(INSERT)
    assert db_session.scalar(COUNT) == 0
    db_session.execute(INSERT)
    db_session.commit()


DEADLINE = time.monotonic() + 60
"""


@pytest.fixture
def files(inner_project: ProjectFiles) -> ProjectFiles:
    """A project with one table, whose databases are made on a server of each kind."""
    inner_project.add_revision(
        "0001",
        upgrade="import pathlib, uuid\n"
        f"pathlib.Path({str(inner_project.folder)!r}, 'upgrade-' + uuid.uuid4().hex).touch()\n"
        'op.create_table("users", sa.Column("id", sa.Integer, primary_key=True))',
    )
    return inner_project


def upgrades(files: ProjectFiles) -> int:
    """Count how often the revision was run."""
    return len(list(files.folder.glob("upgrade-*")))


def run_workers(pytester: pytest.Pytester, name: str) -> pytest.RunResult:
    """Run pytest with two workers, in processes of its own, with a folder for this run."""
    return pytester.runpytest_subprocess(
        *("-p", "no:cacheprovider", f"--basetemp={basetemp(pytester, name)}"),
        *("-n", "2", "--maxschedchunk=1"),
        timeout=DEADLINE_SECONDS,
    )


def basetemp(pytester: pytest.Pytester, name: str) -> Path:
    return pytester.path.parent / name


def test_worker_that_is_killed_is_replaced_and_the_next_run_leaves_the_template_alone(
    pytester: pytest.Pytester, files: ProjectFiles, place: Place
) -> None:
    pytester.makepyfile(test_own=CRASHING_TESTS)
    deadly = files.folder / "deadly"
    deadly.touch()

    crashed = run_workers(pytester, "crashed")

    crashed.assert_outcomes(passed=12, failed=1)
    crashed.stdout.fnmatch_lines(["*worker 'gw?' crashed while running 'test_own.py::test_killed'"])
    left = {one.owner for one in place.own() if one.note is None}
    assert len(left) <= 1
    wait_until(lambda: not place.server.living(left))

    deadly.unlink()
    run_workers(pytester, "next").assert_outcomes(passed=13)

    assert place.left() == []
    assert len(place.noted("template")) == 1
    assert upgrades(files) == 1


def test_runs_beside_each_other_do_not_collide_and_migrate_once(
    pytester: pytest.Pytester, files: ProjectFiles, place: Place
) -> None:
    pytester.makepyfile(test_own=MEETING_TESTS)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]

    runs = [
        subprocess.Popen(
            [*command, f"--basetemp={basetemp(pytester, name)}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for name in ("one", "other")
    ]
    printed = [run.communicate(timeout=DEADLINE_SECONDS)[0] for run in runs]

    assert [run.returncode for run in runs] == [0, 0], "\n".join(printed)
    assert all(" 12 passed in " in text for text in printed)
    assert upgrades(files) == 1
    assert place.left() == []
    assert len(place.noted("template")) == 1
