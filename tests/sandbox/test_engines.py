"""Which engines take part in a sandbox, and what theirs are: listeners, options, events."""

from __future__ import annotations

import sqlite3
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy
from sqlalchemy import URL, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool, Pool, QueuePool, StaticPool
from tests.sandbox.users import COUNT, USERS, Base, House, emails

from alembic_assay.exceptions import SandboxError
from alembic_assay.sandboxes import Sandbox, sandbox


@pytest.fixture
def make(house: House, driver: str) -> Iterator[Callable[..., Engine]]:
    """Return a function that makes engines for the database."""
    made: list[Engine] = []

    def make_engine(url: URL | None = None, **options: Any) -> Engine:
        made.append(create_engine(url or house.with_driver(driver), **options))
        return made[-1]

    yield make_engine
    for engine in made:
        engine.dispose()
    assert house.emails() == []


@pytest.fixture
def elsewhere(house: House, driver: str) -> Iterator[House]:
    """Another database, with the same table."""
    with house.databases.temporary() as url:
        engine = house.databases.backend.make_own_engine(url)
        Base.metadata.create_all(engine)
        engine.dispose()
        yield House(house.databases, url)


def insert(engine: Engine, email: str) -> None:
    with engine.begin() as connection:
        connection.execute(USERS.insert(), {"email": email})


def seen(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return emails(connection)


def test_engines_take_part_whenever_they_were_made(make: Callable[..., Engine]) -> None:
    unused, used = make(), make()
    assert seen(used) == []

    with sandbox(unused):
        insert(used, "ann")
        insert(unused, "bob")
        later = make()
        insert(later, "eve")

        assert seen(unused) == seen(used) == seen(later) == ["ann", "bob", "eve"]

    assert seen(unused) == seen(used) == seen(later) == []


def test_engine_with_options_takes_part(make: Callable[..., Engine]) -> None:
    app = make()
    optional = app.execution_options(stream_results=False)

    with sandbox(app):
        insert(optional, "ann")

        assert seen(app) == ["ann"]


def test_blocks_one_after_the_other_begin_alike(house: House, make: Callable[..., Engine]) -> None:
    app, box = make(), Sandbox(house.url)

    for _ in range(3):
        with box.isolated():
            assert seen(app) == []
            insert(app, "ann")
            assert seen(app) == ["ann"]
    box.close()


def test_rows_from_before_the_block_stay(make: Callable[..., Engine]) -> None:
    app = make()
    insert(app, "old")

    with sandbox(app), app.begin() as connection:
        connection.execute(USERS.delete())
    found = seen(app)
    with app.begin() as connection:
        connection.execute(USERS.delete())

    assert found == ["old"]


def test_error_inside_the_block_leaves_nothing(make: Callable[..., Engine]) -> None:
    app = make()

    def work() -> None:
        with sandbox(app):
            insert(app, "ann")
            _ = 1 / 0

    with pytest.raises(ZeroDivisionError):
        work()

    assert seen(app) == []


def test_engine_of_another_database_is_left_alone(
    make: Callable[..., Engine], elsewhere: House, driver: str
) -> None:
    app, other = make(), make(elsewhere.with_driver(driver))

    with sandbox(app):
        insert(other, "ann")

    assert seen(other) == ["ann"]


def test_engine_that_is_named_is_led_to_the_database(
    house: House, make: Callable[..., Engine], elsewhere: House, driver: str
) -> None:
    app = make(elsewhere.with_driver(driver))
    own = make()
    box = Sandbox(house.url, named=[app])

    with box.isolated():
        insert(app, "ann")

        assert seen(own) == ["ann"]
    box.close()

    assert seen(app) == []
    assert elsewhere.emails() == []


def test_named_engine_of_another_kind_is_refused(house: House, make: Callable[..., Engine]) -> None:
    name = "sqlite" if make().dialect.name != "sqlite" else "postgresql"
    app = create_engine(f"{name}://" if name == "sqlite" else "postgresql+psycopg://somewhere/app")
    box = Sandbox(house.url, named=[app])

    with box.isolated(), pytest.raises(SandboxError) as raised:
        app.connect()
    box.close()

    assert str(raised.value) == (
        f"the engine {app.url!r} is for another kind of database than {house.url!r}\n"
        "  It was named to take part in the tests on that, and cannot.\n"
        "  help: do not name it; or have the tests run on its kind: --assay-url."
    )


def test_named_engine_with_a_creator_is_refused(
    house: House, make: Callable[..., Engine], elsewhere: House, driver: str
) -> None:
    there = make(elsewhere.with_driver(driver))
    arguments, keywords = there.dialect.create_connect_args(there.url)
    app = make(
        elsewhere.with_driver(driver),
        creator=lambda: there.dialect.connect(*arguments, **keywords),
    )
    box = Sandbox(house.url, named=[app])

    with box.isolated(), pytest.raises(SandboxError) as raised:
        app.connect()
    box.close()

    assert str(raised.value) == (
        f"the engine {app.url!r} was made with a creator\n"
        "  That leads to its own database alone, and not to that of the tests.\n"
        "  help: make it with a URL, or have its creator connect to that of the tests."
    )


def test_engine_with_a_creator_takes_part_by_its_url(
    house: House, make: Callable[..., Engine], driver: str
) -> None:
    plain = make()
    arguments, keywords = plain.dialect.create_connect_args(plain.url)
    app = make(creator=lambda: plain.dialect.connect(*arguments, **keywords))

    with sandbox(plain):
        insert(plain, "ann")
        insert(app, "bob")

        assert seen(app) == ["ann", "bob"]


def test_listeners_hear_of_what_the_application_does_alone(make: Callable[..., Engine]) -> None:
    app = make(poolclass=QueuePool)
    heard: Counter[str] = Counter()
    for name in ("begin", "commit", "rollback", "savepoint", "release_savepoint"):
        event.listen(app, name, lambda *_, name=name: heard.update([name]))
    for name in ("connect", "checkout", "checkin", "reset"):
        event.listen(app.pool, name, lambda *_, name=name: heard.update([name]))
    statements: list[str] = []
    event.listen(app, "before_cursor_execute", lambda *given: statements.append(given[2]))

    with sandbox(app):
        insert(app, "ann")
        with Session(app) as session:
            session.execute(USERS.insert(), {"email": "bob"})
            with session.begin_nested():
                session.scalar(COUNT)
            session.rollback()

    expected = Counter(begin=2, commit=1, rollback=1, savepoint=1, release_savepoint=1)
    expected += Counter(connect=1, checkout=2, checkin=2, reset=2)
    assert heard == expected
    assert [statement.split()[0] for statement in statements] == [
        "INSERT",
        "INSERT",
        "SAVEPOINT",
        "SELECT",
        "RELEASE",
    ]


def test_own_pool_stays_as_it_is(make: Callable[..., Engine]) -> None:
    app = make(poolclass=StaticPool)
    pool = app.pool

    with sandbox(app), app.connect() as one, app.connect() as other:
        one.execute(USERS.insert(), {"email": "ann"})
        one.commit()
        assert emails(other) == ["ann"]

    assert app.pool is pool


def on_connect(engine: Engine, *statements: str) -> None:
    """Set up each connection of an engine as applications do."""

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, _: object) -> None:
        cursor = connection.cursor()
        for statement in statements:
            cursor.execute(statement)
        cursor.close()
        if engine.dialect.name != "sqlite":
            connection.commit()


