"""The template is made, or found by the history itself, and remembered for the next run."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import URL

from alembic_assay.checks.upgrade import build_database
from alembic_assay.fingerprints import versions
from alembic_assay.project import Project
from alembic_assay.pytest_plugin.items import raise_for
from alembic_assay.recall import remember
from alembic_assay.template_builder import Seed, TemplateBuilder


def build_template(
    project: Project, *, seed: Seed | None, folder: Path, rebuild: bool, memory_file: Path
) -> URL:
    """Return the template of a project. Raises ``FindingsDetected`` for broken migrations."""
    builder = TemplateBuilder(project, build_database, folder=folder, seed=seed, rebuild=rebuild)
    raise_for(builder.ensure())
    lineage = builder.lineage
    if lineage is not None and project.config_file is not None:
        config_folder = project.config_file.parent
        remember(
            memory_file,
            server=project.databases.asked_for,
            server_version=project.databases.server.version,
            state=lineage.heads,
            versions=versions(),
            files={
                *lineage.files,
                project.config_file,
                config_folder / "alembic.ini",
                config_folder / "pyproject.toml",
            },
            folders=lineage.folders,
        )
    return builder.url
