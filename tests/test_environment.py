from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, create_engine, inspect, text
from sqlalchemy.pool import NullPool
from tests.states import with_transactional_ddl

from alembic_assay import exceptions
from alembic_assay.config import make_config
from alembic_assay.dialects import get_backend
from alembic_assay.environment import Environment
from alembic_assay.exceptions import (
    AssayError,
    EnvironmentFault,
    MigrationFailed,
    NotAtTarget,
)
from alembic_assay.history import RevisionGraph
from alembic_assay.urls import parse_url

ENV = """
from alembic import context
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

engine = create_engine(context.config.get_main_option("sqlalchemy.url"), poolclass=NullPool)
with engine.connect() as connection:
{body}
"""

SWALLOWING = """
    context.configure(connection=connection)
    try:
        with context.begin_transaction():
            context.run_migrations()
    except Exception:
        print("never mind")
"""

ROLLING_BACK = """
from alembic import context

connection = context.config.attributes["connection"]
with connection.begin() as outer:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
    outer.rollback()
"""

LEFT_OPEN = """
from alembic import context

connection = context.config.attributes["connection"]
connection.exec_driver_sql("SELECT 1")
context.configure(connection=connection)
with context.begin_transaction():
    context.run_migrations()
"""

WITHOUT_TRANSACTION = """
    context.configure(connection=connection)
    context.run_migrations()
"""


@contextmanager
def bound(files: Any, url: URL, **options: Any) -> Iterator[Environment]:
    config = make_config(url, config_file=files.ini)
    graph = RevisionGraph.from_config(config)
    with get_backend(url).make_engine(url).connect() as connection:
        yield Environment(config, graph, connection, url=url, **options)


def upgrade(environment: Environment, target: str = "heads") -> None:
    environment.run(lambda heads, context: environment.graph.upgrade_steps(heads, target))


def downgrade(environment: Environment, target: str = "base") -> None:
    environment.run(lambda heads, context: environment.graph.downgrade_steps(heads, target))


def tables(url: URL) -> set[str]:
    engine = create_engine(get_backend(url).sync_url(url), poolclass=NullPool)
    return set(inspect(engine).get_table_names())


def rows(url: URL, query: str) -> list[tuple[Any, ...]]:
    engine = create_engine(get_backend(url).sync_url(url), poolclass=NullPool)
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def write_body(files: Any, body: str) -> None:
    files.write_env(ENV.format(body=body))


@pytest.fixture
def three_tables(project_files: Any) -> Any:
    project_files.add_table("a1", None, "t1")
    project_files.add_table("a2", "a1", "t2")
    project_files.add_table("a3", "a2", "t3")
    return project_files


# Running


def test_run_with_all_steps_applies_and_stamps_them(three_tables: Any, database_url: URL) -> None:
    with bound(three_tables, database_url) as environment:
        upgrade(environment)

        assert environment.current_heads() == ("a3",)
        assert not environment.connection.in_transaction()
    assert tables(database_url) == {"t1", "t2", "t3", "alembic_version"}


def test_run_with_some_steps_leaves_the_others(three_tables: Any, database_url: URL) -> None:
    with bound(three_tables, database_url) as environment:
        upgrade(environment, "a2")

        assert environment.current_heads() == ("a2",)
    assert tables(database_url) == {"t1", "t2", "alembic_version"}


def test_run_up_and_down_in_one_walk_leaves_nothing(three_tables: Any, database_url: URL) -> None:
    seen = []

    with bound(three_tables, database_url) as environment:
        graph = environment.graph

        def walk(heads: Any, context: Any) -> Iterator[Any]:
            for revision in ("a1", "a2", "a3"):
                yield graph.upgrade_step(revision)
                seen.append(set(inspect(context.connection).get_table_names()))
                yield graph.downgrade_step(revision)
                seen.append(set(inspect(context.connection).get_table_names()))
                yield graph.upgrade_step(revision)
            yield from graph.downgrade_steps(("a3",), "base")

        environment.run(walk)

        assert environment.current_heads() == ()
    version = {"alembic_version"}
    assert seen == [
        {"t1"} | version,
        version,
        {"t1", "t2"} | version,
        {"t1"} | version,
        {"t1", "t2", "t3"} | version,
        {"t1", "t2"} | version,
    ]
    assert tables(database_url) == version


