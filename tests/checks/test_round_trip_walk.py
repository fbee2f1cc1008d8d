"""The walk: on behind faults, through branches, in as many databases as needed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import URL

from alembic_assay.checks.round_trip import check_round_trip
from alembic_assay.databases import Databases
from alembic_assay.dialects import Server
from alembic_assay.findings import Finding, Severity
from alembic_assay.project import Project

if TYPE_CHECKING:
    from tests.conftest import ProjectFiles

only_postgresql = pytest.mark.parametrize("databases", ["postgresql"], indirect=True)

BROKEN = 'op.drop_table("nowhere")'
NO_SUCH_TABLE = {
    "sqlite": "OperationalError: no such table: nowhere",
    "postgresql": 'UndefinedTable: table "nowhere" does not exist',
    "mysql": "OperationalError: (1051, \"Unknown table 'nowhere'\")",
}


def outline(findings: list[Finding]) -> list[tuple[str, str | None]]:
    return [(one.rule, one.revision) for one in findings]


def test_every_broken_revision_is_reported(project_files: ProjectFiles, project: Project) -> None:
    project_files.add_table("0001", None, "a")
    project_files.add_revision("0002", "0001", upgrade=BROKEN)
    project_files.add_revision("0003", "0002", upgrade="op.execute('ALTER TABLE a ADD x INTEGER')")
    project_files.add_table("0004", "0003", "b")
    project_files.add_revision(
        "0005", "0004", upgrade="op.execute('ALTER TABLE b ADD y INTEGER')", downgrade=BROKEN
    )
    project_files.add_table("0006", "0005", "c")

    found = check_round_trip(project)

    assert outline(found) == [
        ("upgrade-failed", "0002"),
        ("downgrade-does-nothing", "0003"),
        ("downgrade-failed", "0005"),
    ]


def test_descendant_of_a_failed_revision_is_skipped_and_not_silent(
    project_files: ProjectFiles, project: Project
) -> None:
    project_files.add_table("0001", None, "a")
    project_files.add_revision("0002", "0001", upgrade=BROKEN, message="make nowhere")
    path = project_files.add_revision("0003", "0002", upgrade=BROKEN, message="use nowhere")

    found = check_round_trip(project)

    assert outline(found) == [("upgrade-failed", "0002"), ("not-checked", "0003")]
    assert str(found[1]) == (
        "not-checked: revision 0003 (use nowhere) could not be checked:"
        f" {NO_SUCH_TABLE[project.databases.backend.name]}\n"
        "  It needs 0002, which was not carried out: this may only be due to that.\n"
        "  help: correct 0002 first."
    )
    assert (found[1].severity, found[1].path) == (Severity.SKIPPED, str(path))


def test_independent_branch_beside_a_failed_revision_is_walked(
    project_files: ProjectFiles, project: Project
) -> None:
    project_files.add_table("0001", None, "a")
    project_files.add_revision("0002", "0001", upgrade=BROKEN)
    project_files.add_revision("0003", "0001", upgrade=BROKEN)
    project_files.add_revision("0004", "0003", upgrade="op.execute('CREATE TABLE b (id INTEGER)')")

    found = check_round_trip(project)

    assert sorted(outline(found)) == [
        ("downgrade-does-nothing", "0004"),
        ("upgrade-failed", "0002"),
        ("upgrade-failed", "0003"),
    ]


def test_right_revisions_between_and_above_broken_downgrades_are_clean(
    project_files: ProjectFiles, project: Project
) -> None:
    project_files.add_table("0001", None, "a")
    for number in (2, 4):
        project_files.add_revision(
            f"000{number}",
            f"000{number - 1}",
            upgrade=f'op.add_column("a", sa.Column("c{number}", sa.Integer))',
            downgrade=BROKEN,
        )
        project_files.add_table(f"000{number + 1}", f"000{number}", f"t{number}")

    found = check_round_trip(project)

    assert outline(found) == [("downgrade-failed", "0002"), ("downgrade-failed", "0004")]


def test_leftover_of_one_revision_is_not_blamed_on_the_next(
    project_files: ProjectFiles, project: Project
) -> None:
    project_files.add_table("0001", None, "a")
    project_files.add_revision(
        "0002",
        "0001",
        upgrade="""
        op.create_table("b", sa.Column("id", sa.Integer))
        op.add_column("a", sa.Column("n", sa.Integer))
        """,
        downgrade='op.drop_column("a", "n")',
    )
    project_files.add_revision(
        "0003",
        "0002",
        upgrade='op.drop_table("b")',
        downgrade='op.create_table("b", sa.Column("id", sa.Integer))',
    )
    project_files.add_table("0004", "0003", "b")

    found = check_round_trip(project)

    assert [(one.rule, one.revision, one.object) for one in found] == [
        ("round-trip-leftover", "0002", "table b")
    ]


@only_postgresql
def test_leftover_enum_that_fails_the_second_upgrade_damages_no_revision_above(
    project_files: ProjectFiles, project: Project
) -> None:
    project_files.add_table("0001", None, "a")
    project_files.add_revision(
        "0002",
        "0001",
        upgrade='op.create_table("b", sa.Column("state", sa.Enum("x", name="state")))',
        downgrade='op.drop_table("b")',
    )
    project_files.add_revision(
        "0003",
        "0002",
        upgrade="""op.add_column("b", sa.Column("n", sa.Integer))""",
        downgrade='op.drop_column("b", "n")',
    )
    project_files.add_table("0004", "0003", "c")

    found = check_round_trip(project)

    assert [(one.rule, one.revision, one.object) for one in found] == [
        ("round-trip-leftover", "0002", "enum state")
    ]


@only_postgresql
def test_downgrade_that_commits_half_of_itself_damages_no_revision_above(
    project_files: ProjectFiles, project: Project
) -> None:
    project_files.add_table("0001", None, "a")
    project_files.add_revision(
        "0002",
        "0001",
        upgrade='op.create_table("b", sa.Column("id", sa.Integer))',
        downgrade=f"""
        with op.get_context().autocommit_block():
            op.drop_table("b")
        {BROKEN}
        """,
    )
    project_files.add_revision(
        "0003",
        "0002",
        upgrade='op.add_column("b", sa.Column("n", sa.Integer))',
        downgrade='op.drop_column("b", "n")',
    )
    project_files.add_table("0004", "0003", "c")

    found = check_round_trip(project)

    assert outline(found) == [("downgrade-failed", "0002")]


@only_postgresql
def test_upgrade_that_commits_half_of_itself_damages_no_revision_above(
    project_files: ProjectFiles, project: Project
) -> None:
    project_files.add_table("0001", None, "a")
    project_files.add_revision(
        "0002",
        "0001",
        upgrade=f"""
        with op.get_context().autocommit_block():
            op.create_table("b", sa.Column("id", sa.Integer))
        {BROKEN}
        """,
    )
    project_files.add_table("0003", "0002", "b")

    found = check_round_trip(project)

    assert outline(found) == [("upgrade-failed", "0002")]


@only_postgresql
def test_autocommit_block_that_is_undone_is_right(
    project_files: ProjectFiles, project: Project
) -> None:
    project_files.add_table("0001", None, "a")
    project_files.add_revision(
        "0002",
        "0001",
        upgrade="""
        with op.get_context().autocommit_block():
            op.create_index("ix", "a", ["id"], postgresql_concurrently=True)
        """,
        downgrade="""
        with op.get_context().autocommit_block():
            op.drop_index("ix", "a", postgresql_concurrently=True)
        """,
    )

    assert check_round_trip(project) == []


def test_branches_with_a_merge_and_several_bases_that_are_right_are_clean(
    project_files: ProjectFiles, project: Project
) -> None:
    add_graph(project_files)

    assert check_round_trip(project) == []


@pytest.mark.parametrize("revision", ["a1", "a3", "m1", "b2"])
def test_fault_anywhere_in_a_graph_is_found_there(
    project_files: ProjectFiles, project: Project, revision: str
) -> None:
    add_graph(project_files)
    path = project_files.folder / "migrations" / "versions" / f"{revision}.py"
    text = path.read_text().replace('op.drop_table("', 'op.drop_table("nowhere_')
    path.write_text(text)

    found = check_round_trip(project)

    assert outline(found) == [("downgrade-failed", revision)]


@pytest.mark.parametrize("revision", ["a1", "a3", "m1", "b2"])
def test_failed_upgrade_anywhere_in_a_graph_is_found_there(
    project_files: ProjectFiles, project: Project, revision: str
) -> None:
    add_graph(project_files)
    path = project_files.folder / "migrations" / "versions" / f"{revision}.py"
    path.write_text(path.read_text().replace("op.create_table(", f"{BROKEN}\n    op.create_table("))

    found = check_round_trip(project)

    assert outline(found) == [("upgrade-failed", revision)]


def test_revision_that_needs_a_failed_one_by_depends_on_is_skipped(
    project_files: ProjectFiles, project: Project
) -> None:
    project_files.add_revision("a1", upgrade=BROKEN)
    project_files.add_revision("b1", upgrade=BROKEN, depends_on="a1")

    found = check_round_trip(project)

    assert outline(found) == [("upgrade-failed", "a1"), ("not-checked", "b1")]


def test_broken_history_is_not_checked(project_files: ProjectFiles, project: Project) -> None:
    project_files.add_revision("0002", "0001")

    [finding] = check_round_trip(project)

    assert (finding.rule, finding.severity) == ("round-trip-not-checked", Severity.SKIPPED)
    assert finding.message.startswith("the revision files do not make one history: Revision 0001")


def test_env_that_raises_is_a_failed_environment(
    project_files: ProjectFiles, project: Project
) -> None:
    project_files.add_table("0001", None, "a")
    project_files.write_env('raise RuntimeError("settings are missing")')

    [finding] = check_round_trip(project)

    assert (finding.rule, finding.message) == (
        "environment-failed",
        f"{project_files.env} failed: RuntimeError: settings are missing",
    )


def test_history_without_revisions_is_right(project: Project) -> None:
    assert check_round_trip(project) == []


def test_progress_tells_each_revision_that_is_done(
    project_files: ProjectFiles, project: Project
) -> None:
    project_files.add_table("0001", None, "a")
    project_files.add_revision("0002", "0001", upgrade=BROKEN)
    project_files.add_table("0003", "0002", "b")
    told: list[tuple[int, int]] = []

    check_round_trip(project, progress=lambda done, total: told.append((done, total)))

    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_other_version_table_is_no_difference(
    project_files: ProjectFiles, project: Project
) -> None:
    project_files.write_env(options=', version_table="our_version"')
    project_files.add_table("0001", None, "a")

    assert check_round_trip(project) == []


class RememberingDatabases(Databases):
    """Databases that remember which ones they made."""

    def __init__(self, server: Server, origin: str) -> None:
        super().__init__(server, origin)
        self.made: list[URL] = []

    def create(self) -> URL:
        url = super().create()
        self.made.append(url)
        return url


def test_databases_of_a_walk_through_damage_are_gone_afterwards(
    project_files: ProjectFiles, project: Project
) -> None:
    project_files.add_table("0001", None, "a")
    project_files.add_revision("0002", "0001", upgrade="op.execute('CREATE TABLE b (id INTEGER)')")
    project_files.add_table("0003", "0002", "c")
    project_files.add_revision("0004", "0003", upgrade=BROKEN)
    databases = RememberingDatabases(project.databases.server, project.databases.origin)

    check_round_trip(replace(project, databases=databases))

    assert databases.made
    assert [url for url in databases.made if databases.backend.exists(url)] == []


def add_graph(files: ProjectFiles) -> None:
    """Write two histories, one of which branches and merges, the other of which depends on it."""
    files.add_table("a1", None, "ta1")
    files.add_table("a2", "a1", "ta2")
    files.add_table("a3", "a1", "ta3")
    create = 'op.create_table("{}", sa.Column("id", sa.Integer, primary_key=True))'
    files.add_revision(
        "m1", ("a2", "a3"), upgrade=create.format("tm1"), downgrade='op.drop_table("tm1")'
    )
    files.add_table("b1", None, "tb1")
    files.add_revision(
        "b2",
        "b1",
        upgrade=create.format("tb2"),
        downgrade='op.drop_table("tb2")',
        depends_on="a2",
    )


def test_difference_behind_a_failed_revision_is_skipped_and_not_an_error(
    project_files: ProjectFiles, project: Project
) -> None:
    # To bring back what 0002 makes is right, and to leave ix_c behind is not.
    project_files.add_revision(
        "0001",
        upgrade='op.create_table("a", sa.Column("x", sa.Integer), sa.Column("y", sa.Integer))',
        downgrade='op.drop_table("a")',
    )
    project_files.add_revision(
        "0002",
        "0001",
        upgrade=f'{BROKEN}\nop.create_index("ix_a", "a", ["y"])',
        downgrade='op.drop_index("ix_a", table_name="a")',
    )
    project_files.add_revision(
        "0003",
        "0002",
        upgrade="""
        op.drop_index("ix_a", table_name="a", if_exists=True)
        op.create_index("ix_b", "a", ["x"])
        op.create_index("ix_c", "a", ["x", "y"])
        """,
        downgrade="""
        op.drop_index("ix_b", table_name="a")
        op.create_index("ix_a", "a", ["y"])
        """,
    )

    found = check_round_trip(project)

    assert [(one.severity, one.rule, one.object) for one in found] == [
        (Severity.ERROR, "upgrade-failed", None),
        (Severity.SKIPPED, "round-trip-leftover", "index a.ix_a"),
        (Severity.ERROR, "round-trip-leftover", "index a.ix_c"),
    ]


def test_change_behind_a_failed_revision_is_skipped(
    project_files: ProjectFiles, project: Project
) -> None:
    project_files.add_revision(
        "0001",
        upgrade='op.create_table("a", sa.Column("x", sa.Integer))',
        downgrade='op.drop_table("a")',
    )
    # Had it worked, "x" would be NOT NULL, and 0003 right in bringing that back.
    project_files.add_revision("0002", "0001", upgrade=BROKEN)
    alter = """
    with op.batch_alter_table("a") as a:
        a.alter_column("x", existing_type=sa.Integer(), {})
    """
    project_files.add_revision(
        "0003",
        "0002",
        upgrade=alter.format("nullable=True"),
        downgrade=alter.format("nullable=False"),
    )

    found = check_round_trip(project)

    assert [(one.severity, one.rule) for one in found] == [
        (Severity.ERROR, "upgrade-failed"),
        (Severity.SKIPPED, "round-trip-changed"),
    ]
    assert str(found[1]) == (
        "round-trip-changed: downgrade of 0003 (0003) brings back a different"
        f" {found[1].object}: nullable: yes -> no\n"
        "  It needs 0002, which was not carried out: this may only be due to that.\n"
        "  help: correct 0002 first."
    )


OUTER_TRANSACTION = """
from alembic import context
from sqlalchemy import text

