"""Databases on a PostgreSQL server: their settings, what was written in them, who may do what."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import URL, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool
from tests.processes import ask, tables, wait_until

from alembic_assay.databases import Databases, open_databases
from alembic_assay.dialects import Note
from alembic_assay.dialects.postgresql.databases import PostgreSQLServer
from alembic_assay.exceptions import ServerUnavailable

SETTINGS = [
    ("timezone", "'Asia/Kathmandu'", "Asia/Kathmandu"),
    ("search_path", "''", '""'),
    ("search_path", '"$user", one, "two, and ""more""", public', None),
    ("application_name", "'it''s a \\ name'", "it's a \\ name"),
    ("my.setting", "'a=b'", "a=b"),
]
"""Name, value as it is set, and as it is shown; ``None`` where it is shown as it is set."""

SCHEMA = (
    "CREATE TABLE users (id serial PRIMARY KEY, name text)",
    "CREATE TABLE empty (id int)",
    "CREATE SEQUENCE unused",
    "INSERT INTO users (name) VALUES ('a'), ('b')",
)

READS = (
    "SELECT * FROM users",
    "SELECT currval('users_id_seq') FROM users WHERE false",
    "UPDATE users SET name = 'z' WHERE id = 99",
    "EXPLAIN DELETE FROM users",
    "SET timezone = 'UTC'",
)

CHANGES = {
    "insert": "INSERT INTO users (name) VALUES ('c')",
    "update": "UPDATE users SET name = 'c' WHERE id = 1",
    "delete": "DELETE FROM users WHERE id = 1",
    "table": "CREATE TABLE more (id int)",
    "column": "ALTER TABLE users ADD age int",
    "type": "CREATE TYPE mood AS ENUM ('good')",
    "comment": "COMMENT ON TABLE users IS 'people'",
    "drop": "DROP TABLE empty",
    "truncate": "TRUNCATE users",
    "truncate of an empty table": "TRUNCATE empty",
    "nextval": "SELECT nextval('users_id_seq')",
    "nextval of an unused sequence": "SELECT nextval('unused')",
    "setval": "SELECT setval('users_id_seq', 500)",
    "setval of what was given out": "SELECT setval('users_id_seq', 2, false)",
    "setval of an unused sequence": "SELECT setval('unused', 500, false)",
    "restart": "ALTER SEQUENCE unused RESTART WITH 7",
    "setting": "DO $$ BEGIN EXECUTE 'ALTER DATABASE ' || quote_ident(current_database())"
    " || ' SET timezone = ''Asia/Tokyo'''; END $$",
    "large object": "SELECT lo_create(0)",
}


@pytest.fixture
def user(postgresql_databases: Databases) -> Iterator[URL]:
    """The server's URL, with a user of this test's own, who may make no databases."""
    name = f"tester_{secrets.token_hex(4)}"
    ask(postgresql_databases.url, f"CREATE ROLE {name} LOGIN PASSWORD 's3cret'")
    yield postgresql_databases.url.set(username=name, password="s3cret")
    ask(postgresql_databases.url, f"DROP ROLE {name}")


@pytest.fixture
def clones(postgresql_databases: Databases, postgresql_url: URL) -> Iterator[list[URL]]:
    """Two clones of a database with a few rows."""
    for statement in SCHEMA:
        ask(postgresql_url, statement)
    clones = [postgresql_databases.clone(postgresql_url) for _ in range(2)]
    yield clones
    for url in clones:
        postgresql_databases.drop(url)


def setting(url: URL, name: str) -> str:
    ((value,),) = ask(url, f"SHOW {name}")
    return str(value)


def names(databases: Databases, owner: str) -> list[str | None]:
    """Return the databases on the server that are of an owner."""
    return [one.url.database for one in databases.server.own_databases() if one.owner == owner]


@pytest.mark.parametrize(("name", "value", "shown"), SETTINGS)
def test_setting_of_a_database_comes_along_into_its_clones(
    postgresql_databases: Databases, postgresql_url: URL, name: str, value: str, shown: str | None
) -> None:
    ask(postgresql_url, f"ALTER DATABASE {postgresql_url.database} SET {name} = {value}")

    clone = postgresql_databases.clone(postgresql_url)
    second = postgresql_databases.clone(clone)

    expected = shown or value
    assert [setting(url, name) for url in (postgresql_url, clone, second)] == [expected] * 3
    for url in (clone, second):
        postgresql_databases.drop(url)


