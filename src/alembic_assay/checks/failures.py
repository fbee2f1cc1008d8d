"""A revision that raises, as a finding."""

from __future__ import annotations

from alembic_assay.exceptions import AssayError, MigrationFailed, first_line
from alembic_assay.findings import Finding, Severity
from alembic_assay.history import RevisionGraph
from alembic_assay.project import Project


def upgrade_failed(
    check: str, project: Project, graph: RevisionGraph, failure: MigrationFailed
) -> Finding:
    """Return the finding for a revision whose first upgrade raised."""
    revision = failure.revision
    remedy = "correct upgrade(); the error is the database's own."
    if revision in graph.bases and project.settings.baseline is None:
        remedy = (
            "correct upgrade(), or, if new installations do not start from an empty database,\n"
            'say from what: baseline = "schema.sql", "package:function" or "create_all" in'
            " [tool.alembic-assay]."
        )
    return Finding(
        check,
        "upgrade-failed",
        f"upgrade to {graph.describe(revision)} fails: {first_line(failure.__cause__)}",
        "A database cannot be brought to head.",
        remedy,
        revision=revision,
        path=str(graph.path(revision)),
    )


def environment_failed(check: str, error: AssayError) -> Finding:
    """Return the finding for an env.py that did not run the migrations it was asked to."""
    return Finding(check, "environment-failed", error.message, error.effect, error.help)


def not_checked(check: str, rule: str, why: str, remedy: str = "") -> Finding:
    """Return the finding for something that could not be checked: it never passes in silence."""
    return Finding(check, rule, why, help=remedy, severity=Severity.SKIPPED)
