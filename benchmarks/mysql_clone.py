"""Measure ways of copying a database on MariaDB or MySQL, and what may spare a copy.

    pip install -e '.[mysql]'
    python benchmarks/mysql_clone.py [--tables 10 --tables 300] [--rounds 9] URL

The server that the URL names should have nothing else to do. Where its data lie decides: on a disk
that is waited for, each table that is made or dropped costs some of its waits; in memory
(``/dev/shm``) it is the work that counts.

The database has tables of six columns, each with a primary key, a foreign key and an index, and
reference rows in five. In each round all ways take turns, each in a new database with the toolkit's
mark, and what it takes to fill that is measured. Then, in one that ``clone.py`` made:

- ``content``: asking whether anything was written in it;
- ``reset``: giving it the rows of the template again after three were written, and three
  AUTO_INCREMENT counters moved, without any DDL but for those; the toolkit does not do that;
- ``drop``.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache

import pymysql
from pymysql.constants import CLIENT
from sqlalchemy import URL, Connection, Engine, create_engine, make_url
from sqlalchemy.pool import NullPool

from alembic_assay.databases import Databases, open_databases
from alembic_assay.dialects.mysql.clone import Original, clone_database, read_original
from alembic_assay.dialects.mysql.driver import Run, fast_arguments, make_run
from alembic_assay.dialects.mysql.tokens import quote

Fill = Callable[[URL], object]

OURS, CONTENT, DROP = "clone.py, as it is", "content", "drop"

TABLE = """
CREATE TABLE `{name}` (
    id int AUTO_INCREMENT PRIMARY KEY, parent_id int, name varchar(40) NOT NULL,
    amount decimal(10, 2) DEFAULT 0, created_at datetime, note text, KEY ix_{name} (name),
    CONSTRAINT fk_{name} FOREIGN KEY (parent_id) REFERENCES `{parent}` (id)
)
"""
ROWS = "INSERT INTO `{name}` (name) VALUES ('a'), ('b'), ('c')"
FILLED = 5

NO_CHECKS = "SET foreign_key_checks = 0, unique_checks = 0"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("url", type=make_url, help="mysql+pymysql://user:password@host:port/")
    parser.add_argument("--tables", type=int, action="append", help="default: 10, 50 and 300")
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    options = parser.parse_args()
    with open_databases(options.url) as databases:
        print(f"{databases.server.version} ({databases.origin}), {load()}")
        for count in options.tables or [10, 50, 300]:
            with databases.temporary() as template:
                fill_template(template, count)
                print_table(f"{count} tables", measure(databases, template, options.rounds))
        print(f"\n{load()} at the end")


def load() -> str:
    return f"load {os.getloadavg()[0]:.2f}"


def fill_template(url: URL, count: int) -> None:
    with session(url) as run:
        run(NO_CHECKS)
        for number in range(count):
            parent = table_name(max(number - 1, 0))
            run(TABLE.format(name=table_name(number), parent=parent))
        for number in range(FILLED):
            run(ROWS.format(name=table_name(number)))


def table_name(number: int) -> str:
    return f"t{number:04d}"


def measure(databases: Databases, template: URL, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of all rounds, by what was measured."""
    found: dict[str, list[float]] = {}

    def timed(name: str, work: Callable[..., object], *arguments: object) -> None:
        started = time.perf_counter()
        work(*arguments)
        found.setdefault(name, []).append(time.perf_counter() - started)

    ways = make_ways(template)
    for _ in range(rounds):
        for name, fill in ways.items():
            with databases.temporary() as url:
                timed(name, fill, url)
        url = databases.clone(template)
        databases.server.content(url)  # opens the tables, as a test would have
        timed(CONTENT, databases.server.content, url)
        untouched = databases.server.content(url)
        write_some(url)
        assert databases.server.content(url) != untouched
        timed("reset", reset, template, url)
        assert databases.server.content(url) == untouched
        timed(DROP, databases.drop, url)
    return found


def make_ways(template: URL) -> dict[str, Fill]:
    original = read(template)
    known = original.definitions.tables
    ways: dict[str, Fill] = {
        OURS: lambda url: copy(original, url, sessions=2),
        "clone.py, with 1 session": lambda url: copy(original, url, sessions=1),
        "clone.py, with 4 sessions": lambda url: copy(original, url, sessions=4),
        "clone.py, which reads the template again": lambda url: copy(
            read(template), url, sessions=2
        ),
        "each read, made and filled, by SQLAlchemy": lambda url: copy_each(template, url),
        "remembered, one by one": lambda url: replay(template, url, known),
        "remembered, in one round trip": lambda url: replay_at_once(template, url, known),
        "LIKE, ALTER, INSERT": lambda url: copy_likenesses(template, url, known),
    }
    if shutil.which("mariadb-dump"):
        dump = run_client("mariadb-dump", template, b"")
        ways["client replaying a dump"] = lambda url: run_client("mariadb", url, dump)
    return ways


def read(template: URL) -> Original:
    with session(template) as run:
        return read_original(run)


