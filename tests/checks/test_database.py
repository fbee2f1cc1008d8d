from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import URL, Column, Integer, MetaData, String, Table, inspect
from sqlalchemy.exc import DBAPIError

from alembic_assay.checks.database import check_database
from alembic_assay.cli import main
from alembic_assay.databases import Databases
from alembic_assay.exceptions import DatabaseUnreachable, UsageError
from alembic_assay.findings import Severity
from alembic_assay.project import Project

if TYPE_CHECKING:
    from tests.checks.conftest import MakeChecked, WriteModels

only_sqlite = pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
only_postgresql = pytest.mark.parametrize("databases", ["postgresql"], indirect=True)

MODELS = """
Table("users", metadata, Column("id", Integer, primary_key=True), Column("email", String(50)))
"""

MakeDatabase = Callable[..., URL]


@pytest.fixture
def make_database(databases: Databases) -> MakeDatabase:
    """Return a function that makes a database with SQL, as another tool than Alembic would."""

    def make(*statements: str) -> URL:
        url = databases.create()
        with databases.backend.make_own_engine(url).begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
        return url

    return make


def test_database_that_equals_the_models_is_right(
    write_models: WriteModels, project: Project, make_database: MakeDatabase
) -> None:
    write_models(models=MODELS, upgrade="raise NotImplementedError('never run')")
    made = Table(
        "users", MetaData(), Column("id", Integer, primary_key=True), Column("email", String(50))
    )
    url = make_database()
    made.create(project.databases.backend.make_own_engine(url))

    assert check_database(project, url) == []


def test_difference_is_found_and_nothing_is_written(
    write_models: WriteModels, project: Project, make_database: MakeDatabase
) -> None:
    write_models(models=MODELS, upgrade="raise NotImplementedError('never run')")
    url = make_database(
        "CREATE TABLE users (id INTEGER NOT NULL PRIMARY KEY)",
        "CREATE TABLE flyway_schema_history (installed_rank INTEGER)",
    )

    found = {(one.rule, one.object) for one in check_database(project, url)}

    assert ("drift-missing", "column users.email") in found
    assert not any("flyway" in str(name) for _, name in found)
    with project.databases.backend.make_engine(url).connect() as connection:
        assert sorted(inspect(connection).get_table_names()) == ["flyway_schema_history", "users"]


def test_connection_for_reading_refuses_every_change(
    databases: Databases, make_database: MakeDatabase
) -> None:
    url = make_database("CREATE TABLE users (id INTEGER)")

    with (
        databases.backend.connect_read_only(url) as connection,
        pytest.raises(DBAPIError, match=r"(?i)read-?.?only"),
    ):
        connection.exec_driver_sql("INSERT INTO users (id) VALUES (1)")


def test_filters_of_env_count(
    write_models: WriteModels, project: Project, make_database: MakeDatabase
) -> None:
    write_models(
        models='Table("users", metadata, Column("id", Integer, primary_key=True))',
        upgrade="pass",
        options=', include_object=lambda object, name, type_, *rest: name != "logs"',
    )
    url = make_database("CREATE TABLE logs (id INTEGER)", "CREATE TABLE rest (id INTEGER)")

    found = [one.object for one in check_database(project, url) if one.rule == "drift-extra"]

    assert found == ["table rest"]


@only_sqlite
def test_database_of_another_kind_is_refused(project: Project) -> None:
    with pytest.raises(UsageError, match="is of another kind than the databases that are made"):
        check_database(project, "postgresql://somewhere/shop")


@only_sqlite
def test_database_in_memory_is_refused(project: Project) -> None:
    with pytest.raises(UsageError, match="is a database in memory"):
        check_database(project, "sqlite://")


def test_database_that_does_not_exist_is_an_error_and_is_not_made(
    project: Project, make_database: MakeDatabase
) -> None:
    url = make_database()
    project.databases.drop(url)

    with pytest.raises(DatabaseUnreachable):
        check_database(project, url)
    assert not project.databases.backend.exists(url)


@only_sqlite
def test_models_without_alembic_are_compared_on_the_command_line(
    make_database: MakeDatabase,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    url = make_database("CREATE TABLE users (id INTEGER NOT NULL PRIMARY KEY, email VARCHAR(40))")
    models = f"from sqlalchemy import *\nmetadata = MetaData()\n{MODELS}"
    (tmp_path / "assay_flyway_models.py").write_text(models)
    monkeypatch.chdir(tmp_path)

    code = main(["drift", "--url", str(url), "--metadata", "assay_flyway_models:metadata"])

    assert code == 1
    printed = capsys.readouterr().out
    assert f"compared with {url}, which is only read" in printed
    assert (
        "drift-changed: column users.email: VARCHAR(50) in the models, VARCHAR(40) in the"
        " database" in printed
    )


@only_sqlite
def test_drift_of_the_command_line_compares_with_the_database(
    write_models: WriteModels,
    project: Project,
    make_database: MakeDatabase,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_models(models=MODELS, upgrade="raise NotImplementedError('never run')")
    url = make_database()
    monkeypatch.chdir(project.settings.folder)

    code = main(["drift", "--url", str(url), "--format", "json"])

    assert code == 1
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert [(one["rule"], one["object"]) for one in findings] == [("drift-missing", "table users")]


@only_sqlite
def test_models_that_cannot_be_made_are_skipped(
    write_models: WriteModels, project: Project, make_database: MakeDatabase
) -> None:
    write_models(
        models='Table("users", metadata, Column("id", Integer, ForeignKey("gone.id")))',
        upgrade="pass",
    )

    [finding] = check_database(project, make_database())

    assert (finding.rule, finding.severity) == ("drift-not-checked", Severity.SKIPPED)


@only_postgresql
def test_table_that_the_models_only_refer_to_is_borrowed(
    write_models: WriteModels, make_checked: MakeChecked, make_database: MakeDatabase
) -> None:
    write_models(
        models='Table("users", metadata, Column("id", Integer, primary_key=True),'
        ' Column("country", Integer, ForeignKey("countries.id")))',
        upgrade="pass",
    )
    url = make_database(
        "CREATE TABLE countries (id SERIAL PRIMARY KEY)",
        "CREATE TABLE users (id SERIAL PRIMARY KEY, country INTEGER REFERENCES countries (id))",
    )

    assert check_database(make_checked(), url) == []
