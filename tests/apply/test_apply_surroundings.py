"""What apply_migrations does to the process around it, in event loops, with passwords."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import URL, create_engine
from sqlalchemy.pool import NullPool
from tests.processes import (
    Gate,
    ask,
    heads,
    tables,
    wait_until,
)
from tests.states import (
    ASYNC_ENV,
    PASSWORD,
    assert_masked,
    is_refused,
    rewrite_access_rules,
    surroundings,
    timeless,
)

from alembic_assay.databases import Databases
from alembic_assay.exceptions import (
    DatabaseUnreachable,
    LockTimeout,
    MigrationFailed,
    UnmanagedDatabase,
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


@pytest.mark.parametrize("backend", ["sqlite", "postgresql", "mysql"])
def test_fresh_interpreter_imports_only_what_it_needs(
    request: pytest.FixtureRequest, history: ProjectFiles, backend: str
) -> None:
    databases: Databases = request.getfixturevalue(f"{backend}_databases")
    snippet = (
        "import json, sys\n"
        "import alembic_assay\n"
        "lean = sorted(m for m in ('alembic', 'sqlalchemy') if m in sys.modules)\n"
        "alembic_assay.apply_migrations(sys.argv[1], config=sys.argv[2])\n"
        "names = ('_pytest', 'psycopg', 'pymysql', 'pytest', 'rich')\n"
        "print(json.dumps([lean, [m for m in names if m in sys.modules]]))\n"
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
    drivers = {"sqlite": [], "postgresql": ["psycopg"], "mysql": ["pymysql"]}
    assert json.loads(done.stdout) == [[], drivers[backend]]


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
@pytest.mark.parametrize("driver", ["sqlite+aiosqlite", "postgresql+asyncpg", "mysql+aiomysql"])
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
