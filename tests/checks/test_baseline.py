"""Histories whose base is not the empty database: walked from a baseline, or downwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from alembic_assay.checks import run_checks
from alembic_assay.checks.drift import check_drift
from alembic_assay.checks.round_trip import check_round_trip
from alembic_assay.checks.upgrade import check_upgrade
from alembic_assay.exceptions import ConfigError
from alembic_assay.findings import Severity
from alembic_assay.project import Project

if TYPE_CHECKING:
    from tests.checks.conftest import MakeChecked

    from tests.conftest import ProjectFiles

ADD_NICK = 'op.add_column("users", sa.Column("nick", sa.String(20)))'
DROP_NICK = 'op.drop_column("users", "nick")'


@pytest.fixture
def metadata() -> sa.MetaData:
    """Models at the heads of ``add_history``."""
    metadata = sa.MetaData()
    sa.Table(
        "users",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("nick", sa.String(20)),
        sa.Column("age", sa.Integer),
    )
    sa.Table("groups", metadata, sa.Column("id", sa.Integer, primary_key=True))
    return metadata


def add_history(files: ProjectFiles, **middle: str | None) -> None:
    """Write three revisions on top of a table ``users`` that none of them makes."""
    files.add_revision("0001", upgrade=ADD_NICK, downgrade=DROP_NICK)
    given = {
        "upgrade": 'op.add_column("users", sa.Column("age", sa.Integer))',
        "downgrade": 'op.drop_column("users", "age")',
        **middle,
    }
    files.add_revision("0002", "0001", message="add age", **given)  # type: ignore[arg-type]
    files.add_table("0003", "0002", "groups")


def test_history_on_top_of_nothing_fails_without_a_baseline(
    project_files: ProjectFiles, project: Project
) -> None:
    add_history(project_files)

    [finding] = check_upgrade(project)

    assert (finding.rule, finding.revision) == ("upgrade-failed", "0001")


def test_baseline_of_sql_is_laid_before_the_first_revision(
    project_files: ProjectFiles, make_checked: MakeChecked
) -> None:
    add_history(project_files)
    (project_files.folder / "base.sql").write_text(
        "-- as in 2019: 100 % of it; made by hand\n"
        "CREATE TABLE users (id INTEGER PRIMARY KEY, note VARCHAR(9) DEFAULT ':x;%s');\n"
        "INSERT INTO users (id) VALUES (1);\n"
    )

    project = make_checked(baseline="base.sql")

    assert run_checks(project, ["heads", "upgrade", "round-trip"]) == []


def test_baseline_of_sql_that_does_not_exist_is_an_error(
    project_files: ProjectFiles, make_checked: MakeChecked
) -> None:
    add_history(project_files)

    with pytest.raises(ConfigError) as caught:
        check_upgrade(make_checked(baseline="base.sql"))

    assert str(caught.value) == (
        f"the baseline {project_files.folder / 'base.sql'} cannot be read:"
        " No such file or directory\n"
        "  help: baseline is relative to the folder of pyproject.toml."
    )


def test_baseline_function_is_called_with_a_connection(
    project_files: ProjectFiles, make_checked: MakeChecked
) -> None:
    add_history(project_files)
    (project_files.folder / "assay_baseline_function.py").write_text(
        "import sqlalchemy as sa\n\n\n"
        "def lay(connection):\n"
        '    connection.execute(sa.text("CREATE TABLE users (id INTEGER PRIMARY KEY)"))\n'
    )

    project = make_checked(baseline="assay_baseline_function:lay")

    assert run_checks(project, ["heads", "upgrade", "round-trip"]) == []


def test_baseline_that_is_no_function_is_an_error(
    project_files: ProjectFiles, make_checked: MakeChecked
) -> None:
    add_history(project_files)
    (project_files.folder / "assay_baseline_number.py").write_text("lay = 7\n")

    with pytest.raises(ConfigError) as caught:
        check_round_trip(make_checked(baseline="assay_baseline_number:lay"))

    assert str(caught.value) == (
        'the baseline "assay_baseline_number:lay" is not a function of a Connection'
    )


def test_tables_of_a_baseline_do_not_stand_in_for_the_models(
    project_files: ProjectFiles, make_checked: MakeChecked, metadata: sa.MetaData
) -> None:
    add_history(project_files)
    (project_files.folder / "schema.sql").write_text(
        "CREATE TABLE users (id INTEGER PRIMARY KEY); CREATE TABLE old (id INTEGER);"
    )
    metadata.tables["users"].append_column(sa.Column("new", sa.Integer))

    findings = check_drift(make_checked(baseline="schema.sql", metadata=metadata))

    found = [(one.rule, one.object) for one in findings if "users.id" not in (one.object or "")]
    assert found == [("drift-missing", "column users.new"), ("drift-extra", "table old")]


def test_fault_on_top_of_a_baseline_is_found(
    project_files: ProjectFiles, make_checked: MakeChecked
) -> None:
    add_history(project_files, downgrade="pass")
    (project_files.folder / "base.sql").write_text("CREATE TABLE users (id INTEGER PRIMARY KEY);")

    [finding] = check_round_trip(make_checked(baseline="base.sql"))

    assert (finding.rule, finding.revision) == ("downgrade-does-nothing", "0002")


def test_failure_on_top_of_a_baseline_does_not_ask_for_one(
    project_files: ProjectFiles, make_checked: MakeChecked
) -> None:
    project_files.add_revision("0001", upgrade='op.drop_table("nowhere")')
    (project_files.folder / "base.sql").write_text("CREATE TABLE users (id INTEGER PRIMARY KEY);")

    [finding] = check_upgrade(make_checked(baseline="base.sql"))

    assert finding.help == "correct upgrade(); the error is the database's own."


def test_walk_downwards_from_the_models_of_a_right_history_is_clean(
    project_files: ProjectFiles, make_checked: MakeChecked, metadata: sa.MetaData
) -> None:
    add_history(project_files)

    project = make_checked(baseline="create_all", metadata=metadata)

    assert check_round_trip(project) == []


def test_walk_downwards_finds_an_upgrade_that_does_not_bring_back(
    project_files: ProjectFiles, make_checked: MakeChecked, metadata: sa.MetaData
) -> None:
    add_history(
        project_files,
        upgrade='op.add_column("users", sa.Column("years", sa.Integer))',
    )

    found = check_round_trip(make_checked(baseline="create_all", metadata=metadata))

    error = {
        "sqlite": 'OperationalError: no such column: "age"',
        "postgresql": 'UndefinedColumn: column "age" of relation "users" does not exist',
        "mysql": 'OperationalError: (1091, "Can\'t DROP COLUMN `age`; check that it exists")',
    }[project_backend(make_checked)]
    assert [str(one) for one in found] == [
        (
            "round-trip-missing: upgrade of 0002 (add age) does not bring back column users.age\n"
            f"  So that the next one fails: {error}.\n"
            "  help: create users.age again in upgrade(), as it was before."
        ),
        (
            "round-trip-leftover: upgrade of 0002 (add age) leaves column users.years behind\n"
            f"  So that the next one fails: {error}.\n"
            '  help: remove it in upgrade(): op.drop_column("users", "years")'
        ),
    ]


def test_walk_downwards_finds_a_downgrade_that_fails_and_goes_on(
    project_files: ProjectFiles, make_checked: MakeChecked, metadata: sa.MetaData
) -> None:
    add_history(project_files, downgrade='op.drop_column("users", "years")')

    [finding] = check_round_trip(make_checked(baseline="create_all", metadata=metadata))

    error = {
        "sqlite": 'OperationalError: no such column: "years"',
        "postgresql": 'UndefinedColumn: column "years" of relation "users" does not exist',
        "mysql": 'OperationalError: (1091, "Can\'t DROP COLUMN `years`; check that it exists")',
    }[project_backend(make_checked)]
    assert (finding.rule, finding.revision) == ("downgrade-failed", "0002")
    assert finding.message == f"downgrade of 0002 (add age) fails: {error}"


def test_walk_downwards_finds_an_upgrade_that_fails(
    project_files: ProjectFiles, make_checked: MakeChecked, metadata: sa.MetaData
) -> None:
    add_history(project_files, upgrade='op.drop_table("nowhere")')

    [finding] = check_round_trip(make_checked(baseline="create_all", metadata=metadata))

    error = {
        "sqlite": "OperationalError: no such table: nowhere",
        "postgresql": 'UndefinedTable: table "nowhere" does not exist',
        "mysql": "OperationalError: (1051, \"Unknown table 'nowhere'\")",
    }[project_backend(make_checked)]
    assert str(finding) == (
        f"upgrade-failed: upgrade to 0002 (add age), after its downgrade, fails: {error}\n"
        "  A database that was rolled back, or that is older, cannot be brought to head.\n"
        "  help: correct upgrade(), or downgrade() if that leaves something behind."
    )


@pytest.mark.parametrize("downgrade", [None, "raise NotImplementedError"])
def test_walk_downwards_goes_on_below_an_irreversible_revision(
    project_files: ProjectFiles,
    make_checked: MakeChecked,
    metadata: sa.MetaData,
    downgrade: str | None,
) -> None:
    add_history(project_files, downgrade=downgrade)
    path = project_files.folder / "migrations" / "versions" / "0001.py"
    path.write_text(path.read_text().replace(DROP_NICK, "pass"))

    found = check_round_trip(make_checked(baseline="create_all", metadata=metadata))

    error = {
        "sqlite": "OperationalError: duplicate column name: nick",
        "postgresql": 'DuplicateColumn: column "nick" of relation "users" already exists',
        "mysql": "OperationalError: (1060, \"Duplicate column name 'nick'\")",
    }[project_backend(make_checked)]
    assert [(one.rule, one.revision, one.severity) for one in found] == [
        ("irreversible", "0002", Severity.NOTE),
        ("upgrade-failed", "0001", Severity.ERROR),
    ]
    assert found[1].message == f"upgrade to 0001 (0001), after its downgrade, fails: {error}"


def test_walk_downwards_skips_what_needs_a_failed_downgrade(
    project_files: ProjectFiles, make_checked: MakeChecked, metadata: sa.MetaData
) -> None:
    add_history(project_files, downgrade='op.drop_table("nowhere")')
    path = project_files.folder / "migrations" / "versions" / "0001.py"
    path.write_text(path.read_text().replace('drop_column("users"', 'drop_column("nowhere"'))

    found = check_round_trip(make_checked(baseline="create_all", metadata=metadata))

    assert [(one.rule, one.revision) for one in found] == [
        ("downgrade-failed", "0002"),
        ("not-checked", "0001"),
    ]


def test_create_all_without_models_is_an_error(
    project_files: ProjectFiles, make_checked: MakeChecked
) -> None:
    add_history(project_files)

    with pytest.raises(ConfigError) as caught:
        check_round_trip(make_checked(baseline="create_all"))

    assert str(caught.value) == (
        'baseline = "create_all" needs the models, and env.py gives no target_metadata\n'
        '  help: name them: metadata = "package.models:Base" in [tool.alembic-assay]'
    )


def project_backend(make_checked: MakeChecked) -> str:
    return make_checked().databases.backend.name
