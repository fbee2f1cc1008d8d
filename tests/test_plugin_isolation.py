"""The fixtures that roll back, as tests use them, in test runs of their own."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from tests.places import Place

if TYPE_CHECKING:
    from tests.conftest import ProjectFiles

BEGINNING = """
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

INSERT = text("INSERT INTO users (id) VALUES (:id)")
COUNT = text("SELECT count(*) FROM users")


@pytest.fixture
def anyio_backend():
    return "asyncio"

"""


@pytest.fixture
def files(inner_project: ProjectFiles) -> ProjectFiles:
    """A project with one table, whose databases are made on a server of each kind."""
    inner_project.add_table("0001", None, "users")
    return inner_project


def run(pytester: pytest.Pytester, tests: str, *arguments: str, ini: str = "") -> pytest.RunResult:
    pytester.makepyfile(test_own=BEGINNING + tests)
    pytester.makeini(f"[pytest]\nfilterwarnings = error\npythonpath = .\n{ini}")
    return pytester.runpytest_subprocess(
        *("-p", "no:cacheprovider"),
        f"--basetemp={pytester.path.parent / 'basetemp'}",
        *arguments,
    )


ASYNC_TESTS = """
pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("number", [1, 2])
async def test_session(async_db_session, number):
    assert await async_db_session.scalar(COUNT) == 0
    await async_db_session.execute(INSERT, {"id": 1})
    await async_db_session.commit()
    await async_db_session.rollback()
    assert await async_db_session.scalar(COUNT) == 1


@pytest.mark.parametrize("number", [1, 2])
async def test_connection_and_engine(async_db_connection, async_db_engine, number):
    assert await async_db_connection.scalar(COUNT) == 0
    await async_db_connection.execute(INSERT, {"id": 1})
    await async_db_connection.commit()
    async with AsyncSession(async_db_engine) as session:
        assert await session.scalar(COUNT) == 1


async def test_engine_of_the_application(migrated_database, async_db_engine, async_db_session):
    drivername = async_db_engine.url.drivername
    engine = create_async_engine(migrated_database.set(drivername=drivername))
    async with engine.begin() as connection:
        await connection.execute(INSERT, {"id": 1})
    assert await async_db_session.scalar(COUNT) == 1
    await engine.dispose()


@pytest.mark.assay(isolation="fresh")
async def test_fresh(async_db_session, async_db_connection):
    await async_db_session.execute(INSERT, {"id": 1})
    await async_db_session.commit()
    assert await async_db_connection.scalar(COUNT) == 1


def test_nothing_is_left(migrated_engine):
    with migrated_engine.connect() as connection:
        assert connection.scalar(COUNT) == 0
"""
SHARING_TESTS = """
pytestmark = pytest.mark.anyio


async def test_sync_and_async_see_each_other(db_session, async_db_session):
    db_session.execute(INSERT, {"id": 1})
    db_session.commit()
    assert await async_db_session.scalar(COUNT) == 1
    await async_db_session.execute(INSERT, {"id": 2})
    await async_db_session.commit()
    assert db_session.scalar(COUNT) == 2
"""


def test_async_fixtures_are_rolled_back(
    pytester: pytest.Pytester, files: ProjectFiles, place: Place
) -> None:
    result = run(pytester, ASYNC_TESTS)

    result.assert_outcomes(passed=7)
    assert place.left() == []


@pytest.mark.parametrize("databases", ["sqlite", "postgresql"], indirect=True)
def test_sync_and_async_fixtures_share_one_transaction(
    pytester: pytest.Pytester, files: ProjectFiles
) -> None:
    result = run(pytester, SHARING_TESTS)

    result.assert_outcomes(passed=1)


APPLICATION = """
from sqlalchemy import create_engine
from sqlalchemy.orm import scoped_session, sessionmaker

engine = create_engine("{url}")
Unbound = sessionmaker()
session = scoped_session(sessionmaker(bind=engine))
"""
NAMED_TESTS = """
import application


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("isolation", ["rollback", "fresh"])
def test_named_ones_use_the_database_of_the_test(request, isolation, number):
    request.applymarker(pytest.mark.assay(isolation=isolation))
    db_session = request.getfixturevalue("db_session")
    with application.engine.begin() as connection:
        connection.execute(INSERT, {"id": 1})
    with application.Unbound() as unbound:
        unbound.execute(INSERT, {"id": 2})
        unbound.commit()
    application.session.execute(INSERT, {"id": 3})
    application.session.commit()

    assert application.session.scalar(COUNT) == 3
    assert db_session.scalar(COUNT) == 3
