"""The fixtures that hand out migrated databases, in test runs of their own."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.places import Place
from tests.processes import ask

from alembic_assay.recall import memory_of, recall

if TYPE_CHECKING:
    from tests.conftest import ProjectFiles

# pytester forgets the modules that are first imported while it is there; imported a second time,
# SQLAlchemy's would register everything twice.
for _name in (
    "alembic_assay.dialects.mysql",
    "alembic_assay.dialects.postgresql",
    "alembic_assay.dialects.sqlite",
    "alembic_assay.pool",
    "alembic_assay.pytest_plugin.building",
    "alembic_assay.sandboxes",
    "alembic_assay.recall",
    "alembic_assay.template",
    "psycopg",
    "pymysql",
    "sqlalchemy.dialects.mysql.pymysql",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite.pysqlite",
    "sqlalchemy.orm",
):
    importlib.import_module(_name)

TESTS = """
import pytest
from sqlalchemy import Connection, Engine, URL, inspect, text
from sqlalchemy.orm import Session

INSERT = text("INSERT INTO users (id) VALUES (7)")
COUNT = text("SELECT count(*) FROM users")


def test_database_is_migrated(migrated_database, migrated_engine):
    assert isinstance(migrated_database, URL)
    assert isinstance(migrated_engine, Engine)
    assert sorted(inspect(migrated_engine).get_table_names()) == ["alembic_version", "users"]


@pytest.mark.parametrize("number", [1, 2])
def test_connection_is_rolled_back(db_connection, number):
    assert isinstance(db_connection, Connection)
    assert db_connection.scalar(COUNT) == 0
    db_connection.execute(INSERT)
    db_connection.commit()
    assert db_connection.scalar(COUNT) == 1


@pytest.mark.parametrize("number", [1, 2])
def test_session_is_rolled_back(db_session, db_connection, number):
    assert isinstance(db_session, Session)
    assert db_session.scalar(COUNT) == 0
    db_session.execute(INSERT)
    db_session.commit()
    db_session.rollback()
    assert db_session.scalar(COUNT) == db_connection.scalar(COUNT) == 1


def test_nothing_is_left(migrated_engine):
    with migrated_engine.connect() as connection:
        assert connection.scalar(COUNT) == 0
"""
WORKER_TESTS = """
import pathlib
import time

import pytest
from sqlalchemy import text


@pytest.mark.parametrize("number", range(30))
def test_worker_has_a_database_of_its_own(migrated_engine, migrated_database, worker_id, number):
    pathlib.Path("used").mkdir(exist_ok=True)
    pathlib.Path("used", f"{worker_id}-{migrated_database.database.rpartition('/')[2]}").touch()
    with migrated_engine.begin() as connection:
        connection.execute(text("INSERT INTO users (id) VALUES (:id)"), {"id": number + 1})
    # Each worker waits until all have a database: none of them is to be done, and to let go of
    # what the migrations made, before another has begun.
    while len(list(pathlib.Path("used").iterdir())) < 3:
        assert time.monotonic() < DEADLINE


