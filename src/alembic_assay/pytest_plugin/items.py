"""The checks as test items, for ``pytest --assay``."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from alembic_assay.checks import CHECKS, USUAL
from alembic_assay.exceptions import AssayError, FindingsDetected
from alembic_assay.findings import Finding, Severity, errors
from alembic_assay.project import Project
from alembic_assay.reporting import render_text

NODE = "alembic-assay"


def make_items(session: pytest.Session, items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Return an item for each check, which needs no test file."""
    collector = _Checks.from_parent(_common_parent(session, items), name=NODE, nodeid=NODE)
    return [_CheckItem.from_parent(collector, name=name, callobj=_test_of(name)) for name in USUAL]


def raise_for(findings: Sequence[Finding]) -> None:
    """Raise ``FindingsDetected`` for the findings that are errors, if there are any."""
    found = errors(findings)
    if found:
        raise FindingsDetected(render_text(found, folder=Path.cwd()))


class _Checks(pytest.Collector):
    def collect(self) -> list[pytest.Item]:
        return []


class _CheckItem(pytest.Function):
    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException]) -> object:  # type: ignore[override]
        """Show the findings, and not the code that raised them."""
        if isinstance(excinfo.value, (AssayError, FindingsDetected)):
            return str(excinfo.value)
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[os.PathLike[str] | str, int | None, str]:
        return self.config.rootpath, None, f"{NODE}::{self.name}"


def _test_of(name: str) -> Callable[..., None]:
    """Return a test function for a check: it asks for fixtures, as any test does."""

    def test(assay_project: Project, request: pytest.FixtureRequest) -> None:
        findings = CHECKS[name](assay_project)
        raise_for(findings)
        skipped = [one for one in findings if one.severity is Severity.SKIPPED]
        if skipped:
            pytest.skip("; ".join(one.message for one in skipped))
        notes = render_text(findings, folder=Path.cwd())
        if notes:
            request.node.user_properties.append((NODE, notes))

    return test


def _common_parent(session: pytest.Session, items: Sequence[pytest.Item]) -> pytest.Collector:
    """Return the folder that all tests have in common, so that its conftest.py counts here too."""
    chains = [
        [node for node in item.listchain() if isinstance(node, pytest.Directory)] for item in items
    ]
    common: pytest.Collector = session
    for level in zip(*chains, strict=False):
        if any(node is not level[0] for node in level):
            break
        common = level[0]
    return common
