"""The pytest plugin: fixtures for migrated databases, and ``--assay`` to run the checks.

pytest loads this in every run, so nothing but pytest and the standard library is imported before a
fixture or a check is used; only the header reads on, for a chosen server or for ``--assay``.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator

import pytest

from alembic_assay.pytest_plugin.choices import CHOICES, KEEP, SERVER, TARGETS, choose
from alembic_assay.pytest_plugin.fixtures import (
    assay_config,
    assay_databases,
    assay_memory,
    assay_metadata,
    assay_pool,
    assay_project,
    assay_seed,
    assay_template,
    assay_url,
    fresh_database,
    fresh_engine,
    migrated_database,
    migrated_engine,
)
from alembic_assay.pytest_plugin.guard import INI as GUARD
from alembic_assay.pytest_plugin.guard import guarded
from alembic_assay.pytest_plugin.header import header
from alembic_assay.pytest_plugin.isolation import (
    assay_isolation,
    assay_isolations,
    assay_others,
    assay_targets,
    assay_worker_database,
    async_db_connection,
    async_db_engine,
    async_db_engines,
    async_db_session,
    db_connection,
    db_engine,
    db_engines,
    db_queries,
    db_session,
    db_sessions,
    row_factory,
)
from alembic_assay.pytest_plugin.keeping import FAILED, kept, note_failure
from alembic_assay.pytest_plugin.marker import DESCRIPTION, wishes_of

__all__ = [
    "assay_config",
    "assay_databases",
    "assay_isolation",
    "assay_isolations",
    "assay_memory",
    "assay_metadata",
    "assay_others",
    "assay_pool",
    "assay_project",
    "assay_seed",
    "assay_targets",
    "assay_template",
    "assay_url",
    "assay_worker_database",
    "async_db_connection",
    "async_db_engine",
    "async_db_engines",
    "async_db_session",
    "db_connection",
    "db_engine",
    "db_engines",
    "db_queries",
    "db_session",
    "db_sessions",
    "fresh_database",
    "fresh_engine",
    "migrated_database",
    "migrated_engine",
    "row_factory",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--assay`` and the choices, each as an option and as an ini key."""
    group = parser.getgroup("alembic-assay", "migrations (alembic-assay)")
    group.addoption(
        "--assay", action="store_true", help="Check the Alembic migrations, as tests of their own."
    )
    group.addoption(
        "--assay-rebuild",
        action="store_true",
        help="Run all migrations again, instead of taking the database that they built last time.",
    )
    for choice in CHOICES:
        group.addoption(
            choice.option, action=choice.action, metavar=choice.metavar, help=choice.help
        )
        parser.addini(choice.ini, help=choice.help)
    parser.addini(
        GUARD,
        type="bool",
        default=False,
        help="Fail tests that use a database and have not asked for one",
    )
    for name, help_ in TARGETS.items():
        parser.addini(name, type="args", default=[], help=help_)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and refuse what nothing would come of."""
    config.addinivalue_line("markers", DESCRIPTION)
    value, source = choose(config, KEEP)
    if value not in (None, FAILED):
        raise pytest.UsageError(
            f'there is nothing to keep by the name "{value}" ({source})\n'
            f"  help: {KEEP.option}={FAILED} keeps the databases of failed tests."
        )


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Start the server of ``--assay-server``, before pytest-xdist starts its workers."""
    config = session.config
    is_worker = hasattr(config, "workerinput")
    if is_worker or config.option.collectonly or choose(config, SERVER)[0] is None:
        return
    from alembic_assay.pytest_plugin.containers import serve_from_container

    serve_from_container(config)


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say which server will be used, what else was chosen, and from where."""
    return header(config)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Read the markers; add the checks, before ``-k`` and ``-m`` choose among all items."""
    for item in items:
        wishes_of(item)
    if config.option.assay:
        from alembic_assay.pytest_plugin.items import make_items

        items[:0] = make_items(session, items)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    """Watch what the fixtures of a test connect to."""
    with guarded(item):
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Watch what a test connects to."""
    with guarded(item):
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember which tests fail, for those fixtures that keep their databases then."""
    report = yield
    note_failure(item, report)
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show the notes of checks that passed, and the databases that were kept."""
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
    reports = itertools.chain.from_iterable(terminalreporter.stats.values())
    if databases := kept(reports):
        terminalreporter.section("databases of failed tests, kept until they are pruned")
        for database in databases:
            terminalreporter.write_line(database)
