"""The pytest plugin: fixtures for migrated databases, and ``--assay`` to run the checks.

pytest loads this in every run, so nothing but pytest and the standard library is imported before a
fixture or a check is used.
"""

from __future__ import annotations

import pytest

from alembic_assay.pytest_plugin.choices import CHOICES, choose, shown
from alembic_assay.pytest_plugin.fixtures import (
    assay_config,
    assay_metadata,
    assay_project,
    assay_url,
    db_connection,
    db_session,
    migrated_database,
    migrated_engine,
)

__all__ = [
    "assay_config",
    "assay_metadata",
    "assay_project",
    "assay_url",
    "db_connection",
    "db_session",
    "migrated_database",
    "migrated_engine",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--assay`` and the choices, each as an option and as an ini key."""
    group = parser.getgroup("alembic-assay", "migrations (alembic-assay)")
    group.addoption(
        "--assay", action="store_true", help="Check the Alembic migrations, as tests of their own."
    )
    for choice in CHOICES:
        group.addoption(choice.option, metavar=choice.metavar, help=choice.help)
        parser.addini(choice.ini, help=choice.help)


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say what was chosen, and from where."""
    chosen = [(choice, *choose(config, choice)) for choice in CHOICES]
    if not config.option.assay and all(value is None for _, value, _ in chosen):
        return None
    parts = [f"{one.name} {shown(value)} ({source})" for one, value, source in chosen if value]
    return f"alembic-assay: {', '.join(parts) or 'as the Alembic configuration says'}"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Add the checks, before ``-k`` and ``-m`` choose among all items."""
    if config.option.assay:
        from alembic_assay.pytest_plugin.items import make_items

        items[:0] = make_items(session, items)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show the notes of checks that passed: they are not to be lost."""
    notes = [
        note
        for report in terminalreporter.stats.get("passed", [])
        for name, note in getattr(report, "user_properties", [])
        if name == "alembic-assay"
    ]
    if notes:
        terminalreporter.section("notes on the migrations")
        for note in notes:
            terminalreporter.write_line(str(note))
