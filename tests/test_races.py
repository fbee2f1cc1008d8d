"""Many processes and threads on one database; some are killed half-way."""

from __future__ import annotations

import re
import signal
import textwrap
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool
from tests.processes import (
    Answer,
    Child,
    Children,
    Gate,
    apply,
    ask,
    heads,
    missing_database,
    tables,
    wait_until,
)

from alembic_assay.databases import Databases
from alembic_assay.exceptions import LockLost, LockTimeout
from alembic_assay.locking import migration_lock
from alembic_assay.migrate import Action, apply_migrations

if TYPE_CHECKING:
    from tests.conftest import ProjectFiles

PROCESSES = 8
KEY = -2312736347081022402
"""The advisory lock of the histories whose version table has its usual name."""

TABLES = {"first", "counter", "last", "alembic_version"}


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path)


@pytest.fixture
def history(project_files: ProjectFiles) -> ProjectFiles:
    """Four revisions, one of which counts how often it was run."""
    return write_history(project_files)


def write_history(files: ProjectFiles, *, door: str = "") -> ProjectFiles:
    files.add_table("a", None, "first")
    files.add_revision(
        "b",
        "a",
        upgrade='op.create_table("counter", sa.Column("n", sa.Integer))\n'
        'op.execute("INSERT INTO counter VALUES (0)")',
    )
    files.add_revision("c", "b", upgrade='op.execute("UPDATE counter SET n = n + 1")\n' + door)
    files.add_table("d", "c", "last")
    return files


def start_at_gate(children: Children, url: URL, files: ProjectFiles, gate: Gate) -> Child:
    """Return a process that stands in the middle of revision c."""
    write_history(files, door=gate.code)
    child = children.start(apply, url, config=str(files.ini))
    gate.wait()
    return child


def test_eight_processes_on_empty_database_one_applies_all_and_all_return_at_head(
    database_url: URL, history: ProjectFiles, children: Children
) -> None:
    racing = children.race(PROCESSES, apply, database_url, config=str(history.ini))

    results = [child.result() for child in racing]

    assert actions(results) == ["created"] + ["up to date"] * 7
    assert [result["applied"] for result in results if result["applied"]] == [["a", "b", "c", "d"]]
    assert all(result["after"] == ["d"] for result in results)
    assert all(result["tables"] == ["counter", "first", "last"] for result in results)
    assert ask(database_url, "SELECT n FROM counter") == [(1,)]


def test_eight_processes_on_missing_database_one_creates_it_and_all_return_at_head(
    databases: Databases, history: ProjectFiles, children: Children
) -> None:
    with missing_database(databases) as url:
        racing = children.race(PROCESSES, apply, url, config=str(history.ini))

        results = [child.result() for child in racing]

    assert actions(results) == ["created"] + ["up to date"] * 7
    assert all(result["after"] == ["d"] for result in results)


def test_eight_processes_on_database_behind_one_upgrades_it(
    database_url: URL, history: ProjectFiles, children: Children
) -> None:
    apply_migrations(database_url, config=history.ini, target="b")
    racing = children.race(PROCESSES, apply, database_url, config=str(history.ini))

    results = [child.result() for child in racing]

    assert actions(results) == ["up to date"] * 7 + ["upgraded"]
    assert [result["applied"] for result in results if result["applied"]] == [["c", "d"]]
    assert all(result["after"] == ["d"] for result in results)
    assert ask(database_url, "SELECT n FROM counter") == [(1,)]


