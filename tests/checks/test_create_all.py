from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from alembic_assay.checks import CHECKS, USUAL, run_checks
from alembic_assay.checks.create_all import check_create_all
from alembic_assay.findings import Severity
from alembic_assay.project import Project

if TYPE_CHECKING:
    from tests.checks.conftest import MakeChecked, WriteModels

    from tests.conftest import ProjectFiles

only_sqlite = pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
only_postgresql = pytest.mark.parametrize("databases", ["postgresql"], indirect=True)

GENRES = 'Table("genres", metadata, Column("id", Integer, primary_key=True), {})'
CREATE_GENRES = 'op.create_table("genres", sa.Column("id", sa.Integer, primary_key=True), {})'
NAME = 'Column("name", String(50))'
COLUMN = 'sa.Column("name", sa.String(50))'
INSERT = "op.execute(\"INSERT INTO genres (name) VALUES ('jazz')\")"


def check(project: Project) -> list[tuple[str, str | None, str]]:
    return [(one.rule, one.object, one.message) for one in check_create_all(project)]


def test_models_that_make_the_same_database_are_right(
    write_models: WriteModels, project: Project
) -> None:
    write_models(models=GENRES.format(NAME), upgrade=CREATE_GENRES.format(COLUMN))

    assert check_create_all(project) == []


def test_rows_that_the_migrations_alone_insert_are_found(
    write_models: WriteModels, project: Project
) -> None:
    write_models(
        models=GENRES.format(NAME),
        upgrade=f"{CREATE_GENRES.format(COLUMN)}\n{INSERT}",
    )

    [finding] = check_create_all(project)

    assert str(finding) == (
        "create-all-rows: table genres: no rows in the models, 1 row in the migrations\n"
        "  A database that create_all makes lacks rows that the migrations insert, or has others.\n"
        "  help: insert them after create_all too (an after_create event of the table), or let"
        " apply_migrations\n"
        '        run the migrations: create="upgrade".'
    )
    assert (finding.severity, finding.object) == (Severity.ERROR, "table genres")


def test_rows_that_both_insert_in_columns_of_another_order_are_the_same(
    write_models: WriteModels, project: Project
) -> None:
    write_models(
        models=GENRES.format(NAME) + "\nsa.event.listen(metadata.tables['genres'], 'after_create',"
        " sa.DDL(\"INSERT INTO genres (name) VALUES ('jazz')\"))",
        upgrade="op.create_table('genres', sa.Column('name', sa.String(50)),"
        f" sa.Column('id', sa.Integer, primary_key=True))\n{INSERT}",
    )

    assert check_create_all(project) == []


def test_as_many_rows_that_are_not_the_same_are_found(
    write_models: WriteModels, project: Project
) -> None:
    write_models(
        models=GENRES.format(NAME) + "\nsa.event.listen(metadata.tables['genres'], 'after_create',"
        " sa.DDL(\"INSERT INTO genres (name) VALUES ('Jazz')\"))",
        upgrade=f"{CREATE_GENRES.format(COLUMN)}\n{INSERT}",
    )

    assert check(project) == [
        (
            "create-all-rows",
            "table genres",
            "table genres: 1 row in the models, 1 row in the migrations, and not the same",
        )
    ]


def test_view_that_the_migrations_alone_make_is_found(
    write_models: WriteModels, project: Project
) -> None:
    write_models(
        models=GENRES.format(NAME),
        upgrade=CREATE_GENRES.format(COLUMN)
        + "\nop.execute('CREATE VIEW names AS SELECT name FROM genres')",
    )

    assert check(project) == [
        (
            "create-all-extra",
            "view names",
            "view names is in the migrations, but not in the models",
        )
    ]


@only_postgresql
def test_other_name_of_an_unnamed_constraint_is_found(
    write_models: WriteModels, project: Project
) -> None:
    write_models(
        models=GENRES.format(NAME),
        upgrade='op.create_table("styles", sa.Column("id", sa.Integer, primary_key=True),'
        ' sa.Column("name", sa.String(50)))\nop.rename_table("styles", "genres")',
    )

    assert [found[:2] for found in check(project)] == [
        ("create-all-renamed", "primary key genres.genres_pkey")
    ]


def test_what_the_filters_of_env_hide_counts_here(
    write_models: WriteModels, project: Project
) -> None:
    write_models(
        models=GENRES.format(NAME),
        upgrade=CREATE_GENRES.format(COLUMN) + '\nop.create_index("ix_name", "genres", ["name"])',
        options=', include_object=lambda object, name, type_, *rest: type_ != "index"',
    )

    assert [found[:2] for found in check(project)] == [("create-all-extra", "index genres.ix_name")]


def test_models_that_cannot_make_a_database_are_found(
    write_models: WriteModels, project: Project
) -> None:
    write_models(
        models=GENRES.format('Column("style", Integer, ForeignKey("styles.id"))'),
        upgrade='op.create_table("styles", sa.Column("id", sa.Integer, primary_key=True))\n'
        + CREATE_GENRES.format('sa.Column("style", sa.Integer, sa.ForeignKey("styles.id"))'),
    )

    [(rule, _, message)] = check(project)

    assert rule == "create-all-failed"
    assert message.startswith("the models cannot make a database: NoReferencedTableError: ")


@only_sqlite
def test_migrations_that_do_not_reach_head_are_skipped(
    write_models: WriteModels, project: Project
) -> None:
    write_models(models=GENRES.format(NAME), upgrade="1 / 0")

    [finding] = check_create_all(project)

    assert (finding.rule, finding.severity) == ("create-all-not-checked", Severity.SKIPPED)


@only_sqlite
def test_models_of_which_new_installations_are_made_anyway_are_skipped(
    write_models: WriteModels, make_checked: MakeChecked
) -> None:
    write_models(models=GENRES.format(NAME), upgrade="pass")

    [finding] = check_create_all(make_checked(baseline="create_all"))

    assert finding.severity is Severity.SKIPPED


@only_sqlite
def test_env_without_models_is_skipped(project_files: ProjectFiles, project: Project) -> None:
    project_files.add_table("0001", None, "genres")

    [finding] = check_create_all(project)

    assert finding.rule == "create-all-not-checked"
    assert finding.message.endswith("so there are no models to compare with")


@only_sqlite
def test_check_is_run_where_it_is_asked_for_alone(
    write_models: WriteModels, project: Project
) -> None:
    write_models(
        models=GENRES.format(NAME),
        upgrade=f"{CREATE_GENRES.format(COLUMN)}\n{INSERT}",
    )

    assert set(CHECKS) - set(USUAL) == {"create-all"}
    assert "create-all" not in {one.check for one in run_checks(project)}
    assert {one.check for one in run_checks(project, ["create-all"])} == {"create-all"}
