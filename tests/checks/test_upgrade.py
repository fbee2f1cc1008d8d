from __future__ import annotations

from typing import TYPE_CHECKING

from alembic_assay.checks.upgrade import check_upgrade
from alembic_assay.findings import Severity
from alembic_assay.project import Project

if TYPE_CHECKING:
    from tests.checks.conftest import MakeChecked

    from tests.conftest import ProjectFiles

NO_SUCH_TABLE = {
    "sqlite": "OperationalError: no such table: nowhere",
    "postgresql": 'UndefinedTable: relation "nowhere" does not exist',
    "mysql": "ProgrammingError: (1146, \"Table 'nowhere' doesn't exist\")",
}


def test_upgrade_of_right_revisions_finds_nothing(
    project_files: ProjectFiles, project: Project
) -> None:
    project_files.add_table("0001", None, "a")
    project_files.add_revision("0002", "0001", upgrade='op.execute("INSERT INTO a VALUES (1)")')

    assert check_upgrade(project) == []


def test_upgrade_without_revisions_finds_nothing(project: Project) -> None:
    assert check_upgrade(project) == []


def test_upgrade_to_several_heads_runs_each_of_them(
    project_files: ProjectFiles, project: Project
) -> None:
    project_files.add_table("0001", None, "a")
    project_files.add_table("0002", "0001", "b")
    project_files.add_revision("0003", "0001", upgrade='op.execute("DELETE FROM nowhere")')

    [finding] = check_upgrade(project)

    assert (finding.rule, finding.revision) == ("upgrade-failed", "0003")


def test_upgrade_that_raises_is_found_with_the_error_of_the_database(
    project_files: ProjectFiles, project: Project
) -> None:
    project_files.add_table("0001", None, "a")
    path = project_files.add_revision(
        "0002", "0001", upgrade='op.execute("DELETE FROM nowhere")', message="tidy up"
    )

    [finding] = check_upgrade(project)

    assert str(finding) == (
        "upgrade-failed: upgrade to 0002 (tidy up) fails:"
        f" {NO_SUCH_TABLE[project.databases.backend.name]}\n"
        "  A database cannot be brought to head.\n"
        "  help: correct upgrade(); the error is the database's own."
    )
    assert (finding.check, finding.severity) == ("upgrade", Severity.ERROR)
    assert (finding.revision, finding.path) == ("0002", str(path))


def test_upgrade_of_a_base_that_raises_asks_for_a_baseline(
    project_files: ProjectFiles, project: Project
) -> None:
    project_files.add_revision("0001", upgrade='op.execute("DELETE FROM nowhere")', message="first")

    [finding] = check_upgrade(project)

    error = NO_SUCH_TABLE[project.databases.backend.name]
    assert str(finding) == (
        f"upgrade-failed: upgrade to 0001 (first) fails: {error}\n"
        "  A database cannot be brought to head.\n"
        "  help: correct upgrade(), or, if new installations do not start from an empty database,\n"
        '        say from what: baseline = "schema.sql", "package:function" or "create_all" in'
        " [tool.alembic-assay]."
    )


def test_upgrade_with_an_env_that_raises_is_a_failed_environment(
    project_files: ProjectFiles, project: Project
) -> None:
    project_files.add_table("0001", None, "a")
    project_files.write_env('raise RuntimeError("settings are missing")')

    [finding] = check_upgrade(project)

    assert str(finding) == (
        f"environment-failed: {project_files.env} failed: RuntimeError: settings are missing\n"
        "  No migration was run by it.\n"
        "  help: see the error it was caused by; `alembic current` should show the same."
    )


def test_upgrade_with_an_env_that_hides_the_error_names_it(
    project_files: ProjectFiles, project: Project
) -> None:
    project_files.add_revision("0001", upgrade='op.execute("DELETE FROM nowhere")')
    project_files.write_env(
        project_files.env.read_text().replace(
            "        context.run_migrations()",
            "        try:\n            context.run_migrations()\n"
            "        except Exception:\n            pass",
        )
    )

    [finding] = check_upgrade(project)

    error = NO_SUCH_TABLE[project.databases.backend.name]
    assert (finding.rule, finding.message) == (
        "environment-failed",
        f"{project_files.env} returned before all migrations were run: it hid {error}",
    )


def test_upgrade_of_a_broken_history_is_not_checked(
    project_files: ProjectFiles, project: Project
) -> None:
    project_files.add_revision("0002", "0001")

    [finding] = check_upgrade(project)

    assert (finding.rule, finding.severity) == ("upgrade-not-checked", Severity.SKIPPED)
    assert finding.message.startswith("the revision files do not make one history: Revision 0001")


def test_upgrade_of_what_is_made_from_models_is_not_checked(make_checked: MakeChecked) -> None:
    [finding] = check_upgrade(make_checked(baseline="create_all"))

    assert str(finding) == (
        "upgrade-not-checked: new installations are made from the models and stamped"
        " (baseline = create_all), so there is no upgrade from base to check;"
        " the round trip walks downwards"
    )
    assert finding.severity is Severity.SKIPPED