def test_run_with_many_steps_executes_env_py_once(
    project_files: Any, database_url: URL, tmp_path: Path
) -> None:
    for number in range(1, 21):
        project_files.add_revision(f"r{number}", f"r{number - 1}" if number > 1 else None)
    env = project_files.env.read_text()
    count = f"with open({str(tmp_path / 'count')!r}, 'a') as file:\n    file.write('x')\n"
    project_files.write_env(count + env)

    with bound(project_files, database_url) as environment:
        upgrade(environment)
        downgrade(environment)

    assert (tmp_path / "count").read_text() == "xx"


def test_run_from_what_an_earlier_connection_left_goes_on(
    three_tables: Any, database_url: URL
) -> None:
    with bound(three_tables, database_url) as environment:
        upgrade(environment, "a1")
    with bound(three_tables, database_url) as environment:
        upgrade(environment)
    with bound(three_tables, database_url) as environment:
        downgrade(environment, "a2")

    assert tables(database_url) == {"t1", "t2", "alembic_version"}


def test_run_without_steps_changes_nothing_but_the_version_table(
    three_tables: Any, database_url: URL
) -> None:
    with bound(three_tables, database_url) as environment:
        environment.run(lambda heads, context: ())

        assert environment.current_heads() == ()
    assert tables(database_url) <= {"alembic_version"}


def test_run_with_branches_applies_each(project_files: Any, database_url: URL) -> None:
    project_files.add_table("a1", None, "t1")
    project_files.add_table("b2", "a1", "t2")
    project_files.add_table("c2", "a1", "t3")

    with bound(project_files, database_url) as environment:
        upgrade(environment)

        assert environment.current_heads() == ("b2", "c2")


def test_probe_of_an_empty_database_creates_nothing(three_tables: Any, database_url: URL) -> None:
    with bound(three_tables, database_url) as environment:
        assert environment.options == {}
        assert environment.version_table == (None, "alembic_version")

        assert environment.probe() == ()

        assert "target_metadata" in environment.options
    assert tables(database_url) == set()


def test_probe_of_a_migrated_database_returns_its_revisions(
    three_tables: Any, database_url: URL
) -> None:
    with bound(three_tables, database_url) as environment:
        upgrade(environment, "a2")
    with bound(three_tables, database_url) as environment:
        assert environment.probe() == ("a2",)


def test_metadata_given_stands_in_for_that_of_env_py(three_tables: Any, database_url: URL) -> None:
    from sqlalchemy import MetaData

    three_tables.write_env(metadata="__import__('sqlalchemy').MetaData()")
    given = MetaData()

    with bound(three_tables, database_url) as environment:
        environment.probe()
        (theirs,) = environment.metadatas()
    with bound(three_tables, database_url, metadata=given) as environment:
        environment.probe()
        (ours,) = environment.metadatas()
        option = environment.options["target_metadata"]

    assert theirs is not given
    assert ours is given
    assert option is given


def test_config_with_a_nasty_password_reaches_env_py_unmasked(
    three_tables: Any, postgresql_url: URL, tmp_path: Path
) -> None:
    seen = tmp_path / "seen"
    three_tables.write_env(
        "from alembic import context\n"
        f"with open({str(seen)!r}, 'w') as file:\n"
        "    file.write(context.config.get_main_option('sqlalchemy.url'))\n"
        + three_tables.env.read_text()
    )
    url = postgresql_url.set(password="p@ss%40:/ %(here)s")

    config = make_config(url, config_file=three_tables.ini)
    graph = RevisionGraph.from_config(config)
    with get_backend(url).make_engine(postgresql_url).connect() as connection:
        Environment(config, graph, connection, url=url).probe()

    assert parse_url(seen.read_text()).password == "p@ss%40:/ %(here)s"


