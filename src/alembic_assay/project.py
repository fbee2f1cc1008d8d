"""A project under test: its configuration, its settings, and a place for databases of our own."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from alembic.config import Config
from sqlalchemy import URL, Connection, MetaData

from alembic_assay.config import configured_url, load_config, make_config
from alembic_assay.config_files import find_config_file
from alembic_assay.databases import Databases, open_databases
from alembic_assay.dialects import get_backend
from alembic_assay.environment import Environment, MetaDatas
from alembic_assay.exceptions import ConfigError
from alembic_assay.history import RevisionGraph, project_on_sys_path
from alembic_assay.settings import Settings, load_attribute, load_settings
from alembic_assay.urls import parse_url

CREATE_ALL = "create_all"
"""The baseline of a project whose new installations are made from the models and stamped."""


@dataclass(frozen=True, slots=True)
class Project:
    """What the checks and fixtures need to know of a project.

    ``config_for`` returns the Alembic ``Config`` for a URL, and points the application at it where
    that is needed. ``metadata`` stands in for the ``target_metadata`` of env.py. ``config_file`` is
    the file that Alembic's settings were read from, if there is one.
    """

    config_for: Callable[[URL], Config]
    databases: Databases
    settings: Settings
    metadata: MetaDatas | None = None
    config_file: Path | None = None

    def graph(self) -> RevisionGraph:
        """Read the revision files. Raises ``HistoryError`` or ``ConfigError``."""
        return RevisionGraph.from_config(self.config_for(self.databases.url))

    @contextmanager
    def environment(
        self, url: URL, graph: RevisionGraph, *, is_stepwise: bool = False
    ) -> Iterator[Environment]:
        """Bind the project's env.py to a database of our own; see ``Environment``."""
        engine = self.databases.backend.make_own_engine(url)
        with engine.connect() as connection:
            config = self.config_for(url)
            yield Environment(
                config,
                graph,
                connection,
                url=url,
                metadata=self.metadata,
                is_stepwise=is_stepwise,
            )

    @contextmanager
    def empty_environment(
        self, graph: RevisionGraph, *, is_stepwise: bool = False
    ) -> Iterator[Environment]:
        """Bind env.py to a new database, which is dropped afterwards.

        What must be there before the first revision is there.
        """
        with self.databases.temporary() as url:
            self.lay_baseline(url)
            with self.environment(url, graph, is_stepwise=is_stepwise) as environment:
                yield environment

    @property
    def starts_from_models(self) -> bool:
        """Whether new installations are made by ``create_all`` and stamped, not by migrations."""
        return self.settings.baseline == CREATE_ALL

    def migrate(self, environment: Environment) -> None:
        """Bring the database of ``empty_environment`` to the heads, as a new installation does.

        Raises ``MigrationFailed`` where a revision does, and what ``Environment.run`` raises.
        """
        if self.starts_from_models:
            self.create_from_models(environment)
            return
        environment.run(lambda heads, context: environment.graph.upgrade_steps(heads, "heads"))

    def lay_baseline(self, url: URL) -> None:
        """Make what must be there before the first revision, where there is such a thing.

        On a connection of its own: settings of the database hold for those that come later.
        """
        baseline = self.settings.baseline
        if baseline is None or self.starts_from_models:
            return
        backend = self.databases.backend
        with backend.make_own_engine(url).connect() as connection:
            if baseline.endswith(".sql"):
                backend.run_script(connection, _read_sql(self.settings.folder / baseline))
                return
            self.baseline_function()(connection)
            connection.commit()

    def baseline_function(self) -> Callable[[Connection], object]:
        """Return the function that the setting ``baseline`` names."""
        baseline = str(self.settings.baseline)
        with project_on_sys_path(self.config_for(self.databases.url)):
            function = load_attribute(baseline)
        if not callable(function):
            raise ConfigError(f'the baseline "{baseline}" is not a function of a Connection')
        return function

    def create_from_models(self, environment: Environment) -> None:
        """Make the tables of the models, and stamp the heads."""
        environment.probe()
        if not environment.metadatas():
            raise ConfigError(
                'baseline = "create_all" needs the models, and env.py gives no target_metadata',
                help='name them: metadata = "package.models:Base" in [tool.alembic-assay]',
            )
        environment.create_all(environment.metadatas(), "heads")


