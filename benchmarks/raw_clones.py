"""Clone a database, use the clone and drop it, with nothing but the driver.

That is what a database of its own costs each test at the least, in the best way that we know of:

- PostgreSQL: ``CREATE DATABASE … TEMPLATE`` on a connection that is kept for all; where the server
  does not wait for its disk, by copying files. The drop waits until the server has ended the
  connection to the clone: it sleeps for 100 ms if it meets that.
- SQLite: a copy of the file. Who writes does not wait for the disk, nor has a journal on it.
"""

from __future__ import annotations

import secrets
import shutil
import sqlite3
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from projects import INSERT, QUERY
from psycopg import sql
from servers import connect
from sqlalchemy import URL, create_engine

Use = Callable[[URL], None]
"""Connects to a clone, asks it one question or writes a row before, and disconnects."""


def seconds_per_clone(
    template: URL, count: int, *, how: str = "driver", pause_seconds: float = 0.0
) -> float:
    """Return the mean time of a clone that is used in this way, with a pause before each."""
    backend = template.get_backend_name()
    clones = {"postgresql": _postgresql_clones, "sqlite": _sqlite_clones}[backend]
    use = USES[backend][how]
    with clones(template) as clone:
        seconds = []
        for _ in range(count + 1):
            time.sleep(pause_seconds)
            started = time.perf_counter()
            clone(use)
            seconds.append(time.perf_counter() - started)
    return statistics.fmean(seconds[1:])


@contextmanager
def _postgresql_clones(template: URL) -> Iterator[Callable[[Use], None]]:
    name = f"assay_bench_{secrets.token_hex(4)}"
    clone, source = sql.Identifier(name), sql.Identifier(str(template.database))
    with connect(template.set(database="postgres")) as keeper:
        waits_for_disk = keeper.execute("SHOW fsync").fetchone() != ("off",)
        has_strategies = keeper.info.server_version >= 150000
        strategy = "" if waits_for_disk or not has_strategies else " STRATEGY FILE_COPY"
        create = sql.SQL(f"CREATE DATABASE {{}} TEMPLATE {{}}{strategy}").format(clone, source)
        drop = sql.SQL("DROP DATABASE {}").format(clone)

        def one(use: Use) -> None:
            keeper.execute(create)
            try:
                use(template.set(database=name))
                while keeper.execute(_CONNECTED, [name]).fetchone():
                    pass
            finally:
                keeper.execute(drop)

        yield one


_CONNECTED = "SELECT 1 FROM pg_stat_activity WHERE datname = %s"


@contextmanager
def _sqlite_clones(template: URL) -> Iterator[Callable[[Use], None]]:
    source = Path(str(template.database))
    copied = source.with_name(f"assay_bench_{secrets.token_hex(4)}.db")

    def one(use: Use) -> None:
        shutil.copyfile(source, copied)
        try:
            use(template.set(database=str(copied)))
        finally:
            copied.unlink()

    yield one


def _ask_psycopg(url: URL) -> None:
    with connect(url) as connection:
        assert connection.execute(QUERY.encode()).fetchone() == (2,)


def _write_psycopg(url: URL) -> None:
    with connect(url) as connection:
        connection.execute(INSERT.encode())
        assert connection.execute(QUERY.encode()).fetchone() == (3,)


def _ask_sqlite3(url: URL) -> None:
    with closing(sqlite3.connect(str(url.database))) as connection:
        assert connection.execute(QUERY).fetchone() == (2,)


def _write_sqlite3(url: URL) -> None:
    with closing(sqlite3.connect(str(url.database), isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA journal_mode = MEMORY")
        connection.execute(INSERT)
        assert connection.execute(QUERY).fetchone() == (3,)


def _ask_engine(url: URL) -> None:
    engine = create_engine(url)
    with engine.connect() as connection:
        assert connection.exec_driver_sql(QUERY).scalar() == 2
    engine.dispose()


USES: dict[str, dict[str, Use]] = {
    "postgresql": {"driver": _ask_psycopg, "writing": _write_psycopg, "engine": _ask_engine},
    "sqlite": {"driver": _ask_sqlite3, "writing": _write_sqlite3, "engine": _ask_engine},
}
