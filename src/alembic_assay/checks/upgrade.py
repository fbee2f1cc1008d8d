"""Check: an empty database can be brought to head, as a new installation is."""

from __future__ import annotations

from sqlalchemy import URL

from alembic_assay.checks.failures import environment_failed, not_checked, upgrade_failed
from alembic_assay.exceptions import EnvironmentFault, HistoryError, MigrationFailed
from alembic_assay.findings import Finding
from alembic_assay.project import Project

NAME = "upgrade"


def check_upgrade(project: Project) -> list[Finding]:
    """Upgrade an empty database (or the project's baseline) to the heads, in one go."""
    try:
        project.graph()
    except HistoryError as error:
        return [not_checked(NAME, "upgrade-not-checked", error.message, error.help)]
    if project.starts_from_models:
        return [
            not_checked(
                NAME,
                "upgrade-not-checked",
                "new installations are made from the models and stamped (baseline = create_all),"
                " so there is no upgrade from base to check; the round trip walks downwards",
            )
        ]
    with project.databases.temporary() as url:
        return upgrade_database(project, url)


def upgrade_database(project: Project, url: URL) -> list[Finding]:
    """Bring an empty database of our own to the heads, and return why that failed, if it did."""
    graph = project.graph()
    project.lay_baseline(url)
    with project.environment(url, graph) as environment:
        try:
            project.migrate(environment)
        except MigrationFailed as failure:
            return [upgrade_failed(NAME, project, environment.graph, failure)]
        except EnvironmentFault as error:
            return [environment_failed(NAME, error)]
    return []