def test_eight_processes_winner_killed_half_way_another_finishes(
    database_url: URL, project_files: ProjectFiles, children: Children, gate: Gate
) -> None:
    winner = start_at_gate(children, database_url, project_files, gate)
    racing = children.race(PROCESSES - 1, apply, database_url, config=str(project_files.ini))
    for child in racing:
        child.wait_until_it_waits()

    gate.remove()
    ended = winner.kill(signal.SIGKILL)
    results = [child.result() for child in racing]

    assert ended == -signal.SIGKILL
    assert actions(results) == ["up to date"] * 6 + ["upgraded"]
    # The revisions before the one that was interrupted had stayed; that one was undone.
    assert [result["applied"] for result in results if result["applied"]] == [["c", "d"]]
    assert all(result["after"] == ["d"] for result in results)
    assert ask(database_url, "SELECT n FROM counter") == [(1,)]


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
def test_winner_ended_politely_half_way_the_waiting_one_finishes(
    database_url: URL, project_files: ProjectFiles, children: Children, gate: Gate, by: int
) -> None:
    winner = start_at_gate(children, database_url, project_files, gate)
    waiting = children.start(apply, database_url, config=str(project_files.ini))
    waiting.wait_until_it_waits()

    gate.remove()
    ended = winner.kill(by)
    result = waiting.result()

    # Python ends with 1 on KeyboardInterrupt.
    assert ended == (1 if by == signal.SIGINT else -by)
    assert result["applied"] == ["c", "d"]
    assert ask(database_url, "SELECT n FROM counter") == [(1,)]


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGINT])
def test_process_killed_while_waiting_leaves_the_others_alone(
    database_url: URL, project_files: ProjectFiles, children: Children, gate: Gate, by: int
) -> None:
    winner = start_at_gate(children, database_url, project_files, gate)
    waiting = children.start(apply, database_url, config=str(project_files.ini))
    waiting.wait_until_it_waits()

    ended = waiting.kill(by)
    gate.open()

    assert ended == (1 if by == signal.SIGINT else -by)
    assert winner.result()["action"] == "created"
    assert not waiting.answer.exists()


def test_loser_returns_only_when_the_winner_is_done(
    database_url: URL, project_files: ProjectFiles, children: Children, gate: Gate
) -> None:
    winner = start_at_gate(children, database_url, project_files, gate)
    loser = children.start(apply, database_url, config=str(project_files.ini), lock_timeout=None)
    loser.wait_until_it_waits()

    gate.open()
    won, lost = winner.result(), loser.result()

    assert won["action"] == "created"
    assert lost == {
        "action": "up to date",
        "before": ["d"],
        "after": ["d"],
        "applied": [],
        "tables": ["counter", "first", "last"],
    }


def test_eight_threads_on_one_database_one_applies_all(
    database_url: URL, history: ProjectFiles
) -> None:
    with ThreadPoolExecutor(8) as threads:
        calls = [
            threads.submit(apply_migrations, database_url, config=history.ini) for _ in range(8)
        ]
        reports = [call.result() for call in calls]

    assert sorted(report.action for report in reports) == [Action.CREATED] + [Action.UP_TO_DATE] * 7
    assert {report.after for report in reports} == {("d",)}
    assert ask(database_url, "SELECT n FROM counter") == [(1,)]


def test_eight_threads_on_eight_databases_each_applies_all(
    databases: Databases, history: ProjectFiles
) -> None:
    with ExitStack() as stack:
        urls = [stack.enter_context(databases.temporary()) for _ in range(8)]
        with ThreadPoolExecutor(8) as threads:
            reports = list(threads.map(lambda url: apply_migrations(url, config=history.ini), urls))
        counters = [ask(url, "SELECT n FROM counter") for url in urls]
        found = [tables(url) for url in urls]

    assert [report.database for report in reports] == [url.render_as_string() for url in urls]
    assert {report.applied for report in reports} == {("a", "b", "c", "d")}
    assert counters == [[(1,)]] * 8
    assert found == [TABLES] * 8


def test_two_versions_of_the_code_the_older_one_refuses_the_newer_database(
    database_url: URL, history: ProjectFiles, children: Children
) -> None:
    older = children.race(4, apply, database_url, config=str(history.ini), target="b")
    newer = children.start(apply, database_url, config=str(history.ini))

    done = actions([child.result() for child in (*older, newer)])

    assert done[:2] == ["created", "up to date"]
    assert heads(database_url) == ["d"]
    assert ask(database_url, "SELECT n FROM counter") == [(1,)]


# -- waiting


