"""Revisions that have no way back, on purpose."""

from __future__ import annotations

import traceback
from pathlib import Path

from alembic_assay.exceptions import MigrationFailed
from alembic_assay.findings import Finding, Severity
from alembic_assay.history import RevisionGraph
from alembic_assay.project import Project


def irreversible_by_declaration(
    project: Project, graph: RevisionGraph, revision: str
) -> Finding | None:
    """Note a revision that the settings name as irreversible, or that has no ``downgrade()``."""
    reason = project.settings.irreversible.get(revision)
    if reason is not None:
        return _note(graph, revision, f"marked so: {reason}")
    if not hasattr(graph[revision].module, "downgrade"):
        return _note(graph, revision, "it has no downgrade()")
    return None


def irreversible_by_error(graph: RevisionGraph, failure: MigrationFailed) -> Finding | None:
    """Note a revision whose own ``downgrade()`` raised ``NotImplementedError``.

    One that Alembic raises, for an operation that the database lacks, is a fault like any other.
    """
    error = failure.__cause__
    if not isinstance(error, NotImplementedError):
        return None
    raised_in = traceback.extract_tb(error.__traceback__)[-1].filename
    if Path(raised_in).resolve() != graph.path(failure.revision).resolve():
        return None
    reason = f": {error}" if str(error) else ""
    return _note(graph, failure.revision, f"its downgrade() raises NotImplementedError{reason}")


def _note(graph: RevisionGraph, revision: str, reason: str) -> Finding:
    return Finding(
        "round-trip",
        "irreversible",
        f"revision {graph.describe(revision)} is irreversible: {reason}",
        "Its downgrade was not checked.",
        severity=Severity.NOTE,
        revision=revision,
        path=str(graph.path(revision)),
    )
