from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sqlalchemy import URL, MetaData
from tests.checks.compared import compare_models
from tests.checks.generated_changes import changes
from tests.checks.generated_models import make_metadata, plans

from alembic_assay.catalog import Snapshot, compare
from alembic_assay.databases import Databases
from alembic_assay.dialects.postgresql.binaries import find_binaries

VERSION_TABLE = (None, "alembic_version")

EXAMPLES = os.environ.get("ASSAY_TEST_EXAMPLES")
"""How many examples to try, new ones each time; by default it is a few, and always the same."""


def examples(databases: Databases) -> int:
    """Return how many examples are worth their time: files are made faster than databases."""
    return int(EXAMPLES) if EXAMPLES else 25 if databases.backend.name == "sqlite" else 8


def run(databases: Databases, strategy: st.SearchStrategy[Any], check: Any) -> None:
    """Run ``check`` on examples of ``strategy``, as many as this kind of database bears."""

    @settings(
        max_examples=examples(databases),
        deadline=None,
        derandomize=EXAMPLES is None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def on_each(example: Any) -> None:
        check(example)

    on_each()


def has_expressions(databases: Databases) -> bool:
    """Whether an index may have expressions and a predicate: in MariaDB it may have neither."""
    return databases.backend.name != "mysql"


def make_tables(databases: Databases, url: URL, metadata: MetaData) -> None:
    with databases.backend.make_own_engine(url).begin() as connection:
        metadata.create_all(connection)


def differing(databases: Databases, folder: Path, models: MetaData, url: URL) -> list[str]:
    return [str(finding) for finding in compare_models(databases, folder, models, url)]


def test_models_never_differ_from_their_own_tables(databases: Databases, tmp_path: Path) -> None:
    def check(plan: Any) -> None:
        with databases.temporary() as url:
            make_tables(databases, url, make_metadata(plan))

            assert differing(databases, tmp_path, make_metadata(plan), url) == []

    run(databases, plans(indexed_expressions=has_expressions(databases)), check)


def test_one_change_is_seen_and_named(databases: Databases, tmp_path: Path) -> None:
    def check(change: Any) -> None:
        with databases.temporary() as url:
            make_tables(databases, url, make_metadata(change.before))

            found = differing(databases, tmp_path, make_metadata(change.after), url)

            assert any(name in one for name in change.names for one in found), found

    has_comments = databases.backend.name != "sqlite"
    has_expression = has_expressions(databases)
    run(databases, changes(indexed_expressions=has_expression, comments=has_comments), check)


@pytest.mark.parametrize("databases", ["sqlite", "postgresql"], indirect=True)
def test_restored_dump_is_the_same(databases: Databases) -> None:
    def check(plan: Any) -> None:
        assume(databases.backend.name != "sqlite" or is_dumped_by_python(make_metadata(plan)))
        with databases.temporary() as url, databases.temporary() as copy:
            make_tables(databases, url, make_metadata(plan))
            dump_into(databases, url, copy)

            assert compare(snapshot(databases, url), snapshot(databases, copy)) == []

    run(databases, plans(), check)


def snapshot(databases: Databases, url: URL) -> Snapshot:
    with databases.backend.connect(url) as connection:
        return databases.backend.read_catalog(connection, version_table=VERSION_TABLE)


def dump_into(databases: Databases, url: URL, copy: URL) -> None:
    """Dump one database, and restore it in another that is empty."""
    if databases.backend.name == "postgresql":
        dump_postgresql(databases, url, copy)
        return
    with (
        databases.backend.connect(url) as connection,
        databases.backend.connect(copy) as target,
    ):
        source: Any = connection.connection.driver_connection
        databases.backend.run_script(target, "\n".join(source.iterdump()))


def is_dumped_by_python(metadata: MetaData) -> bool:
    """Whether ``iterdump`` can do it: it makes wrong SQL of a name with an apostrophe."""
    columns = [column.name for table in metadata.tables.values() for column in table.columns]
    return not any("'" in name for name in (*metadata.tables, *columns))


def dump_postgresql(databases: Databases, url: URL, copy: URL) -> None:
    pg_dump, psql = postgresql_program("pg_dump"), postgresql_program("psql")
    with databases.backend.connect(url) as connection:
        server = connection.exec_driver_sql("SHOW server_version_num").scalar_one()
    if pg_dump is None or psql is None:
        pytest.skip("no pg_dump and psql: they come with a PostgreSQL server")
    said = subprocess.run([pg_dump, "--version"], capture_output=True, text=True, check=True)
    if int(re.findall(r"\d+", said.stdout)[0]) < int(server) // 10000:
        pytest.skip(f"pg_dump is older than the server, which it refuses: {said.stdout.strip()}")
    dumped = subprocess.run([pg_dump, libpq(url)], capture_output=True, check=True)
    restore = [psql, "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", libpq(copy)]
    subprocess.run(restore, input=dumped.stdout, capture_output=True, check=True)


def postgresql_program(name: str) -> str | None:
    binaries = find_binaries()
    found = None if binaries is None else binaries.directory / name
    return str(found) if found is not None and found.exists() else shutil.which(name)


def libpq(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)