def test_lock_timeout_on_sqlite_names_the_lock_and_changes_nothing(
    sqlite_databases: Databases, project_files: ProjectFiles, children: Children, gate: Gate
) -> None:
    with sqlite_databases.temporary() as url:
        winner = start_at_gate(children, url, project_files, gate)
        before = tables(url)

        with pytest.raises(LockTimeout) as raised:
            apply_migrations(url, config=project_files.ini, lock_timeout=0)
        between = tables(url)
        gate.open()
        winner.result()
        report = apply_migrations(url, config=project_files.ini, lock_timeout=0)

    assert without_duration(raised.value) == (
        f"the file lock {url.database}.migrate.lock was not free within … s; it is held by"
        " another process\n"
        "  Another process is migrating this database, or hangs; nothing was changed by this one.\n"
        "  help: wait for it, or end it: the lock ends with its process; a longer wait is"
        " lock_timeout=SECONDS."
    )
    assert isinstance(raised.value, TimeoutError)
    assert before == between == {"alembic_version", "first", "counter"}
    assert report.action == Action.UP_TO_DATE


def test_lock_timeout_on_postgresql_names_the_holder_and_changes_nothing(
    postgresql_url: URL, project_files: ProjectFiles, children: Children, gate: Gate
) -> None:
    named = postgresql_url.update_query_dict({"application_name": "shop"})
    winner = start_at_gate(children, named, project_files, gate)
    before = tables(postgresql_url)
    ((pid, since),) = ask(
        postgresql_url,
        "SELECT pid, backend_start::timestamp(0) FROM pg_stat_activity"
        " WHERE application_name = 'shop' AND datname = current_database()"
        " AND state = 'idle in transaction'",
    )

    with pytest.raises(LockTimeout) as raised:
        apply_migrations(postgresql_url, config=project_files.ini, lock_timeout=0)
    between = tables(postgresql_url)
    gate.open()
    winner.result()
    report = apply_migrations(postgresql_url, config=project_files.ini, lock_timeout=0)

    # The number must stay as it is, so that two versions of the toolkit exclude each other.
    assert without_duration(raised.value) == (
        f"the advisory lock {KEY} was not free within … s; it is held by server process {pid}"
        f" (shop, from this host, since {since})\n"
        "  Another process is migrating this database, or hangs; nothing was changed by this one.\n"
        "  help: wait for it, or end it: the lock ends with its process; a longer wait is"
        " lock_timeout=SECONDS."
    )
    assert before == between == {"alembic_version", "first", "counter"}
    assert report.action == Action.UP_TO_DATE


def test_lock_timeout_on_empty_database_leaves_it_empty(
    database_url: URL, history: ProjectFiles
) -> None:
    with migration_lock(database_url), pytest.raises(LockTimeout):
        apply_migrations(database_url, config=history.ini, lock_timeout=0.05)

    assert tables(database_url) == set()
    assert apply_migrations(database_url, config=history.ini).action == Action.CREATED


@pytest.mark.parametrize("content", [b"", b"4194304\n", b"\x00garbage"], ids=["empty", "pid", "x"])
def test_stale_lock_file_is_no_lock(
    sqlite_databases: Databases, history: ProjectFiles, content: bytes
) -> None:
    with sqlite_databases.temporary() as url:
        stale = Path(f"{url.database}.migrate.lock")
        stale.write_bytes(content)

        report = apply_migrations(url, config=history.ini, lock_timeout=0)

        assert report.action == Action.CREATED
        assert stale.exists()


@pytest.mark.parametrize("spelling", ["relative", "dots", "folder link", "file link", "uri"])
def test_one_sqlite_file_by_another_path_has_the_same_lock(
    tmp_path: Path, history: ProjectFiles, monkeypatch: pytest.MonkeyPatch, spelling: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "app.db").touch()
    (tmp_path / "folder").symlink_to("data")
    (tmp_path / "link.db").symlink_to("data/app.db")
    other = {
        "relative": "sqlite:///data/app.db",
        "dots": f"sqlite:///{tmp_path}/project/../data/app.db",
        "folder link": f"sqlite:///{tmp_path}/folder/app.db",
        "file link": f"sqlite:///{tmp_path}/link.db",
        "uri": f"sqlite:///file:{tmp_path}/data/app.db?uri=true",
    }[spelling]

    with (
        migration_lock(f"sqlite:///{tmp_path}/data/app.db"),
        pytest.raises(LockTimeout, match=r"data/app\.db\.migrate\.lock was not free"),
    ):
        apply_migrations(other, config=history.ini, lock_timeout=0)

    assert apply_migrations(other, config=history.ini, lock_timeout=0).action == Action.CREATED
    assert tables(URL.create("sqlite", database=str(tmp_path / "data" / "app.db"))) == TABLES


