"""The pytest plugin: fixtures for migrated databases, and ``--assay`` to run the checks.

pytest loads this in every run, so nothing but pytest and the standard library is imported before a
fixture or a check is used; only the header reads on, for a chosen server or for ``--assay``.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Generator

import pytest

from alembic_assay.pytest_plugin.choices import CHOICES, CONFIG, SERVER, URL, choose, shown
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
    db_connection,
    db_session,
    fresh_database,
    fresh_engine,
    migrated_database,
    migrated_engine,
)
from alembic_assay.pytest_plugin.keeping import kept, note_failure

__all__ = [
    "assay_config",
    "assay_databases",
    "assay_memory",
    "assay_metadata",
    "assay_pool",
    "assay_project",
    "assay_seed",
    "assay_template",
    "assay_url",
    "db_connection",
    "db_session",
    "fresh_database",
    "fresh_engine",
    "migrated_database",
    "migrated_engine",
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
    chosen = [(choice, *choose(config, choice)) for choice in CHOICES]
    if not config.option.assay and all(value is None for _, value, _ in chosen):
        return None
    server = _server_said(config)
    parts = [
        f"{one.name} {shown(value)} ({source})"
        for one, value, source in chosen
        if value and not (server and one in (URL, SERVER))
    ]
    said = ", ".join([server, *parts] if server else parts)
    return f"alembic-assay: {said or 'as the Alembic configuration says'}"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Add the checks, before ``-k`` and ``-m`` choose among all items."""
    if config.option.assay:
        from alembic_assay.pytest_plugin.items import make_items

        items[:0] = make_items(session, items)


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


def _server_said(config: pytest.Config) -> str | None:
    """Say on which server databases will be made, if that can be told by now, and why there."""
    try:
        container, source = choose(config, SERVER)
        if container is not None:
            url = os.environ[URL.variable]
            return f"{_kind(url)} on a server of its own, in {container} ({source})"
        chosen, source = choose(config, URL)
        if chosen is None and config.option.assay:
            chosen, source = _url_of_project(config)
        return _place(chosen, source) if chosen is not None else None
    except Exception:
        return None  # whatever needs a database will say what is wrong


def _place(url: str, source: str) -> str | None:
    kind = _kind(url)
    if kind == "sqlite":  # known without SQLAlchemy, whose import takes longer than many a run
        return f"{kind}, which needs no server ({source})"
    from alembic_assay.dialects import get_backend
    from alembic_assay.safety import hosts_of
    from alembic_assay.urls import parse_url

    parsed = parse_url(url)
    get_backend(parsed)  # raises for what cannot be used
    if hosts := ", ".join(hosts_of(parsed)):
        port = f":{parsed.port}" if parsed.host and parsed.port else ""
        return f"{kind} on the server at {hosts}{port} ({source})"
    if kind != "postgresql":
        return None
    from alembic_assay.dialects.postgresql.binaries import find_binaries

    if (binaries := find_binaries()) is None:
        return None
    why = f"no URL of a server was given; {source}"
    return f"{kind} on a server of its own, {binaries.origin} ({why})"


def _kind(url: str) -> str:
    return url.partition(":")[0].partition("+")[0]


def _url_of_project(config: pytest.Config) -> tuple[str, str]:
    """Return what the project itself says, and where it does."""
    from alembic_assay.config import load_config
    from alembic_assay.config_files import find_config_file
    from alembic_assay.project import server_url
    from alembic_assay.settings import load_settings

    named, _ = choose(config, CONFIG)
    path = config.rootpath / named if named else find_config_file(config.rootpath)
    settings = load_settings(path.parent)
    url = server_url(None, settings, load_config(path))
    source = "[tool.alembic-assay]" if settings.url else os.path.relpath(path, config.rootpath)
    return url.render_as_string(hide_password=False), f"from {source}"
