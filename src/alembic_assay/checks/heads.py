"""Check: the revision files make one history, with one head."""

from __future__ import annotations

from alembic_assay.exceptions import HistoryError
from alembic_assay.findings import Finding
from alembic_assay.history import RevisionGraph
from alembic_assay.project import Project

NAME = "heads"

_VERSION_NUM_LENGTH = 32
"""Alembic's version table holds ids of this length, and most databases refuse longer ones."""


def check_heads(project: Project) -> list[Finding]:
    """Find broken, missing and duplicate revisions, several heads, and ids that are too long.

    Several heads are no finding where each of them is in ``allowed-heads``, by its revision id or
    by its branch label. No database is used.
    """
    try:
        graph = project.graph()
    except HistoryError as error:
        return [Finding(NAME, "broken-history", error.message, error.effect, error.help)]
    return [*_several_heads(graph, project.settings.allowed_heads), *_long_ids(graph)]


def _several_heads(graph: RevisionGraph, allowed: tuple[str, ...]) -> list[Finding]:
    unexpected = [
        head
        for head in graph.heads
        if head not in allowed and not graph[head].branch_labels.intersection(allowed)
    ]
    if len(graph.heads) < 2 or not unexpected:
        return []
    return [
        Finding(
            NAME,
            "several-heads",
            f"the history has {len(graph.heads)} heads:"
            f" {', '.join(graph.describe(head) for head in graph.heads)}",
            "`alembic upgrade head` refuses to run, and so will the next deployment.",
            f'merge them: alembic merge -m "merge heads" {" ".join(graph.heads)}\n'
            "or, if they are to stay apart, list them in allowed-heads of [tool.alembic-assay].",
        )
    ]


def _long_ids(graph: RevisionGraph) -> list[Finding]:
    return [
        Finding(
            NAME,
            "revision-id-too-long",
            f"the revision id {script.revision} has {len(script.revision)} characters",
            f"The version table holds {_VERSION_NUM_LENGTH}; PostgreSQL and MySQL refuse more.",
            "shorten it, also where other revisions name it.",
            revision=script.revision,
            path=script.path,
        )
        for script in graph.order
        if len(script.revision) > _VERSION_NUM_LENGTH
    ]
