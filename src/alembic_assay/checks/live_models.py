"""Revisions that make their tables from the models as they are today."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import MetaData, Table, event

from alembic_assay.environment import Environment
from alembic_assay.findings import Finding, Severity

RULE = "live-models"


class LiveModels:
    """Which metadata each revision made tables from."""

    def __init__(self) -> None:
        self._made: list[tuple[str, Table]] = []

    def note(self, revision: str, table: Table) -> None:
        """Note that a revision makes a table."""
        self._made.append((revision, table))

    def findings(self, check: str, environment: Environment) -> list[Finding]:
        """Return a note for each revision that made tables from the models' own metadata."""
        models = environment.metadatas()
        tables: dict[str, list[str]] = {}
        for revision, table in self._made:
            if _is_among(table.metadata, models):
                tables.setdefault(revision, []).append(table.name)
        return [_finding(check, environment, revision, tables[revision]) for revision in tables]


@contextmanager
def noticed_live_models(environment: Environment) -> Iterator[LiveModels]:
    """Watch which tables are made from which metadata while the migrations run."""
    live = LiveModels()

    def note(table: Table, connection: object, **options: Any) -> None:
        if environment.taking is not None:
            live.note(environment.taking.revision.revision, table)

    event.listen(Table, "before_create", note)
    try:
        yield live
    finally:
        event.remove(Table, "before_create", note)


def _is_among(metadata: MetaData, models: list[MetaData]) -> bool:
    return any(metadata is one for one in models)


def _finding(check: str, environment: Environment, revision: str, tables: list[str]) -> Finding:
    graph = environment.graph
    return Finding(
        check,
        RULE,
        f"revision {graph.describe(revision)} makes {_some(tables)} from the models themselves",
        "It makes what the models say today, not what they said when it was written: whatever the"
        " later revisions forget, a new database has it all the same, and no comparison can see"
        " that.",
        "write down in the revision what it is to make, with op.create_table().",
        severity=Severity.NOTE,
        revision=revision,
        path=str(graph.path(revision)),
    )


def _some(tables: list[str]) -> str:
    if len(tables) == 1:
        return f"table {tables[0]}"
    shown, last = tables[:3], f"{len(tables) - 3} more"
    if len(tables) <= 3:
        *shown, last = tables
    return f"tables {', '.join(shown)} and {last}"
