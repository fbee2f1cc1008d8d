"""Places for databases in which those of a test can be told from all others."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from alembic_assay.cli.databases import name_of
from alembic_assay.databases import Databases, open_databases
from alembic_assay.dialects import OwnDatabase, Server
from alembic_assay.urls import parse_url

USERS = {
    "postgresql": (
        ["CREATE ROLE {} LOGIN CREATEDB"],
        "SELECT datname FROM pg_database WHERE datdba = '{}'::regrole",
        "DROP ROLE {}",
    ),
    "mysql": (
        ["CREATE USER {}", "GRANT ALL ON `assay\\_%%`.* TO {}"],
        "SELECT ROUTINE_SCHEMA FROM information_schema.ROUTINES"
        " WHERE ROUTINE_NAME = 'alembic_assay' AND DEFINER LIKE '{}@%%'",
        "DROP USER {}",
    ),
}
"""How a user is made who may make databases, which ones are that user's, and how it goes again."""


@dataclass(frozen=True)
class Place:
    """Where the databases of an inner test run are made, by nobody else."""

    url: str
    backend: str
    all: Callable[[], set[str]]
    """Returns the databases that are there."""
    server: Server
    folder: Path | None = None
    """Where the files are, of databases that are files."""

    def left(self) -> list[str]:
        """Return the databases that are there, but for templates and what was kept."""
        return sorted(self.all() - {name_of(one.url) for one in self.own() if one.note is not None})

    def noted(self, kind: str) -> list[str]:
        """Return the templates (``template``), or what was kept (``kept``)."""
        return sorted(name_of(one.url) for one in self.own() if one.note and one.note.kind == kind)

    def own(self) -> list[OwnDatabase]:
        return [one for one in self.server.own_databases() if name_of(one.url) in self.all()]


@contextmanager
def own_place(databases: Databases, temporary_folder: Path) -> Iterator[Place]:
    """Have a place for a test alone: a folder, or a user on the server of ``databases``."""
    if databases.backend.name == "sqlite":
        with open_databases(parse_url("sqlite://")) as own:
            folder = Path(str(own.url.database))
            assert folder.is_relative_to(temporary_folder)

            def files() -> set[str]:
                return {path.stem for path in folder.glob("*.db")}

            yield Place("sqlite://", "sqlite", files, own.server, folder)
        return
    user = f"tester_{secrets.token_hex(4)}"
    create, of_user, drop = USERS[databases.backend.name]
    engine = databases.backend.make_engine(databases.url)
    with engine.begin() as connection:
        for statement in create:
            connection.exec_driver_sql(statement.format(user))

    def names() -> set[str]:
        with engine.connect() as connection:
            found = connection.exec_driver_sql(of_user.format(user))
            return set(found.scalars())

    url = databases.url.set(username=user).render_as_string(hide_password=False)
    with databases.backend.serve(parse_url(url), None) as (server, _):
        yield Place(url, databases.backend.name, names, server)
    for name in names():
        databases.drop(databases.url.set(database=name))
    with engine.begin() as connection:
        connection.exec_driver_sql(drop.format(user))
