"""Revisions without a way back: noted where that is on purpose, and the walk goes on above."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic_assay.checks.round_trip import check_round_trip
from alembic_assay.findings import Severity
from alembic_assay.project import Project

if TYPE_CHECKING:
    from tests.checks.conftest import MakeChecked

    from tests.conftest import ProjectFiles

CREATE_B = 'op.create_table("b", sa.Column("id", sa.Integer, primary_key=True))'
HELPER = """
def refuse():
    raise NotImplementedError("no way back")
"""


def test_revision_without_downgrade_is_noted(project_files: ProjectFiles, project: Project) -> None:
    project_files.add_table("0001", None, "a")
    path = project_files.add_revision(
        "0002", "0001", upgrade=CREATE_B, downgrade=None, message="add b"
    )
    project_files.add_table("0003", "0002", "c")

    [note] = check_round_trip(project)

    assert str(note) == (
        "irreversible: revision 0002 (add b) is irreversible: it has no downgrade()\n"
        "  Its downgrade was not checked."
    )
    assert (note.check, note.severity) == ("round-trip", Severity.NOTE)
    assert (note.revision, note.path) == ("0002", str(path))


def test_revision_that_raises_not_implemented_itself_is_noted_with_its_reason(
    project_files: ProjectFiles, project: Project
) -> None:
    project_files.add_table("0001", None, "a")
    project_files.add_revision(
        "0002",
        "0001",
        upgrade=CREATE_B,
        downgrade='raise NotImplementedError("the old rows are gone")',
        message="add b",
    )

    [note] = check_round_trip(project)

    assert str(note) == (
        "irreversible: revision 0002 (add b) is irreversible: its downgrade() raises"
        " NotImplementedError: the old rows are gone\n"
        "  Its downgrade was not checked."
    )
    assert note.severity is Severity.NOTE


def test_revision_that_changes_something_and_then_raises_not_implemented_is_noted(
    project_files: ProjectFiles, project: Project
) -> None:
    project_files.add_revision(
        "0001", upgrade=CREATE_B, downgrade='op.drop_table("b")\nraise NotImplementedError'
    )
    project_files.add_revision(
        "0002",
        "0001",
        upgrade='op.add_column("b", sa.Column("x", sa.Integer))',
        downgrade='op.drop_column("b", "x")',
    )

    [note] = check_round_trip(project)

    assert (note.rule, note.revision) == ("irreversible", "0001")


def test_revision_that_the_settings_name_is_noted_with_their_reason(
    project_files: ProjectFiles, make_checked: MakeChecked
) -> None:
    project_files.add_table("0001", None, "a")
    project_files.add_revision(
        "0002", "0001", upgrade=CREATE_B, downgrade='op.drop_table("none")', message="add b"
    )
    project = make_checked(irreversible={"0002": "agreed with the operators"})

    [note] = check_round_trip(project)

    assert str(note) == (
        "irreversible: revision 0002 (add b) is irreversible: marked so:"
        " agreed with the operators\n"
        "  Its downgrade was not checked."
    )
    assert note.severity is Severity.NOTE


def test_irreversible_revision_whose_upgrade_fails_has_failed(
    project_files: ProjectFiles, project: Project
) -> None:
    project_files.add_table("0001", None, "a")
    project_files.add_revision(
        "0002", "0001", upgrade='op.drop_table("none")', downgrade=None, message="drop"
    )

    [finding] = check_round_trip(project)

    assert (finding.rule, finding.severity) == ("upgrade-failed", Severity.ERROR)


def test_fault_above_irreversible_revisions_is_found(
    project_files: ProjectFiles, project: Project
) -> None:
    project_files.add_revision("0001", upgrade=CREATE_B, downgrade=None)
    project_files.add_revision("0002", "0001", downgrade="raise NotImplementedError")
    project_files.add_revision(
        "0003", "0002", upgrade='op.add_column("b", sa.Column("x", sa.Integer))'
    )

    found = check_round_trip(project)

    assert [(one.rule, one.revision) for one in found] == [
        ("irreversible", "0001"),
        ("irreversible", "0002"),
        ("downgrade-does-nothing", "0003"),
    ]


def test_not_implemented_that_is_raised_elsewhere_is_a_fault(
    project_files: ProjectFiles, project: Project
) -> None:
    (project_files.folder / "assay_refusing.py").write_text(HELPER)
    project_files.add_revision(
        "0001",
        upgrade=CREATE_B,
        downgrade="from assay_refusing import refuse\nrefuse()",
        message="add b",
    )

    [finding] = check_round_trip(project)

    assert finding.severity is Severity.ERROR
    assert finding.message == ("downgrade of 0001 (add b) fails: NotImplementedError: no way back")
