"""Databases that stay when their test has failed: ``--assay-keep=failed``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pytest

from alembic_assay.pytest_plugin.choices import KEEP, choose

if TYPE_CHECKING:
    import sqlalchemy

FAILED = "failed"

_HAS_FAILED = pytest.StashKey[bool]()
_KEPT = "alembic-assay kept"


def note_failure(item: pytest.Item, report: pytest.TestReport) -> None:
    """Remember that a test has failed, for the fixtures that end behind it."""
    if report.failed:
        item.stash[_HAS_FAILED] = True


def has_failed(request: pytest.FixtureRequest) -> bool:
    """Whether a test has failed by now."""
    found: bool = request.node.stash.get(_HAS_FAILED, False)
    return found


def is_to_keep(request: pytest.FixtureRequest) -> bool:
    """Whether the database of a test is to stay."""
    is_wanted = choose(request.config, KEEP)[0] == FAILED
    return is_wanted and has_failed(request)


def report_kept(request: pytest.FixtureRequest, url: sqlalchemy.URL) -> None:
    """Have the database named at the end of the run, with what shows its URL."""
    from alembic_assay.urls import mask

    name = str(url.database).rpartition("/")[2].removesuffix(".db")
    note = f"{request.node.nodeid}\n  {mask(url)}\n  alembic-assay databases url {name}"
    request.node.user_properties.append((_KEPT, note))


def kept(reports: Iterable[Any]) -> list[str]:
    """Return what ``report_kept`` said in the reports, of whichever worker."""
    return [
        str(note)
        for report in reports
        if getattr(report, "when", "") == "teardown"
        for name, note in report.user_properties
        if name == _KEPT
    ]
