"""The fixtures. Their docstrings are what ``pytest --fixtures`` prints."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from alembic_assay.pytest_plugin.choices import CONFIG, METADATA, URL, choose

if TYPE_CHECKING:
    import sqlalchemy
    from alembic.config import Config
    from sqlalchemy import Connection, Engine, MetaData
    from sqlalchemy.orm import Session

    from alembic_assay.project import Project


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
def assay_project(
    pytestconfig: pytest.Config,
    tmp_path_factory: pytest.TempPathFactory,
    assay_url: str | None,
    assay_config: Callable[[sqlalchemy.URL], Config] | None,
    assay_metadata: str | MetaData | None,
) -> Iterator[Project]:
    """The project under test, for the checks: ``assert check_drift(assay_project) == []``."""
    from dataclasses import replace

    from alembic_assay.config import find_config_file
    from alembic_assay.project import open_project

    named, _ = choose(pytestconfig, CONFIG)
    root = pytestconfig.rootpath
    with (
        _errors_as_text(),
        open_project(
            url=assay_url,
            config_file=root / named if named else find_config_file(root),
            metadata=assay_metadata,
            folder=_folder_of_run(pytestconfig, tmp_path_factory),
        ) as project,
    ):
        yield replace(project, config_for=assay_config) if assay_config else project


@pytest.fixture(scope="session")
def migrated_database(
    pytestconfig: pytest.Config,
    tmp_path_factory: pytest.TempPathFactory,
    assay_project: Project,
) -> Iterator[sqlalchemy.URL]:
    """The URL of a database that the project's migrations built, of this worker's own.

    The migrations are run once, however many workers there are; if one of them is broken, each test
    that needs the database fails with that finding.
    """
    from alembic_assay.checks.heads import check_heads
    from alembic_assay.checks.upgrade import upgrade_database
    from alembic_assay.pytest_plugin.items import raise_for
    from alembic_assay.templates import shared_template

    folder = _folder_of_run(pytestconfig, tmp_path_factory)
    user = _worker(pytestconfig) or "main"
    with _errors_as_text():
        raise_for(check_heads(assay_project))
        with shared_template(assay_project, folder, user, upgrade_database) as (template, findings):
            raise_for(findings)
            url = assay_project.databases.clone(template)
            yield url
            assay_project.databases.drop(url)


@pytest.fixture(scope="session")
def migrated_engine(assay_project: Project, migrated_database: sqlalchemy.URL) -> Iterator[Engine]:
    """An Engine on migrated_database. What is committed through it stays until the run ends."""
    engine = assay_project.databases.backend.make_own_engine(migrated_database)
    yield engine
    engine.dispose()


@pytest.fixture
def db_connection(migrated_engine: Engine) -> Iterator[Connection]:
    """A Connection to the migrated database; all that the test does on it is undone afterwards.

    Transactions work as ever, and commit() commits, but only as far as this connection can see.
    """
    from alembic_assay.sandbox import rolled_back_connection

    with rolled_back_connection(migrated_engine) as connection:
        yield connection


@pytest.fixture
def db_session(db_connection: Connection) -> Iterator[Session]:
    """A Session on db_connection: code under test may commit; all is undone afterwards."""
    from sqlalchemy.orm import Session

    with Session(bind=db_connection, join_transaction_mode="create_savepoint") as session:
        yield session


@contextmanager
def _errors_as_text() -> Iterator[None]:
    """Fail with the text of our own errors alone: a traceback shows the arguments of the driver.

    The password is among them.
    """
    from alembic_assay.exceptions import AssayError, FindingsDetected

    try:
        yield
    except (AssayError, FindingsDetected) as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None


def _folder_of_run(config: pytest.Config, factory: pytest.TempPathFactory) -> Path:
    """Return a folder that the workers of this run have in common."""
    base = factory.getbasetemp()
    return base.parent if _worker(config) else base


def _worker(config: pytest.Config) -> str | None:
    """Return the name of the pytest-xdist worker that this is, if it is one."""
    given: dict[str, str] = getattr(config, "workerinput", {})
    return given.get("workerid")
