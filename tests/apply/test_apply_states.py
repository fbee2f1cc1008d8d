"""What apply_migrations does with a database in each state."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import URL, create_engine
from sqlalchemy.pool import NullPool
from tests.processes import (
    Children,
    apply_as_nobody,
    ask,
    heads,
    tables,
)
from tests.states import (
    PASSWORD,
    assert_masked,
    models,
    read_only_database,
    readable,
)

from alembic_assay.exceptions import (
    DatabaseAhead,
    DatabaseUnreachable,
    MigrationFailed,
    NotADatabase,
    UnmanagedDatabase,
    UsageError,
    first_line,
)
from alembic_assay.locking import migration_lock
from alembic_assay.migrate import (
    Action,
    apply_migrations,
)

if TYPE_CHECKING:
    from tests.conftest import ProjectFiles


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
        "mysql": "SELECT * FROM alembic_version FOR UPDATE",
    }[database_url.get_backend_name()]

    with create_engine(database_url, poolclass=NullPool).connect() as writer:
        writer.exec_driver_sql(writing)
        report = apply_migrations(database_url, config=history.ini)

    assert report.action == Action.UP_TO_DATE