# Failing migrations


@with_transactional_ddl
def test_run_with_a_failing_revision_says_which_and_keeps_the_ones_before(
    three_tables: Any, database_url: URL
) -> None:
    path = three_tables.add_revision(
        "a4",
        "a3",
        message="add audit",
        upgrade='op.create_table("audit", sa.Column("id", sa.Integer))\nraise ValueError("no")',
    )

    with bound(three_tables, database_url) as environment:
        with pytest.raises(MigrationFailed) as caught:
            upgrade(environment)

        assert environment.current_heads() == ("a3",)
    error = caught.value
    assert str(error) == (
        "the upgrade of revision a4 (add audit) failed: ValueError: no\n"
        f"  It is in {path}; steps before it that stay done: 3.\n"
        "  help: correct the revision, then run it again."
    )
    assert (error.revision, error.applied) == ("a4", ("a1", "a2", "a3"))
    assert isinstance(error.__cause__, ValueError)
    assert tables(database_url) == {"t1", "t2", "t3", "alembic_version"}


@with_transactional_ddl
def test_run_with_a_failing_downgrade_says_which(three_tables: Any, database_url: URL) -> None:
    path = three_tables.add_revision("a4", "a3", downgrade='op.drop_table("none")')

    with bound(three_tables, database_url) as environment:
        upgrade(environment)
        with pytest.raises(MigrationFailed) as caught:
            downgrade(environment)

        assert environment.current_heads() == ("a4",)
    assert caught.value.message.startswith("the downgrade of revision a4 (a4) failed: ")
    assert caught.value.effect == f"It is in {path}; steps before it that stay done: 0."
    assert (caught.value.revision, caught.value.applied) == ("a4", ())


@with_transactional_ddl
def test_run_with_a_failing_statement_leaves_nothing_of_the_revision_behind(
    project_files: Any, database_url: URL
) -> None:
    good = 'op.create_table("t1", sa.Column("id", sa.Integer))'
    project_files.add_revision(
        "a1", upgrade=f'{good}\nop.execute("INSERT INTO t1 VALUES (1)")\nop.execute("nonsense")'
    )

    with bound(project_files, database_url) as environment:
        with pytest.raises(MigrationFailed, match="syntax error"):
            upgrade(environment)

        assert environment.current_heads() == ()
    assert tables(database_url) - {"alembic_version"} == set()

    project_files.add_revision("a1", upgrade=good)
    with bound(project_files, database_url) as environment:
        upgrade(environment)

        assert environment.current_heads() == ("a1",)


def test_run_after_a_failure_on_the_same_connection_goes_on(
    three_tables: Any, database_url: URL, tmp_path: Path
) -> None:
    flag = tmp_path / "flag"
    three_tables.add_revision(
        "a4", "a3", upgrade=f"import pathlib\npathlib.Path({str(flag)!r}).read_text()"
    )

    with bound(three_tables, database_url) as environment:
        with pytest.raises(MigrationFailed, match="FileNotFoundError"):
            upgrade(environment)
        flag.touch()
        upgrade(environment)

        assert environment.current_heads() == ("a4",)


def test_run_with_a_revision_raising_an_error_of_ours_names_the_revision(
    project_files: Any, database_url: URL
) -> None:
    project_files.add_revision(
        "a1", upgrade='from sqlalchemy.exc import InvalidRequestError as E\nraise E("once")'
    )

    with (
        bound(project_files, database_url) as environment,
        pytest.raises(MigrationFailed) as caught,
    ):
        upgrade(environment)

    assert (
        caught.value.message == "the upgrade of revision a1 (a1) failed: InvalidRequestError: once"
    )


def test_run_with_an_enum_made_twice_fails_on_the_second_revision(
    project_files: Any, postgresql_url: URL
) -> None:
    column = 'sa.Column("colour", sa.Enum("red", "blue", name="colour"))'
    project_files.add_revision("a1", upgrade=f'op.create_table("t1", {column})')
    project_files.add_revision("a2", "a1", upgrade=f'op.create_table("t2", {column})')

    with (
        bound(project_files, postgresql_url) as environment,
        pytest.raises(MigrationFailed) as caught,
    ):
        upgrade(environment)

    assert caught.value.message == (
        'the upgrade of revision a2 (a2) failed: DuplicateObject: type "colour" already exists'
    )
    assert caught.value.applied == ("a1",)