DEADLINE = time.monotonic() + 60
"""


@pytest.fixture
def files(inner_project: ProjectFiles) -> ProjectFiles:
    """A project with one table, whose databases are made on a server of each kind."""
    inner_project.add_table("0001", None, "users")
    return inner_project


def basetemp(pytester: pytest.Pytester) -> Path:
    return pytester.path.parent / "basetemp"


def run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    """Run pytest here: that is faster."""
    return pytester.runpytest_inprocess(
        "-p", "no:cacheprovider", f"--basetemp={basetemp(pytester)}", *arguments
    )


def run_workers(pytester: pytest.Pytester, number: int, *arguments: str) -> pytest.RunResult:
    """Run pytest in processes of its own."""
    return pytester.runpytest_subprocess(
        *("-p", "no:cacheprovider", f"--basetemp={basetemp(pytester)}"),
        *("-n", str(number), "--maxschedchunk=1"),
        *arguments,
    )


def count_runs(files: ProjectFiles) -> Callable[[], tuple[int, int]]:
    """Let env.py and the revision leave a mark each time they run, and return who counts them."""
    marks = files.folder / "marks"
    marks.mkdir()
    mark = "import pathlib, uuid\n{indent}"
    mark += "pathlib.Path({path!r}, {name!r} + uuid.uuid4().hex).touch()\n"
    files.env.write_text(
        mark.format(indent="", path=str(marks), name="env-") + files.env.read_text()
    )
    revision = files.folder / "migrations" / "versions" / "0001.py"
    text = revision.read_text()
    inner = "    " + mark.format(indent="    ", path=str(marks), name="upgrade-")
    revision.write_text(text.replace("def upgrade():\n", f"def upgrade():\n{inner}"))

    def counted() -> tuple[int, int]:
        return len(list(marks.glob("env-*"))), len(list(marks.glob("upgrade-*")))

    return counted


def test_tests_get_a_migrated_database_and_are_rolled_back(
    pytester: pytest.Pytester, files: ProjectFiles, place: Place
) -> None:
    counted = count_runs(files)
    pytester.makepyfile(test_own=TESTS)

    result = run(pytester)

    result.assert_outcomes(passed=6)
    assert counted() == (1, 1)
    assert place.left() == []
    assert len(place.noted("template")) == 1


def test_second_run_migrates_nothing(
    pytester: pytest.Pytester, files: ProjectFiles, place: Place
) -> None:
    counted = count_runs(files)
    pytester.makepyfile(test_own=TESTS)

    for arguments in ((), (), ("--assay-rebuild",)):
        run(pytester, *arguments).assert_outcomes(passed=6)

    assert counted() == (2, 2)
    assert place.left() == []
    assert len(place.noted("template")) == 1


def _change_revision(files: ProjectFiles) -> None:
    path = files.folder / "migrations" / "versions" / "0001.py"
    path.write_text(path.read_text() + "# changed\n")


def _add_revision(files: ProjectFiles) -> None:
    files.add_revision("0002", "0001")


def _change_env(files: ProjectFiles) -> None:
    files.env.write_text(files.env.read_text() + "# changed\n")


def _add_settings(files: ProjectFiles) -> None:
    (files.folder / "schema.sql").write_text("CREATE TABLE old (id INTEGER);")
    text = '[tool.alembic-assay]\nbaseline = "schema.sql"\n'
    (files.folder / "pyproject.toml").write_text(text)


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
@pytest.mark.parametrize("change", [_change_revision, _add_revision, _change_env, _add_settings])
def test_what_has_changed_between_two_runs_is_seen(
    pytester: pytest.Pytester, files: ProjectFiles, change: Callable[[ProjectFiles], None]
) -> None:
    counted = count_runs(files)
    pytester.makepyfile(test_own="def test_own(migrated_engine):\n    pass\n")
    for _ in range(2):
        run(pytester).assert_outcomes(passed=1)
    assert counted()[0] == 1

    change(files)

    for _ in range(2):
        run(pytester).assert_outcomes(passed=1)
    assert counted()[0] == 2


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
def test_warm_run_imports_neither_alembic_nor_the_revisions(
    pytester: pytest.Pytester, files: ProjectFiles
) -> None:
    pytester.makepyfile(
        test_own="""
        import sys

        def test_own(migrated_engine, db_session, fresh_engine):
            assert ("alembic" in sys.modules) == ("FIRST" in __import__("os").environ)
        """
    )

    def run_alone() -> pytest.RunResult:
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:xdist")

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FIRST", "1")
        run_alone().assert_outcomes(passed=1)
    run_alone().assert_outcomes(passed=1)


@pytest.mark.parametrize("databases", ["postgresql"], indirect=True)
def test_kind_of_server_is_remembered_and_not_the_one_that_was_started(
    pytester: pytest.Pytester, files: ProjectFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_URL", "postgresql://")
    pytester.makepyfile(test_own="def test_own(migrated_engine):\n    pass\n")

    run(pytester).assert_outcomes(passed=1)

    memory = recall(memory_of(pytester.path, None, None, "postgresql://"))
    assert memory is not None
    assert memory.server == "postgresql://"


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
def test_seed_is_sown_again_where_it_has_changed(
    pytester: pytest.Pytester, files: ProjectFiles, place: Place
) -> None:
    conftest = """
        import pytest

        @pytest.fixture(scope="session")
        def assay_seed():
            def seed(connection):
                connection.exec_driver_sql("INSERT INTO users (id) VALUES ({number})")
            return seed
        """
    pytester.makepyfile(
        test_own="""
        import os
        from sqlalchemy import text

        def test_own(db_session):
            assert db_session.scalar(text("SELECT id FROM users")) == int(os.environ["SEEDED"])
        """
    )
    for number in ("1", "1", "2"):
        pytester.makeconftest(conftest.format(number=number))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SEEDED", number)
            pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)

    assert len(place.noted("template")) == 3


FRESH_TESTS = """
import pytest
from sqlalchemy import text

COUNT = text("SELECT count(*) FROM users")


