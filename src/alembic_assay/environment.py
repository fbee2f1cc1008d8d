"""A project's env.py, run once, bound to one connection, taking any number of steps."""

from __future__ import annotations

import contextlib
import functools
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, final

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, RevisionStep
from sqlalchemy import URL, Connection, MetaData
from sqlalchemy.exc import InvalidRequestError, MissingGreenlet, SQLAlchemyError

from alembic_assay.config import escape
from alembic_assay.dialects import IMMEDIATE, Backend, get_backend
from alembic_assay.exceptions import (
    AssayError,
    EnvironmentFault,
    MigrationFailed,
    NotAtTarget,
    WrongDatabase,
    first_line,
)
from alembic_assay.history import RevisionGraph, project_on_sys_path
from alembic_assay.surroundings import only_engines_for, outside_event_loop, restored_logging
from alembic_assay.urls import mask

Heads = tuple[str, ...]
Steps = Callable[[Heads, MigrationContext], Iterable[RevisionStep]]
"""Given the revisions in the database and Alembic's context, yields the steps to take.

It is asked for the next step when the last one is done, stamped and committed, and may read the
database through ``context.connection`` in between.
"""

MetaDatas = MetaData | Sequence[MetaData]
"""What Alembic takes as ``target_metadata``."""

PLUGIN = "alembic_assay"
"""The name by which env.py asks Alembic for the comparison of catalogues."""

_ALEMBIC = threading.Lock()
"""Alembic's ``context`` and ``op`` are global to the process: one env.py runs at a time."""


class Environment:
    """The env.py of ``config``, bound to ``connection``, which stays the caller's to close.

    The connection must not be inside a transaction. ``metadata`` stands in for the
    ``target_metadata`` of env.py. A ``is_stepwise`` one commits each step, though env.py may begin
    a transaction of its own around all of them, as some do.
    """

    def __init__(
        self,
        config: Config,
        graph: RevisionGraph,
        connection: Connection,
        *,
        url: URL,
        metadata: MetaDatas | None = None,
        is_stepwise: bool = False,
    ) -> None:
        self.config = config
        self.graph = graph
        self.connection = connection
        # Without a driver in the URL SQLAlchemy takes its default one, which may not be installed.
        self.backend: Backend = get_backend(url)
        self.url = url if "+" in url.drivername else self.backend.sync_url(url)
        self.metadata = metadata
        self.is_stepwise = is_stepwise
        self.context: MigrationContext | None = None
        """Alembic's context of the last run, with the project's own options in ``opts``."""
        self.taking: RevisionStep | None = None
        """The step that is being taken, or that raised."""

    @property
    def options(self) -> Mapping[str, Any]:
        """What env.py gave to ``context.configure()``; empty before the first run."""
        return self.context.opts if self.context is not None else {}

    def metadatas(self) -> list[MetaData]:
        """Return the models' metadata: what was given, or else env.py's ``target_metadata``."""
        found = self.metadata if self.metadata is not None else self.options.get("target_metadata")
        candidates = found if isinstance(found, (list, tuple)) else [found]
        return [one for one in candidates if isinstance(one, MetaData)]

    @property
    def version_table(self) -> tuple[str | None, str]:
        """The schema (None for the default one) and name of the version table, as env.py says."""
        if self.context is None:
            return None, "alembic_version"
        return self.context.version_table_schema, self.context.version_table

    def probe(self) -> Heads:
        """Run env.py without changing anything, and return the revisions in the database."""
        self._run(lambda heads, context: (), dont_mutate=True)
        return self.current_heads()

    def current_heads(self) -> Heads:
        """Return the revisions in the version table, as it is committed."""
        schema, name = self.version_table
        options = {"version_table": name, "version_table_schema": schema}
        context = MigrationContext.configure(self.connection, opts=options)
        heads = context.get_current_heads()
        self.connection.rollback()
        return tuple(sorted(heads))

    def run(self, steps: Steps) -> None:
        """Run env.py, which takes the steps, each in a transaction of its own.

        Returns only if every step was taken and what they did is committed. Raises
        ``MigrationFailed`` where a revision raised, ``NotAtTarget`` where env.py swallowed that or
        committed nothing, ``WrongDatabase`` before it reaches another database than its own.
        """
        with self._immediate_transactions():
            self._run(steps, dont_mutate=False)

    def create_all(self, metadatas: Iterable[MetaData], target: str) -> None:
        """Make the tables of the models in an empty database, and stamp ``target``.

        Both become visible together, where the database has transactional DDL. Raises as ``run``
        does, and what the models raise.
        """

        def create(heads: Heads, context: MigrationContext) -> Iterator[RevisionStep]:
            for metadata in metadatas:
                metadata.create_all(self.connection)
            context.stamp(self.graph.script, target)
            self.connection.commit()
            yield from ()

        self.run(create)

    @contextlib.contextmanager
    def _immediate_transactions(self) -> Iterator[None]:
        """Let transactions take the lock for writing as they begin, and not when it is too late.

        Only on this connection: a revision may well open another one to look at the database.
        """
        self.connection.execution_options(**{IMMEDIATE: True})
        try:
            yield
        finally:
            self.connection.execution_options(**{IMMEDIATE: False})

    def _run(self, steps: Steps, *, dont_mutate: bool) -> None:
        with (
            _ALEMBIC,
            restored_logging() as restore_logging,
            project_on_sys_path(self.config),
        ):
            run = _Run(self, steps, restore_logging)
            try:
                outside_event_loop(lambda: run.execute(dont_mutate=dont_mutate))
            finally:
                if self.connection.in_transaction():
                    self.connection.rollback()
        run.verify_steps()
        if not dont_mutate:
            # Otherwise there may be no lock, and another process that migrates meanwhile.
            run.verify_commit()


