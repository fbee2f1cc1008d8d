"""The fixtures. Their docstrings are what ``pytest --fixtures`` prints."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from alembic_assay.pytest_plugin.choices import (
    METADATA,
    URL,
    allowed_hosts,
    choose,
    config_file,
    folder_of_run,
    memory_file,
)
from alembic_assay.pytest_plugin.errors import errors_as_text
from alembic_assay.pytest_plugin.flask_db import app_context, flask_database
from alembic_assay.pytest_plugin.isolation import CLONE, clone_of
from alembic_assay.pytest_plugin.keeping import is_to_keep, report_kept

if TYPE_CHECKING:
    import sqlalchemy
    from alembic.config import Config
    from sqlalchemy import Connection, Engine, MetaData

    from alembic_assay.databases import Databases
    from alembic_assay.pool import Pool
    from alembic_assay.project import Project
    from alembic_assay.recall import Memory
    from alembic_assay.template import Template


@pytest.fixture(scope="session")
def assay_url(pytestconfig: pytest.Config) -> str | None:
    """Where databases are made. Override to choose in code; None leaves it to the settings."""
    return choose(pytestconfig, URL)[0]


@pytest.fixture(scope="session")
def assay_metadata(pytestconfig: pytest.Config) -> str | MetaData | None:
    """The models' MetaData. Override where env.py gives no target_metadata."""
    return choose(pytestconfig, METADATA)[0]


@pytest.fixture(scope="session")
def assay_config() -> Callable[[sqlalchemy.URL], Config] | None:
    """A function that returns the Alembic Config for a URL; None takes the configuration file.

    Override it where the application's own settings must be pointed at the URL first::

        @pytest.fixture(scope="session")
        def assay_config():
            def config(url):
                settings.database_url = url.render_as_string(hide_password=False)
                return make_config(url)
            return config
    """
    return None


@pytest.fixture(scope="session")
def assay_memory(
    pytestconfig: pytest.Config,
    assay_url: str | None,
    assay_config: Callable[[sqlalchemy.URL], Config] | None,
) -> Memory | None:
    """What an earlier run has found out, by which the template is found without Alembic."""
    from alembic_assay.recall import recall

    if assay_config is not None or pytestconfig.getoption("--assay-rebuild"):
        return None
    return recall(memory_file(pytestconfig, assay_url))


@pytest.fixture(scope="session")
def assay_databases(
    pytestconfig: pytest.Config, assay_url: str | None, assay_memory: Memory | None
) -> Iterator[Databases]:
    """The server, found or started, on which databases are made."""
    from alembic_assay.databases import open_databases
    from alembic_assay.urls import parse_url

    with errors_as_text():
        if assay_memory is not None:
            url = parse_url(assay_memory.server)
        else:
            url = _server(pytestconfig, assay_url)
        with open_databases(url, allowed_hosts=allowed_hosts(pytestconfig)) as databases:
            yield databases


@pytest.fixture(scope="session")
def assay_project(
    pytestconfig: pytest.Config,
    assay_databases: Databases,
    assay_config: Callable[[sqlalchemy.URL], Config] | None,
    assay_metadata: str | MetaData | None,
) -> Iterator[Project]:
    """The project under test, for the checks: ``assert check_drift(assay_project) == []``."""
    from dataclasses import replace

    from alembic_assay.project import open_project

    with (
        errors_as_text(),
        open_project(
            config_file=config_file(pytestconfig),
            metadata=assay_metadata,
            databases=assay_databases,
        ) as project,
    ):
        yield replace(project, config_for=assay_config) if assay_config else project


@pytest.fixture(scope="session")
def assay_seed() -> Callable[[Connection], object] | None:
    """A function that adds rows to the migrated database, once, before it is copied for tests.

    Override it where many tests need the same rows::

        @pytest.fixture(scope="session")
        def assay_seed():
            def seed(connection):
                connection.execute(insert(Country), COUNTRIES)
            return seed

    It runs again when its module, or one that this imports, has changed.
    """
    return None