@pytest.mark.parametrize("number", range(8))
def test_own_database(fresh_engine, fresh_database, number):
    assert fresh_engine.url == fresh_database
    with fresh_engine.connect() as connection:
        assert connection.scalar(COUNT) == 0
    if number % 2:
        with fresh_engine.begin() as connection:
            connection.execute(text("INSERT INTO users (id) VALUES (7)"))
            connection.execute(text("CREATE TABLE more (id INTEGER)"))


def test_rolled_back_ones_see_nothing_of_it(db_session):
    assert db_session.scalar(COUNT) == 0
"""


@pytest.mark.parametrize("workers", [0, 2])
def test_test_has_a_database_of_its_own(
    pytester: pytest.Pytester, files: ProjectFiles, place: Place, workers: int
) -> None:
    pytester.makepyfile(test_own=FRESH_TESTS)

    result = run_workers(pytester, workers) if workers else run(pytester)

    result.assert_outcomes(passed=9)
    assert place.left() == []


FAILING_TESTS = """
import pytest
from sqlalchemy import text

COUNT = text("SELECT count(*) FROM users")


@pytest.fixture
def rows(db_session):
    assert db_session.scalar(COUNT) == 0
    db_session.execute(text("INSERT INTO users (id) VALUES (7)"))
    db_session.commit()
    db_session.execute(text("INSERT INTO users (id) VALUES (8)"))


def test_fails(rows):
    assert False


def test_breaks_a_rule(rows, db_session):
    db_session.execute(text("INSERT INTO users (id) VALUES (7)"))


def test_passes(rows):
    pass


def test_connection_fails(db_connection):
    assert db_connection.scalar(COUNT) == 0
    db_connection.execute(text("INSERT INTO users (id) VALUES (7)"))
    db_connection.commit()
    assert False


def test_fresh_fails(fresh_engine):
    with fresh_engine.begin() as connection:
        assert connection.scalar(COUNT) == 0
        connection.execute(text("INSERT INTO users (id) VALUES (7)"))
    assert False


def test_fresh_passes(fresh_engine):
    with fresh_engine.begin() as connection:
        assert connection.scalar(COUNT) == 0