"""


def test_engines_and_sessions_that_are_named_use_the_tests_database(
    pytester: pytest.Pytester, files: ProjectFiles, place: Place
) -> None:
    elsewhere = {
        "sqlite": f"sqlite:///{files.folder}/own.db",
        "postgresql": "postgresql+psycopg://nobody:secret@localhost:1/own",
        "mysql": "mysql+pymysql://nobody:secret@localhost:1/own",
    }[place.backend]
    pytester.makepyfile(application=APPLICATION.format(url=elsewhere))
    ini = (
        "assay_engines = application:engine\n"
        "assay_sessions = application:session\n"
        "mocked-sessionmakers = application.Unbound\n"
    )

    result = run(pytester, NAMED_TESTS, ini=ini)

    result.assert_outcomes(passed=4)
    assert not (files.folder / "own.db").exists()
    assert place.left() == []


def test_name_of_nothing_is_an_error_of_each_test(
    pytester: pytest.Pytester, files: ProjectFiles, place: Place
) -> None:
    pytester.makepyfile(application="engine = None")

    result = run(
        pytester, "def test_it(db_session): pass", ini="assay_engines = application:engine"
    )

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [
            "None is no engine, no session and no sessionmaker of SQLAlchemy",
            "  It was named to take part in the tests, and it is not known how it could.",
        ]
    )


DRIVER_TESTS = """
import application

OTHERS = [create_async_engine(f"postgresql+psycopg://localhost:1/other{n}") for n in range(20)]


def test_driver(async_db_engine):
    assert async_db_engine.dialect.driver == "asyncpg"


@pytest.mark.assay(isolation="fresh")
def test_driver_on_a_fresh_database(async_db_engine):
    assert async_db_engine.dialect.driver == "asyncpg"
"""


@pytest.mark.parametrize("databases", ["postgresql"], indirect=True)
def test_async_fixtures_have_the_driver_of_the_application(
    pytester: pytest.Pytester, files: ProjectFiles, place: Place
) -> None:
    pytester.makepyfile(
        application="from sqlalchemy.ext.asyncio import create_async_engine\n\n"
        'engine = create_async_engine("postgresql+asyncpg://localhost:1/application")'
    )

    result = run(pytester, DRIVER_TESTS, ini="assay_engines = application:engine")

    result.assert_outcomes(passed=2)


RESET_TESTS = """
@pytest.mark.assay(reset_sequences=True)
@pytest.mark.parametrize("number", [1, 2, 3])
def test_ids_begin_anew(db_session, number):
    for expected in (1, 2):
        db_session.execute(text("INSERT INTO users (name) VALUES ('Ada')"))
        assert db_session.scalar(text("SELECT max(id) FROM users")) == expected
    db_session.commit()


def test_other(db_session):
    db_session.execute(text("INSERT INTO users (name) VALUES ('Ada')"))
    db_session.commit()
"""


def test_ids_are_the_same_in_every_order(
    pytester: pytest.Pytester, inner_project: ProjectFiles, place: Place
) -> None:
    inner_project.add_revision(
        "0001",
        upgrade='op.create_table("users", sa.Column("id", sa.Integer, primary_key=True),'
        ' sa.Column("name", sa.String(20)))',
        downgrade='op.drop_table("users")',
    )

    in_order = run(pytester, RESET_TESTS)
    names = [f"test_own.py::test_ids_begin_anew[{number}]" for number in (3, 1, 2)]
    in_another = run(pytester, RESET_TESTS, "test_own.py::test_other", *names)

    in_order.assert_outcomes(passed=4)
    in_another.assert_outcomes(passed=4)


AUDIT_TESTS = """
AUDITED = text("SELECT count(*) FROM audited")


@pytest.mark.parametrize("isolation", ["rollback", "fresh"])
@pytest.mark.parametrize("number", [1, 2])
def test_two_databases(request, isolation, number):
    request.applymarker(
        pytest.mark.assay(databases=["default", "audit"], isolation=isolation)
    )
    sessions = request.getfixturevalue("db_sessions")
    engines = request.getfixturevalue("db_engines")
    assert sorted(sessions) == ["audit", "default"]
    sessions["default"].execute(INSERT, {"id": 1})
    sessions["default"].commit()
    with engines["audit"].begin() as connection:
        connection.execute(text("INSERT INTO audited (id) VALUES (1)"))

    assert sessions["audit"].scalar(AUDITED) == 1
    assert request.getfixturevalue("db_session").scalar(COUNT) == 1