def test_run_without_downgrade_function_raises_before_anything_is_changed(
    three_tables: Any, database_url: URL
) -> None:
    three_tables.add_revision("a4", "a3", downgrade=None)

    with bound(three_tables, database_url) as environment:
        upgrade(environment)
        with pytest.raises(AttributeError, match="downgrade"):
            environment.graph.downgrade_steps(("a4",), "base")

        assert environment.current_heads() == ("a4",)


# Autocommit blocks


@pytest.mark.parametrize("rest", ["", 'op.add_column("t1", sa.Column("more", sa.Integer))'])
def test_autocommit_block_on_sqlite_lets_vacuum_run(
    rest: str, project_files: Any, sqlite_databases: Any
) -> None:
    project_files.add_table("a1", None, "t1")
    project_files.add_revision(
        "a2",
        "a1",
        upgrade='op.add_column("t1", sa.Column("name", sa.Integer))\n'
        f'with op.get_context().autocommit_block():\n    op.execute("VACUUM")\n{rest}',
    )

    with sqlite_databases.temporary() as url, bound(project_files, url) as environment:
        upgrade(environment)

        assert environment.current_heads() == ("a2",)
        names = {column["name"] for column in inspect(environment.connection).get_columns("t1")}
        assert names == {"id", "name"} | ({"more"} if rest else set())


def test_autocommit_block_on_postgresql_lets_an_index_be_created_concurrently(
    project_files: Any, postgresql_url: URL
) -> None:
    project_files.add_table("a1", None, "t1")
    project_files.add_revision(
        "a2",
        "a1",
        upgrade="with op.get_context().autocommit_block():\n"
        '    op.create_index("ix_t1", "t1", ["id"], postgresql_concurrently=True)',
        downgrade="with op.get_context().autocommit_block():\n"
        '    op.drop_index("ix_t1", "t1", postgresql_concurrently=True)',
    )
    query = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('ix_t1')"

    with bound(project_files, postgresql_url) as environment:
        upgrade(environment)
        assert rows(postgresql_url, query) == [(True,)]
        downgrade(environment, "a1")
        assert rows(postgresql_url, query) == []


# What env.py may do with our trust


def test_env_py_without_begin_transaction_is_committed_all_the_same(
    three_tables: Any, database_url: URL
) -> None:
    write_body(three_tables, WITHOUT_TRANSACTION)

    with bound(three_tables, database_url) as environment:
        upgrade(environment)

        assert environment.current_heads() == ("a3",)
    assert tables(database_url) == {"t1", "t2", "t3", "alembic_version"}


def test_env_py_that_swallows_an_error_is_not_at_target_because_of_it(
    three_tables: Any, database_url: URL
) -> None:
    write_body(three_tables, SWALLOWING)
    three_tables.add_revision("a4", "a3", upgrade='raise ValueError("no such luck")')

    with bound(three_tables, database_url) as environment, pytest.raises(NotAtTarget) as caught:
        upgrade(environment)

    assert str(caught.value) == (
        f"{three_tables.env} returned before all migrations were run: it hid ValueError: no such"
        " luck\n"
        "  3 steps were taken; the others were not.\n"
        "  help: see that env.py calls context.run_migrations() and lets errors through."
    )
    assert isinstance(caught.value.__cause__, ValueError)


def test_env_py_that_swallows_a_failing_statement_is_not_at_target_because_of_it(
    project_files: Any, database_url: URL
) -> None:
    write_body(project_files, SWALLOWING)
    project_files.add_revision("a1", upgrade='op.execute("nonsense")')

    with (
        bound(project_files, database_url) as environment,
        pytest.raises(
            NotAtTarget, match=r"it hid .*(syntax error|error in your SQL syntax)"
        ) as caught,
    ):
        upgrade(environment)

    assert caught.value.__cause__ is not None