class _Run:
    """One execution of env.py, and what became of it."""

    def __init__(
        self, environment: Environment, steps: Steps, restore_logging: Callable[[], None]
    ) -> None:
        self.environment = environment
        self.restore_logging = restore_logging
        self.steps = steps
        self.context: MigrationContext | None = None
        self.taken: list[RevisionStep] = []
        self.is_inside_transaction = False
        self.reached: Heads | None = None
        self.error: BaseException | None = None
        self.refusal: WrongDatabase | None = None

    def execute(self, *, dont_mutate: bool) -> None:
        """Run env.py; if it wants a driver of the other flavour (async or not), once more."""
        try:
            self._execute_env_py(self.environment.url, dont_mutate=dont_mutate)
        except EnvironmentFault as fault:
            if self.context is not None or not _is_of_other_flavour(fault.__cause__):
                raise
            self._execute_env_py(self._url_of_other_flavour(), dont_mutate=dont_mutate)

    def verify_steps(self) -> None:
        """Success is not proof: every step must have been taken."""
        environment = self.environment
        place = environment.graph.script.env_py_location
        if self.context is None:
            if self.refusal is not None:
                raise self.refusal
            raise EnvironmentFault(
                f"{place} did not call context.configure()",
                effect="Alembic never had a connection, so no migration was run.",
                help="see that env.py configures the context when it is not in offline mode;"
                " `alembic init` writes one that does.",
            )
        if self.reached is None:
            problem = f": it hid {first_line(self.error)}" if self.error else ""
            raise NotAtTarget(
                f"{place} returned before all migrations were run{problem}",
                effect=f"{len(self.taken)} steps were taken; the others were not.",
                help="see that env.py calls context.run_migrations() and lets errors through.",
            ) from self.error

    def verify_commit(self) -> None:
        """Success is not proof: what was reached must be what is committed."""
        environment = self.environment
        reached, committed = self.reached or (), environment.current_heads()
        if committed != reached:
            raise NotAtTarget(
                f"{environment.graph.script.env_py_location} ran the migrations to"
                f" {_names(reached)}, but the database is at {_names(committed)}",
                effect="What they did was not committed."
                if self._has_transactional_ddl()
                else "What they did after the last DDL, which commits, was not committed.",
                help="see that env.py runs them inside `with context.begin_transaction():` and"
                " neither rolls back nor begins a transaction around it.",
            )

    def _execute_env_py(self, url: URL, *, dont_mutate: bool) -> None:
        environment = self.environment
        environment.taking = None
        config, script = environment.config, environment.graph.script
        text = url.render_as_string(hide_password=False)
        config.set_main_option("sqlalchemy.url", escape(text))
        context = EnvironmentContext(
            config, script, fn=self._take_steps, dont_mutate=dont_mutate, destination_rev=None
        )
        # Module-level proxies look `configure` up on the instance, so that a subclass would not do.
        context.configure = self._configure_through(context.configure)  # type: ignore[method-assign]
        try:
            with (
                _connection_for_env_py(config, environment),
                only_engines_for(self._refuse_other_database),
                context,
            ):
                script.run_env()
        except Exception as error:
            if environment.taking is not None:
                raise self._failure(environment.taking, error) from error
            if isinstance(error, AssayError) or error is self.error:
                raise
            raise EnvironmentFault(
                f"{script.env_py_location} failed: {first_line(error)}",
                effect=f"{len(self.taken)} steps before that stay done."
                if self.taken
                else "No migration was run by it.",
                help="see the error it was caused by; `alembic current` should show the same.",
            ) from error

    def _configure_through(self, configure: Callable[..., None]) -> Callable[..., None]:
        environment = self.environment

        def configured(connection: Connection | None = None, *args: Any, **options: Any) -> None:
            self.restore_logging()
            environment.graph = environment.graph.reloaded()
            if connection is not None and connection is not environment.connection:
                self._refuse_other_database(connection.engine.url)
                environment.connection.execution_options(**_carried(connection))
                settings = environment.backend.session_settings(connection)
                environment.backend.apply_session_settings(environment.connection, settings)
            if environment.is_stepwise:
                _end_outer_transaction(environment.connection)
            self.is_inside_transaction = environment.connection.in_transaction()
            options.update(environment.backend.context_options, transaction_per_migration=True)
            if environment.metadata is not None:
                options["target_metadata"] = environment.metadata
            if plugins := options.get("autogenerate_plugins"):
                options["autogenerate_plugins"] = _without_own_plugin(plugins)
            configure(environment.connection, *args, **options)
            self.context = environment.context = environment_context.get_context()

        environment_context: EnvironmentContext = configure.__self__  # type: ignore[attr-defined]
        return configured

    def _take_steps(self, heads: Heads, context: MigrationContext) -> Iterator[RevisionStep]:
        for step in self._asked_for(self.steps(heads, context)):
            # Alembic and SQLAlchemy remember there which enum types they have made, so that
            # steps would pass together that fail one by one, as they are run in production.
            context.impl.memo.clear()
            self.environment.taking, self.error = step, None
            step.migration_fn = self._recorded(step.migration_fn)
            yield step
            self.environment.taking = None
            self.taken.append(step)
        self.reached = tuple(sorted(context.get_current_heads()))

    def _asked_for(self, steps: Iterable[RevisionStep]) -> Iterator[RevisionStep]:
        """Remember what the caller's own code raises: that is no failure of env.py."""
        try:
            yield from steps
        except Exception as error:
            self.error = error
            raise

    def _recorded(self, migration: Callable[..., None]) -> Callable[..., None]:
        """Remember what a migration raises: an env.py may swallow it."""

        @functools.wraps(migration)
        def recorded(*args: Any, **options: Any) -> None:
            try:
                migration(*args, **options)
            except Exception as error:
                self.error = error
                raise

        return recorded

    def _failure(self, step: RevisionStep, error: Exception) -> MigrationFailed:
        graph = self.environment.graph
        way = "upgrade" if step.is_upgrade else "downgrade"
        revision = step.revision.revision
        stay = self._kept() if self.is_inside_transaction else self.taken
        effect = f"It is in {graph.path(revision)}; steps before it that stay done: {len(stay)}."
        remedy = "correct the revision, then run it again."
        if not self._has_transactional_ddl():
            effect += (
                " This database does not roll back DDL, so that what the revision itself did before"
                " the error may stay too."
            )
            remedy = "undo what it did, correct it, then run it again."
        return MigrationFailed(
            f"the {way} of revision {graph.describe(revision)} failed: {first_line(error)}",
            effect=effect,
            help=remedy,
            revision=revision,
            applied=tuple(taken.revision.revision for taken in stay if taken.is_upgrade),
        )

    def _kept(self) -> list[RevisionStep]:
        """Return the steps that stay though env.py began a transaction around all of them.

        That took them with it, but where DDL commits whatever was done before.
        """
        environment = self.environment
        if self._has_transactional_ddl():
            return []
        try:
            environment.connection.rollback()
            graph, heads = environment.graph, environment.current_heads()
        except SQLAlchemyError:
            return []  # the session is gone, and cannot be asked
        applied = {*heads}.union(*(graph.ancestors(head) for head in heads))
        return [
            step for step in self.taken if (step.revision.revision in applied) is step.is_upgrade
        ]

    def _has_transactional_ddl(self) -> bool:
        return self.context is None or self.context.impl.transactional_ddl

    def _url_of_other_flavour(self) -> URL:
        url, backend = self.environment.url, self.environment.backend
        is_async = url.get_dialect().is_async
        return backend.sync_url(url) if is_async else backend.async_url(url)

    def _refuse_other_database(self, url: URL) -> None:
        environment = self.environment
        if environment.backend.is_same_database(url, environment.url):
            return
        self.refusal = WrongDatabase(
            f"{environment.graph.script.env_py_location} opens {mask(url)} instead of"
            f" {mask(environment.url)}",
            effect="It takes its URL from somewhere else than the Alembic configuration, so nothing"
            " was run, on neither of them.",
            help='read it in env.py by config.get_main_option("sqlalchemy.url"), or point the'
            " application's settings at the URL before env.py runs: a `configure` function in"
            " [tool.alembic-assay], or the assay_config fixture.",
        )
        raise self.refusal


