"""Have a server to measure on, and leave nothing behind on it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
from sqlalchemy import URL

from alembic_assay import apply_migrations
from alembic_assay.databases import Databases, open_databases
from alembic_assay.dialects.postgresql.binaries import find_binaries
from alembic_assay.dialects.postgresql.server import running_server

LONGEST_END_SECONDS = 30


@contextmanager
def open_server(url: URL, folder: Path) -> Iterator[Databases]:
    """Have a place for databases of the kind of ``url``, on its server if it names one.

    A PostgreSQL server of our own is the one that the toolkit finds in the other processes of the
    benchmark (``workplace()``), but does not linger. On a named one the templates are dropped that
    the toolkit has kept of the projects in ``folder``.
    """
    with ExitStack() as stack:
        is_named = bool(url.host or "host" in url.query)
        if url.get_backend_name() == "postgresql" and not is_named:
            binaries = find_binaries()
            if binaries is None:
                raise SystemExit("there are no programs of a PostgreSQL server; name one by a URL")
            stack.callback(lambda: _wait_until_gone(Path(str(server.query["host"]))))
            server = stack.enter_context(running_server(binaries, linger=0))
            databases = stack.enter_context(open_databases(server))
            databases.origin = f"a server of its own, {binaries.origin}"
        else:
            databases = stack.enter_context(open_databases(url))
        try:
            yield databases
        finally:
            for one in databases.server.own_databases():
                if one.note is not None and one.note.of.startswith(str(folder)):
                    databases.server.drop(one.url)


@contextmanager
def migrated(databases: Databases, ini: Path) -> Iterator[URL]:
    """Have a database that the migrations of a project built, for a block."""
    with databases.temporary() as url:
        apply_migrations(url, config=ini)
        yield url


def connect(url: URL) -> psycopg.Connection:
    """Connect with psycopg alone, so that each statement is a transaction of its own."""
    _, arguments = url.get_dialect()().create_connect_args(url)
    return psycopg.connect(**arguments, autocommit=True)


def _wait_until_gone(sockets: Path) -> None:
    deadline = time.monotonic() + LONGEST_END_SECONDS
    while sockets.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
