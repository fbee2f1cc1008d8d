"""A revision that raises, as a finding."""

from __future__ import annotations

from alembic_assay.databases import without_own_names
from alembic_assay.environment import Environment
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
        f"upgrade to {graph.describe(revision)} fails: {reason(failure)}",
        "A database cannot be brought to head.",
        remedy,
        revision=revision,
        path=str(graph.path(revision)),
    )


def reason(failure: MigrationFailed) -> str:
    """Say in one line why a revision failed, in the same words for every database of our own."""
    return without_own_names(first_line(failure.__cause__))


def environment_failed(check: str, error: AssayError) -> Finding:
    """Return the finding for an env.py that did not run the migrations it was asked to."""
    message = without_own_names(error.message)
    return Finding(check, "environment-failed", message, error.effect, error.help)


def not_checked(check: str, rule: str, why: str, remedy: str = "") -> Finding:
    """Return the finding for something that could not be checked: it never passes in silence."""
    return Finding(check, rule, why, help=remedy, severity=Severity.SKIPPED)


def missing_models(check: str, environment: Environment) -> Finding | None:
    """Return the finding for an env.py that has run and gave no models, if so."""
    rule = f"{check}-not-checked"
    metadatas = environment.metadatas()
    place = environment.graph.script.env_py_location
    if not metadatas:
        return not_checked(
            check,
            rule,
            f"{place} gives no target_metadata, so there are no models to compare with",
            'name them: --metadata package.models:Base, or metadata = "package.models:Base" in'
            " [tool.alembic-assay].",
        )
    if not any(metadata.tables for metadata in metadatas):
        return not_checked(
            check,
            rule,
            f"the target_metadata of {place} has no tables",
            "import the modules of all models in env.py, before the metadata is used.",
        )
    return None


def head_not_reached(check: str, failure: MigrationFailed) -> Finding:
    """Return the finding for a check that needs a database at head, and has none."""
    return not_checked(
        check,
        f"{check}-not-checked",
        f"the migrations do not reach head: {without_own_names(failure.message)}",
        "correct that first; the check `upgrade` reports it.",
    )
