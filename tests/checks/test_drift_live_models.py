"""A revision that makes its tables from the models as they are today is noted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from alembic_assay.checks.drift import check_drift
from alembic_assay.findings import Severity
from alembic_assay.project import Project

if TYPE_CHECKING:
    from tests.checks.conftest import WriteModels

    from tests.conftest import ProjectFiles

MODELS = """
import sqlalchemy as sa

metadata = sa.MetaData()
users = sa.Table("users", metadata, sa.Column("id", sa.Integer, primary_key=True))
groups = sa.Table("groups", metadata, sa.Column("id", sa.Integer, primary_key=True))
"""

ASYNC_ENV = """
import asyncio

from alembic import context
from sqlalchemy.ext.asyncio import async_engine_from_config
from sqlalchemy.pool import NullPool

import {models}

config = context.config


def run(connection):
    context.configure(connection=connection, target_metadata={models}.metadata)
    with context.begin_transaction():
        context.run_migrations()


async def main():
    engine = async_engine_from_config(
        config.get_section(config.config_ini_section, {{}}),
        prefix="sqlalchemy.",
        poolclass=NullPool,
    )
    async with engine.connect() as connection:
        await connection.run_sync(run)
    await engine.dispose()


asyncio.run(main())
"""

sqlite_and_postgresql = pytest.mark.parametrize(
    "databases", ["sqlite", "postgresql"], indirect=True
)


@pytest.fixture
def module(project_files: ProjectFiles, request: pytest.FixtureRequest) -> str:
    """The name of a module with models, which no other test has imported."""
    name = "models_" + "".join(filter(str.isalnum, request.node.name))
    (project_files.folder / f"{name}.py").write_text(MODELS)
    env = project_files.env.read_text().replace("target_metadata = None", "")
    project_files.env.write_text(f"import {name}\ntarget_metadata = {name}.metadata\n{env}")
    return name


def test_revision_that_calls_create_all_of_the_models_is_noted(
    project_files: ProjectFiles, project: Project, module: str
) -> None:
    path = project_files.add_revision(
        "0001", upgrade=f"import {module}\n{module}.metadata.create_all(op.get_bind())"
    )

    [finding] = check_drift(project)

    assert str(finding) == (
        "live-models: revision 0001 (0001) makes tables users and groups from the models"
        " themselves\n"
        "  It makes what the models say today, not what they said when it was written: whatever the"
        " later revisions forget, a new database has it all the same, and no comparison can see"
        " that.\n"
        "  help: write down in the revision what it is to make, with op.create_table()."
    )
    assert finding.severity is Severity.NOTE
    assert (finding.revision, finding.path) == ("0001", str(path))


def test_each_revision_that_makes_tables_of_the_models_is_noted(
    project_files: ProjectFiles, project: Project, module: str
) -> None:
    project_files.add_revision(
        "0001", upgrade=f"import {module}\n{module}.users.create(op.get_bind())"
    )
    project_files.add_revision("0002", "0001", upgrade='op.execute("SELECT 1")')
    project_files.add_revision(
        "0003", "0002", upgrade=f"import {module}\n{module}.groups.create(op.get_bind())"
    )

    found = check_drift(project)

    assert [one.message for one in found] == [
        "revision 0001 (0001) makes table users from the models themselves",
        "revision 0003 (0003) makes table groups from the models themselves",
    ]


def test_revision_that_finds_all_tables_of_the_models_there_is_right(
    project_files: ProjectFiles, project: Project, module: str
) -> None:
    project_files.add_table("0001", None, "users")
    project_files.add_table("0002", "0001", "groups")
    project_files.add_revision(
        "0003", "0002", upgrade=f"import {module}\n{module}.metadata.create_all(op.get_bind())"
    )

    assert check_drift(project) == []


def test_revision_with_metadata_of_its_own_is_right(
    project_files: ProjectFiles, project: Project, module: str
) -> None:
    project_files.add_revision(
        "0001",
        upgrade="""
        metadata = sa.MetaData()
        sa.Table("users", metadata, sa.Column("id", sa.Integer, primary_key=True))
        sa.Table("groups", metadata, sa.Column("id", sa.Integer, primary_key=True))
        metadata.create_all(op.get_bind())
        """,
    )

    assert check_drift(project) == []


def test_revision_that_takes_the_models_of_env_py_is_noted(
    write_models: WriteModels, project: Project
) -> None:
    write_models(
        models='Table("users", metadata, Column("id", Integer, primary_key=True))',
        upgrade='op.get_context().opts["target_metadata"].create_all(op.get_bind())',
    )

    assert [one.message for one in check_drift(project)] == [
        "revision 0001 (0001) makes table users from the models themselves"
    ]


@sqlite_and_postgresql
def test_revision_is_noted_where_env_py_is_asynchronous(
    project_files: ProjectFiles, project: Project, module: str
) -> None:
    project_files.write_env(ASYNC_ENV.format(models=module))
    project_files.add_revision(
        "0001", upgrade=f"import {module}\n{module}.metadata.create_all(op.get_bind())"
    )

    assert [one.rule for one in check_drift(project)] == ["live-models"]


def test_drift_beside_the_live_models_is_found(
    project_files: ProjectFiles, project: Project, module: str
) -> None:
    project_files.add_revision(
        "0001", upgrade=f"import {module}\n{module}.metadata.create_all(op.get_bind())"
    )
    project_files.add_table("0002", "0001", "extra")

    assert [(one.rule, one.severity) for one in check_drift(project)] == [
        ("live-models", Severity.NOTE),
        ("drift-extra", Severity.ERROR),
    ]