@pytest.mark.assay(databases=["nowhere"])
def test_unknown_one(db_session):
    pass
"""


def test_test_may_use_several_databases(
    pytester: pytest.Pytester,
    files: ProjectFiles,
    make_project: Callable[..., ProjectFiles],
    place: Place,
) -> None:
    audit = make_project(files.folder / "audit", url=place.url)
    audit.add_table("0001", None, "audited")
    pytester.makepyprojecttoml('[tool.alembic-assay.databases]\naudit = "audit/alembic.ini"\n')

    result = run(pytester, AUDIT_TESTS)

    result.assert_outcomes(passed=4, errors=1)
    result.stdout.fnmatch_lines(
        [
            'there is no database "nowhere"',
            "  A test asks for it in its marker.",
            '  help: name its Alembic configuration: nowhere = "nowhere/alembic.ini" in'
            " [[]tool.alembic-assay.databases[]] of pyproject.toml",
        ]
    )
    assert place.left() == []


QUERY_TESTS = """
def application(engine):
    with Session(engine) as session:
        session.execute(INSERT, {"id": 1})
        with session.begin_nested():
            session.execute(INSERT, {"id": 2})
        session.commit()
        return session.scalar(COUNT)


@pytest.mark.parametrize("isolation", ["rollback", "fresh"])
def test_statements_are_counted(request, isolation):
    request.applymarker(pytest.mark.assay(isolation=isolation))
    engine = request.getfixturevalue("db_engine")
    db_queries = request.getfixturevalue("db_queries")
    with db_queries(max=3) as queries:
        assert application(engine) == 2
    assert queries[-1] == str(COUNT)


def test_there_are_too_many(db_engine, db_queries):
    with db_queries(max=2):
        application(db_engine)
"""


def test_statements_of_the_application_are_counted(
    pytester: pytest.Pytester, files: ProjectFiles, place: Place
) -> None:
    result = run(pytester, QUERY_TESTS)

    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        [
            "E*AssertionError: 3 statements instead of 2 at most:",
            "E*INSERT INTO users (id) VALUES (*)",
            "E*INSERT INTO users (id) VALUES (*)",
            "E*SELECT count(*) FROM users",
        ]
    )


GUARD_TESTS = """
@pytest.fixture
def engine(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path}/other.db")
    yield engine
    engine.dispose()


@pytest.fixture
def connection(engine):
    with engine.connect() as connection:
        yield connection


def test_unasked_in_a_fixture(connection):
    pass


def test_unasked_though_caught(engine):
    try:
        engine.connect().close()
    except Exception:
        pass


def test_asked_for(db_session, connection):
    pass


@pytest.mark.assay()
def test_marked(connection):
    pass


def test_in_memory():
    engine = create_engine("sqlite://")
    engine.connect().close()
    engine.dispose()
"""


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
def test_database_that_was_not_asked_for_fails_the_test(
    pytester: pytest.Pytester, files: ProjectFiles, place: Place
) -> None:
    without = run(pytester, GUARD_TESTS)
    result = run(pytester, GUARD_TESTS, ini="assay_guard = true")

    without.assert_outcomes(passed=5)
    result.assert_outcomes(passed=3, failed=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "E*Failed: the test uses the database sqlite:///*/other.db and has not asked for one",
            "E*What it changes there would stay.",
            "E*help: let it, or a fixture of it, take db_session, db_engine, async_db_session or"
            " fresh_engine; if the database is its own, mark it: @pytest.mark.assay().",
        ]
    )


FACTORY_TESTS = """
from factory.alchemy import SQLAlchemyModelFactory
from polyfactory.factories.sqlalchemy_factory import SQLAlchemyFactory
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from alembic_assay import current_session
from alembic_assay.exceptions import UsageError


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)


class UserFactory(SQLAlchemyModelFactory):
    class Meta:
        model = User
        sqlalchemy_session_factory = current_session
        sqlalchemy_session_persistence = "commit"

    id = 1


class PolyUserFactory(SQLAlchemyFactory[User]):
    __session__ = current_session
    id = 2


@pytest.mark.parametrize("number", [1, 2])
def test_factories_use_the_session_of_the_test(db_session, row_factory, number):
    user = UserFactory()
    poly = PolyUserFactory.create_sync()
    row = row_factory("users", id=3)

    assert db_session.get(User, 1) is user
    assert db_session.get(User, 2) is poly
    assert row.id == 3
    assert db_session.scalar(COUNT) == 3