@contextmanager
def open_project(
    *,
    url: str | URL | None = None,
    config_file: str | os.PathLike[str] | None = None,
    section: str = "alembic",
    x_arguments: Sequence[str] = (),
    metadata: str | MetaDatas | None = None,
    folder: Path | None = None,
    backend: str | None = None,
    allowed_hosts: Collection[str] = (),
    databases: Databases | None = None,
) -> Iterator[Project]:
    """Open the project of a configuration file for checking; the databases go with the block.

    ``url`` says where databases are made: ``sqlite://``, ``postgresql://`` for a server that is
    found or started, or the URL of one; without it ``ASSAY_URL``, the setting ``url`` and at last
    the dialect of the project's own ``sqlalchemy.url`` count, in this order. With ``backend``
    (``postgresql``) only those of that kind do. The application's own database is never connected
    to. ``folder`` is where databases that are files lie. Where there are ``databases``, they are
    taken, and none of this counts.

    A server on another machine must be one of ``allowed_hosts`` or of ``ASSAY_ALLOW_HOST``. Raises
    ``UnsafePlace`` for any other, and in an environment that calls itself production.

    Where no configuration file is named and there is none, but ``metadata`` is given, the project
    has models only, and what needs its migrations raises ``ConfigError``.
    """
    missing: ConfigError | None = None
    try:
        path = Path(config_file) if config_file is not None else find_config_file(Path.cwd())
    except ConfigError as error:
        if metadata is None:
            raise
        path, missing = Path.cwd() / "alembic.ini", error
    settings = load_settings(path.absolute().parent)
    own = _models_only(path) if missing else load_config(path, section)

    def config_for(target: URL) -> Config:
        if missing is not None:
            raise missing
        config = make_config(
            target, config_file=path, section=section, x_arguments=tuple(x_arguments)
        )
        if settings.configure is not None:
            with project_on_sys_path(config):
                configure = load_attribute(settings.configure)
                if not callable(configure):
                    raise ConfigError(f'configure = "{settings.configure}" is not a function')
                configure(target)
        return config

    with ExitStack() as stack:
        if databases is None:
            server = server_url(url, settings, own, backend=backend)
            databases = stack.enter_context(
                open_databases(server, folder=folder, allowed_hosts=allowed_hosts)
            )
        found = metadata if metadata is not None else settings.metadata
        if isinstance(found, str):
            with project_on_sys_path(own):
                found = as_metadata(load_attribute(found), found)
        yield Project(config_for, databases, settings, found, None if missing else path)


def _models_only(path: Path) -> Config:
    """Return the ``Config`` of a project without one: its models are found beside ``path``."""
    config = Config(path)
    config.set_main_option("prepend_sys_path", ".")
    config.set_main_option("path_separator", "os")
    return config


def find_server(url: str | URL | None, config_file: Path) -> URL:
    """Return where the project of a configuration file wants its databases made."""
    settings = load_settings(config_file.absolute().parent)
    return server_url(url, settings, load_config(config_file))


def server_url(
    url: str | URL | None, settings: Settings, config: Config, *, backend: str | None = None
) -> URL:
    """Return where databases are to be made, from the first source that says so.

    With ``backend``, from the first that names this kind, or else just that kind.
    """
    for given in (url, os.environ.get("ASSAY_URL"), settings.url):
        if given and backend in (None, get_backend(parse_url(given)).name):
            return _without_own_database(parse_url(given), config)
    if backend is not None:
        return URL.create(backend)
    own = configured_url(config)
    if own is None:
        raise ConfigError(
            "nothing says on which kind of database this project runs",
            effect="The migrations must be checked on that kind, and no other will be guessed.",
            help='say url = "postgresql://" (or "sqlite://") in [tool.alembic-assay] of'
            " pyproject.toml, or set ASSAY_URL.",
        )
    # Of the application's database only the kind is taken: it must never be touched.
    return URL.create(own.get_backend_name())


def _without_own_database(server: URL, config: Config) -> URL:
    """Return a URL without its database, where that is the application's own.

    It then tells where the server is, and no more: nobody connects to that database. One in the
    query goes in any case: drivers would take it for each database that we make.
    """
    own, backend = configured_url(config), get_backend(server)
    named = server.difference_update_query(_DATABASE_KEYS)
    is_own = own is not None and backend.is_same_database(backend.sync_url(server), own)
    return named.set(database="") if is_own else named


_DATABASE_KEYS = ("database", "db", "dbname")


def as_metadata(found: object, reference: str) -> MetaDatas:
    """Return the MetaData in something that was named: itself, a declarative base, a list."""
    if isinstance(found, MetaData):
        return found
    if isinstance(inner := getattr(found, "metadata", None), MetaData):
        return inner
    if isinstance(found, (list, tuple)) and all(isinstance(one, MetaData) for one in found):
        return list(found)
    raise ConfigError(
        f'"{reference}" is a {type(found).__name__}, not a MetaData',
        help="name a MetaData, a declarative base, or a list of MetaData.",
    )


def _read_sql(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"the baseline {path} cannot be read: {error.strerror}",
            help="baseline is relative to the folder of pyproject.toml.",
        ) from error
