"""Histories, models and databases in each state, and what is around a call."""

from __future__ import annotations

import logging
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import URL, Column, Connection, Integer, MetaData, Table
from sqlalchemy.exc import OperationalError
from tests.processes import (
    ask,
    heads,
    tables,
)

from alembic_assay.migrate import (
    MigrationReport,
    apply_migrations,
)

if TYPE_CHECKING:
    from tests.conftest import ProjectFiles

with_transactional_ddl = pytest.mark.parametrize(
    "databases", ["sqlite", "postgresql"], indirect=True
)
"""What MySQL cannot do, whose DDL commits: see ``test_mysql_ddl_commits.py``."""

PASSWORD = "s3cret@ %:/+#?&%%ü'"

ASYNC_ENV = """
import asyncio

from alembic import context
from sqlalchemy import pool
from sqlalchemy.ext.asyncio import async_engine_from_config

config = context.config


def do_run_migrations(connection):
    context.configure(connection=connection, target_metadata=None)
    with context.begin_transaction():
        context.run_migrations()


async def run_async_migrations():
    connectable = async_engine_from_config(
        config.get_section(config.config_ini_section, {}),
        prefix="sqlalchemy.",
        poolclass=pool.NullPool,
    )
    async with connectable.connect() as connection:
        await connection.run_sync(do_run_migrations)
    await connectable.dispose()


asyncio.run(run_async_migrations())
"""


def timeless(report: MigrationReport) -> MigrationReport:
    assert report.seconds >= report.waited >= 0
    return replace(report, seconds=0.0, waited=0.0)


def models() -> MetaData:
    metadata = MetaData()
    Table("first", metadata, Column("id", Integer, primary_key=True))
    Table("second", metadata, Column("id", Integer, primary_key=True))
    return metadata


def assert_masked(*texts: str) -> None:
    for text in texts:
        assert PASSWORD not in text
        assert "s3cret" not in text


def surroundings() -> tuple[Any, ...]:
    root = logging.getLogger()
    return (
        Path.cwd(),
        list(sys.path),
        dict(os.environ),
        root.level,
        list(root.handlers),
        logging.getLogger("shop").disabled,
    )


def heads_or_none(url: URL) -> list[str]:
    return heads(url) if "alembic_version" in tables(url) else []


def readable(files: ProjectFiles, folder: Path) -> str:
    """Return the configuration of a copy that every user may read."""
    shutil.copytree(files.folder, folder / "project")
    return str(folder / "project" / "alembic.ini")


def read_only_database(folder: Path, files: ProjectFiles, *, target: str = "head") -> URL:
    """Return a database in a folder that only its owner may write to."""
    url = URL.create("sqlite", database=str(folder / "app.db"))
    apply_migrations(url, config=files.ini, target=target)
    (folder / "app.db").chmod(0o444)
    (folder / "app.db.migrate.lock").unlink()
    return url


def is_refused(url: URL) -> bool:
    try:
        ask(url, "SELECT 1")
    except OperationalError:
        return True
    return False


def rewrite_access_rules(connection: Connection, *, add: str = "", remove: str = "-") -> None:
    """Change the server's file of access rules, as the server itself; it is read again soon."""
    (rules, path) = connection.exec_driver_sql(
        "SELECT pg_read_file(current_setting('hba_file')), current_setting('hba_file')"
    ).one()
    lines = [add, *(line for line in rules.splitlines() if remove not in line)]
    values = ", ".join("('" + line.replace("'", "''") + "')" for line in lines if line.strip())
    connection.exec_driver_sql(f"COPY (VALUES {values}) TO '{path}'")
    connection.exec_driver_sql("SELECT pg_reload_conf()")
