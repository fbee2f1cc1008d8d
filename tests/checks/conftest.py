"""Projects for the checks to look at."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import URL

from alembic_assay.checks.round_trip import check_round_trip
from alembic_assay.config import make_config
from alembic_assay.databases import Databases
from alembic_assay.environment import MetaDatas
from alembic_assay.findings import Severity
from alembic_assay.project import Project
from alembic_assay.settings import Settings

if TYPE_CHECKING:
    from alembic.config import Config

    from tests.conftest import ProjectFiles

MakeChecked = Callable[..., Project]
CheckSecond = Callable[..., list[str]]
WriteModels = Callable[..., None]

MODELS = """
import sqlalchemy as sa
from sqlalchemy import CheckConstraint, Column, Computed, ForeignKey, ForeignKeyConstraint
from sqlalchemy import Identity, Index, Integer, MetaData, String, Table, UniqueConstraint

metadata = MetaData()
"""


@pytest.fixture
def make_checked(project_files: ProjectFiles, databases: Databases) -> MakeChecked:
    """Return a function that opens ``project_files`` for the checks, on each kind of database."""

    def config_for(url: URL) -> Config:
        return make_config(url, config_file=project_files.ini)

    def make(*, metadata: MetaDatas | None = None, **settings: object) -> Project:
        given = Settings(folder=project_files.folder, **settings)  # type: ignore[arg-type]
        return Project(config_for, databases, given, metadata)

    return make


@pytest.fixture
def project(make_checked: MakeChecked) -> Project:
    """``project_files`` as the checks see them, with no settings at all."""
    return make_checked()


@pytest.fixture
def check_second(project_files: ProjectFiles, project: Project) -> CheckSecond:
    """Return a function that says what the round trip says of a second revision.

    The first one makes a table ``users`` with an index.
    """

    def check(*, upgrade: str, downgrade: str) -> list[str]:
        project_files.add_revision(
            "0001",
            upgrade="""
            op.create_table(
                "users",
                sa.Column("id", sa.Integer, primary_key=True),
                sa.Column("email", sa.String(50), nullable=False),
            )
            op.create_index("ix_email", "users", ["email"])
            """,
            downgrade='op.drop_table("users")',
        )
        path = project_files.add_revision(
            "0002", "0001", upgrade=upgrade, downgrade=downgrade, message="change users"
        )
        findings = check_round_trip(project)
        assert {(one.check, one.severity, one.revision, one.path) for one in findings} <= {
            ("round-trip", Severity.ERROR, "0002", str(path))
        }
        return [str(one) for one in findings]

    return check


@pytest.fixture
def write_models(project_files: ProjectFiles) -> WriteModels:
    """Return a function that writes models, an env.py that gives them, and one revision."""

    def write(*, models: str, upgrade: str, options: str = "", metadata: str = "metadata") -> None:
        project_files.write_env(metadata=metadata, options=options)
        env = project_files.env.read_text()
        project_files.env.write_text(f"{MODELS}{textwrap.dedent(models)}\n{env}")
        project_files.add_revision("0001", upgrade=upgrade)

    return write
