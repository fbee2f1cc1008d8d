"""Bringing a database to the revision that the code expects, when an application starts."""

from __future__ import annotations

import asyncio
import enum
import logging
import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Literal

from alembic.config import Config
from alembic.runtime.migration import MigrationContext, RevisionStep
from sqlalchemy import URL, MetaData

from alembic_assay.config import bind_config, make_config
from alembic_assay.dialects import Lock, get_backend
from alembic_assay.environment import Environment, Heads
from alembic_assay.exceptions import (
    LockLost,
    NotAtTarget,
    UnmanagedDatabase,
    UsageError,
    first_line,
)
from alembic_assay.history import RevisionGraph
from alembic_assay.locking import held
from alembic_assay.urls import mask, parse_url

log = logging.getLogger("alembic_assay")


class Action(str, enum.Enum):
    """What ``apply_migrations`` did."""

    UP_TO_DATE = "up to date"
    CREATED = "created"
    UPGRADED = "upgraded"


@dataclass(frozen=True, slots=True)
class MigrationReport:
    """What ``apply_migrations`` found and did; ``database`` has no password.

    ``before`` and ``after`` are the revisions in the version table, ``applied`` those that this
    call ran, in their order (none where ``create_all`` and a stamp stood in for them);
    ``seconds`` is the whole call, of which ``waited`` seconds were for the lock.
    """

    database: str
    action: Action
    before: Heads
    after: Heads
    applied: tuple[str, ...] = ()
    seconds: float = 0.0
    waited: float = 0.0


def apply_migrations(
    url: str | URL,
    *,
    config: Config | str | os.PathLike[str] | None = None,
    script_location: str | None = None,
    target: str = "head",
    create: Literal["upgrade", "create_all"] = "upgrade",
    metadata: MetaData | None = None,
    lock_timeout: float | None = 300.0,
) -> MigrationReport:
    """Create the database of ``url`` or upgrade it to ``target``, and return when it is there.

    Meant for the start of an application, in as many processes at once as there are: one of them
    migrates, under a lock that dies with its process; the others wait for it and then look again.
    A database that is at the target is only read, without a lock. A revision that fails leaves the
    ones before it applied, and is itself undone where the database has transactional DDL.

    ``config`` is an Alembic ``Config`` or the path of its file, as for ``make_config``, which is
    asked where there is none. With ``create="create_all"`` an *empty* database is made by
    ``metadata.create_all`` and stamped, instead of by the migrations. That leaves out whatever the
    models do not say (rows, views, triggers), so it is safe only as long as the check
    ``check_create_all`` (``alembic-assay check create-all``) finds the two to be equal.

    Returns only if the database is at the target. Otherwise it raises, having changed nothing
    unless a revision was run: ``UsageError``, ``HistoryError`` (also for several heads),
    ``DatabaseUnreachable``, ``NotADatabase``, ``DatabaseAhead``, ``UnmanagedDatabase``,
    ``LockTimeout``, ``LockUnavailable``; ``MigrationFailed``, ``EnvironmentFault`` (of which are
    ``WrongDatabase`` and ``NotAtTarget``) or ``LockLost``. No message has a password in it.
    """
    request = _make_request(
        url, config, script_location, target=target, create=create, metadata=metadata
    )
    return request.carry_out(lock_timeout, threading.Event())


async def async_apply_migrations(
    url: str | URL,
    *,
    config: Config | str | os.PathLike[str] | None = None,
    script_location: str | None = None,
    target: str = "head",
    create: Literal["upgrade", "create_all"] = "upgrade",
    metadata: MetaData | None = None,
    lock_timeout: float | None = 300.0,
) -> MigrationReport:
    """Do what ``apply_migrations`` does, in a thread, so that the event loop goes on meanwhile.

    Cancelling it ends the wait for the lock; a migration that runs is waited for.
    """
    request = _make_request(
        url, config, script_location, target=target, create=create, metadata=metadata
    )
    cancelled = threading.Event()
    work = asyncio.ensure_future(asyncio.to_thread(request.carry_out, lock_timeout, cancelled))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        cancelled.set()
        await asyncio.wait([work])
        if not work.cancelled() and (error := work.exception()) is not None:
            log.warning("cancelled: %s", first_line(error))
        raise