def test_setting_that_we_may_not_make_is_an_error_that_leaves_no_clone(
    postgresql_databases: Databases, user: URL
) -> None:
    ask(postgresql_databases.url, f"ALTER ROLE {user.username} CREATEDB")

    with open_databases(user) as own:
        source = own.create()
        ask(
            postgresql_databases.url,
            f"ALTER DATABASE {source.database} SET log_min_messages = 'error'",
        )
        with pytest.raises(DBAPIError, match="permission denied to set parameter"):
            own.clone(source)

        assert names(own, own.server.owner) == [source.database]


def test_content_is_the_same_after_nothing_but_reading(
    postgresql_databases: Databases, clones: list[URL]
) -> None:
    untouched, read = clones

    for query in READS:
        ask(read, query)

    content = postgresql_databases.server.content(read)
    assert content == postgresql_databases.server.content(read)
    assert content == postgresql_databases.server.content(untouched)
    assert (content is None) == (server_version(postgresql_databases) < 15)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_content_differs_once_something_was_written(
    postgresql_databases: Databases, clones: list[URL], change: str
) -> None:
    require_content(postgresql_databases)
    untouched, written = clones

    ask(written, change)

    assert_differs(postgresql_databases, written, untouched)


def test_content_differs_after_an_insert_that_was_rolled_back(
    postgresql_databases: Databases, clones: list[URL]
) -> None:
    require_content(postgresql_databases)
    untouched, written = clones

    with create_engine(written, poolclass=NullPool).connect() as connection:
        connection.exec_driver_sql("INSERT INTO users (name) VALUES ('c')")
        connection.rollback()

    assert ask(written, "SELECT count(*) FROM users") == [(2,)]
    assert_differs(postgresql_databases, written, untouched)


def test_content_differs_after_what_a_forgotten_session_has_not_committed(
    postgresql_databases: Databases, clones: list[URL]
) -> None:
    require_content(postgresql_databases)
    untouched, written = clones

    with create_engine(written, poolclass=NullPool).connect() as forgotten:
        forgotten.exec_driver_sql("INSERT INTO users (name) VALUES ('c')")
        assert_differs(postgresql_databases, written, untouched)
        forgotten.invalidate()


def test_content_of_a_database_that_is_gone_or_closed_is_unknown(
    postgresql_databases: Databases, clones: list[URL]
) -> None:
    gone, closed = clones
    ask(postgresql_databases.url, f"DROP DATABASE {gone.database}")
    ask(postgresql_databases.url, f"ALTER DATABASE {closed.database} ALLOW_CONNECTIONS false")

    assert postgresql_databases.server.content(gone) is None
    assert postgresql_databases.server.content(closed) is None


def test_user_who_may_not_create_is_told_what_to_grant(
    postgresql_databases: Databases, user: URL
) -> None:
    with open_databases(user) as own, pytest.raises(ServerUnavailable) as raised:
        own.create()

    shown = user.render_as_string()
    assert str(raised.value) == (
        f"no database can be made on {shown}: InsufficientPrivilege: permission denied to create"
        " database\n"
        "  The checks and the fixtures need databases of their own; none was made.\n"
        "  help: give the user the right to: ALTER ROLE … CREATEDB"
    )
    assert names(postgresql_databases, own.server.owner) == []


def test_user_without_a_session_left_is_told_what_to_raise(
    postgresql_databases: Databases, user: URL
) -> None:
    ask(postgresql_databases.url, f"ALTER ROLE {user.username} CREATEDB CONNECTION LIMIT 1")

    with open_databases(user) as own:
        own.create()
        with pytest.raises(ServerUnavailable) as raised, own.server.lock("template"):
            pass

    shown = user.render_as_string()
    first, *further = str(raised.value).splitlines()
    assert first.startswith(f"no further session can be had on {shown}: OperationalError: ")
    assert "too many connections for role" in first
    assert further == [
        "  A process needs up to 4 of them, besides those of its tests.",
        "  help: raise max_connections of the server, or the limit of the user, or run fewer"
        " workers; if it does not run any more, start it.",
    ]
    assert "s3cret" not in str(raised.value)


def test_sealed_template_refuses_connections_and_drop(
    postgresql_databases: Databases, tmp_path: Path
) -> None:
    url = postgresql_databases.create()
    ask(url, "CREATE TABLE users (id int)")
    forgotten = create_engine(url, poolclass=NullPool).connect()
    forgotten.exec_driver_sql("SELECT 1")

    postgresql_databases.seal(url, Note.signed("template", str(tmp_path), "a fingerprint"))

    with pytest.raises(DBAPIError, match="terminating connection"):
        forgotten.exec_driver_sql("INSERT INTO users VALUES (1)")
    forgotten.close()
    with pytest.raises(DBAPIError, match="not currently accepting connections"):
        ask(url, "SELECT 1")
    with pytest.raises(DBAPIError, match="cannot drop a template database"):
        ask(postgresql_databases.url, f"DROP DATABASE {url.database} WITH (FORCE)")
    with postgresql_databases.temporary() as other:
        clone = postgresql_databases.clone(url)
        assert tables(clone) == {"users"}
        assert tables(other) == set()
    for each in (clone, url):
        postgresql_databases.drop(each)