connection = context.config.attributes["connection"]
{before}
context.configure(connection=connection)
context.run_migrations()
{after}
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("outer = connection.begin()", "outer.commit()"),
        ('connection.execute(text("SELECT 1"))', ""),
    ],
    ids=["begun", "autobegun"],
)
def test_transaction_that_env_py_begins_around_all_steps_does_not_hide_them(
    project_files: ProjectFiles, project: Project, before: str, after: str
) -> None:
    project_files.write_env(OUTER_TRANSACTION.format(before=before, after=after))
    project_files.add_table("0001", None, "a")
    project_files.add_revision("0002", "0001", upgrade="op.execute('ALTER TABLE a ADD x INTEGER')")
    project_files.add_table("0003", "0002", "b")

    assert outline(check_round_trip(project)) == [("downgrade-does-nothing", "0002")]


def test_revision_that_looks_through_a_second_connection_is_right(
    project_files: ProjectFiles, project: Project
) -> None:
    project_files.add_table("0001", None, "a")
    project_files.add_revision(
        "0002",
        "0001",
        upgrade="""
        assert "a" in sa.inspect(op.get_bind().engine).get_table_names()
        op.create_index("ix_a", "a", ["id"])
        """,
        downgrade='op.drop_index("ix_a", table_name="a")',
    )

    assert check_round_trip(project) == []
