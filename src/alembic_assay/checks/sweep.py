"""All the way up and all the way down: the quick proof of the revisions that are right."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from alembic.runtime.migration import MigrationContext, RevisionStep
from sqlalchemy import Connection

from alembic_assay.catalog import Snapshot, compare
from alembic_assay.checks.irreversible import irreversible_by_declaration
from alembic_assay.environment import Environment, Heads
from alembic_assay.exceptions import MigrationFailed
from alembic_assay.project import Project


def count_proven(project: Project, environment: Environment) -> int:
    """Return how many revisions, from the heads down, a sweep up and down proves to be right.

    Where a downgrade leads to exactly the schema from which the upgrade started, a second upgrade
    can only repeat the first, unless there are rows, which a schema does not show. So a history
    without rows goes up once and down once, and each step back that is exact proves its revision.
    What is the matter with the first one that is not, and with those below it, is for the walk to
    find out. The database is left as it happens to be.
    """
    sweep = _Sweep(project, environment)
    with (
        environment.backend.catalog_reader(environment.connection) as sweep.reader,
        suppress(MigrationFailed),
    ):
        environment.run(sweep.steps)
    return sweep.proven


class _Sweep:
    reader: Connection

    def __init__(self, project: Project, environment: Environment) -> None:
        self.project = project
        self.environment = environment
        self.order = [script.revision for script in environment.graph.order]
        self.proven = 0
        self.last_read: Snapshot | None = None

    def steps(self, heads: Heads, context: MigrationContext) -> Iterator[RevisionStep]:
        graph = self.environment.graph
        # The version table may have been made just now, in a transaction that is still open.
        self.environment.connection.commit()
        before = []
        for revision in self.order:
            # Without what the reader needs to go on from it, which is much for a thousand of them.
            before.append(Snapshot(self._read().parts))
            if irreversible_by_declaration(self.project, graph, revision):
                return
            yield graph.upgrade_step(revision)
            if self._has_rows():
                return
        self._read()
        for revision in reversed(self.order):
            yield graph.downgrade_step(revision)
            earlier = before.pop()
            now = self._read()
            if compare(earlier, now):
                return
            self.last_read = now.sharing(earlier)
            self.proven += 1

    def _read(self) -> Snapshot:
        self.last_read = self.environment.backend.read_catalog(
            self.reader, version_table=self.environment.version_table, previous=self.last_read
        )
        self.reader.rollback()
        return self.last_read

    def _has_rows(self) -> bool:
        found = self.environment.backend.has_rows(
            self.reader, except_for=self.environment.version_table
        )
        self.reader.rollback()
        return found