@pytest.fixture(scope="session")
def assay_template(
    request: pytest.FixtureRequest,
    assay_databases: Databases,
    assay_memory: Memory | None,
    assay_seed: Callable[[Connection], object] | None,
) -> Template:
    """The database that the migrations have built, with the rows of assay_seed; it is only copied.

    It is kept, and found again by what it was made from; only what is new is run. If a migration is
    broken, each test that needs a database fails with that finding.
    """
    from alembic_assay.fingerprints import with_seed
    from alembic_assay.template import Template

    def find() -> sqlalchemy.URL:
        server_version = assay_databases.server.version
        if assay_memory is not None and assay_memory.server_version == server_version:
            state = assay_memory.state
            wanted = with_seed(state, assay_seed) if assay_seed else state
            if url := assay_databases.templates().get(wanted):
                return url
        from alembic_assay.pytest_plugin.building import build_template

        return build_template(
            request.getfixturevalue("assay_project"),
            seed=assay_seed,
            folder=folder_of_run(request.config, request.getfixturevalue("tmp_path_factory")),
            rebuild=request.config.getoption("--assay-rebuild"),
            memory_file=memory_file(request.config, request.getfixturevalue("assay_url")),
        )

    with errors_as_text():
        return Template(assay_databases, find)


@pytest.fixture(scope="session")
def migrated_database(request: pytest.FixtureRequest) -> Iterator[sqlalchemy.URL]:
    """The URL of a migrated database of this worker's own.

    Override it for a database that something else has migrated: that is rolled back behind each
    test too, and never dropped.
    """
    flask = flask_database(request)
    if flask is not None:
        with app_context(request):
            yield flask.engine.url
        return
    from alembic_assay.pytest_plugin.worker_database import Clone

    databases: Databases = request.getfixturevalue("assay_databases")
    template: Template = request.getfixturevalue("assay_template")
    with errors_as_text():
        url = template.clone()
    request.config.stash[CLONE] = Clone(url, databases, template)
    yield url
    databases.drop(url)


@pytest.fixture(scope="session")
def migrated_engine(
    pytestconfig: pytest.Config, migrated_database: sqlalchemy.URL
) -> Iterator[Engine]:
    """An Engine on migrated_database. What is committed through it stays until the run ends.

    In a test that takes db_engine, or another one of those, it is gone after the test.
    """
    from alembic_assay.dialects import get_backend

    backend = get_backend(migrated_database)
    is_own = clone_of(pytestconfig, migrated_database) is not None
    make = backend.make_own_engine if is_own else backend.make_engine
    engine = make(migrated_database)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def assay_pool(assay_databases: Databases, assay_template: Template) -> Iterator[Pool]:
    """Copies of the template that are made ahead, for fresh_engine."""
    from alembic_assay.pool import Pool

    pool = Pool(assay_databases, assay_template.clone)
    yield pool
    pool.close()


@pytest.fixture
def fresh_engine(
    request: pytest.FixtureRequest, assay_databases: Databases, assay_pool: Pool
) -> Iterator[Engine]:
    """An Engine on a migrated database of this test's own, in which commits are real."""
    with errors_as_text():
        engine = assay_pool.take()
    yield engine
    if is_to_keep(request):
        engine.dispose()
        assay_databases.keep(engine.url, request.node.nodeid)
        report_kept(request, engine.url)
    else:
        assay_pool.give_back(engine)


@pytest.fixture
def fresh_database(fresh_engine: Engine) -> sqlalchemy.URL:
    """The URL of a migrated database of this test's own; nobody is connected to it."""
    fresh_engine.dispose()
    return fresh_engine.url


def _server(config: pytest.Config, url: str | None) -> sqlalchemy.URL:
    """Return where databases are to be made; without Alembic only ``url`` says it."""
    from alembic_assay.exceptions import ConfigError
    from alembic_assay.project import find_server
    from alembic_assay.urls import parse_url

    try:
        file = config_file(config)
    except ConfigError:
        if url is None:
            raise
        return parse_url(url)
    return find_server(url, file)
