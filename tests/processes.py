"""Real processes that migrate, wait, hold locks and are killed; and what they leave behind."""

from __future__ import annotations

import functools
import json
import logging
import multiprocessing
import os
import secrets
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, inspect, make_url
from sqlalchemy.pool import NullPool
from sqlalchemy_utils import drop_database

from alembic_assay.config import make_config
from alembic_assay.databases import Databases

DEADLINE_SECONDS = 20.0
NOBODY = 65534

Answer = dict[str, Any]

# Forked from a process that has loaded everything, so that children start within milliseconds of
# each other and really race; never from pytest itself, whose connections they would share.
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    [
        "pytest",
        "psycopg",
        "pymysql",
        "sqlalchemy.dialects.mysql.pymysql",
        "sqlalchemy.dialects.postgresql.psycopg",
        "alembic.autogenerate",
        "alembic_assay.dialects.mysql",
        "alembic_assay.dialects.postgresql",
        "alembic_assay.dialects.sqlite",
        "alembic_assay.checks.upgrade",
        "alembic_assay.migrate",
        "alembic_assay.pool",
        "alembic_assay.template_builder",
    ]
)


def wait_until(condition: Callable[[], object]) -> None:
    """Wait for a condition; fail after the deadline."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.002)


def ask(url: URL, query: str) -> list[tuple[Any, ...]]:
    """Run one statement on a new connection and return its rows."""
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        result = connection.exec_driver_sql(query)
        return [tuple(row) for row in result] if result.returns_rows else []


def tables(url: URL) -> set[str]:
    """Return the names of the tables that are there."""
    with create_engine(url, poolclass=NullPool).connect() as connection:
        return set(inspect(connection).get_table_names())


def heads(url: URL, version_table: str = "alembic_version") -> list[str]:
    """Return the revisions in the version table."""
    return sorted(name for (name,) in ask(url, f"SELECT version_num FROM {version_table}"))


@contextmanager
def missing_database(databases: Databases) -> Iterator[URL]:
    """Have the URL of a database that is not there; one that is made there ends with the block."""
    url = databases.create()
    databases.drop(url)
    try:
        yield url
    finally:
        # It has no mark, so that the toolkit would not drop it.
        if databases.backend.exists(url):
            drop_database(url)


class Gate:
    """A door in a migration: whoever gets there waits until the test opens it, or kills it."""

    def __init__(self, folder: Path) -> None:
        self.fifo = folder / f"gate-{secrets.token_hex(4)}"
        self.reached = self.fifo.with_suffix(".reached")
        os.mkfifo(self.fifo)

    @property
    def code(self) -> str:
        """The door, as lines of a migration; there is none any more once it was opened."""
        return (
            "import pathlib\n"
            f"fifo = pathlib.Path({str(self.fifo)!r})\n"
            "if fifo.exists():\n"
            f"    pathlib.Path({str(self.reached)!r}).touch()\n"
            "    fifo.open().close()\n"
        )

    def wait(self) -> None:
        """Return when somebody stands at the door."""
        wait_until(self.reached.exists)

    def remove(self) -> None:
        """Take the door away for all who come later; who stands there stays."""
        self.fifo.unlink()

    def open(self) -> None:
        """Let the one at the door go on, and all who come later."""
        self.wait()
        # It blocks until the migration has opened the other end.
        with self.fifo.open("wb", buffering=0):
            self.remove()


@dataclass
class Child:
    """One process, and what it answered."""

    process: ForkServerProcess
    answer: Path
    log: Path

    def result(self) -> Answer:
        """Wait for the end of the process and return its answer."""
        self.process.join(DEADLINE_SECONDS)
        assert self.process.exitcode == 0, self.log.read_text()
        answer: Answer = json.loads(self.answer.read_text())
        return answer

    def is_running(self) -> bool:
        return self.process.is_alive() and not self.answer.exists()

    def said(self, words: str) -> bool:
        """Whether the process has logged these words."""
        return self.log.exists() and words in self.log.read_text()

    def wait_until_it_waits(self) -> None:
        """Return when the process waits for the migration lock."""
        wait_until(lambda: self.said("waiting for the") or not self.is_running())
        assert self.is_running(), self.log.read_text()

    def kill(self, signal: int) -> int | None:
        """End the process by a signal, and return how it ended."""
        assert self.process.pid is not None
        os.kill(self.process.pid, signal)
        self.process.join(DEADLINE_SECONDS)
        return self.process.exitcode


@dataclass
class Children:
    """Processes that end with the test."""

    folder: Path
    started: list[Child] = field(default_factory=list)
    # A barrier that is collected here is gone before the children have found it.
    barriers: list[Any] = field(default_factory=list)

    def end(self) -> None:
        """End all that still run."""
        for child in self.started:
            child.process.kill()
            child.process.join()
            child.process.close()

    def start(self, work: Callable[..., Answer], url: URL, **options: Any) -> Child:
        """Start ``work(url, **options)``, a function of this module, in a process of its own."""
        return self._start(work, url, options, None)

    def race(
        self, count: int, work: Callable[..., Answer], url: URL, **options: Any
    ) -> list[Child]:
        """Start so many processes, which wait for each other before they begin."""
        self.barriers.append(_FORKS.Barrier(count))
        return [self._start(work, url, options, self.barriers[-1]) for _ in range(count)]

    def _start(
        self, work: Callable[..., Answer], url: URL, options: dict[str, Any], barrier: Any
    ) -> Child:
        answer = self.folder / f"answer-{secrets.token_hex(4)}.json"
        log = answer.with_suffix(".log")
        text = url.render_as_string(hide_password=False)
        process = _FORKS.Process(target=_answer, args=(answer, log, barrier, work, text, options))
        child = Child(process, answer, log)
        process.start()
        self.started.append(child)
        return child


def apply(url: str, **options: Any) -> Answer:
    """Apply the migrations, and read the tables that are there at once when that returns."""
    from alembic_assay.exceptions import AssayError
    from alembic_assay.migrate import apply_migrations

    try:
        report = apply_migrations(url, **options)
    except AssayError as error:
        return {"error": type(error).__name__, "message": str(error)}
    return {
        "action": report.action.value,
        "before": list(report.before),
        "after": list(report.after),
        "applied": list(report.applied),
        "tables": sorted(tables(make_url(url)) - {"alembic_version"}),
    }


def apply_as_nobody(url: str, **options: Any) -> Answer:
    """Apply the migrations as a user for whom permissions count."""
    if os.geteuid() != 0:
        return apply(url, **options)
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        return apply(url, **options)
    finally:
        os.seteuid(0)
        os.setegid(0)


def hold_lock(url: str, *, held: str, fifo: str) -> Answer:
    """Hold the migration lock: make the file ``held``, then wait at ``fifo``."""
    from alembic_assay.locking import migration_lock

    with migration_lock(url):
        Path(held).touch()
        Path(fifo).open().close()
    return {}


def use_template(
    url: str, *, ini: str, run: str, folder: str | None = None, kill_at: int | None = None
) -> Answer:
    """Do all that is done with a template and its copies; end by SIGKILL at a step of that."""
    from alembic_assay.checks.upgrade import upgrade_database
    from alembic_assay.databases import open_databases
    from alembic_assay.pool import Pool
    from alembic_assay.project import Project
    from alembic_assay.settings import Settings
    from alembic_assay.template import Template
    from alembic_assay.template_builder import TemplateBuilder

    steps = _Steps(kill_at)
    with open_databases(make_url(url), folder=Path(folder) if folder else None) as databases:
        config_for = functools.partial(make_config, config_file=ini)
        project = Project(config_for, databases, Settings(folder=Path(ini).parent))
        builder = TemplateBuilder(project, upgrade_database, folder=Path(run))
        assert builder.ensure() == []
        template = Template(databases, lambda: builder.url)
        pool = Pool(databases, template.clone)
        written, untouched = pool.take(), pool.take()
        ask(written.url, "INSERT INTO users (id) VALUES (1)")
        found = tables(untouched.url)
        for taken in (written, untouched):
            pool.give_back(taken)
        worker = template.clone()
        databases.set_aside(worker, template.url, "a test")
        databases.drop(worker)
        databases.keep(pool.take().url, "another test")
        pool.close()
    return {"steps": steps.done, "tables": sorted(found)}


class _Steps:
    """Counts the statements and the changes of files of this process; it is killed at one."""

    def __init__(self, kill_at: int | None) -> None:
        self.done = 0
        self.kill_at = kill_at
        for moment in ("before_cursor_execute", "after_cursor_execute"):
            event.listen(Engine, moment, self._step)
        sys.addaudithook(self._audit)

    def _audit(self, name: str, arguments: tuple[Any, ...]) -> None:
        is_change = name in ("open", "os.chmod", "os.remove", "os.rename", "sqlite3.connect")
        if is_change and "assay_" in str(arguments[0]):
            self._step()

    def _step(self, *_: object) -> None:
        if self.done == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        self.done += 1


def _answer(
    answer: Path, log: Path, barrier: Any, work: Callable[..., Answer], url: str, options: Any
) -> None:
    handler = logging.FileHandler(log)
    logger = logging.getLogger("alembic_assay")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    if barrier is not None:
        barrier.wait()
    try:
        text = json.dumps(work(url, **options))
    except BaseException:
        log.write_text(log.read_text() + traceback.format_exc())
        raise
    # At once and whole, so that the file is there only when all is in it.
    unfinished = answer.with_suffix(".part")
    unfinished.write_text(text)
    unfinished.rename(answer)