def test_session_that_the_server_ended_is_opened_anew_and_its_owner_lives(
    postgresql_databases: Databases,
) -> None:
    with open_databases(postgresql_databases.url) as own:
        owner, kept = own.server.owner, own.create()
        end_sessions(postgresql_databases, owner)
        assert postgresql_databases.server.living({owner}) == set()

        assert own.server.living({owner}) == {owner}

        assert postgresql_databases.server.living({owner}) == {owner}
        with own.temporary() as url:
            assert names(own, owner) == sorted([kept.database or "", url.database or ""])
    assert names(postgresql_databases, owner) == []


def test_database_is_dropped_beside_a_connection_that_closes_at_that_moment(
    postgresql_databases: Databases,
) -> None:
    for _ in range(5):
        url = postgresql_databases.create()
        connection = create_engine(url, poolclass=NullPool).connect()
        connection.exec_driver_sql("SELECT 1")
        closing = threading.Thread(target=connection.close)

        closing.start()
        postgresql_databases.drop(url)

        closing.join()
        assert not postgresql_databases.backend.exists(url)


def test_database_whose_drop_was_cut_off_is_dropped_by_the_next_one(
    postgresql_databases: Databases,
) -> None:
    dead = PostgreSQLServer(postgresql_databases.url)
    torn = dead.create(f"assay_{dead.owner}_0001")
    dead.close()
    wait_until(lambda: not postgresql_databases.server.living({dead.owner}))
    # As the server does when it begins: from then on a database is fit for nothing else.
    ask(
        postgresql_databases.url,
        f"UPDATE pg_database SET datconnlimit = -2 WHERE datname = '{torn.database}'",
    )

    with open_databases(postgresql_databases.url):
        assert not postgresql_databases.backend.exists(torn)


def test_database_is_dropped_by_several_at_once(
    postgresql_databases: Databases, tmp_path: Path
) -> None:
    for _ in range(5):
        url = postgresql_databases.create()
        postgresql_databases.seal(url, Note.signed("template", str(tmp_path), "a fingerprint"))
        barrier = threading.Barrier(3)

        def drop(_: int, url: URL = url, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            postgresql_databases.server.drop(url)

        with ThreadPoolExecutor(3) as executor:
            assert list(executor.map(drop, range(3))) == [None] * 3

        assert not postgresql_databases.backend.exists(url)


def test_database_is_dropped_beside_connections_that_stay(
    postgresql_databases: Databases,
) -> None:
    url = postgresql_databases.create()
    connections = [create_engine(url, poolclass=NullPool).connect() for _ in range(3)]
    for connection in connections:
        connection.exec_driver_sql("CREATE TEMPORARY TABLE t (id int)")

    postgresql_databases.drop(url)

    assert not postgresql_databases.backend.exists(url)
    for connection in connections:
        connection.invalidate()
        connection.close()


def test_database_of_another_user_is_neither_listed_nor_pruned(
    postgresql_databases: Databases, user: URL
) -> None:
    ask(postgresql_databases.url, f"ALTER ROLE {user.username} CREATEDB")
    dead = PostgreSQLServer(postgresql_databases.url)
    left = dead.create(f"assay_{dead.owner}_0001")
    dead.close()
    wait_until(lambda: not postgresql_databases.server.living({dead.owner}))

    with open_databases(user) as own:
        assert own.left_behind == []
        assert own.server.own_databases() == []

    postgresql_databases.drop(left)


def server_version(databases: Databases) -> int:
    return int(databases.server.version.partition(".")[0])


def require_content(databases: Databases) -> None:
    if server_version(databases) < 15:
        pytest.skip("before PostgreSQL 15 nothing tells whether anything was written")


def assert_differs(databases: Databases, written: URL, untouched: URL) -> None:
    content = databases.server.content(written)
    assert content is not None
    assert content != databases.server.content(untouched)


def end_sessions(databases: Databases, owner: str) -> None:
    """End the sessions that hold the lock of an owner, from another one."""
    held = f"FROM pg_locks WHERE locktype = 'advisory' AND objid = {int(owner, 16)}"
    assert ask(databases.url, f"SELECT pg_terminate_backend(pid) {held}") == [(True,)]
    wait_until(lambda: not ask(databases.url, f"SELECT 1 {held}"))
