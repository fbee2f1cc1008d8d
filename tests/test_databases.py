"""Databases of our own: made, copied, dropped, and never anybody else's."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import URL, create_engine, make_url
from sqlalchemy.pool import NullPool
from sqlalchemy_utils import create_database, drop_database
from tests.processes import ask, tables

from alembic_assay.databases import Databases, open_databases
from alembic_assay.dialects import Note, get_backend
from alembic_assay.dialects.postgresql.databases import BIRTHMARK
from alembic_assay.exceptions import (
    DatabaseUnreachable,
    NotADatabase,
    UnsupportedDatabase,
    UsageError,
)
from alembic_assay.urls import parse_url


def exists(url: URL) -> bool:
    return get_backend(url).exists(url)


def test_created_databases_are_empty_and_apart(databases: Databases) -> None:
    with databases.temporary() as one, databases.temporary() as other:
        ask(one, "CREATE TABLE mine (id INTEGER)")

        assert one != other
        assert tables(one) == {"mine"}
        assert tables(other) == set()


def test_clone_has_what_its_source_had_and_is_apart(databases: Databases) -> None:
    source = databases.create()
    ask(source, "CREATE TABLE numbers (n INTEGER)")
    ask(source, "INSERT INTO numbers VALUES (1)")

    clone = databases.clone(source)
    ask(clone, "UPDATE numbers SET n = 2")

    assert ask(source, "SELECT n FROM numbers") == [(1,)]
    assert ask(clone, "SELECT n FROM numbers") == [(2,)]
    databases.drop(source)
    assert ask(clone, "SELECT n FROM numbers") == [(2,)]
    databases.drop(clone)
    assert not exists(clone)


def test_clone_of_a_clone_is_our_own_too(databases: Databases) -> None:
    source = databases.create()
    clone = databases.clone(source)
    second = databases.clone(clone)

    for url in (source, clone, second):
        databases.drop(url)

    assert [exists(url) for url in (source, clone, second)] == [False, False, False]


def test_dropped_database_is_gone_and_dropping_it_again_is_fine(databases: Databases) -> None:
    url = databases.create()

    databases.drop(url)
    databases.drop(url)

    assert not exists(url)


def test_temporary_database_is_gone_behind_the_block_even_on_an_error(
    databases: Databases,
) -> None:
    seen: list[tuple[URL, bool]] = []

    def fail() -> None:
        with databases.temporary() as url:
            seen.append((url, exists(url)))
            raise ValueError("mine")

    with pytest.raises(ValueError, match=r"^mine$"):
        fail()

    ((url, existed),) = seen
    assert existed
    assert not exists(url)


def test_close_drops_all_that_were_made_but_those_that_are_kept(
    databases: Databases, tmp_path: Path
) -> None:
    own = Databases(databases.server, databases.origin)
    before = names(own)
    kept, sealed, source = own.create(), own.create(), own.create()
    own.clone(source)
    own.keep(kept, "a test")
    own.seal(sealed, Note.signed("template", str(tmp_path), "a fingerprint"))

    own.close()

    assert names(own) - before == {kept.database, sealed.database}
    assert own.templates()["a fingerprint"] == sealed
    databases.drop(kept)
    databases.drop(sealed)
    assert names(own) == before


def names(databases: Databases) -> set[str | None]:
    """Return the databases on the server that are of this owner."""
    server = databases.server
    return {one.url.database for one in server.own_databases() if one.owner == server.owner}


def test_open_databases_drops_all_at_the_end(databases: Databases, tmp_path: Path) -> None:
    server = databases.url if databases.backend.name == "postgresql" else make_url("sqlite://")

    with open_databases(server, folder=tmp_path) as own:
        url = own.create()
        assert exists(url)

    assert not exists(url)
    assert list(tmp_path.iterdir()) == []


def test_file_of_another_is_never_dropped(tmp_path: Path, sqlite_databases: Databases) -> None:
    url = URL.create("sqlite", database=str(tmp_path / "app.db"))
    ask(url, "CREATE TABLE customers (id INTEGER)")

    with pytest.raises(UsageError) as raised:
        sqlite_databases.drop(url)

    assert str(raised.value) == (
        f"sqlite:///{tmp_path}/app.db was not made by alembic-assay\n"
        "  It was not dropped: only databases that carry the toolkit's own mark ever are.\n"
        "  help: drop it yourself if it is not needed any more."
    )
    assert tables(url) == {"customers"}


def test_empty_file_of_another_is_never_dropped(
    tmp_path: Path, sqlite_databases: Databases
) -> None:
    (tmp_path / "app.db").touch()

    with pytest.raises(UsageError):
        sqlite_databases.drop(URL.create("sqlite", database=str(tmp_path / "app.db")))

    assert (tmp_path / "app.db").read_bytes() == b""


def test_file_that_is_no_database_is_never_dropped(
    tmp_path: Path, sqlite_databases: Databases
) -> None:
    (tmp_path / "app.db").write_text("notes" * 1000)

    with pytest.raises(NotADatabase):
        sqlite_databases.drop(URL.create("sqlite", database=str(tmp_path / "app.db")))

    assert (tmp_path / "app.db").read_text() == "notes" * 1000


def test_dropped_file_takes_its_journals_and_its_lock_with_it(
    tmp_path: Path, sqlite_databases: Databases
) -> None:
    with open_databases(make_url("sqlite://"), folder=tmp_path) as own:
        url = own.create()
        for ending in ("-wal", "-shm", "-journal", ".migrate.lock"):
            Path(f"{url.database}{ending}").touch()
        (tmp_path / "other.db").touch()

    assert [each.name for each in tmp_path.iterdir()] == ["other.db"]


@pytest.mark.parametrize("comment", [None, "ours"])
def test_database_of_another_on_the_server_is_never_dropped(
    postgresql_databases: Databases, comment: str | None
) -> None:
    url = postgresql_databases.create()
    postgresql_databases.drop(url)
    create_database(url)
    if comment:
        ask(url, f"COMMENT ON DATABASE {url.database} IS '{comment}'")

    with pytest.raises(UsageError) as raised:
        postgresql_databases.drop(url)

    assert str(raised.value) == (
        f"{url.render_as_string()} was not made by alembic-assay\n"
        "  It was not dropped: only databases that carry the toolkit's own mark ever are.\n"
        "  help: drop it yourself if it is not needed any more."
    )
    assert exists(url)
    drop_database(url)


def test_database_without_its_mark_is_not_dropped_by_close(databases: Databases) -> None:
    own = Databases(databases.server, databases.origin)
    first, unmarked, last = own.create(), own.create(), own.create()
    ask(unmarked, "CREATE TABLE precious (id INTEGER)")
    set_mark(unmarked, ours=False)

    with pytest.raises(UsageError):
        own.close()

    assert exists(unmarked)
    set_mark(unmarked, ours=True)
    own.close()
    assert [exists(url) for url in (first, unmarked, last)] == [False, False, False]


def test_connection_of_another_is_not_in_the_way_of_a_new_database(
    postgresql_databases: Databases,
) -> None:
    engine = create_engine(postgresql_databases.url, poolclass=NullPool)

    with engine.connect() as connection, postgresql_databases.temporary() as url:
        connection.exec_driver_sql("SELECT 1")
        assert exists(url)


def test_database_to_which_somebody_is_connected_is_dropped(
    postgresql_databases: Databases,
) -> None:
    url = postgresql_databases.create()
    engine = create_engine(url, poolclass=NullPool)

    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1")
        postgresql_databases.drop(url)
        connection.invalidate()

    assert not exists(url)


def test_database_to_which_somebody_is_connected_is_copied(
    postgresql_databases: Databases,
) -> None:
    with postgresql_databases.temporary() as source:
        engine = create_engine(source, poolclass=NullPool)

        with engine.connect() as connection:
            connection.exec_driver_sql("SELECT 1")
            copy = postgresql_databases.clone(source)
            connection.invalidate()

        assert exists(copy)
        postgresql_databases.drop(copy)


def test_marks_travel_with_clones_only(databases: Databases) -> None:
    with databases.temporary() as source:
        copied = databases.clone(source)

        # By itself, and not because it is known to have been made here.
        databases.server.drop(copied)

        assert not exists(copied)


def test_server_that_is_unreachable_is_said_without_its_password() -> None:
    url = make_url("postgresql://app:s3cret@127.0.0.1:1/shop")

    with pytest.raises(DatabaseUnreachable) as raised, open_databases(url):
        pass

    assert raised.value.message.startswith(
        "postgresql://app:***@127.0.0.1:1/shop cannot be reached: OperationalError: "
    )
    assert "s3cret" not in str(raised.value)


def test_database_that_is_not_supported_is_refused() -> None:
    with pytest.raises(UnsupportedDatabase) as raised, open_databases(make_url("oracle://h/x")):
        pass

    assert str(raised.value) == (
        'the database "oracle" is not supported\n'
        "  oracle://h/x can be neither migrated nor checked.\n"
        "  help: supported are: mariadb, mysql, postgresql, sqlite."
    )


SAME = [
    ("postgresql://localhost/shop", "postgresql+asyncpg://localhost/shop"),
    ("postgresql://localhost/shop", "postgresql+psycopg2://localhost/shop"),
    ("postgresql://localhost/shop", "postgresql+pg8000://127.0.0.1/shop"),
    ("postgresql://localhost/shop", "postgresql://localhost:5432/shop"),
    ("postgresql://localhost/shop", "postgresql://127.0.0.1/shop"),
    ("postgresql://localhost/shop", "postgresql://[::1]/shop"),
    ("postgresql://localhost/shop", "postgresql:///shop"),
    ("postgresql://app:secret@db/shop", "postgresql://admin@db/shop"),
    ("postgresql://db/shop", "postgresql:///shop?host=db"),
    ("postgresql:///shop?host=/run/pg", "postgresql+asyncpg:///shop?host=/run/pg"),
    ("postgresql:///shop?host=/run/pg", "postgresql:///shop?host=/run/pg&application_name=x"),
    ("postgresql://:6000/shop?host=/run/pg", "postgresql:///shop?host=/run/pg&port=6000"),
    ("postgresql://shop@db", "postgresql://db/shop"),
    ("mysql://localhost/shop", "mysql+pymysql://localhost/shop"),
    ("mysql://localhost/shop", "mariadb+aiomysql://127.0.0.1:3306/shop"),
    ("mysql://app:secret@db/shop", "mysql://admin@db/shop?charset=utf8mb4"),
    ("mysql:///shop?unix_socket=/run/my", "mysql+aiomysql://h/shop?unix_socket=/run/my"),
    ("sqlite:////srv/app.db", "sqlite+aiosqlite:////srv/app.db"),
    ("sqlite:////srv/app.db", "sqlite:////srv/data/../app.db"),
    ("sqlite:////srv/app.db", "sqlite:////srv/app.db?timeout=5"),
    ("sqlite:////srv/app.db", "sqlite:///file:/srv/app.db?uri=true"),
    ("sqlite:////srv/app.db", "sqlite:///file:/srv/app.db?mode=ro&uri=true"),
    ("sqlite:////srv/app.db", "sqlite:///file:///srv/app.db?uri=true"),
    ("sqlite:////srv/a b.db", "sqlite:///file:/srv/a%20b.db?uri=true"),
]

OTHER = [
    ("postgresql://localhost/shop", "postgresql://localhost/shop_test"),
    ("postgresql://localhost/shop", "postgresql://localhost:5433/shop"),
    ("postgresql://localhost/shop", "postgresql://db/shop"),
    ("postgresql:///shop?host=/run/pg", "postgresql:///shop?host=/run/other"),
    ("postgresql:///shop?host=/run/pg", "postgresql://localhost/shop"),
    ("postgresql://localhost/shop", "postgresql://localhost/Shop"),
    ("postgresql://localhost/shop", "sqlite:///shop"),
    ("postgresql://localhost/shop", "mysql://localhost/shop"),
    ("mysql://localhost/shop", "mysql://localhost/shop_test"),
    ("mysql://localhost/shop", "mysql://localhost:3307/shop"),
    ("mysql://localhost/shop", "mariadb://db/shop"),
    ("mysql://localhost/shop", "mysql:///shop?unix_socket=/run/my"),
    ("mysql://localhost/shop", "mysql://localhost/Shop"),
    ("sqlite:////srv/app.db", "sqlite:////srv/other.db"),
    ("sqlite:////srv/app.db", "postgresql://localhost/app.db"),
    ("sqlite://", "sqlite:////srv/app.db"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_urls_of_one_database_are_the_same(one: str, other: str) -> None:
    first, second = parse_url(one), parse_url(other)

    assert get_backend(first).is_same_database(first, second)
    assert get_backend(second).is_same_database(second, first)


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_urls_of_two_databases_are_not_the_same(one: str, other: str) -> None:
    first, second = parse_url(one), parse_url(other)

    assert not get_backend(first).is_same_database(first, second)
    assert not get_backend(second).is_same_database(second, first)


def test_files_by_relative_path_and_links_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "app.db").touch()
    (tmp_path / "folder").symlink_to("data")
    (tmp_path / "link.db").symlink_to("data/app.db")
    monkeypatch.chdir(tmp_path)
    absolute = make_url(f"sqlite:///{tmp_path}/data/app.db")

    for spelling in ("data/app.db", "./data/app.db", "folder/app.db", "link.db"):
        other = make_url(f"sqlite:///{spelling}")
        assert get_backend(absolute).is_same_database(absolute, other), spelling


def set_mark(url: URL, *, ours: bool) -> None:
    """Mark a database as made by the toolkit, or take that mark away."""
    if url.get_backend_name() == "sqlite":
        ask(url, f"PRAGMA application_id = {0x41535359 if ours else 0}")
    elif url.get_backend_name() == "mysql" and ours:
        ask(
            url,
            f"CREATE PROCEDURE alembic_assay() COMMENT 'alembic-assay: {url.database}' BEGIN END",
        )
    elif url.get_backend_name() == "mysql":
        ask(url, "DROP PROCEDURE alembic_assay")
    else:
        limit = BIRTHMARK if ours else -1
        ask(url, f"ALTER DATABASE {url.database} CONNECTION LIMIT {limit}")
