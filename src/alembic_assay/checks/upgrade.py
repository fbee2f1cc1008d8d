"""Check: an empty database can be brought to head, as a new installation is."""

from __future__ import annotations

from sqlalchemy import URL

from alembic_assay.checks.failures import environment_failed, not_checked, upgrade_failed
from alembic_assay.checks.heads import check_heads
from alembic_assay.exceptions import EnvironmentFault, HistoryError, MigrationFailed
from alembic_assay.findings import Finding, errors
from alembic_assay.project import Project
from alembic_assay.template_builder import Built

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
        return upgrade_database(project, url).findings


def build_database(project: Project, url: URL, *, is_new: bool) -> Built:
    """Bring a database to the heads, unless the history has more of them than it should."""
    findings = check_heads(project)
    if errors(findings):
        return Built(findings, project.graph().heads)
    return upgrade_database(project, url, is_new=is_new)


def upgrade_database(project: Project, url: URL, *, is_new: bool = True) -> Built:
    """Bring a database of our own to the heads, and tell why that failed, if it did.

    It is an empty one, or a migrated one that is behind.
    """
    if is_new:
        project.lay_baseline(url)
    with project.environment(url, project.graph()) as environment:
        try:
            project.migrate(environment)
        except MigrationFailed as failure:
            findings = [upgrade_failed(NAME, project, environment.graph, failure)]
        except EnvironmentFault as error:
            findings = [environment_failed(NAME, error)]
        else:
            findings = []
        return Built(findings, environment.graph.heads)
