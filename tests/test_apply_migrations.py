"""What apply_migrations does with a database in each state, by itself; races are elsewhere."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import URL, Column, Connection, Integer, MetaData, Table, create_engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool
from tests.processes import (
    Children,
    Gate,
    apply_as_nobody,
    ask,
    heads,
    missing_database,
    tables,
    wait_until,
)

from alembic_assay.config import make_config
from alembic_assay.databases import Databases
from alembic_assay.exceptions import (
    DatabaseAhead,
    DatabaseUnreachable,
    EnvironmentFault,
    HistoryError,
    LockTimeout,
    MigrationFailed,
    MultipleHeads,
    NotADatabase,
    NotAtTarget,
    UnmanagedDatabase,
    UsageError,
    first_line,
)
from alembic_assay.locking import migration_lock
from alembic_assay.migrate import (
    Action,
    MigrationReport,
    apply_migrations,
    async_apply_migrations,
)

if TYPE_CHECKING:
    from tests.conftest import ProjectFiles

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


@pytest.fixture
def history(project_files: ProjectFiles) -> ProjectFiles:
    """Two revisions, each of which makes a table."""
    project_files.add_table("a", None, "first")
    project_files.add_table("b", "a", "second")
    return project_files


@pytest.fixture
def children(tmp_path: Path) -> Iterator[Children]:
    children = Children(tmp_path)
    yield children
    children.end()


@pytest.fixture
def sqlite_url(sqlite_databases: Databases) -> Iterator[URL]:
    with sqlite_databases.temporary() as url:
        yield url


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder into which every user may look."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def timeless(report: MigrationReport) -> MigrationReport:
    assert report.seconds >= report.waited >= 0
    return replace(report, seconds=0.0, waited=0.0)


def models() -> MetaData:
    metadata = MetaData()
    Table("first", metadata, Column("id", Integer, primary_key=True))
    Table("second", metadata, Column("id", Integer, primary_key=True))
    return metadata


# -- reports


def test_empty_database_is_created(database_url: URL, history: ProjectFiles) -> None:
    report = apply_migrations(database_url, config=history.ini)

    assert timeless(report) == MigrationReport(
        database=database_url.render_as_string(),
        action=Action.CREATED,
        before=(),
        after=("b",),
        applied=("a", "b"),
    )
    assert tables(database_url) == {"alembic_version", "first", "second"}


def test_missing_database_is_created(databases: Databases, history: ProjectFiles) -> None:
    with missing_database(databases) as url:
        report = apply_migrations(url, config=history.ini)

        assert timeless(report) == MigrationReport(
            url.render_as_string(), Action.CREATED, (), ("b",), ("a", "b")
        )
        assert tables(url) == {"alembic_version", "first", "second"}


def test_database_behind_is_upgraded(database_url: URL, history: ProjectFiles) -> None:
    apply_migrations(database_url, config=history.ini, target="a")

    report = apply_migrations(database_url, config=history.ini)

    assert timeless(report) == MigrationReport(
        database_url.render_as_string(), Action.UPGRADED, ("a",), ("b",), ("b",)
    )


def test_database_at_head_is_up_to_date(database_url: URL, history: ProjectFiles) -> None:
    apply_migrations(database_url, config=history.ini)

    report = apply_migrations(database_url, config=history.ini)

    assert timeless(report) == MigrationReport(
        database_url.render_as_string(), Action.UP_TO_DATE, ("b",), ("b",)
    )


def test_history_without_revisions_is_up_to_date(
    database_url: URL, project_files: ProjectFiles
) -> None:
    report = apply_migrations(database_url, config=project_files.ini)

    assert timeless(report) == MigrationReport(
        database_url.render_as_string(), Action.UP_TO_DATE, (), ()
    )
    assert tables(database_url) == set()


def test_url_as_text_and_script_location_alone_are_enough(
    database_url: URL, history: ProjectFiles
) -> None:
    text = database_url.render_as_string(hide_password=False)

    report = apply_migrations(text, script_location=str(history.folder / "migrations"))

    assert report.action == Action.CREATED


def test_config_object_is_used_and_kept_as_it_was(database_url: URL, history: ProjectFiles) -> None:
    config = make_config("sqlite:///other.db", config_file=history.ini)

    report = apply_migrations(database_url, config=config)

    assert report.database == database_url.render_as_string()
    assert config.get_main_option("sqlalchemy.url") == "sqlite:///other.db"
    assert config.attributes == {}
    assert tables(database_url) == {"alembic_version", "first", "second"}


# -- targets


def test_target_revision_is_reached_and_not_passed(
    database_url: URL, history: ProjectFiles
) -> None:
    report = apply_migrations(database_url, config=history.ini, target="a")

    assert (report.action, report.after, report.applied) == (Action.CREATED, ("a",), ("a",))
    assert tables(database_url) == {"alembic_version", "first"}


def test_target_behind_the_database_is_never_downgraded_to(
    database_url: URL, history: ProjectFiles
) -> None:
    apply_migrations(database_url, config=history.ini)

    report = apply_migrations(database_url, config=history.ini, target="a")

    assert (report.action, report.after) == (Action.UP_TO_DATE, ("b",))


def test_target_heads_applies_every_branch(database_url: URL, history: ProjectFiles) -> None:
    history.add_table("c", "a", "third")

    report = apply_migrations(database_url, config=history.ini, target="heads")
    again = apply_migrations(database_url, config=history.ini, target="heads")

    assert (report.action, report.after) == (Action.CREATED, ("b", "c"))
    assert sorted(report.applied) == ["a", "b", "c"]
    assert (again.action, again.before) == (Action.UP_TO_DATE, ("b", "c"))


def test_target_head_with_several_heads_is_refused_before_anything_is_made(
    databases: Databases, history: ProjectFiles
) -> None:
    history.add_table("c", "a", "third")

    with missing_database(databases) as url:
        with pytest.raises(MultipleHeads) as raised:
            apply_migrations(url, config=history.ini)

        assert not databases.backend.exists(url)
    assert str(raised.value) == (
        "the history has 2 heads: b, c\n"
        '  "head" does not say which of them is meant; nothing was changed.\n'
        '  help: merge them (alembic merge heads), or ask for "heads" or one of them.'
    )


@pytest.mark.parametrize("target", ["+1", "-1", "shop@+1"])
def test_target_relative_to_the_database_is_refused(
    database_url: URL, history: ProjectFiles, target: str
) -> None:
    with pytest.raises(UsageError) as raised:
        apply_migrations(database_url, config=history.ini, target=target)

    assert str(raised.value) == (
        f'the target "{target}" is relative to where the database is\n'
        "  Each process that starts would go on from where the last one stopped.\n"
        '  help: name a revision, "head" or "heads".'
    )
    assert tables(database_url) == set()


def test_target_that_is_no_revision_is_refused(database_url: URL, history: ProjectFiles) -> None:
    with pytest.raises(HistoryError, match=r'^"nowhere" cannot be reached: '):
        apply_migrations(database_url, config=history.ini, target="nowhere")

    assert tables(database_url) == set()


def test_broken_history_is_refused_before_anything_is_made(
    databases: Databases, history: ProjectFiles
) -> None:
    history.add_revision("c", "missing")

    with missing_database(databases) as url:
        with pytest.raises(HistoryError):
            apply_migrations(url, config=history.ini)

        assert not databases.backend.exists(url)


# -- create_all


def test_create_all_makes_tables_and_stamp(database_url: URL, history: ProjectFiles) -> None:
    report = apply_migrations(
        database_url, config=history.ini, create="create_all", metadata=models()
    )

    assert timeless(report) == MigrationReport(
        database_url.render_as_string(), Action.CREATED, (), ("b",)
    )
    assert tables(database_url) == {"alembic_version", "first", "second"}
    assert heads(database_url) == ["b"]


def test_create_all_of_several_heads_stamps_each(database_url: URL, history: ProjectFiles) -> None:
    history.add_table("c", "a", "third")

    report = apply_migrations(
        database_url, config=history.ini, target="heads", create="create_all", metadata=models()
    )

    assert report.after == ("b", "c")
    assert heads(database_url) == ["b", "c"]


def test_create_all_that_fails_leaves_neither_tables_nor_stamp(
    database_url: URL, history: ProjectFiles
) -> None:
    metadata = models()

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("no second table")

    event.listen(metadata.tables["second"], "before_create", fail)

    with pytest.raises(RuntimeError, match="no second table"):
        apply_migrations(database_url, config=history.ini, create="create_all", metadata=metadata)

    assert "first" not in tables(database_url)
    event.remove(metadata.tables["second"], "before_create", fail)
    report = apply_migrations(
        database_url, config=history.ini, create="create_all", metadata=metadata
    )
    assert report.action == Action.CREATED


def test_create_all_for_an_older_revision_is_refused(
    database_url: URL, history: ProjectFiles
) -> None:
    with pytest.raises(UsageError) as raised:
        apply_migrations(
            database_url, config=history.ini, target="a", create="create_all", metadata=models()
        )

    assert str(raised.value) == (
        'create="create_all" makes the models of today, not those of "a"\n'
        "  The next upgrade would fail on what is there already.\n"
        '  help: leave the target at "head", or let the migrations create the database.'
    )
    assert tables(database_url) == set()


def test_create_all_is_not_for_a_database_with_a_revision(
    database_url: URL, history: ProjectFiles
) -> None:
    apply_migrations(database_url, config=history.ini, target="a")
    other = MetaData()
    Table("never", other, Column("id", Integer))

    report = apply_migrations(database_url, config=history.ini, create="create_all", metadata=other)

    assert (report.action, report.applied) == (Action.UPGRADED, ("b",))
    assert tables(database_url) == {"alembic_version", "first", "second"}


@pytest.mark.parametrize("metadata", [None, MetaData()], ids=["none", "empty"])
def test_create_all_without_tables_is_refused_before_anything_is_made(
    databases: Databases, history: ProjectFiles, metadata: MetaData | None
) -> None:
    with missing_database(databases) as url:
        with pytest.raises(UsageError) as raised:
            apply_migrations(url, config=history.ini, create="create_all", metadata=metadata)

        assert not databases.backend.exists(url)
    assert str(raised.value) == (
        'create="create_all" was asked for without metadata that has tables\n'
        "  The database would be stamped as migrated and be empty.\n"
        "  help: pass metadata=Base.metadata, with the modules of all models imported."
    )


# -- states of the database


def test_unknown_revision_is_database_ahead(database_url: URL, history: ProjectFiles) -> None:
    newer = history.add_table("c", "b", "third")
    apply_migrations(database_url, config=history.ini)
    newer.unlink()

    with pytest.raises(DatabaseAhead) as raised:
        apply_migrations(database_url, config=history.ini)

    assert str(raised.value) == (
        "the database is at revision c, which is not among the 2 revisions in"
        f" {history.folder / 'migrations'}\n"
        "  It was migrated by newer code, or by other code; nothing was changed.\n"
        "  help: deploy the code that has this revision, or restore the database that fits this"
        " code (head b)."
    )
    assert heads(database_url) == ["c"]


@pytest.mark.parametrize(
    "existing",
    [
        ["CREATE TABLE customers (id INTEGER)"],
        ["CREATE VIEW customers AS SELECT 1 AS id"],
        [
            "CREATE TABLE customers (id INTEGER)",
            "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)",
        ],
    ],
    ids=["table", "view", "empty version table"],
)
@pytest.mark.parametrize("create", ["upgrade", "create_all"])
def test_tables_without_version_are_an_unmanaged_database(
    database_url: URL, history: ProjectFiles, existing: list[str], create: Any
) -> None:
    for statement in existing:
        ask(database_url, statement)
    before = tables(database_url)

    with pytest.raises(UnmanagedDatabase) as raised:
        apply_migrations(database_url, config=history.ini, create=create, metadata=models())

    assert str(raised.value) == (
        f"{database_url.render_as_string()} has tables, but no revision in alembic_version\n"
        "  It was made without these migrations, or a first run of them was interrupted; to run"
        " them all could fail half-way, so nothing was changed.\n"
        "  help: find out which revision its tables are at, and say so: alembic stamp REVISION; or"
        " start from an empty database."
    )
    assert tables(database_url) == before


def test_empty_version_table_alone_is_an_empty_database(
    database_url: URL, history: ProjectFiles
) -> None:
    ask(database_url, "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")

    assert apply_migrations(database_url, config=history.ini).action == Action.CREATED


def test_tables_of_another_schema_are_not_in_the_way(
    postgresql_url: URL, history: ProjectFiles
) -> None:
    ask(postgresql_url, "CREATE SCHEMA other CREATE TABLE customers (id INTEGER)")

    assert apply_migrations(postgresql_url, config=history.ini).action == Action.CREATED


def test_custom_version_table_is_the_one_that_counts(
    database_url: URL, history: ProjectFiles
) -> None:
    history.write_env(options=', version_table="shop_version"')

    created = apply_migrations(database_url, config=history.ini, target="a")
    upgraded = apply_migrations(database_url, config=history.ini)
    again = apply_migrations(database_url, config=history.ini)

    assert [created.action, upgraded.action, again.action] == [
        Action.CREATED,
        Action.UPGRADED,
        Action.UP_TO_DATE,
    ]
    assert tables(database_url) == {"first", "second", "shop_version"}
    assert heads(database_url, "shop_version") == ["b"]


def test_version_table_in_another_schema_is_the_one_that_counts(
    postgresql_url: URL, history: ProjectFiles
) -> None:
    ask(postgresql_url, "CREATE SCHEMA ops")
    history.write_env(options=', version_table_schema="ops", include_schemas=True')

    created = apply_migrations(postgresql_url, config=history.ini)
    again = apply_migrations(postgresql_url, config=history.ini)

    assert [created.action, again.action] == [Action.CREATED, Action.UP_TO_DATE]
    assert heads(postgresql_url, "ops.alembic_version") == ["b"]


def test_two_histories_in_one_database_live_side_by_side(
    database_url: URL, history: ProjectFiles, make_project: Any
) -> None:
    other = make_project("other")
    other.write_env(options=', version_table="other_version"')
    other.add_revision("x", upgrade="pass")
    apply_migrations(database_url, config=history.ini)

    # Its own version table is empty, and the tables of the first history are there.
    with pytest.raises(UnmanagedDatabase, match="has tables, but no revision in other_version"):
        apply_migrations(database_url, config=other.ini)

    assert heads(database_url) == ["b"]


def test_file_that_is_no_database_is_refused_and_kept(
    tmp_path: Path, history: ProjectFiles
) -> None:
    path = tmp_path / "app.db"
    path.write_text("These are my notes, and no database at all." * 100)
    before = path.read_bytes()

    with pytest.raises(NotADatabase) as raised:
        apply_migrations(f"sqlite:///{path}", config=history.ini)

    assert str(raised.value) == (
        f"{path} is not an SQLite database: file is not a database\n"
        "  It is something else, or damaged; it was not touched.\n"
        "  help: correct the path in the URL, or restore the file from a backup."
    )
    assert path.read_bytes() == before


def test_directory_in_place_of_the_database_is_refused(
    tmp_path: Path, history: ProjectFiles
) -> None:
    with pytest.raises(DatabaseUnreachable) as raised:
        apply_migrations(f"sqlite:///{tmp_path}", config=history.ini)

    assert str(raised.value) == (
        f"{tmp_path} cannot be opened: {raised.value.__cause__}\n"
        "  It was not touched.\n"
        "  help: see that it is a file that this user may read, and that nobody else locks it."
    )


def test_missing_folder_is_refused_and_not_made(tmp_path: Path, history: ProjectFiles) -> None:
    folder = tmp_path / "data"

    with pytest.raises(DatabaseUnreachable) as raised:
        apply_migrations(f"sqlite:///{folder}/app.db", config=history.ini)

    assert str(raised.value) == (
        f"the folder {folder} does not exist\n"
        "  The database app.db can be neither opened nor created in it.\n"
        f"  help: create the folder first: mkdir -p {folder}"
    )
    assert not folder.exists()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite:///file:x?mode=memory"])
def test_database_in_memory_is_refused(history: ProjectFiles, url: str) -> None:
    with pytest.raises(UsageError, match="is a database in memory\n"):
        apply_migrations(url, config=history.ini)


def test_file_of_no_bytes_is_an_empty_database(tmp_path: Path, history: ProjectFiles) -> None:
    path = tmp_path / "app.db"
    path.touch()

    assert apply_migrations(f"sqlite:///{path}", config=history.ini).action == Action.CREATED


def test_unreachable_server_is_said_without_the_password(history: ProjectFiles) -> None:
    url = URL.create("postgresql", "app", PASSWORD, "127.0.0.1", 1, "shop")

    with pytest.raises(DatabaseUnreachable) as raised:
        apply_migrations(url, config=history.ini)

    assert str(raised.value) == (
        "postgresql://app:***@127.0.0.1:1/shop cannot be reached:"
        f" {first_line(raised.value.__cause__)}\n"
        "  Nothing was changed.\n"
        "  help: see that the server runs, and that host, port, user and password are right."
    )
    assert "Connection refused" in str(raised.value)
    assert_masked("".join(traceback.format_exception(raised.value)))


# -- read-only


def test_read_only_file_at_head_is_up_to_date(
    open_folder: Path, history: ProjectFiles, children: Children
) -> None:
    url = read_only_database(open_folder, history)

    result = children.start(apply_as_nobody, url, config=readable(history, open_folder)).result()

    assert result["action"] == "up to date"


def test_read_only_folder_behind_is_lock_unavailable(
    open_folder: Path, history: ProjectFiles, children: Children
) -> None:
    url = read_only_database(open_folder, history, target="a")

    result = children.start(apply_as_nobody, url, config=readable(history, open_folder)).result()

    lock = f"{url.database}.migrate.lock"
    assert result == {
        "error": "LockUnavailable",
        "message": f"the file lock {lock} cannot be taken: PermissionError: [Errno 13] Permission"
        f" denied: '{lock}'\n"
        "  Without it two processes could migrate at once; nothing was changed.\n"
        "  help: let this user write in the folder of the database, on a file system with file"
        " locks.",
    }


def test_database_opened_read_only_behind_is_an_error_that_says_so(
    sqlite_url: URL, history: ProjectFiles
) -> None:
    apply_migrations(sqlite_url, config=history.ini, target="a")
    read_only = f"sqlite:///file:{sqlite_url.database}?mode=ro&uri=true"

    with pytest.raises(MigrationFailed) as raised:
        apply_migrations(read_only, config=history.ini)

    assert raised.value.message == (
        "the upgrade of revision b (b) failed: OperationalError: attempt to write a readonly"
        " database"
    )
    assert heads(sqlite_url) == ["a"]
    apply_migrations(sqlite_url, config=history.ini)
    assert apply_migrations(read_only, config=history.ini).action == Action.UP_TO_DATE


def test_read_only_server_at_head_is_up_to_date_and_behind_is_an_error(
    postgresql_url: URL, history: ProjectFiles
) -> None:
    apply_migrations(postgresql_url, config=history.ini, target="a")
    ask(
        postgresql_url,
        f"ALTER DATABASE {postgresql_url.database} SET default_transaction_read_only = on",
    )

    report = apply_migrations(postgresql_url, config=history.ini, target="a")
    with pytest.raises(MigrationFailed, match="ReadOnlySqlTransaction"):
        apply_migrations(postgresql_url, config=history.ini)

    assert report.action == Action.UP_TO_DATE
    assert heads(postgresql_url) == ["a"]


def test_role_that_may_not_create_at_head_is_up_to_date_and_behind_is_an_error(
    postgresql_url: URL, history: ProjectFiles
) -> None:
    apply_migrations(postgresql_url, config=history.ini, target="a")
    role = f"reader_{postgresql_url.database}"
    ask(postgresql_url, f"CREATE ROLE {role} LOGIN")
    ask(postgresql_url, f"GRANT SELECT ON alembic_version TO {role}")
    ask(postgresql_url, "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    url = postgresql_url.set(username=role)
    try:
        report = apply_migrations(url, config=history.ini, target="a")
        with pytest.raises(MigrationFailed) as raised:
            apply_migrations(url, config=history.ini)
    finally:
        ask(postgresql_url, f"DROP OWNED BY {role}")
        ask(postgresql_url, f"DROP ROLE {role}")

    assert report.action == Action.UP_TO_DATE
    assert raised.value.message == (
        "the upgrade of revision b (b) failed: InsufficientPrivilege: permission denied for"
        " schema public"
    )


# -- at the target nothing is locked


def test_database_at_head_takes_no_lock(database_url: URL, history: ProjectFiles) -> None:
    apply_migrations(database_url, config=history.ini)

    with migration_lock(database_url):
        report = apply_migrations(database_url, config=history.ini, lock_timeout=None)

    assert report.action == Action.UP_TO_DATE


def test_database_at_head_makes_no_lock_file(sqlite_url: URL, history: ProjectFiles) -> None:
    apply_migrations(sqlite_url, config=history.ini)
    Path(f"{sqlite_url.database}.migrate.lock").unlink()

    apply_migrations(sqlite_url, config=history.ini)

    assert not Path(f"{sqlite_url.database}.migrate.lock").exists()


def test_database_at_head_is_only_read(database_url: URL, history: ProjectFiles) -> None:
    apply_migrations(database_url, config=history.ini)
    writing = {
        "sqlite": "BEGIN IMMEDIATE",
        "postgresql": "LOCK TABLE alembic_version IN EXCLUSIVE MODE",
    }[database_url.get_backend_name()]

    with create_engine(database_url, poolclass=NullPool).connect() as writer:
        writer.exec_driver_sql(writing)
        report = apply_migrations(database_url, config=history.ini)

    assert report.action == Action.UP_TO_DATE


# -- revisions that fail


def test_failing_revision_is_undone_and_the_ones_before_it_stay(
    database_url: URL, history: ProjectFiles
) -> None:
    path = history.add_revision(
        "c",
        "b",
        message="add third",
        upgrade='op.create_table("third", sa.Column("id", sa.Integer))\n'
        'op.execute("INSERT INTO first VALUES (1)")\nraise ValueError("no more\\nsecret")',
    )

    with pytest.raises(MigrationFailed) as raised:
        apply_migrations(database_url, config=history.ini)

    assert str(raised.value) == (
        "the upgrade of revision c (add third) failed: ValueError: no more\n"
        f"  It is in {path}; steps before it that stay done: 2.\n"
        "  help: correct the revision, then run it again."
    )
    assert raised.value.revision == "c"
    assert raised.value.applied == ("a", "b")
    assert isinstance(raised.value.__cause__, ValueError)
    assert heads(database_url) == ["b"]
    assert tables(database_url) == {"alembic_version", "first", "second"}
    assert ask(database_url, "SELECT * FROM first") == []


def test_failing_revision_once_corrected_is_applied(
    database_url: URL, history: ProjectFiles
) -> None:
    create = 'op.create_table("third", sa.Column("id", sa.Integer))\n'
    history.add_revision("c", "b", upgrade=create + "raise ValueError")
    with pytest.raises(
        MigrationFailed, match=r"^the upgrade of revision c \(c\) failed: ValueError\n"
    ):
        apply_migrations(database_url, config=history.ini)
    history.add_revision("c", "b", upgrade=create)

    report = apply_migrations(database_url, config=history.ini, lock_timeout=0)

    assert (report.action, report.before, report.applied) == (Action.UPGRADED, ("b",), ("c",))


@pytest.mark.parametrize("way", [SystemExit, KeyboardInterrupt])
def test_revision_that_ends_the_process_passes_unchanged_and_frees_the_lock(
    database_url: URL, history: ProjectFiles, way: type[BaseException]
) -> None:
    history.add_revision(
        "c", "b", upgrade=f'op.execute("INSERT INTO first VALUES (1)")\nraise {way.__name__}(3)'
    )

    with pytest.raises(way):
        apply_migrations(database_url, config=history.ini)
    history.add_revision("c", "b")
    report = apply_migrations(database_url, config=history.ini, lock_timeout=0)

    assert report.applied == ("c",)
    assert ask(database_url, "SELECT * FROM first") == []


def test_autocommit_block_is_outside_the_transaction(
    database_url: URL, history: ProjectFiles
) -> None:
    statement = {
        "sqlite": 'op.execute("VACUUM")',
        "postgresql": 'op.create_index("i", "first", ["id"], postgresql_concurrently=True)',
    }[database_url.get_backend_name()]
    history.add_revision(
        "c", "b", upgrade=f"with op.get_context().autocommit_block():\n    {statement}"
    )
    history.add_table("d", "c", "fourth")

    report = apply_migrations(database_url, config=history.ini)

    assert report.applied == ("a", "b", "c", "d")


def test_failure_behind_an_autocommit_block_leaves_its_work_and_not_the_version(
    database_url: URL, history: ProjectFiles
) -> None:
    history.add_revision(
        "c",
        "b",
        upgrade="with op.get_context().autocommit_block():\n"
        '    op.execute("INSERT INTO first VALUES (1)")\n'
        'op.execute("INSERT INTO first VALUES (2)")\nraise ValueError("late")',
    )

    with pytest.raises(MigrationFailed) as raised:
        apply_migrations(database_url, config=history.ini)

    assert raised.value.applied == ("a", "b")
    assert heads(database_url) == ["b"]
    assert ask(database_url, "SELECT id FROM first") == [(1,)]


@pytest.mark.parametrize(
    ("upgrade", "problem"),
    [
        ('op.execute("CREATE INDEX CONCURRENTLY i ON first (id)")', "ActiveSqlTransaction"),
        (
            "op.execute(\"ALTER TYPE mood ADD VALUE 'so'\")\nop.execute(\"SELECT 'so'::mood\")",
            "UnsafeNewEnumValueUsage",
        ),
    ],
    ids=["index", "enum"],
)
def test_statement_that_cannot_run_in_its_transaction_fails_its_revision(
    postgresql_url: URL, history: ProjectFiles, upgrade: str, problem: str
) -> None:
    history.add_revision("c", "b", upgrade="op.execute(\"CREATE TYPE mood AS ENUM ('ok')\")")
    history.add_revision("d", "c", upgrade=upgrade)

    with pytest.raises(
        MigrationFailed, match=rf"^the upgrade of revision d \(d\) failed: {problem}: "
    ):
        apply_migrations(postgresql_url, config=history.ini)

    assert heads(postgresql_url) == ["c"]


def test_revision_id_too_long_for_the_version_table_fails_its_revision(
    postgresql_url: URL, history: ProjectFiles
) -> None:
    name = "c" * 40
    history.add_table(name, "b", "third")

    with pytest.raises(MigrationFailed, match="StringDataRightTruncation") as raised:
        apply_migrations(postgresql_url, config=history.ini)

    assert raised.value.revision == name
    assert tables(postgresql_url) == {"alembic_version", "first", "second"}


@pytest.mark.parametrize(
    "upgrade",
    [
        "op.get_bind().commit()",
        "op.get_bind().rollback()",
        'op.execute("COMMIT")',
        'op.execute("ROLLBACK")',
    ],
)
def test_revision_that_ends_its_transaction_does_not_stop_the_next(
    database_url: URL, history: ProjectFiles, upgrade: str
) -> None:
    history.add_revision("c", "b", upgrade=upgrade)
    history.add_table("d", "c", "fourth")

    report = apply_migrations(database_url, config=history.ini)

    assert report.after == ("d",)
    assert heads(database_url) == ["d"]
    assert tables(database_url) == {"alembic_version", "first", "second", "fourth"}


def test_revision_that_closes_the_connection_fails(
    database_url: URL, history: ProjectFiles
) -> None:
    history.add_revision("c", "b", upgrade="op.get_bind().close()")

    with pytest.raises(MigrationFailed) as raised:
        apply_migrations(database_url, config=history.ini)

    assert raised.value.message == (
        "the upgrade of revision c (c) failed: ResourceClosedError: This Connection is closed"
    )
    assert heads(database_url) == ["b"]


@pytest.mark.parametrize("setting", ["search_path = pg_temp", "ROLE pg_monitor"])
def test_revision_that_changes_its_session_fails_and_is_undone(
    postgresql_url: URL, history: ProjectFiles, setting: str
) -> None:
    history.add_revision("c", "b", upgrade=f'op.execute("SET {setting}")')

    with pytest.raises(MigrationFailed) as raised:
        apply_migrations(postgresql_url, config=history.ini)

    assert (raised.value.revision, raised.value.applied) == ("c", ("a", "b"))
    assert heads(postgresql_url) == ["b"]


def test_env_py_that_rolls_back_is_not_taken_for_success(
    database_url: URL, history: ProjectFiles
) -> None:
    history.write_env(
        "from alembic import context\n"
        'connection = context.config.attributes["connection"]\n'
        "with connection.begin() as outer:\n"
        "    context.configure(connection=connection)\n"
        "    context.run_migrations()\n"
        "    outer.rollback()\n"
    )

    with pytest.raises(NotAtTarget):
        apply_migrations(database_url, config=history.ini)

    assert heads_or_none(database_url) == []


def test_writer_in_the_way_is_an_error_and_changes_nothing(
    sqlite_url: URL, history: ProjectFiles
) -> None:
    apply_migrations(sqlite_url, config=history.ini, target="a")
    impatient = sqlite_url.update_query_dict({"timeout": "0"})

    with create_engine(sqlite_url, poolclass=NullPool).connect() as writer:
        writer.exec_driver_sql("BEGIN IMMEDIATE")
        with pytest.raises(EnvironmentFault) as raised:
            apply_migrations(impatient, config=history.ini)

    assert str(raised.value) == (
        f"{history.env} failed: OperationalError: database is locked\n"
        "  No migration was run by it.\n"
        "  help: see the error it was caused by; `alembic current` should show the same."
    )
    assert heads(sqlite_url) == ["a"]


def test_settings_of_the_server_hold_in_the_migrations(
    postgresql_url: URL, history: ProjectFiles
) -> None:
    ask(postgresql_url, f"ALTER DATABASE {postgresql_url.database} SET lock_timeout = '1234ms'")
    history.add_revision(
        "c",
        "b",
        upgrade="op.execute(\"CREATE TABLE seen AS SELECT current_setting('lock_timeout') AS t\")",
    )

    apply_migrations(postgresql_url, config=history.ini)

    assert ask(postgresql_url, "SELECT t FROM seen") == [("1234ms",)]


# -- passwords


@pytest.fixture
def guarded_url(postgresql_url: URL) -> Iterator[URL]:
    """A database whose server asks one role for its password."""
    role = "guarded_" + str(postgresql_url.database)
    engine = create_engine(postgresql_url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        quoted = PASSWORD.replace("'", "''")
        connection.exec_driver_sql(
            f"CREATE ROLE {role} LOGIN SUPERUSER PASSWORD '{quoted}'".replace("%", "%%")
        )
        # One at a time: several processes may run these tests on one server.
        connection.exec_driver_sql("SELECT pg_advisory_lock(4712)")
        rewrite_access_rules(connection, add=f"local all {role} scram-sha-256")
        connection.exec_driver_sql("SELECT pg_advisory_unlock(4712)")
    url = postgresql_url.set(username=role, password=PASSWORD)
    wait_until(lambda: is_refused(url.set(password="wrong")))
    yield url
    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT pg_advisory_lock(4712)")
        rewrite_access_rules(connection, remove=role)
        connection.exec_driver_sql(f"REASSIGN OWNED BY {role} TO CURRENT_USER")
        connection.exec_driver_sql(f"DROP ROLE {role}")


def test_password_of_any_characters_is_used_and_never_shown(
    guarded_url: URL, history: ProjectFiles, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    report = apply_migrations(guarded_url, config=history.ini)
    as_text = apply_migrations(
        guarded_url.render_as_string(hide_password=False), config=history.ini
    )

    assert [report.action, as_text.action] == [Action.CREATED, Action.UP_TO_DATE]
    assert_masked(repr(report), str(report), report.database, caplog.text)


def test_wrong_password_is_unreachable_and_never_shown(
    guarded_url: URL, history: ProjectFiles, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    url = guarded_url.set(password=PASSWORD + "x")

    with pytest.raises(DatabaseUnreachable) as raised:
        apply_migrations(url, config=history.ini)

    error = raised.value
    assert str(error) == (
        f"{url.render_as_string()} cannot be reached: {first_line(error.__cause__)}\n"
        "  Nothing was changed.\n"
        "  help: see that the server runs, and that host, port, user and password are right."
    )
    assert "password authentication failed" in str(error)
    assert_masked(
        repr(error), repr(error.args), "".join(traceback.format_exception(error)), caplog.text
    )


def test_password_of_failing_migrations_is_never_shown(
    guarded_url: URL, history: ProjectFiles, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    history.add_revision("c", "b", upgrade='op.execute("SELECT nothing")')

    with pytest.raises(MigrationFailed) as failed:
        apply_migrations(guarded_url, config=history.ini)
    ask(guarded_url, "DELETE FROM alembic_version")
    with pytest.raises(UnmanagedDatabase) as unmanaged:
        apply_migrations(guarded_url, config=history.ini)
    with migration_lock(guarded_url), pytest.raises(LockTimeout) as locked:
        apply_migrations(guarded_url, config=history.ini, lock_timeout=0)

    for raised in (failed, unmanaged, locked):
        assert_masked(repr(raised.value), "".join(traceback.format_exception(raised.value)))
    assert_masked(caplog.text)


# -- the process around it


def test_process_is_left_as_it_was(
    database_url: URL, history: ProjectFiles, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    history.write_env(
        "import logging.config\n"
        'logging.config.dictConfig({"version": 1, "root": {"level": "ERROR"}})\n'
        + history.env.read_text()
    )
    logger = logging.getLogger("shop")
    handler = logging.NullHandler()
    logger.addHandler(handler)
    monkeypatch.chdir(tmp_path)
    before = surroundings()

    apply_migrations(database_url, config=history.ini)

    assert surroundings() == before
    assert not logger.disabled
    assert logger.handlers == [handler]
    logger.removeHandler(handler)


def test_failing_call_leaves_the_process_as_it_was(
    database_url: URL, history: ProjectFiles
) -> None:
    history.add_revision("c", "b", upgrade="raise ValueError")
    before = surroundings()

    with pytest.raises(MigrationFailed):
        apply_migrations(database_url, config=history.ini)

    assert surroundings() == before


def test_nothing_stays_connected(postgresql_url: URL, history: ProjectFiles) -> None:
    apply_migrations(postgresql_url, config=history.ini)
    apply_migrations(postgresql_url, config=history.ini)

    wait_until(
        lambda: (
            ask(
                postgresql_url,
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()",
            )
            == [(1,)]
        )
    )


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
def test_fresh_interpreter_imports_only_what_it_needs(
    request: pytest.FixtureRequest, history: ProjectFiles, backend: str
) -> None:
    databases: Databases = request.getfixturevalue(f"{backend}_databases")
    snippet = (
        "import json, sys\n"
        "import alembic_assay\n"
        "lean = sorted(m for m in ('alembic', 'sqlalchemy') if m in sys.modules)\n"
        "alembic_assay.apply_migrations(sys.argv[1], config=sys.argv[2])\n"
        "found = [m for m in ('_pytest', 'psycopg', 'pytest', 'rich') if m in sys.modules]\n"
        "print(json.dumps([lean, found]))\n"
    )

    with databases.temporary() as url:
        text = url.render_as_string(hide_password=False)
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", snippet, text, str(history.ini)],
            capture_output=True,
            text=True,
            check=False,
        )

    assert done.stderr == ""
    assert json.loads(done.stdout) == [[], [] if backend == "sqlite" else ["psycopg"]]


# -- event loops


def test_call_inside_a_running_loop_works(database_url: URL, history: ProjectFiles) -> None:
    async def main() -> MigrationReport:
        return apply_migrations(database_url, config=history.ini)

    assert asyncio.run(main()).action == Action.CREATED


def test_call_inside_a_running_loop_works_with_an_async_env_py(
    database_url: URL, history: ProjectFiles
) -> None:
    history.write_env(ASYNC_ENV)

    async def main() -> MigrationReport:
        return apply_migrations(database_url, config=history.ini)

    assert asyncio.run(main()).action == Action.CREATED
    assert tables(database_url) == {"alembic_version", "first", "second"}


@pytest.mark.parametrize("env", [None, ASYNC_ENV], ids=["sync env.py", "async env.py"])
@pytest.mark.parametrize("driver", ["sqlite+aiosqlite", "postgresql+asyncpg"])
def test_async_call_with_async_url_reports_in_full(
    request: pytest.FixtureRequest, history: ProjectFiles, driver: str, env: str | None
) -> None:
    history.write_env(env)
    databases: Databases = request.getfixturevalue(f"{driver.split('+', maxsplit=1)[0]}_databases")

    with databases.temporary() as own:
        url = own.set(drivername=driver)
        report = asyncio.run(async_apply_migrations(url, config=history.ini))
        found = tables(own)

    assert timeless(report) == MigrationReport(
        url.render_as_string(), Action.CREATED, (), ("b",), ("a", "b")
    )
    assert found == {"alembic_version", "first", "second"}


def test_async_call_raises_what_the_other_does(database_url: URL, history: ProjectFiles) -> None:
    history.add_revision("c", "b", upgrade="raise ValueError")

    with pytest.raises(MigrationFailed) as raised:
        asyncio.run(async_apply_migrations(database_url, config=history.ini))

    assert raised.value.applied == ("a", "b")


def test_async_call_lets_the_loop_go_on(
    database_url: URL, history: ProjectFiles, tmp_path: Path
) -> None:
    gate = Gate(tmp_path)
    history.add_revision("c", "b", upgrade=gate.code)

    async def main() -> MigrationReport:
        migrating = asyncio.create_task(async_apply_migrations(database_url, config=history.ini))
        await until(gate.reached.exists)
        # The migration waits for what only this loop can do.
        gate.open()
        return await migrating

    assert asyncio.run(main()).applied == ("a", "b", "c")


def test_async_call_cancelled_while_waiting_migrates_nothing(
    database_url: URL, history: ProjectFiles, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async def main() -> None:
        waiting = asyncio.create_task(
            async_apply_migrations(database_url, config=history.ini, lock_timeout=None)
        )
        await until(lambda: "waiting for the" in caplog.text)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        del waiting
        gc.collect()

    with migration_lock(database_url):
        asyncio.run(main())

    assert tables(database_url) == set()
    assert "never retrieved" not in caplog.text
    assert apply_migrations(database_url, config=history.ini, lock_timeout=0).action == "created"


def test_async_call_cancelled_while_migrating_ends_with_the_migration(
    database_url: URL, history: ProjectFiles, tmp_path: Path
) -> None:
    gate = Gate(tmp_path)
    history.add_revision("c", "b", upgrade=gate.code)

    async def main() -> None:
        migrating = asyncio.create_task(async_apply_migrations(database_url, config=history.ini))
        await until(gate.reached.exists)
        migrating.cancel()
        await asyncio.wait([migrating], timeout=0.05)
        assert not migrating.done()
        gate.open()
        with pytest.raises(asyncio.CancelledError):
            await migrating
        # At once, and not a little later.
        assert heads(database_url) == ["c"]

    asyncio.run(main())


async def until(condition: Callable[[], object]) -> None:
    await asyncio.to_thread(wait_until, condition)


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