@dataclass(frozen=True, slots=True)
class _Request:
    """One call of ``apply_migrations``."""

    config: Config
    url: URL
    target: str
    create: str
    metadata: MetaData | None

    def carry_out(self, lock_timeout: float | None, cancelled: threading.Event) -> MigrationReport:
        started = time.monotonic()
        self._refuse_nonsense()
        graph = RevisionGraph.from_config(self.config)
        graph.upgrade_steps((), self.target)
        backend = get_backend(self.url)
        backend.ensure_database(self.url)
        with ExitStack() as stack:
            connection = stack.enter_context(backend.connect(self.url))
            environment = Environment(self.config, graph, connection, url=self.url)
            heads = environment.probe()
            if self._is_at_target(environment, heads):
                return self._report(Action.UP_TO_DATE, heads, heads, started=started)
            lock = backend.make_lock(connection, ".".join(filter(None, environment.version_table)))
            asked = time.monotonic()
            stack.enter_context(held(lock, timeout=lock_timeout, cancelled=cancelled))
            waited = time.monotonic() - asked
            # Whoever held the lock may have done the work.
            heads = environment.current_heads()
            if self._is_at_target(environment, heads):
                return self._report(Action.UP_TO_DATE, heads, heads, started=started, waited=waited)
            self._refuse_unmanaged(environment, heads)
            applied: list[str] = []
            if not heads and self.create == "create_all":
                assert self.metadata is not None
                environment.create_all([self.metadata], self.target)
            else:
                self._upgrade(environment, lock, applied)
            after = environment.current_heads()
            if not self._is_at_target(environment, after):
                raise NotAtTarget(
                    f"the database is at {', '.join(after) or 'no revision'}, not at {self.target}",
                    effect="The migrations ran without an error, but something undid them.",
                    help="see whether another program migrates this database at the same time.",
                )
            action = Action.UPGRADED if heads else Action.CREATED
            return self._report(
                action, heads, after, started=started, applied=tuple(applied), waited=waited
            )

    def _is_at_target(self, environment: Environment, heads: Heads) -> bool:
        return not environment.graph.upgrade_steps(heads, self.target)

    def _upgrade(self, environment: Environment, lock: Lock, applied: list[str]) -> None:
        def steps(heads: Heads, context: MigrationContext) -> Iterator[RevisionStep]:
            for step in environment.graph.upgrade_steps(heads, self.target):
                if not lock.is_held():
                    raise LockLost(
                        f"the {lock.description} was lost before revision {step.revision.revision}",
                        effect="Another process may migrate now, so this one stopped; the revisions"
                        f" before it stay applied: {', '.join(applied) or 'none'}.",
                        help="see whether the server ended the session, or a revision released all"
                        " its locks; then start again.",
                    )
                log.info("applying revision %s", environment.graph.describe(step.revision.revision))
                yield step
                applied.append(step.revision.revision)

        environment.run(steps)

    def _refuse_nonsense(self) -> None:
        if re.match(r"(.+@)?[+-]\d+$", self.target):
            raise UsageError(
                f'the target "{self.target}" is relative to where the database is',
                effect="Each process that starts would go on from where the last one stopped.",
                help='name a revision, "head" or "heads".',
            )
        if get_backend(self.url).is_in_memory(self.url):
            raise UsageError(
                f"{mask(self.url)} is a database in memory",
                effect="It would be gone as soon as it is migrated.",
                help="name a file: sqlite:///app.db",
            )
        if self.create == "create_all" and self.target not in ("head", "heads"):
            raise UsageError(
                f'create="create_all" makes the models of today, not those of "{self.target}"',
                effect="The next upgrade would fail on what is there already.",
                help='leave the target at "head", or let the migrations create the database.',
            )
        if self.create == "create_all" and (self.metadata is None or not self.metadata.tables):
            raise UsageError(
                'create="create_all" was asked for without metadata that has tables',
                effect="The database would be stamped as migrated and be empty.",
                help="pass metadata=Base.metadata, with the modules of all models imported.",
            )

    def _refuse_unmanaged(self, environment: Environment, heads: Heads) -> None:
        table = environment.version_table
        if heads or not environment.backend.has_tables(environment.connection, except_for=table):
            environment.connection.rollback()
            return
        environment.connection.rollback()
        raise UnmanagedDatabase(
            f"{mask(self.url)} has tables, but no revision in {table[1]}",
            effect="It was made without these migrations, or a first run of them was interrupted;"
            " to run them all could fail half-way, so nothing was changed.",
            help="find out which revision its tables are at, and say so: alembic stamp REVISION;"
            " or start from an empty database.",
        )

    def _report(
        self,
        action: Action,
        before: Heads,
        after: Heads,
        *,
        started: float,
        applied: tuple[str, ...] = (),
        waited: float = 0.0,
    ) -> MigrationReport:
        database, seconds = mask(self.url), time.monotonic() - started
        return MigrationReport(database, action, before, after, applied, seconds, waited)


def _make_request(
    url: str | URL,
    config: Config | str | os.PathLike[str] | None,
    script_location: str | None,
    *,
    target: str,
    create: str,
    metadata: MetaData | None,
) -> _Request:
    url = parse_url(url)
    if isinstance(config, Config):
        bound = bind_config(config, url)
    else:
        bound = make_config(url, config_file=config, script_location=script_location)
    return _Request(bound, url, target, create, metadata)
