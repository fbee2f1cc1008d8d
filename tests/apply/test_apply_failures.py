"""What apply_migrations leaves behind when a revision fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import URL, create_engine
from sqlalchemy.pool import NullPool
from tests.processes import (
    ask,
    heads,
    tables,
)
from tests.states import (
    heads_or_none,
    with_transactional_ddl,
)

from alembic_assay.exceptions import (
    EnvironmentFault,
    MigrationFailed,
    NotAtTarget,
)
from alembic_assay.migrate import (
    Action,
    apply_migrations,
)

if TYPE_CHECKING:
    from tests.conftest import ProjectFiles


@with_transactional_ddl
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


@with_transactional_ddl
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
        "mysql": 'op.execute("OPTIMIZE TABLE first")',
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


@with_transactional_ddl
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
