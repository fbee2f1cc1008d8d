"""What env.py says of the comparison is honoured; what cannot be compared is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from alembic_assay.checks.drift import check_drift
from alembic_assay.findings import Severity
from alembic_assay.project import Project

if TYPE_CHECKING:
    from tests.checks.conftest import MakeChecked, WriteModels

    from tests.conftest import ProjectFiles

only_postgresql = pytest.mark.parametrize("databases", ["postgresql"], indirect=True)
not_mysql = pytest.mark.parametrize("databases", ["sqlite", "postgresql"], indirect=True)

USERS = 'Table("users", metadata, Column("id", Integer, primary_key=True), {})'
CREATE_USERS = 'op.create_table("users", sa.Column("id", sa.Integer, primary_key=True), {})'


def check(project: Project) -> list[str]:
    return [str(finding) for finding in check_drift(project)]


@pytest.mark.parametrize(
    "option",
    [
        "include_object=lambda item, name, kind, reflected, other: name != 'users'",
        "include_name=lambda name, kind, parents: name != 'users'",
    ],
)
def test_object_that_env_excludes_is_not_compared(
    write_models: WriteModels, project: Project, option: str
) -> None:
    write_models(
        models='Table("groups", metadata, Column("id", Integer, primary_key=True))',
        upgrade=CREATE_USERS.format("")
        + '\nop.create_table("groups", sa.Column("id", sa.Integer, primary_key=True))',
        options=f", {option}",
    )

    assert check(project) == []


@only_postgresql
@pytest.mark.parametrize("options", ["", ", include_schemas=True"])
def test_schema_without_models_is_not_compared(
    write_models: WriteModels, project: Project, options: str
) -> None:
    write_models(
        models=USERS.format(""),
        upgrade=CREATE_USERS.format("")
        + '\nop.execute("CREATE SCHEMA audit")'
        + '\nop.create_table("logs", sa.Column("id", sa.Integer), schema="audit")',
        options=options,
    )

    assert check(project) == []


@only_postgresql
@pytest.mark.parametrize("options", ["", ", include_schemas=True"])
def test_schema_with_models_is_compared(
    write_models: WriteModels, project: Project, options: str
) -> None:
    write_models(
        models='Table("users", metadata, Column("id", Integer, primary_key=True), schema="audit")',
        upgrade='op.execute("CREATE SCHEMA audit")'
        '\nop.create_table("logs", sa.Column("id", sa.Integer), schema="audit")'
        '\nop.create_table("users", sa.Column("id", sa.Integer, primary_key=True))',
        options=options,
    )

    assert [one.message for one in check_drift(project)] == [
        "table audit.users is in the models, but not in the migrations",
        "table audit.logs is in the migrations, but not in the models",
        "table users is in the migrations, but not in the models",
    ]


def test_other_version_table_is_not_compared(write_models: WriteModels, project: Project) -> None:
    write_models(
        models=USERS.format(""),
        upgrade=CREATE_USERS.format(""),
        options=', version_table="our_version"',
    )

    assert check(project) == []


def test_env_without_target_metadata_is_skipped(
    project_files: ProjectFiles, write_models: WriteModels, project: Project
) -> None:
    write_models(models="", upgrade="pass", metadata="None")

    [finding] = check_drift(project)

    assert str(finding) == (
        f"drift-not-checked: {project_files.env} gives no target_metadata, so there are no models"
        " to compare with\n"
        '  help: name them: --metadata package.models:Base, or metadata = "package.models:Base" in'
        " [tool.alembic-assay]."
    )
    assert finding.severity is Severity.SKIPPED


def test_target_metadata_without_tables_is_skipped(
    project_files: ProjectFiles, write_models: WriteModels, project: Project
) -> None:
    write_models(models="", upgrade=CREATE_USERS.format(""))

    [finding] = check_drift(project)

    assert str(finding) == (
        f"drift-not-checked: the target_metadata of {project_files.env} has no tables\n"
        "  help: import the modules of all models in env.py, before the metadata is used."
    )
    assert finding.severity is Severity.SKIPPED


def test_list_of_metadata_is_compared_as_a_whole(
    write_models: WriteModels, project: Project
) -> None:
    write_models(
        models="""
        Table("users", metadata, Column("id", Integer, primary_key=True))
        other = MetaData()
        Table("groups", other, Column("id", Integer, primary_key=True))
        """,
        upgrade=CREATE_USERS.format(""),
        metadata="[metadata, other]",
    )

    found = [one.message for one in check_drift(project)]

    assert found == ["table groups is in the models, but not in the migrations"]


def test_metadata_from_outside_stands_in_for_that_of_env(
    write_models: WriteModels, make_checked: MakeChecked
) -> None:
    write_models(models=USERS.format(""), upgrade=CREATE_USERS.format(""))
    metadata = sa.MetaData()
    sa.Table("users", metadata, sa.Column("id", sa.Integer, primary_key=True))
    sa.Table("groups", metadata, sa.Column("id", sa.Integer, primary_key=True))

    found = [one.message for one in check_drift(make_checked(metadata=metadata))]

    assert found == ["table groups is in the models, but not in the migrations"]


def test_process_revision_directives_that_empties_the_list_hides_nothing(
    write_models: WriteModels, project: Project
) -> None:
    write_models(
        models="def empty(context, revision, directives):\n    directives[:] = []\n"
        + USERS.format(""),
        upgrade="pass",
        options=", process_revision_directives=empty",
    )

    assert [one.object for one in check_drift(project)] == ["table users"]


@not_mysql
def test_expression_of_a_computed_column_that_differs_is_found(
    write_models: WriteModels, project: Project
) -> None:
    write_models(
        models=USERS.format('Column("double", Integer, Computed("id * 2", persisted=True))'),
        upgrade=CREATE_USERS.format(
            'sa.Column("double", sa.Integer, sa.Computed("id * 3", persisted=True))'
        ),
    )

    [finding] = check_drift(project)

    said = {
        "postgresql": "stored as (id * 2) in the models, stored as (id * 3) in the migrations",
        "sqlite": "computed as (id * 2) STORED in the models,"
        " computed as (id * 3) STORED in the migrations",
    }[project.databases.backend.name]
    assert str(finding) == (
        f"drift-changed: column users.double: {said}\n"
        "  The application's models and its database do not agree.\n"
        "  help: nothing changes the expression of a column in place: drop the column and add it"
        " again in a new revision, or change the model."
    )


@not_mysql
def test_index_of_an_expression_is_compared(write_models: WriteModels, project: Project) -> None:
    write_models(
        models=USERS.format('Column("nick", String(20)), Index("ix", sa.text("lower(nick)"))'),
        upgrade=CREATE_USERS.format('sa.Column("nick", sa.String(20))')
        + '\nop.create_index("ix", "users", [sa.text("upper(nick)")])',
    )

    [finding] = check_drift(project)

    said = {
        "postgresql": "(lower((nick)::text)) in the models,"
        " (upper((nick)::text)) in the migrations",
        "sqlite": "(lower(nick)) in the models, (upper(nick)) in the migrations",
    }[project.databases.backend.name]
    assert finding.message == f"index users.ix: {said}"


def test_filter_of_env_that_raises_is_skipped_with_its_error(
    write_models: WriteModels, project: Project
) -> None:
    write_models(
        models=USERS.format(""),
        upgrade=CREATE_USERS.format(""),
        options=", include_object=lambda *given: 1 / 0",
    )

    [finding] = check_drift(project)

    assert str(finding) == (
        "drift-not-checked: the filters of env.py fail: ZeroDivisionError: division by zero"
    )
    assert finding.severity is Severity.SKIPPED


def test_migrations_that_do_not_reach_head_are_skipped(
    write_models: WriteModels, project: Project
) -> None:
    write_models(models=USERS.format(""), upgrade='op.drop_table("nowhere")')

    [finding] = check_drift(project)

    error = {
        "mysql": "OperationalError: (1051, \"Unknown table 'nowhere'\")",
        "sqlite": "OperationalError: no such table: nowhere",
        "postgresql": 'UndefinedTable: table "nowhere" does not exist',
    }[project.databases.backend.name]
    assert str(finding) == (
        "drift-not-checked: the migrations do not reach head:"
        f" the upgrade of revision 0001 (0001) failed: {error}\n"
        "  help: correct that first; the check `upgrade` reports it."
    )
    assert finding.severity is Severity.SKIPPED


def test_models_of_which_new_installations_are_made_are_skipped(
    make_checked: MakeChecked,
) -> None:
    [finding] = check_drift(make_checked(baseline="create_all"))

    assert str(finding) == (
        "drift-not-checked: new installations are made from the models (baseline = create_all),"
        " so there is no schema of the migrations alone to compare them with"
    )
    assert finding.severity is Severity.SKIPPED


def test_broken_history_is_skipped(project_files: ProjectFiles, project: Project) -> None:
    project_files.add_revision("0002", "0001")

    [finding] = check_drift(project)

    assert (finding.rule, finding.severity) == ("drift-not-checked", Severity.SKIPPED)
    assert finding.message.startswith("the revision files do not make one history: Revision 0001")