"""

KEPT = {
    "test_fails": [7, 8],
    "test_breaks_a_rule": [7, 8],
    "test_connection_fails": [7],
    "test_fresh_fails": [7],
}
"""The tests that fail, and the rows that their databases are to have in the end."""


@pytest.mark.parametrize("workers", [0, 2])
def test_databases_of_failed_tests_are_kept(
    pytester: pytest.Pytester, files: ProjectFiles, place: Place, workers: int
) -> None:
    pytester.makepyfile(test_own=FAILING_TESTS)
    arguments = ("--assay-keep=failed",)

    result = run_workers(pytester, workers, *arguments) if workers else run(pytester, *arguments)

    result.assert_outcomes(failed=4, passed=2)
    assert place.left() == []
    kept = {
        one.note.of.rpartition("::")[2]: [n for (n,) in ask(one.url, "SELECT id FROM users")]
        for one in place.own()
        if one.note and one.note.kind == "kept"
    }
    if place.backend == "postgresql":
        # There an error undoes what its transaction has done.
        assert kept.pop("test_breaks_a_rule") == [7]
        kept["test_breaks_a_rule"] = [7, 8]
    assert kept == KEPT
    printed = result.outlines
    for name in place.noted("kept"):
        at = printed.index(f"  alembic-assay databases url {name}")
        assert name in printed[at - 1]
        assert printed[at - 2].startswith("test_own.py::test_")


def test_databases_of_failed_tests_are_dropped_by_default(
    pytester: pytest.Pytester, files: ProjectFiles, place: Place
) -> None:
    pytester.makepyfile(test_own=FAILING_TESTS)

    result = run(pytester)

    result.assert_outcomes(failed=4, passed=2)
    assert place.left() == place.noted("kept") == []


def test_workers_have_databases_of_their_own_and_migrate_once(
    pytester: pytest.Pytester, files: ProjectFiles, place: Place
) -> None:
    counted = count_runs(files)
    pytester.makepyfile(test_own=WORKER_TESTS)

    result = run_workers(pytester, 3)

    result.assert_outcomes(passed=30)
    used = sorted(path.name for path in (files.folder / "used").iterdir())
    assert [name.partition("-")[0] for name in used] == ["gw0", "gw1", "gw2"]
    assert len({name.partition("-")[2] for name in used}) == 3
    assert counted() == (1, 1)
    assert place.left() == []


def test_broken_migration_is_an_error_of_each_test_with_the_finding(
    pytester: pytest.Pytester, files: ProjectFiles, place: Place
) -> None:
    files.add_revision("0002", "0001", upgrade='op.drop_table("nowhere")', message="tidy up")
    pytester.makepyfile(test_own=TESTS)

    result = run_workers(pytester, 2)

    error = {
        "sqlite": "OperationalError: no such table: nowhere",
        "postgresql": 'UndefinedTable: table "nowhere" does not exist',
        "mysql": "OperationalError: (1051, \"Unknown table 'nowhere'\")",
    }[place.backend]
    result.assert_outcomes(errors=6)
    printed = [line for line in result.outlines if line and not line.startswith("[gw")]
    heading = next(n for n, line in enumerate(printed) if "test_database_is_migrated __" in line)
    assert printed[heading + 1 : heading + 5] == [
        f"upgrade-failed: upgrade to 0002 (tidy up) fails: {error}",
        "  in migrations/versions/0002.py",
        "  A database cannot be brought to head.",
        "  help: correct upgrade(); the error is the database's own.",
    ]
    assert sum(line.startswith("upgrade-failed: ") for line in printed) == 6
    result.stdout.no_fnmatch_line("*fixtures.py*")
    assert place.left() == []


def test_broken_migration_is_run_once_for_all_tests(
    pytester: pytest.Pytester, files: ProjectFiles, place: Place
) -> None:
    counted = count_runs(files)
    files.add_revision("0002", "0001", upgrade='op.drop_table("nowhere")')
    pytester.makepyfile(test_own=TESTS)

    result = run(pytester)

    result.assert_outcomes(errors=6)
    assert counted() == (1, 1)
    assert place.left() == []


def test_checks_and_tests_share_one_run(
    pytester: pytest.Pytester, files: ProjectFiles, place: Place
) -> None:
    pytester.makepyfile(test_own=TESTS)

    result = run(pytester, "--assay")

    result.assert_outcomes(passed=9, skipped=1)
    assert place.left() == []


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
def test_several_heads_are_an_error_of_each_test(
    pytester: pytest.Pytester, files: ProjectFiles
) -> None:
    files.add_revision("0002", "0001")
    files.add_revision("0003", "0001")
    pytester.makepyfile(test_own="def test_own(db_session):\n    pass\n")

    result = run(pytester)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["several-heads: the history has 2 heads: 0002 (0002), 0003 (0003)"]
    )


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
def test_fixture_of_the_user_wins(pytester: pytest.Pytester, files: ProjectFiles) -> None:
    pytester.makeconftest(
        """
        import pytest

        @pytest.fixture
        def db_session():
            return "the user's own"
        """
    )
    pytester.makepyfile(
        test_own="""
        def test_own(db_session):
            assert db_session == "the user's own"
        """
    )

    result = run(pytester)

    result.assert_outcomes(passed=1)


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
def test_missing_configuration_is_an_error_with_its_text_alone(
    pytester: pytest.Pytester, files: ProjectFiles
) -> None:
    files.ini.unlink()
    pytester.makepyfile(test_own="def test_own(db_session):\n    pass\n")

    result = run(pytester)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at setup of test_own*",
            (
                "there is no alembic.ini, and no pyproject.toml with [[]tool.alembic], in"
                f" {files.folder}"
            ),
            "  Without one the migrations cannot be found.",
            "  help: start in the folder that holds it, or name it: -c path/to/alembic.ini",
        ],
        consecutive=False,
    )
    result.stdout.no_fnmatch_line("*fixtures.py*")


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
def test_project_fixture_serves_the_checks_in_tests(
    pytester: pytest.Pytester, files: ProjectFiles
) -> None:
    pytester.makepyfile(
        test_own="""
        from alembic_assay import check_heads, check_round_trip, check_upgrade

        def test_own(assay_project):
            for check in (check_heads, check_upgrade, check_round_trip):
                assert check(assay_project) == []
        """
    )

    result = run(pytester)

    result.assert_outcomes(passed=1)


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
def test_fixtures_are_documented(pytester: pytest.Pytester, files: ProjectFiles) -> None:
    result = run(pytester, "--fixtures")

    printed = result.stdout.str()
    for name in (
        "assay_url",
        "assay_metadata",
        "assay_config",
        "assay_project",
        "assay_seed",
        "migrated_database",
        "migrated_engine",
        "db_connection",
        "db_session",
        "fresh_database",
        "fresh_engine",
    ):
        assert f"\n{name} " in printed