def test_lock_of_one_database_leaves_another_free(
    databases: Databases, history: ProjectFiles
) -> None:
    with databases.temporary() as one, databases.temporary() as other, migration_lock(one):
        report = apply_migrations(other, config=history.ini, lock_timeout=0)

    assert report.action == Action.CREATED


# -- what the holder does to its lock


def test_fork_of_a_killed_holder_does_not_keep_the_file_lock(
    sqlite_databases: Databases, project_files: ProjectFiles, children: Children, tmp_path: Path
) -> None:
    parent, child = Gate(tmp_path), Gate(tmp_path)
    fork = f"import os, signal\nif os.fork() == 0:\n{indented(child.code)}    os._exit(0)\n"
    guarded = f"import pathlib\nif pathlib.Path({str(child.fifo)!r}).exists():\n{indented(fork)}"
    write_history(project_files, door=guarded + parent.code)

    with sqlite_databases.temporary() as url:
        holder = children.start(apply, url, config=str(project_files.ini))
        parent.wait()
        child.wait()
        parent.remove()
        holder.kill(signal.SIGKILL)
        project_files_after = write_history(project_files)
        report = apply_migrations(url, config=project_files_after.ini, lock_timeout=0)
        child.open()

    assert report.applied == ("c", "d")


def test_long_statement_of_a_killed_client_keeps_the_lock(
    postgresql_url: URL, project_files: ProjectFiles, children: Children
) -> None:
    long = 'op.execute("SELECT pg_advisory_lock(4711)")'
    running = (
        "SELECT pid FROM pg_stat_activity WHERE wait_event = 'advisory'"
        " AND datname = current_database()"
    )
    write_history(project_files, door=long)
    engine = create_engine(postgresql_url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as stopper:
        stopper.exec_driver_sql("SELECT pg_advisory_lock(4711)")
        holder = children.start(apply, postgresql_url, config=str(project_files.ini))
        wait_until(lambda: ask(postgresql_url, running))
        ((pid,),) = ask(postgresql_url, running)
        holder.kill(signal.SIGKILL)

        with pytest.raises(LockTimeout) as raised:
            apply_migrations(postgresql_url, config=project_files.ini, lock_timeout=0)
    report = apply_migrations(postgresql_url, config=project_files.ini)

    assert f"it is held by server process {pid} (" in str(raised.value)
    assert report.applied == ("c", "d")
    assert ask(postgresql_url, "SELECT n FROM counter") == [(1,)]


def test_session_ended_by_the_server_between_revisions_stops_before_the_next(
    postgresql_url: URL, project_files: ProjectFiles, tmp_path: Path
) -> None:
    done = tmp_path / "done"
    files = write_history(
        project_files, door=f"import pathlib\npathlib.Path({str(done)!r}).touch()"
    )
    ended: list[int] = []

    def end_session(connection: Connection) -> None:
        # The first transaction behind the one of revision c.
        if done.exists() and not ended:
            driver: Any = connection.connection.driver_connection
            ended.append(driver.info.backend_pid)
            ask(postgresql_url, f"SELECT pg_terminate_backend({ended[0]}, 10000)")

    event.listen(Engine, "begin", end_session)
    try:
        with pytest.raises(LockLost) as raised:
            apply_migrations(postgresql_url, config=files.ini)
    finally:
        event.remove(Engine, "begin", end_session)

    assert str(raised.value) == (
        f"the advisory lock {KEY} was lost before revision d\n"
        "  Another process may migrate now, so this one stopped; the revisions before it stay"
        " applied: a, b, c.\n"
        "  help: see whether the server ended the session, or a revision released all its locks;"
        " then start again."
    )
    assert heads(postgresql_url) == ["c"]
    assert apply_migrations(postgresql_url, config=files.ini).applied == ("d",)


def test_session_ended_by_the_server_within_a_revision_undoes_it(
    postgresql_url: URL, project_files: ProjectFiles, children: Children, gate: Gate
) -> None:
    winner = start_at_gate(children, postgresql_url, project_files, gate)

    ask(
        postgresql_url,
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    gate.open()
    result = winner.result()
    report = apply_migrations(postgresql_url, config=project_files.ini)

    assert result["error"] == "MigrationFailed"
    assert report.applied == ("c", "d")
    assert ask(postgresql_url, "SELECT n FROM counter") == [(1,)]


@pytest.mark.parametrize("statement", ["SELECT pg_advisory_unlock_all()", "DISCARD ALL"])
def test_revision_that_releases_all_locks_stops_the_next(
    postgresql_url: URL, project_files: ProjectFiles, statement: str
) -> None:
    files = write_history(
        project_files,
        door=f'with op.get_context().autocommit_block():\n    op.execute("{statement}")',
    )

    with pytest.raises(LockLost, match="was lost before revision d"):
        apply_migrations(postgresql_url, config=files.ini)

    assert heads(postgresql_url) == ["c"]
    assert tables(postgresql_url) == TABLES - {"last"}


def test_last_revision_that_releases_all_locks_is_an_error(
    postgresql_url: URL, project_files: ProjectFiles
) -> None:
    project_files.add_revision("a", upgrade='op.execute("SELECT pg_advisory_unlock_all()")')

    with pytest.raises(LockLost) as raised:
        apply_migrations(postgresql_url, config=project_files.ini)

    assert str(raised.value) == (
        f"the advisory lock {KEY} was not held any more when it was to be released\n"
        "  Another process may have migrated at the same time.\n"
        "  help: see whether the server ended the session, or a migration calls"
        " pg_advisory_unlock_all() or DISCARD ALL."
    )


@pytest.mark.parametrize("isolation", ["read committed", "repeatable read"])
def test_index_made_concurrently_is_finished_while_others_wait(
    postgresql_url: URL,
    project_files: ProjectFiles,
    children: Children,
    gate: Gate,
    isolation: str,
) -> None:
    # A waiter inside a transaction, or one that waits in the server, would be waited for in turn.
    ask(
        postgresql_url,
        f"ALTER DATABASE {postgresql_url.database}"
        f" SET default_transaction_isolation = '{isolation}'",
    )
    write_history(
        project_files,
        door=gate.code
        + "with op.get_context().autocommit_block():\n"
        + '    op.create_index("n_index", "counter", ["n"], postgresql_concurrently=True)',
    )
    holder = children.start(apply, postgresql_url, config=str(project_files.ini))
    gate.wait()
    waiting = children.race(2, apply, postgresql_url, config=str(project_files.ini))
    for child in waiting:
        child.wait_until_it_waits()

    gate.open()
    done = actions([child.result() for child in (holder, *waiting)])

    assert done == ["created", "up to date", "up to date"]
    assert ask(
        postgresql_url, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'n_index'::regclass"
    ) == [(True,)]


def test_waiting_is_not_cut_short_by_the_timeouts_of_the_server(
    postgresql_url: URL, project_files: ProjectFiles, children: Children, gate: Gate
) -> None:
    winner = start_at_gate(children, postgresql_url, project_files, gate)
    for setting in ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout"):
        ask(postgresql_url, f"ALTER DATABASE {postgresql_url.database} SET {setting} = '50ms'")
    loser = children.start(apply, postgresql_url, config=str(project_files.ini))
    loser.wait_until_it_waits()
    asked_often = (
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle'"
        " AND query_start > backend_start + interval '200 ms'"
    )
    wait_until(lambda: ask(postgresql_url, asked_often))

    gate.open()
    winner.result()

    assert loser.result()["action"] == "up to date"


def actions(results: list[Answer]) -> list[str]:
    """Return what the processes did, or the message of their error."""
    return sorted(result.get("action") or result["message"] for result in results)


def without_duration(error: Exception) -> str:
    return re.sub(r"within \d+\.\d s", "within … s", str(error))


def indented(code: str) -> str:
    return textwrap.indent(code, "    ")