@pytest.mark.parametrize("driver", ["postgresql+psycopg", "postgresql+psycopg2"], indirect=True)
@pytest.mark.parametrize("is_first", [True, False])
def test_connect_listeners_set_up_the_session(
    make: Callable[..., Engine], *, is_first: bool
) -> None:
    plain, app = make(), make()
    on_connect(app, "SET application_name = 'the application'")

    with sandbox(plain):
        if not is_first:
            insert(plain, "ann")
        with app.connect() as connection:
            found = connection.scalar(text("SHOW application_name"))

    assert found == "the application"


@pytest.mark.parametrize("driver", ["postgresql+psycopg"], indirect=True)
def test_types_that_a_listener_registers_are_known(make: Callable[..., Engine]) -> None:
    app = make()

    @event.listens_for(app, "connect")
    def register(connection: Any, _: object) -> None:
        from psycopg.types.json import set_json_loads

        set_json_loads(lambda data: ("loaded", len(data)), connection)

    with sandbox(app), app.connect() as connection:
        found = connection.scalar(text("SELECT '1'::json"))

    assert found == ("loaded", 1)


CHILDREN = "CREATE TABLE children (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES users (id))"


@pytest.mark.parametrize("driver", ["sqlite+pysqlite"], indirect=True)
@pytest.mark.parametrize("is_first", [True, False])
def test_foreign_keys_are_enforced_where_the_application_says_so(
    make: Callable[..., Engine], *, is_first: bool
) -> None:
    plain, app = make(), make()
    on_connect(app, "PRAGMA foreign_keys=ON")

    with sandbox(plain):
        if not is_first:
            assert seen(plain) == []
        with app.begin() as connection:
            connection.execute(text(CHILDREN))
            with pytest.raises(IntegrityError):
                connection.execute(text("INSERT INTO children (parent) VALUES (7)"))