def copy(original: Original, url: URL, *, sessions: int) -> None:
    with ExitStack() as stack:
        clone_database(original, [stack.enter_context(session(url)) for _ in range(sessions)])


def copy_each(template: URL, url: URL) -> None:
    with connected(template) as theirs, connected(url) as ours:
        ours.exec_driver_sql(NO_CHECKS)
        for (name,) in theirs.exec_driver_sql("SHOW TABLES").all():
            sql = theirs.exec_driver_sql(f"SHOW CREATE TABLE {quote(name)}").one()[1]
            ours.exec_driver_sql("SET sql_mode = ''")
            ours.exec_driver_sql(sql)
            ours.exec_driver_sql("SET sql_mode = ''")
            ours.exec_driver_sql(insert(template, name))


def replay(template: URL, url: URL, known: dict[str, str]) -> None:
    with session(url) as run:
        for sql in replayed(template, known):
            run(sql)


def replay_at_once(template: URL, url: URL, known: dict[str, str]) -> None:
    run_at_once(url, replayed(template, known))


def replayed(template: URL, known: dict[str, str]) -> list[str]:
    return [NO_CHECKS, *known.values(), *filling(template)]


def copy_likenesses(template: URL, url: URL, known: dict[str, str]) -> None:
    statements = [NO_CHECKS]
    for name, sql in known.items():
        lines = [line.strip().removesuffix(",") for line in sql.splitlines()]
        added = [f"ADD {line}" for line in lines if line.startswith("CONSTRAINT ")]
        statements += [
            f"CREATE TABLE {quote(name)} LIKE {quote(str(template.database))}.{quote(name)}",
            f"ALTER TABLE {quote(name)} {', '.join(added)}",
        ]
    run_at_once(url, [*statements, *filling(template)])


def write_some(url: URL) -> None:
    with session(url) as run:
        for number in range(3):
            run(f"INSERT INTO {table_name(number)} (name) VALUES ('x')")


def reset(template: URL, url: URL) -> None:
    """Empty all tables and fill them again: which ones were written in need not be known."""
    with session(url) as run:
        names = [name for (name,) in run("SHOW TABLES")]
    emptying = [f"DELETE FROM {quote(name)}" for name in names]
    begin, *inserts, commit = filling(template)
    counters = [f"ALTER TABLE {table_name(number)} AUTO_INCREMENT = 4" for number in range(3)]
    run_at_once(url, [NO_CHECKS, begin, *emptying, *inserts, commit, *counters])


def filling(template: URL) -> list[str]:
    inserts = [insert(template, table_name(number)) for number in range(FILLED)]
    return ["START TRANSACTION", *inserts, "COMMIT"]


def insert(template: URL, name: str) -> str:
    source = f"{quote(str(template.database))}.{quote(name)}"
    return f"INSERT INTO {quote(name)} SELECT * FROM {source}"


def run_at_once(url: URL, statements: list[str]) -> None:
    _, arguments = url.get_dialect()().create_connect_args(url)
    arguments.update(fast_arguments(url), client_flag=CLIENT.MULTI_STATEMENTS, autocommit=True)
    with pymysql.connect(**arguments) as connection, connection.cursor() as cursor:
        cursor.execute(";".join(statements))
        while cursor.nextset():
            pass


def run_client(program: str, url: URL, text: bytes) -> bytes:
    options = [f"--host={url.host}", f"--port={url.port or 3306}", f"--user={url.username}"]
    environment = {**os.environ, "MYSQL_PWD": url.password or ""}
    command = [program, *options, str(url.database)]
    done = subprocess.run(command, input=text, env=environment, capture_output=True, check=True)
    return done.stdout


@contextmanager
def connected(url: URL) -> Iterator[Connection]:
    with make_engine(url.set(database="")).connect() as connection:
        connection.exec_driver_sql(f"USE {quote(str(url.database))}")
        yield connection


@cache
def make_engine(server: URL) -> Engine:
    # One for all, as in the toolkit: SQLAlchemy asks the server for its ways only once.
    return create_engine(
        server,
        poolclass=NullPool,
        isolation_level="AUTOCOMMIT",
        connect_args=fast_arguments(server),
    )


@contextmanager
def session(url: URL) -> Iterator[Run]:
    with connected(url) as connection:
        yield make_run(connection)


def print_table(heading: str, found: dict[str, list[float]]) -> None:
    medians = {name: statistics.median(seconds) for name, seconds in found.items()}
    print(f"\n{heading:<44}{'median':>11}{'least':>11}{'/ ours':>9}")
    for name, seconds in medians.items():
        least, ratio = min(found[name]) * 1000, seconds / medians[OURS]
        print(f"{name:<44}{seconds * 1000:>8.1f} ms{least:>8.1f} ms{ratio:>9.2f}")
    spared = (medians[OURS] + medians[DROP]) / medians[CONTENT]
    print(f"clone and drop take {spared:.0f} times as long as content", flush=True)


if __name__ == "__main__":
    main()