def test_env_py_that_never_runs_the_migrations_is_not_at_target(
    three_tables: Any, database_url: URL
) -> None:
    write_body(three_tables, "    context.configure(connection=connection)\n")

    with bound(three_tables, database_url) as environment, pytest.raises(NotAtTarget) as caught:
        upgrade(environment)

    assert str(caught.value) == (
        f"{three_tables.env} returned before all migrations were run\n"
        "  0 steps were taken; the others were not.\n"
        "  help: see that env.py calls context.run_migrations() and lets errors through."
    )


def test_env_py_that_does_nothing_is_at_fault(three_tables: Any, database_url: URL) -> None:
    three_tables.write_env("import alembic\n")

    with (
        bound(three_tables, database_url) as environment,
        pytest.raises(EnvironmentFault) as caught,
    ):
        upgrade(environment)

    assert type(caught.value) is EnvironmentFault
    assert str(caught.value) == (
        f"{three_tables.env} did not call context.configure()\n"
        "  Alembic never had a connection, so no migration was run.\n"
        "  help: see that env.py configures the context when it is not in offline mode; `alembic"
        " init` writes one that does."
    )


def test_env_py_that_does_nothing_the_second_time_is_at_fault_again(
    three_tables: Any, database_url: URL
) -> None:
    with bound(three_tables, database_url) as environment:
        environment.probe()
        three_tables.write_env("import alembic\n")

        with pytest.raises(EnvironmentFault, match=r"did not call context\.configure\(\)"):
            upgrade(environment)


@pytest.mark.parametrize("position", ["before", "after"])
def test_env_py_that_raises_is_at_fault_because_of_it(
    position: str, three_tables: Any, database_url: URL
) -> None:
    parts = [three_tables.env.read_text(), 'raise KeyError("DATABASE_URL")\n']
    three_tables.write_env("\n".join(reversed(parts) if position == "before" else parts))

    with bound(three_tables, database_url) as environment:
        with pytest.raises(EnvironmentFault) as caught:
            upgrade(environment)

        assert environment.current_heads() == (() if position == "before" else ("a3",))
    assert type(caught.value) is EnvironmentFault
    assert caught.value.message == f"{three_tables.env} failed: KeyError: 'DATABASE_URL'"
    assert caught.value.effect == (
        "No migration was run by it." if position == "before" else "3 steps before that stay done."
    )
    assert isinstance(caught.value.__cause__, KeyError)


@with_transactional_ddl
@pytest.mark.parametrize("env", [ROLLING_BACK, LEFT_OPEN])
def test_env_py_that_commits_nothing_is_not_at_target(
    env: str, three_tables: Any, database_url: URL
) -> None:
    three_tables.write_env(env)

    with bound(three_tables, database_url) as environment:
        with pytest.raises(NotAtTarget) as caught:
            upgrade(environment)

        assert environment.current_heads() == ()
        assert not environment.connection.in_transaction()
    assert str(caught.value) == (
        f"{three_tables.env} ran the migrations to a3, but the database is at no revision\n"
        "  What they did was not committed.\n"
        "  help: see that env.py runs them inside `with context.begin_transaction():` and neither"
        " rolls back nor begins a transaction around it."
    )
    assert tables(database_url) == set()


def test_env_py_with_a_transaction_of_its_own_around_all_is_fine(
    three_tables: Any, database_url: URL
) -> None:
    three_tables.write_env(ROLLING_BACK.replace("outer.rollback()", "pass"))

    with bound(three_tables, database_url) as environment:
        upgrade(environment)

        assert environment.current_heads() == ("a3",)
    assert tables(database_url) == {"t1", "t2", "t3", "alembic_version"}