@pytest.mark.parametrize("driver", ["sqlite+pysqlite"], indirect=True)
def test_listener_that_is_too_late_is_an_error(
    make: Callable[..., Engine], elsewhere: House
) -> None:
    plain = make(elsewhere.url)

    with sandbox(plain):
        insert(plain, "ann")
        late = make(elsewhere.url)
        on_connect(late, "PRAGMA foreign_keys=ON")
        with pytest.raises(SandboxError) as raised:
            late.connect()

    assert str(raised.value) == (
        f"the engine {late.url!r} is used for the first time in a transaction, and its connect"
        " listeners cannot do their work in there: ValueError: what they set cannot be set within a"
        " transaction\n"
        "  The test's earlier work could not be rolled back, or the engine would work without its"
        " settings.\n"
        "  help: make the engine, or use it, before the test writes; or name it:"
        " assay_engines = package.module:engine"
    )


def recipe(engine: Engine) -> None:
    """Have SQLite's transactions as SQLAlchemy's documentation says, before Python 3.12."""

    @event.listens_for(engine, "connect")
    def connect(connection: Any, _: object) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


@pytest.mark.parametrize("driver", ["sqlite+pysqlite"], indirect=True)
def test_recipe_for_transactions_of_sqlite_works(make: Callable[..., Engine]) -> None:
    app = make()
    recipe(app)

    with sandbox(app):
        insert(app, "ann")
        with app.connect() as connection:
            connection.execute(USERS.insert(), {"email": "bob"})
            with connection.begin_nested() as nested:
                connection.execute(USERS.insert(), {"email": "cid"})
                nested.rollback()
            connection.rollback()
        with app.begin() as connection, pytest.raises(IntegrityError):
            connection.execute(USERS.insert(), [{"email": "eve"}, {"email": "ann"}])

        assert seen(app) == ["ann", "eve"]  # as sqlite3 inserts them one by one


@pytest.mark.skipif(sys.version_info < (3, 12), reason="sqlite3 has had it since Python 3.12")
@pytest.mark.parametrize("driver", ["sqlite+pysqlite"], indirect=True)
def test_autocommit_attribute_of_sqlite3_is_heeded(make: Callable[..., Engine]) -> None:
    for value in (False, sqlite3.LEGACY_TRANSACTION_CONTROL):  # type: ignore[attr-defined]
        app = make(connect_args={"autocommit": value})
        with sandbox(app):
            insert(app, "ann")
            with app.connect() as connection:
                connection.execute(USERS.insert(), {"email": "bob"})
                connection.rollback()

            assert seen(app) == ["ann"]
        assert seen(app) == []


@pytest.mark.parametrize("level", ["SERIALIZABLE", "AUTOCOMMIT"])
def test_isolation_level_of_an_engine_is_taken(make: Callable[..., Engine], level: str) -> None:
    app = make(isolation_level=level)

    with sandbox(app):
        insert(app, "ann")
        with app.connect() as connection:
            connection.execute(USERS.insert(), {"email": "bob"})
            connection.rollback()

        assert seen(app) == (["ann"] if level == "SERIALIZABLE" else ["ann", "bob"])


def test_isolation_level_of_one_connection_is_its_own(make: Callable[..., Engine]) -> None:
    app = make()

    with sandbox(app):
        with app.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.execute(USERS.insert(), {"email": "ann"})
        with app.connect() as connection:
            connection.execution_options(isolation_level="SERIALIZABLE")
            connection.execute(USERS.insert(), {"email": "bob"})
        with app.connect() as connection:
            connection.execute(USERS.insert(), {"email": "eve"})

        assert seen(app) == ["ann"]


def test_sandboxes_of_two_databases_go_together(
    make: Callable[..., Engine], elsewhere: House, driver: str
) -> None:
    app, other = make(), make(elsewhere.with_driver(driver))

    with sandbox(app), sandbox(other):
        insert(app, "ann")
        insert(other, "bob")
        with app.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(USERS.insert(), {"email": "eve"})

        assert (seen(app), seen(other)) == (["ann", "eve"], ["bob"])

    assert elsewhere.emails() == []


def test_version_of_sqlalchemy_without_a_name_that_is_needed_is_refused_at_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for kind in (Pool, NullPool):
        monkeypatch.delattr(kind, "_do_get")

    with pytest.raises(SandboxError) as raised:
        Sandbox(make_url("sqlite:///never.db"))

    assert str(raised.value) == (
        f"SQLAlchemy {sqlalchemy.__version__} has no _do_get of a pool\n"
        "  Without that the application's commits would last; so no test is run.\n"
        "  help: take an older version of SQLAlchemy until this toolkit knows the new one."
    )
