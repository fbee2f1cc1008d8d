from __future__ import annotations

from typing import TYPE_CHECKING

from alembic_assay.checks import CHECKS, USUAL, run_checks
from alembic_assay.project import Project

if TYPE_CHECKING:
    from tests.conftest import ProjectFiles


def test_checks_run_in_the_order_of_their_names(
    project_files: ProjectFiles, project: Project
) -> None:
    project_files.add_table("0001", None, "a")
    told: list[tuple[str, int, int]] = []

    findings = run_checks(project, progress=lambda *given: told.append(given))

    assert [finding.rule for finding in findings] == ["drift-not-checked"]
    assert list(CHECKS) == ["heads", "upgrade", "round-trip", "drift", "create-all"]
    assert tuple(dict.fromkeys(name for name, _, _ in told)) == USUAL
    assert [(name, done, total) for name, done, total in told if name == "round-trip"] == [
        ("round-trip", 0, 1),
        ("round-trip", 1, 1),
        ("round-trip", 1, 1),
    ]


def test_only_the_named_checks_run(project_files: ProjectFiles, project: Project) -> None:
    project_files.add_revision("0001", upgrade="op.execute('CREATE TABLE a (id INTEGER)')")

    assert run_checks(project, ["heads", "upgrade"]) == []
    assert [one.rule for one in run_checks(project, ["round-trip"])] == ["downgrade-does-nothing"]


def test_what_two_checks_find_is_returned_once(
    project_files: ProjectFiles, project: Project
) -> None:
    project_files.add_revision("0001", upgrade='op.drop_table("nowhere")')

    findings = run_checks(project)

    assert [(one.check, one.rule, one.revision) for one in findings] == [
        ("upgrade", "upgrade-failed", "0001"),
        ("drift", "drift-not-checked", None),
    ]


def test_two_objects_of_one_revision_are_two_findings(
    project_files: ProjectFiles, project: Project
) -> None:
    project_files.add_revision(
        "0001",
        upgrade="""
        for name in ("a", "b", "c"):
            op.create_table(name, sa.Column("id", sa.Integer))
        """,
        downgrade='op.drop_table("c")',
    )

    findings = run_checks(project, ["round-trip"])

    assert [one.object for one in findings] == ["table a", "table b"]


def test_broken_history_is_found_once_and_skips_the_other_checks(
    project_files: ProjectFiles, project: Project
) -> None:
    project_files.add_revision("0002", "0001")

    findings = run_checks(project)

    assert [(one.rule, one.severity.value) for one in findings] == [
        ("broken-history", "error"),
        ("upgrade-not-checked", "skipped"),
        ("round-trip-not-checked", "skipped"),
        ("drift-not-checked", "skipped"),
    ]
