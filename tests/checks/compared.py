"""Models against a database, as a user who names both has them compared."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import URL, MetaData

from alembic_assay.checks.database import check_database
from alembic_assay.config import make_config
from alembic_assay.databases import Databases
from alembic_assay.findings import Finding
from alembic_assay.project import Project
from alembic_assay.settings import Settings

if TYPE_CHECKING:
    from alembic.config import Config


def compare_models(
    databases: Databases, folder: Path, models: MetaData, url: URL, *, notes: bool = False
) -> list[Finding]:
    """Return what ``check_database`` says of a database, by these models; no env.py is there."""

    def config_for(target: URL) -> Config:
        return make_config(target, config_file=folder / "there_is_none.ini")

    project = Project(config_for, databases, Settings(folder=folder), models)
    return check_database(project, url, notes=notes)