@with_transactional_ddl
def test_env_py_with_a_transaction_of_its_own_around_all_keeps_nothing_of_a_failed_run(
    three_tables: Any, database_url: URL
) -> None:
    three_tables.write_env(ROLLING_BACK.replace("outer.rollback()", "pass"))
    path = three_tables.add_revision("a4", "a3", upgrade='raise ValueError("no")')

    with bound(three_tables, database_url) as environment:
        with pytest.raises(MigrationFailed) as caught:
            upgrade(environment)

        assert environment.current_heads() == ()
    assert caught.value.effect == f"It is in {path}; steps before it that stay done: 0."
    assert caught.value.applied == ()


# Event loops and threads


@pytest.mark.parametrize("flavour", ["sync", "async"])
def test_run_inside_a_running_event_loop_is_at_target(
    flavour: str, three_tables: Any, database_url: URL
) -> None:
    if flavour == "async":
        three_tables.write_env(ASYNC_ENV)

    async def main() -> tuple[str, ...]:
        with bound(three_tables, database_url) as environment:
            upgrade(environment)
            return environment.current_heads()

    assert asyncio.run(main()) == ("a3",)
    assert tables(database_url) == {"t1", "t2", "t3", "alembic_version"}


def test_run_inside_a_running_event_loop_raises_what_it_raises_outside(
    project_files: Any, database_url: URL
) -> None:
    project_files.add_revision("a1", upgrade='raise ValueError("no")')

    async def main() -> None:
        with bound(project_files, database_url) as environment:
            upgrade(environment)

    with pytest.raises(MigrationFailed, match=r"revision a1 \(a1\) failed: ValueError: no"):
        asyncio.run(main())


ASYNC_ENV = """
import asyncio
from alembic import context
from sqlalchemy import pool
from sqlalchemy.ext.asyncio import async_engine_from_config

config = context.config


def migrate(connection):
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()


async def main():
    section = config.get_section(config.config_ini_section)
    engine = async_engine_from_config(section, poolclass=pool.NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()

asyncio.run(main())
"""


@pytest.mark.parametrize("flavour", ["sync", "async"])
def test_run_in_eight_threads_with_eight_databases_migrates_each(
    flavour: str, make_project: Callable[..., Any], databases: Any
) -> None:
    def migrate(number: int, url: URL) -> tuple[set[str], tuple[str, ...]]:
        with bound(projects[number], url) as environment:
            upgrade(environment)
            heads = environment.current_heads()
        return tables(url), heads

    projects = [make_project(f"project{number}") for number in range(8)]
    for number, files in enumerate(projects):
        files.add_table(f"r{number}", None, f"first{number}")
        files.add_table(f"s{number}", f"r{number}", f"second{number}")
        if flavour == "async":
            files.write_env(ASYNC_ENV)
    urls = [databases.create() for _ in projects]
    with ThreadPoolExecutor(8) as executor:
        found = list(executor.map(migrate, range(8), urls))
    for url in urls:
        databases.drop(url)

    assert found == [
        ({f"first{number}", f"second{number}", "alembic_version"}, (f"s{number}",))
        for number in range(8)
    ]


# The errors travel


def error_types() -> list[type[AssayError]]:
    return [
        one
        for one in vars(exceptions).values()
        if isinstance(one, type) and issubclass(one, AssayError)
    ]


@pytest.mark.parametrize("kind", error_types())
def test_error_pickled_and_back_says_the_same(kind: type[AssayError]) -> None:
    more: Any = {"revision": "a1", "applied": ("a0",)} if issubclass(kind, MigrationFailed) else {}
    error = kind("what is so", effect="what that means", help="what to do", **more)

    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is kind
    assert str(copy) == "what is so\n  what that means\n  help: what to do"
    assert (copy.message, copy.effect, copy.help) == ("what is so", "what that means", "what to do")
    assert copy.args == error.args
    assert copy.__dict__ == error.__dict__


def test_error_without_effect_and_help_is_its_message_alone() -> None:
    assert str(AssayError("what is so")) == "what is so"


def test_findings_detected_pickled_and_back_says_the_same() -> None:
    error = pickle.loads(pickle.dumps(exceptions.FindingsDetected("1 finding")))

    assert isinstance(error, AssertionError)
    assert str(error) == "1 finding"
