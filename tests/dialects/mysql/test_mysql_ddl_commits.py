"""What differs where DDL commits: what stays of a revision that fails, and what is said of that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import URL, event
from tests.processes import ask, heads, tables
from tests.states import models

from alembic_assay.checks.round_trip import check_round_trip
from alembic_assay.config import make_config
from alembic_assay.databases import Databases
from alembic_assay.exceptions import MigrationFailed, NotAtTarget, UnmanagedDatabase
from alembic_assay.migrate import Action, apply_migrations
from alembic_assay.project import Project
from alembic_assay.settings import Settings

if TYPE_CHECKING:
    from tests.conftest import ProjectFiles

OUTER_TRANSACTION = """
from alembic import context

connection = context.config.attributes["connection"]
with connection.begin() as outer:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""


@pytest.fixture
def history(project_files: ProjectFiles) -> ProjectFiles:
    project_files.add_table("a", None, "first")
    project_files.add_table("b", "a", "second")
    return project_files


@pytest.fixture
def project(project_files: ProjectFiles, mysql_databases: Databases) -> Project:
    return Project(
        lambda url: make_config(url, config_file=project_files.ini),
        mysql_databases,
        Settings(folder=project_files.folder),
    )


def test_failing_revision_leaves_its_tables_and_says_so(
    mysql_url: URL, history: ProjectFiles
) -> None:
    create = 'op.create_table("third", sa.Column("id", sa.Integer))\n'
    path = history.add_revision(
        "c",
        "b",
        message="add third",
        upgrade=create + 'op.execute("INSERT INTO first VALUES (1)")\nraise ValueError("no more")',
    )

    with pytest.raises(MigrationFailed) as raised:
        apply_migrations(mysql_url, config=history.ini)

    assert str(raised.value) == (
        "the upgrade of revision c (add third) failed: ValueError: no more\n"
        f"  It is in {path}; steps before it that stay done: 2. This database does not roll back"
        " DDL, so that what the revision itself did before the error may stay too.\n"
        "  help: undo what it did, correct it, then run it again."
    )
    assert raised.value.applied == ("a", "b")
    assert heads(mysql_url) == ["b"]
    assert tables(mysql_url) == {"alembic_version", "first", "second", "third"}
    assert ask(mysql_url, "SELECT * FROM first") == []


def test_failing_revision_once_undone_and_corrected_is_applied(
    mysql_url: URL, history: ProjectFiles
) -> None:
    create = 'op.create_table("third", sa.Column("id", sa.Integer))\n'
    history.add_revision("c", "b", upgrade=create + "raise ValueError")
    with pytest.raises(MigrationFailed):
        apply_migrations(mysql_url, config=history.ini)
    history.add_revision("c", "b", upgrade=create)
    ask(mysql_url, "DROP TABLE third")

    report = apply_migrations(mysql_url, config=history.ini, lock_timeout=0)

    assert (report.action, report.before, report.applied) == (Action.UPGRADED, ("b",), ("c",))


def test_transaction_of_env_py_around_all_keeps_what_ddl_has_committed(
    mysql_url: URL, history: ProjectFiles
) -> None:
    history.write_env(OUTER_TRANSACTION)
    path = history.add_revision("c", "b", upgrade='raise ValueError("no")')

    with pytest.raises(MigrationFailed) as raised:
        apply_migrations(mysql_url, config=history.ini)

    assert raised.value.effect.startswith(f"It is in {path}; steps before it that stay done: 1. ")
    assert raised.value.applied == ("a",)
    assert heads(mysql_url) == ["a"]


def test_env_py_that_rolls_back_is_not_taken_for_success(
    mysql_url: URL, history: ProjectFiles
) -> None:
    history.write_env(OUTER_TRANSACTION + "    outer.rollback()\n")

    with pytest.raises(NotAtTarget) as raised:
        apply_migrations(mysql_url, config=history.ini)

    assert raised.value.message == (
        f"{history.env} ran the migrations to b, but the database is at a"
    )
    assert raised.value.effect == (
        "What they did after the last DDL, which commits, was not committed."
    )
    assert heads(mysql_url) == ["a"]


def test_create_all_that_fails_half_way_leaves_a_database_that_is_refused(
    mysql_url: URL, history: ProjectFiles
) -> None:
    metadata = models()

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("no second table")

    event.listen(metadata.tables["second"], "before_create", fail)

    with pytest.raises(RuntimeError, match="no second table"):
        apply_migrations(mysql_url, config=history.ini, create="create_all", metadata=metadata)

    assert "first" in tables(mysql_url)
    with pytest.raises(UnmanagedDatabase, match="has tables, but no revision in alembic_version"):
        apply_migrations(mysql_url, config=history.ini)


HALF_WAY = 'op.create_table("{}", sa.Column("id", sa.Integer))\nop.drop_table("nowhere")'


def test_walk_goes_on_in_a_new_database_behind_steps_that_fail_half_way(
    project_files: ProjectFiles, project: Project
) -> None:
    project_files.add_table("0001", None, "a")
    project_files.add_revision("0002", "0001", upgrade=HALF_WAY.format("b"))
    project_files.add_table("0003", "0001", "c")
    project_files.add_revision(
        "0004",
        "0003",
        upgrade='op.create_table("d", sa.Column("id", sa.Integer))',
        downgrade='op.drop_table("d")\n' + HALF_WAY.format("e"),
    )
    project_files.add_revision(
        "0005",
        "0004",
        upgrade=(
            'op.create_table("f", sa.Column("id", sa.Integer))\n'
            'op.create_table("g", sa.Column("id", sa.Integer))'
        ),
        downgrade='op.drop_table("f")',
    )
    project_files.add_table("0006", "0005", "h")

    found = [(one.rule, one.revision, one.object) for one in check_round_trip(project)]

    assert sorted(found, key=str) == [
        ("downgrade-failed", "0004", None),
        ("round-trip-leftover", "0005", "table g"),
        ("upgrade-failed", "0002", None),
    ]


def test_database_in_the_error_of_the_server_is_left_out_of_the_finding(
    project_files: ProjectFiles, project: Project
) -> None:
    project_files.add_revision("0001", upgrade='op.execute("DELETE FROM nowhere")')

    [finding] = check_round_trip(project)

    assert finding.message == (
        "upgrade to 0001 (0001) fails: ProgrammingError: (1146, \"Table 'nowhere' doesn't exist\")"
    )
