"""Check: every revision can be taken back, and applied again."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator

from alembic.runtime.migration import MigrationContext, RevisionStep

from alembic_assay.catalog import Snapshot, compare
from alembic_assay.checks import round_trip_findings as say
from alembic_assay.checks.failures import environment_failed, not_checked, reason, upgrade_failed
from alembic_assay.checks.irreversible import irreversible_by_declaration, irreversible_by_error
from alembic_assay.checks.sweep import count_proven
from alembic_assay.environment import Heads
from alembic_assay.exceptions import EnvironmentFault, HistoryError, MigrationFailed
from alembic_assay.findings import Finding
from alembic_assay.history import RevisionGraph
from alembic_assay.project import Project

NAME = "round-trip"

Progress = Callable[[int, int], None]
"""Told how many revisions are done, and how many there are."""


def check_round_trip(project: Project, *, progress: Progress | None = None) -> list[Finding]:
    """Upgrade, downgrade and upgrade each revision, comparing the schema at each stop.

    After the downgrade the schema must be what it was before the upgrade: every object, by name,
    as the database itself describes it; only the order of columns does not count. Finds downgrades
    that fail, do nothing, forget an object, lose one or bring back a different one, and second
    upgrades that fail. A history that is right goes up once and down once (see ``sweep``); what
    that does not prove is walked revision by revision.

    A revision without ``downgrade()``, whose ``downgrade()`` raises ``NotImplementedError``, or
    that the settings name as irreversible is noted as such, and the walk goes on above it. All
    revisions are walked: where one leaves the schema damaged, the walk goes on in a new database.

    With the baseline ``create_all`` the walk starts at the heads and goes downwards: downgrade,
    upgrade, downgrade.
    """
    try:
        graph = project.graph()
    except HistoryError as error:
        return [not_checked(NAME, "round-trip-not-checked", error.message, error.help)]
    walk = _Walk(project, graph, progress)
    try:
        if not project.starts_from_models:
            walk.sweep()
        while not walk.is_done:
            walk.go_on_in_new_database()
    except EnvironmentFault as error:
        return [*walk.findings, environment_failed(NAME, error)]
    return walk.findings


class _Stage(enum.Enum):
    """What the walk does next with the revision where it is."""

    THERE = enum.auto()
    BACK = enum.auto()
    THERE_AGAIN = enum.auto()
    STAMP = enum.auto()
    """Take it as done without running it."""


class _Walk:
    """The walk from revision to revision, through as many databases as it needs.

    In each revision it goes *there*, *back*, and *there again*: up, down and up; or, downwards from
    the models, down, up and down. Alembic takes the steps that ``_steps`` yields. When one raises,
    env.py ends; the walk keeps what it knows and enters env.py again behind that step.
    """

    def __init__(self, project: Project, graph: RevisionGraph, progress: Progress | None) -> None:
        self.project = project
        self.progress = progress
        self.downwards = project.starts_from_models
        self.findings: list[Finding] = []
        self.not_taken: list[str] = []
        """Revisions that failed on the way there: only stamped, so that others may miss them."""
        self.done = 0
        self.proven = 0
        """How many revisions, from the heads down, need not be walked any more."""
        self.stage = _Stage.THERE
        self._use(graph)

    @property
    def is_done(self) -> bool:
        return self.done >= len(self.order) - self.proven

    @property
    def revision(self) -> str:
        return self.order[self.done]

    def sweep(self) -> None:
        """Prove what can be proven quickly; only the revisions below are left to be walked."""
        with self.project.empty_environment(self.graph, is_stepwise=True) as environment:
            environment.probe()
            self._use(environment.graph)
            self.proven = count_proven(self.project, environment)
        self._tell_progress()

    def go_on_in_new_database(self) -> None:
        """Build a database up to where the walk is; walk until it is damaged, or all is done."""
        self.built = 0
        self.is_damaged = False
        self.last_read: Snapshot | None = None
        with self.project.empty_environment(self.graph, is_stepwise=True) as self.environment:
            if self.downwards:
                self.project.create_from_models(self.environment)
            else:
                self.environment.probe()
            self._use(self.environment.graph)
            backend, connection = self.environment.backend, self.environment.connection
            with backend.catalog_reader(connection) as self.reader:
                while not self.is_done and not self.is_damaged:
                    try:
                        self.environment.run(self._steps)
                    except MigrationFailed as failure:
                        self._settle(failure)

    def _use(self, graph: RevisionGraph) -> None:
        self.graph = graph
        order = [script.revision for script in graph.order]
        self.order = order[::-1] if self.downwards else order

    def _steps(self, heads: Heads, context: MigrationContext) -> Iterator[RevisionStep]:
        # The version table may have been made just now, in a transaction that is still open.
        self.environment.connection.commit()
        while self.built < self.done:
            revision = self.order[self.built]
            yield self._stamp(revision) if revision in self.not_taken else self._there(revision)
            self.built += 1
        if self.last_read is None:
            self.before = self._read()
        while not self.is_done and not self.is_damaged:
            yield from self._next_stage()

    def _next_stage(self) -> Iterator[RevisionStep]:
        if self.stage is _Stage.STAMP:
            yield self._stamp(self.revision)
            self._advance()
        elif self.stage is _Stage.THERE:
            irreversible = irreversible_by_declaration(self.project, self.graph, self.revision)
            if irreversible and self.downwards:
                self.findings.append(irreversible)
                self.not_taken.append(self.revision)
                self.after = self.before
                self.stage = _Stage.STAMP
                return
            yield self._there(self.revision)
            self.after = self._read()
            self.stage = _Stage.BACK
            if irreversible:
                self.findings.append(irreversible)
                self._advance()
        elif self.stage is _Stage.BACK:
            yield self._back(self.revision)
            self.differences = compare(self.before, self._read())
            self.stage = _Stage.THERE_AGAIN
        else:
            yield self._there(self.revision)
            # From the same schema the same step can only lead to the same schema again.
            different = compare(self.after, self._read()) if self.differences else []
            self._report_differences(say.second_step_differs(different) if different else "")
            self.is_damaged = bool(different)
            self._advance()

    def _settle(self, failure: MigrationFailed) -> None:
        """Report a step that raised, and see whether this database is fit to go on behind it."""
        error = reason(failure)
        if self.built < self.done:
            self.findings.append(self._failed_there(failure))
            self.not_taken.append(failure.revision)
            return
        if self.stage is _Stage.THERE:
            self.findings.append(self._failed_there(failure))
            self.not_taken.append(self.revision)
            self.after = self.before
        elif self.stage is _Stage.BACK:
            self.findings.append(self._failed_back(failure))
        else:
            self._report_differences(say.second_step_fails(error), error)
        # A failed step is rolled back, to where the walk was; not so without transactional DDL.
        self.is_damaged = bool(compare(self.after, self._read()))
        if self.is_damaged or self.stage is _Stage.BACK:
            self._advance()
        else:
            self.stage = _Stage.STAMP

    def _advance(self) -> None:
        self.before = self.after
        self.done += 1
        self.built = self.done
        self.stage = _Stage.THERE
        self._tell_progress()

    def _tell_progress(self) -> None:
        if self.progress is not None:
            self.progress(self.proven + self.done, len(self.order))

    def _failed_there(self, failure: MigrationFailed) -> Finding:
        if missing := self._missing_for(failure.revision):
            return say.failed_behind(self.graph, failure, missing)
        if self.downwards:
            return self._failed_downgrade(failure)
        return upgrade_failed(NAME, self.project, self.graph, failure)

    def _failed_back(self, failure: MigrationFailed) -> Finding:
        if self.downwards:
            return say.upgrade_back_failed(self.graph, failure)
        return self._failed_downgrade(failure)

    def _failed_downgrade(self, failure: MigrationFailed) -> Finding:
        return irreversible_by_error(self.graph, failure) or say.downgrade_failed(
            self.graph, failure
        )

    def _missing_for(self, revision: str) -> list[str]:
        """Return the revisions that should have been taken before this one, and were not."""
        if self.downwards:
            return [one for one in self.not_taken if revision in self.graph.ancestors(one)]
        ancestors = self.graph.ancestors(revision) if self.not_taken else set()
        return [one for one in self.not_taken if one in ancestors]

    def _report_differences(self, second_step: str, error: str = "") -> None:
        if not self.differences:
            if error:
                self.findings.append(say.second_upgrade_failed(self.graph, self.revision, error))
            return
        undone = compare(self.before, self.after)
        found = say.differences(
            self.graph,
            self.revision,
            made=undone,
            found=self.differences,
            second_step=second_step,
            downwards=self.downwards,
            backend=self.environment.backend,
            dialect=self.environment.connection.dialect,
        )
        missing = self._missing_for(self.revision)
        self.findings += say.behind(found, undone, missing) if missing else found

    def _there(self, revision: str) -> RevisionStep:
        step = self.graph.downgrade_step if self.downwards else self.graph.upgrade_step
        return step(revision)

    def _back(self, revision: str) -> RevisionStep:
        step = self.graph.upgrade_step if self.downwards else self.graph.downgrade_step
        return step(revision)

    def _stamp(self, revision: str) -> RevisionStep:
        step = self.graph.upgrade_step(revision)
        # Not made by `downgrade_step`, as the revision may have no downgrade().
        step.is_upgrade = not self.downwards
        step.migration_fn = lambda **options: None
        return step

    def _read(self) -> Snapshot:
        self.last_read = self.environment.backend.read_catalog(
            self.reader, version_table=self.environment.version_table, previous=self.last_read
        )
        self.reader.rollback()
        return self.last_read