@contextlib.contextmanager
def _connection_for_env_py(config: Config, environment: Environment) -> Iterator[None]:
    """Show the connection as ``config.attributes["connection"]``, where some env.py files look.

    Some expect an Engine there and call ``connect()`` on it: SQLAlchemy 1.4's Connection had that
    method, and giving it back spares them an engine of their own.
    """
    before = dict(config.attributes)
    connection: Any = environment.connection
    config.attributes["connection"] = connection
    connection.connect = lambda: contextlib.nullcontext(connection)
    if environment.is_stepwise:
        connection.begin = _OuterTransaction
    try:
        yield
    finally:
        connection.__dict__.pop("begin", None)
        del connection.connect
        config.attributes.pop("connection", None)
        config.attributes.update(before)


@final
class _OuterTransaction:
    """What env.py gets for ``begin()`` where each step is to be committed: nothing."""

    is_active = True

    def __enter__(self) -> _OuterTransaction:
        return self

    def __exit__(self, *error: object) -> None:
        """End nothing."""

    def commit(self) -> None:
        """Commit nothing: each step was."""

    rollback = close = commit


def _end_outer_transaction(connection: Connection) -> None:
    """Let Alembic find the connection outside of any transaction, with its own ``begin()``."""
    connection.__dict__.pop("begin", None)
    if connection.in_transaction():
        connection.commit()


def _without_own_plugin(plugins: Sequence[str]) -> list[str]:
    """Return Alembic's list of plugins without ours: who runs env.py here compares by himself.

    It is left out by its name, as a pattern may match it too, and not only left away: Alembic
    fails where nothing of what is asked for exists.
    """
    return [*(name for name in plugins if name != PLUGIN), f"~{PLUGIN}"]


def _is_of_other_flavour(error: BaseException | None) -> bool:
    """Whether an engine, asynchronous or not, was given a driver that is the contrary."""
    if not isinstance(error, InvalidRequestError) or isinstance(error, MissingGreenlet):
        return isinstance(error, MissingGreenlet)
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return str(frame.f_globals["__name__"]).startswith("sqlalchemy.ext.asyncio")


def _carried(connection: Connection) -> dict[str, Any]:
    """Return what env.py set on its own connection, such as a ``schema_translate_map``."""
    options = dict(connection.get_execution_options())
    options.pop("isolation_level", None)
    return options


def _names(heads: Heads) -> str:
    return ", ".join(heads) or "no revision"
