from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from alembic_assay.checks.heads import check_heads
from alembic_assay.project import Project

if TYPE_CHECKING:
    from tests.checks.conftest import MakeChecked

    from tests.conftest import ProjectFiles

# No database is used, so that one kind is enough.
pytestmark = pytest.mark.parametrize("databases", ["sqlite"], indirect=True)


def test_heads_of_one_line_are_right(project_files: ProjectFiles, project: Project) -> None:
    project_files.add_table("0001", None, "a")
    project_files.add_table("0002", "0001", "b")

    assert check_heads(project) == []


def test_heads_of_no_revisions_are_right(project: Project) -> None:
    assert check_heads(project) == []


def test_heads_of_merged_branches_are_right(project_files: ProjectFiles, project: Project) -> None:
    add_branches(project_files)
    project_files.add_revision("0004", ("0002", "0003"))

    assert check_heads(project) == []


def test_several_heads_are_found_with_the_command_that_merges_them(
    project_files: ProjectFiles, project: Project
) -> None:
    add_branches(project_files)

    [finding] = check_heads(project)

    assert str(finding) == (
        "several-heads: the history has 2 heads: 0002 (add sizes), 0003 (add colours)\n"
        "  `alembic upgrade head` refuses to run, and so will the next deployment.\n"
        '  help: merge them: alembic merge -m "merge heads" 0002 0003\n'
        "        or, if they are to stay apart, list them in allowed-heads of"
        " [tool.alembic-assay]."
    )
    assert (finding.check, finding.severity.value, finding.revision) == ("heads", "error", None)


@pytest.mark.parametrize("allowed", [("0002", "0003"), ("0002", "colours")])
def test_several_heads_that_are_all_allowed_are_right(
    project_files: ProjectFiles, make_checked: MakeChecked, allowed: tuple[str, ...]
) -> None:
    add_branches(project_files)

    assert check_heads(make_checked(allowed_heads=allowed)) == []


def test_several_heads_of_which_one_is_not_allowed_are_found(
    project_files: ProjectFiles, make_checked: MakeChecked
) -> None:
    add_branches(project_files)

    [finding] = check_heads(make_checked(allowed_heads=("0002",)))

    assert finding.rule == "several-heads"


def test_missing_parent_is_a_broken_history(project_files: ProjectFiles, project: Project) -> None:
    path = project_files.add_revision("0002", "0001")

    [finding] = check_heads(project)

    assert str(finding) == (
        "broken-history: the revision files do not make one history: Revision 0001 referenced from"
        " 0001 -> 0002 (head), 0002 is not present\n"
        f"  Alembic cannot tell in which order to run them; nothing was run. Look at: {path}\n"
        "  help: see that each revision id is there once, and that every down_revision and"
        " depends_on names one that is."
    )


def test_duplicate_revision_is_a_broken_history(
    project_files: ProjectFiles, project: Project
) -> None:
    path = project_files.add_revision("0001")
    path.with_name("copy.py").write_text(path.read_text())

    [finding] = check_heads(project)

    assert (finding.rule, finding.message) == (
        "broken-history",
        "the revision files do not make one history: Revision 0001 is present more than once",
    )


def test_cycle_is_a_broken_history(project_files: ProjectFiles, project: Project) -> None:
    project_files.add_revision("0001", "0002")
    project_files.add_revision("0002", "0001")

    [finding] = check_heads(project)

    assert finding.rule == "broken-history"
    assert finding.message == (
        "the revision files do not make one history: Cycle is detected in revisions (0001, 0002)"
    )


def test_revision_that_cannot_be_imported_is_a_broken_history(
    project_files: ProjectFiles, project: Project
) -> None:
    path = project_files.add_revision("0001")
    path.write_text(f"import no_such_module_at_all\n{path.read_text()}")

    [finding] = check_heads(project)

    assert finding.rule == "broken-history"
    assert finding.message == (
        f"a revision file cannot be imported: {path}:1:"
        " ModuleNotFoundError: No module named 'no_such_module_at_all'"
    )


def test_id_of_33_characters_is_too_long_and_one_of_32_is_not(
    project_files: ProjectFiles, project: Project
) -> None:
    project_files.add_revision("a" * 32)
    path = project_files.add_revision("b" * 33, "a" * 32)

    [finding] = check_heads(project)

    assert str(finding) == (
        f"revision-id-too-long: the revision id {'b' * 33} has 33 characters\n"
        "  The version table holds 32; PostgreSQL and MySQL refuse more.\n"
        "  help: shorten it, also where other revisions name it."
    )
    assert (finding.revision, finding.path) == ("b" * 33, str(path))


def add_branches(files: ProjectFiles) -> None:
    files.add_revision("0001")
    files.add_revision("0002", "0001", message="add sizes")
    files.add_revision("0003", "0001", message="add colours", branch_labels="colours")
