"""What is proven of a project's migrations, each check a function that returns findings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from alembic_assay.checks import create_all, drift, heads, round_trip, upgrade
from alembic_assay.findings import Finding
from alembic_assay.project import Project

Progress = Callable[[str, int, int], None]
"""Told the name of a check, how much of it is done, and how much there is."""

CHECKS: dict[str, Callable[[Project], list[Finding]]] = {
    heads.NAME: heads.check_heads,
    upgrade.NAME: upgrade.check_upgrade,
    round_trip.NAME: round_trip.check_round_trip,
    drift.NAME: drift.check_drift,
    create_all.NAME: create_all.check_create_all,
}
"""The checks by their names, in the order in which they are run."""

USUAL = tuple(name for name in CHECKS if name != create_all.NAME)
"""The checks that every project should pass; the others are for those that want what they prove."""


def run_checks(
    project: Project, names: Iterable[str] = USUAL, *, progress: Progress | None = None
) -> list[Finding]:
    """Run the named checks, by default the usual ones; return what they find, each thing once."""
    findings: list[Finding] = []
    for name in names:
        if progress is not None:
            progress(name, 0, 1)
        findings += _run(project, name, progress)
        if progress is not None:
            progress(name, 1, 1)
    return distinct(findings)


def distinct(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings without those that another check has made before them."""
    first: dict[tuple[str, str | None, str], Finding] = {}
    for finding in findings:
        key = (finding.rule, finding.revision, finding.object or finding.message)
        first.setdefault(key, finding)
    return list(first.values())


def _run(project: Project, name: str, progress: Progress | None) -> Sequence[Finding]:
    if name == round_trip.NAME and progress is not None:
        return round_trip.check_round_trip(project, progress=partial(progress, name))
    return CHECKS[name](project)