@pytest.mark.assay(isolation="fresh")
def test_factories_use_the_session_of_a_fresh_database(db_session):
    assert db_session.get(User, 1) is None
    UserFactory()
    assert db_session.scalar(COUNT) == 1


def test_factory_without_a_database():
    with pytest.raises(UsageError, match="has not asked for the database"):
        UserFactory()
"""


def test_factories_use_the_session_of_the_test(
    pytester: pytest.Pytester, files: ProjectFiles, place: Place
) -> None:
    result = run(pytester, FACTORY_TESTS)

    result.assert_outcomes(passed=4)


OVERLAP_TESTS = """
def test_both_write(db_engine):
    with db_engine.connect() as one, db_engine.connect() as other:
        one.execute(INSERT, {"id": 1})
        other.execute(INSERT, {"id": 2})
        other.commit()
        one.rollback()


def test_somebody_catches_it(db_engine):
    with db_engine.connect() as one, db_engine.connect() as other:
        one.execute(INSERT, {"id": 1})
        other.execute(INSERT, {"id": 2})
        other.commit()
        try:
            one.rollback()
        except Exception:
            pass


def test_next_one(db_session):
    assert db_session.scalar(COUNT) == 0
"""


@pytest.mark.parametrize("databases", ["sqlite", "postgresql"], indirect=True)
def test_overlap_fails_that_test_and_no_other(
    pytester: pytest.Pytester, files: ProjectFiles, place: Place
) -> None:
    result = run(pytester, OVERLAP_TESTS)

    result.assert_outcomes(failed=1, passed=2, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*two transactions that overlap have both written, and one of them rolls back:"
            " test_own.py:*, test_own.py:*",
        ]
    )


ENDING_TESTS = """
def test_ends_the_transaction(db_connection):
    db_connection.execute(INSERT, {"id": 1})
    db_connection.connection.dbapi_connection.pgconn.exec_(b"COMMIT")


def test_next_one(db_session):
    assert db_session.scalar(COUNT) == 0
"""


@pytest.mark.parametrize("databases", ["postgresql"], indirect=True)
def test_transaction_that_was_ended_fails_that_test_and_its_database_is_made_anew(
    pytester: pytest.Pytester, files: ProjectFiles, place: Place
) -> None:
    result = run(pytester, ENDING_TESTS)

    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(
        [
            "the transaction around the test was ended before the test was:*",
            "  What the test had changed may have stayed; its database is made anew.",
        ]
    )
    assert place.left() == []


FOREIGN_TESTS = """
@pytest.fixture(scope="session")
def migrated_database():
    return make_url("sqlite:///foreign.db")


@pytest.mark.parametrize("number", [1, 2])
def test_it(db_session, number):
    assert db_session.scalar(COUNT) == 1
    db_session.execute(INSERT, {"id": 2})
    db_session.commit()


def test_fails(db_session):
    db_session.execute(INSERT, {"id": 2})
    db_session.commit()
    assert False
"""


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
def test_database_that_something_else_migrated_is_rolled_back_and_stays(
    pytester: pytest.Pytester, place: Place
) -> None:
    foreign = pytester.path / "foreign.db"
    with closing(sqlite3.connect(foreign)) as connection:
        connection.executescript("CREATE TABLE users (id INTEGER); INSERT INTO users VALUES (1)")

    tests = FOREIGN_TESTS.replace("@pytest", "from sqlalchemy import make_url\n\n\n@pytest", 1)
    result = run(pytester, tests, "--assay-keep=failed")

    result.assert_outcomes(passed=2, failed=1)
    with closing(sqlite3.connect(foreign)) as connection:
        assert connection.execute("SELECT id FROM users").fetchall() == [(1,)]


@pytest.mark.parametrize(
    ("marker", "said"),
    [
        ('isolation="none"', 'knows no isolation="none"'),
        ("reset_sequences=1", "takes True or False for reset_sequences, not 1"),
        ('databases="audit"', "takes a list of names for databases, not 'audit'"),
        ('mode="fresh"', "got an unexpected keyword argument 'mode'"),
        ('"fresh"', "takes 0 positional arguments but 1 was given"),
    ],
)
def test_marker_that_says_something_else_is_refused(
    pytester: pytest.Pytester, marker: str, said: str
) -> None:
    pytester.makepyfile(f"import pytest\n\n@pytest.mark.assay({marker})\ndef test_it(): pass\n")

    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [
            f"ERROR: *::test_it: @pytest.mark.assay {said}",
            "  help: assay(isolation=*",
        ]
    )
