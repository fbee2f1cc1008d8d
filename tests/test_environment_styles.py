from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import URL, create_engine, inspect
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.pool import NullPool

from alembic_assay.config import make_config
from alembic_assay.dialects import get_backend
from alembic_assay.environment import Environment
from alembic_assay.exceptions import EnvironmentFault, WrongDatabase
from alembic_assay.history import RevisionGraph

TEMPLATES = [
    name
    for name in ("generic", "async", "pyproject", "pyproject_async")
    if Path(Config().get_template_directory(), name).is_dir()  # the last is of Alembic 1.16.3
]

DRIVERS = [
    "sqlite",
    "sqlite+pysqlite",
    "sqlite+aiosqlite",
    "postgresql",
    "postgresql+psycopg",
    "postgresql+psycopg_async",
    "postgresql+asyncpg",
    "mysql",
    "mysql+pymysql",
    "mysql+aiomysql",
]

ENGINE = """
from sqlalchemy.pool import NullPool
engine = create_engine(context.config.get_main_option("sqlalchemy.url"), poolclass=NullPool)
"""

MIGRATE = """
with {connection} as connection:
    context.configure(connection=connection{options})
    with context.begin_transaction():
        context.run_migrations()
"""


@contextmanager
def bound(config: Config, url: URL) -> Iterator[Environment]:
    graph = RevisionGraph.from_config(config)
    with get_backend(url).make_engine(url).connect() as connection:
        yield Environment(config, graph, connection, url=url)


def upgrade(config: Config, url: URL) -> tuple[str, ...]:
    with bound(config, url) as environment:
        environment.run(lambda heads, context: environment.graph.upgrade_steps(heads, "heads"))
        return environment.current_heads()


def tables(url: URL, schema: str | None = None) -> set[str]:
    engine = create_engine(get_backend(url).sync_url(url), poolclass=NullPool)
    return set(inspect(engine).get_table_names(schema))


def execute(url: URL, statement: str) -> None:
    with get_backend(url).make_engine(url).begin() as connection:
        connection.exec_driver_sql(statement)


@pytest.fixture
def project(project_files: Any) -> Any:
    project_files.add_table("a1", None, "t1")
    project_files.add_table("a2", "a1", "t2")
    return project_files


@pytest.fixture
def config(project: Any, database_url: URL) -> Config:
    return make_config(database_url, config_file=project.ini)


def write_env(project: Any, head: str, connection: str, options: str = "") -> None:
    project.write_env(
        "from alembic import context\n"
        + head
        + MIGRATE.format(connection=connection, options=options)
    )


# What `alembic init` writes


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("template", TEMPLATES)
def test_env_py_of_alembic_init_with_any_driver_is_at_head(
    template: str, driver: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    databases = request.getfixturevalue(f"{driver.partition('+')[0]}_databases")
    config_file = make_project_by_alembic(tmp_path, template)

    with databases.temporary() as own:
        url = own.set(drivername=driver)
        heads = upgrade(make_config(url, config_file=config_file), url)

        assert heads == ("a1",)
        assert tables(own) == {"t1", "alembic_version"}


@pytest.mark.parametrize("template", [one for one in TEMPLATES if "pyproject" in one])
def test_env_py_of_alembic_init_without_its_ini_is_at_head(
    template: str, database_url: URL, tmp_path: Path
) -> None:
    make_project_by_alembic(tmp_path, template).unlink()

    config = make_config(database_url, config_file=tmp_path / "pyproject.toml")

    assert upgrade(config, database_url) == ("a1",)


def make_project_by_alembic(folder: Path, template: str) -> Path:
    """Make a project as its author does, with one revision, and return its ini file."""
    ini, toml = folder / "alembic.ini", folder / "pyproject.toml"
    command.init(Config(ini, toml_file=toml), str(folder / "migrations"), template=template)
    script = command.revision(Config(ini, toml_file=toml), "make t1", rev_id="a1")
    path = Path(script.path)  # type: ignore[union-attr]
    made = 'op.create_table("t1", sa.Column("id", sa.Integer))'
    path.write_text(path.read_text().replace("    pass", f"    {made}", 1))
    return ini


# Where env.py takes its URL from


def test_env_py_with_url_from_the_environment_bound_right_is_at_head(
    project: Any, config: Config, database_url: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_URL", database_url.render_as_string(hide_password=False))
    write_env(
        project,
        "import os\nfrom sqlalchemy import create_engine, pool\n",
        'create_engine(os.environ["SHOP_URL"], poolclass=pool.NullPool).connect()',
    )

    assert upgrade(config, database_url) == ("a2",)


@pytest.mark.parametrize("flavour", ["sync", "async"])
def test_env_py_with_url_of_another_sqlite_file_is_refused_and_that_not_created(
    flavour: str, project: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = tmp_path / "ours.db", tmp_path / "theirs.db"
    url = URL.create("sqlite+pysqlite", database=str(ours))
    if flavour == "sync":
        monkeypatch.setenv("SHOP_URL", f"sqlite:///{theirs}")
        write_env(
            project,
            "import os\nfrom sqlalchemy import create_engine\n",
            'create_engine(os.environ["SHOP_URL"]).connect()',
        )
    else:
        monkeypatch.setenv("SHOP_URL", f"sqlite+aiosqlite:///{theirs}")
        project.write_env(ASYNC_FROM_ENVIRONMENT)

    with pytest.raises(WrongDatabase) as caught:
        upgrade(make_config(url, config_file=project.ini), url)

    assert str(caught.value) == (
        f"{project.env} opens sqlite:///{theirs} instead of sqlite+pysqlite:///{ours}\n"
        "  It takes its URL from somewhere else than the Alembic configuration, so nothing was run,"
        " on neither of them.\n"
        '  help: read it in env.py by config.get_main_option("sqlalchemy.url"), or point the'
        " application's settings at the URL before env.py runs: a `configure` function in"
        " [tool.alembic-assay], or the assay_config fixture."
    )
    assert not theirs.exists()
    assert tables(url) == set()


ASYNC_FROM_ENVIRONMENT = """
import asyncio, os
from alembic import context
from sqlalchemy.ext.asyncio import create_async_engine


def migrate(connection):
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()


async def main():
    async with create_async_engine(os.environ["SHOP_URL"]).connect() as connection:
        await connection.run_sync(migrate)

asyncio.run(main())
"""


def test_env_py_with_url_of_another_postgresql_database_is_refused_with_passwords_masked(
    project: Any, postgresql_url: URL, postgresql_databases: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = postgresql_url.set(password="hunter2")
    with postgresql_databases.temporary() as theirs:
        secret = theirs.set(password="letmein").render_as_string(hide_password=False)
        monkeypatch.setenv("SHOP_URL", secret)
        write_env(
            project,
            "import os\nfrom sqlalchemy import create_engine\n",
            'create_engine(os.environ["SHOP_URL"]).connect()',
        )

        with pytest.raises(WrongDatabase) as caught:
            upgrade(make_config(ours, config_file=project.ini), ours)

        assert tables(theirs) == set()
    message = caught.value.message
    assert message.startswith(f"{project.env} opens postgresql://")
    assert f"/{theirs.database} instead of {ours.render_as_string()}" in message
    assert ":***@" in message
    assert "hunter2" not in str(caught.value)
    assert "letmein" not in str(caught.value)


def test_env_py_that_hides_the_refusal_of_another_database_is_still_refused(
    project: Any, tmp_path: Path
) -> None:
    url = URL.create("sqlite+pysqlite", database=str(tmp_path / "ours.db"))
    project.write_env(
        "from sqlalchemy import create_engine\n"
        "try:\n"
        f"    create_engine('sqlite:///{tmp_path}/theirs.db').connect()\n"
        "except Exception:\n"
        "    print('never mind')\n"
    )

    with pytest.raises(WrongDatabase, match=r"opens sqlite:///.*theirs\.db instead of"):
        upgrade(make_config(url, config_file=project.ini), url)

    assert not (tmp_path / "theirs.db").exists()


def test_env_py_with_an_engine_already_connected_to_another_database_is_refused(
    project: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = URL.create("sqlite+pysqlite", database=str(tmp_path / "ours.db"))
    (project.folder / "shop_with_engine.py").write_text(
        "from sqlalchemy import create_engine\n"
        f"engine = create_engine('sqlite:///{tmp_path}/theirs.db')\n"
    )
    monkeypatch.syspath_prepend(project.folder)
    import shop_with_engine  # type: ignore[import-not-found]

    with shop_with_engine.engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE precious (id INTEGER)")
    write_env(project, "from shop_with_engine import engine\n", "engine.connect()")

    with pytest.raises(WrongDatabase, match=r"opens sqlite:///.*theirs\.db instead of"):
        upgrade(make_config(url, config_file=project.ini), url)

    shop_with_engine.engine.dispose()
    monkeypatch.delitem(sys.modules, "shop_with_engine")
    assert tables(URL.create("sqlite", database=str(tmp_path / "theirs.db"))) == {"precious"}


def test_application_connecting_elsewhere_in_another_thread_is_left_alone(
    project: Any, config: Config, database_url: URL, tmp_path: Path
) -> None:
    # The thread stands for one of the application's, that serves a request meanwhile.
    project.write_env(
        "import threading\nfrom sqlalchemy import create_engine\n"
        f"engine = create_engine('sqlite:///{tmp_path}/theirs.db')\n"
        "thread = threading.Thread(target=lambda: engine.connect().close())\n"
        "thread.start()\nthread.join()\nengine.dispose()\n" + project.env.read_text()
    )

    assert upgrade(config, database_url) == ("a2",)
    assert (tmp_path / "theirs.db").exists()


def test_env_py_that_builds_its_own_engine_for_the_same_database_is_at_head(
    project: Any, config: Config, database_url: URL
) -> None:
    text = database_url.render_as_string(hide_password=False)
    write_env(
        project,
        f"from sqlalchemy import create_engine, pool\nURL = {text!r}\n",
        "create_engine(URL, poolclass=pool.NullPool).connect()",
    )

    assert upgrade(config, database_url) == ("a2",)


def test_env_py_with_an_invalid_request_of_its_own_is_at_fault_and_run_once(
    project: Any, config: Config, database_url: URL, tmp_path: Path
) -> None:
    project.write_env(
        "import sqlalchemy as sa\n"
        f"with open({str(tmp_path / 'count')!r}, 'a') as file:\n"
        "    file.write('x')\n"
        "metadata = sa.MetaData()\n"
        "sa.Table('t', metadata, sa.Column('a'))\n"
        "sa.Table('t', metadata, sa.Column('a'))\n"
    )

    with pytest.raises(EnvironmentFault) as caught:
        upgrade(config, database_url)

    assert caught.value.message.startswith(
        f"{project.env} failed: InvalidRequestError: Table 't' is already defined"
    )
    assert isinstance(caught.value.__cause__, InvalidRequestError)
    assert (tmp_path / "count").read_text() == "x"


# config.attributes["connection"]


@pytest.mark.parametrize(
    "connection",
    [
        'contextlib.nullcontext(context.config.attributes["connection"])',
        'context.config.attributes["connection"].connect()',
        'context.config.attributes["connection"].engine.connect()',
    ],
    ids=["as is", "connect()", "engine.connect()"],
)
def test_env_py_that_looks_at_the_connection_in_the_config_is_at_head(
    connection: str, project: Any, config: Config, database_url: URL
) -> None:
    write_env(project, "import contextlib\n", connection)

    assert upgrade(config, database_url) == ("a2",)
    assert tables(database_url) == {"t1", "t2", "alembic_version"}


def test_connection_after_the_run_is_open_and_as_it_was(
    project: Any, config: Config, database_url: URL
) -> None:
    write_env(project, "", 'context.config.attributes["connection"].connect()')

    with bound(config, database_url) as environment:
        environment.run(lambda heads, context: environment.graph.upgrade_steps(heads, "heads"))

        assert not environment.connection.closed
        assert not environment.connection.in_transaction()
        assert not hasattr(environment.connection, "connect")
        assert environment.connection.exec_driver_sql("SELECT count(*) FROM t1").scalar() == 0


def test_connection_in_the_config_of_the_caller_is_there_again_after_the_run(
    project: Any, config: Config, database_url: URL
) -> None:
    config.attributes["connection"] = "the caller's"

    upgrade(config, database_url)

    assert config.attributes["connection"] == "the caller's"


# Logging

LOGGING = """
[loggers]
keys = root,alembic
[handlers]
keys = console
[formatters]
keys = plain
[logger_root]
level = ERROR
handlers = console
[logger_alembic]
level = DEBUG
handlers =
qualname = alembic
[handler_console]
class = StreamHandler
args = (sys.stderr,)
formatter = plain
[formatter_plain]
format = %(message)s
"""

FILE_CONFIG = """
import logging
from logging.config import fileConfig
from alembic import context

fileConfig(context.config.config_file_name, disable_existing_loggers=True)
"""


@pytest.fixture
def with_file_config(project: Any) -> Any:
    project.ini.write_text(project.ini.read_text() + LOGGING)
    project.write_env(FILE_CONFIG + project.env.read_text())
    return project


def test_file_config_of_env_py_leaves_the_loggers_of_the_application_as_they_were(
    with_file_config: Any, database_url: URL
) -> None:
    mine, handler = logging.getLogger("shop.orders"), logging.NullHandler()
    mine.setLevel(logging.INFO)
    mine.addHandler(handler)
    root_before = (logging.root.level, list(logging.root.handlers))
    alembic_before = (logging.getLogger("alembic").level, logging.getLogger("alembic").propagate)

    upgrade(make_config(database_url, config_file=with_file_config.ini), database_url)

    assert not mine.disabled
    assert (mine.level, mine.handlers, mine.propagate) == (logging.INFO, [handler], True)
    assert (logging.root.level, logging.root.handlers) == root_before
    assert alembic_before == (
        logging.getLogger("alembic").level,
        logging.getLogger("alembic").propagate,
    )
    mine.removeHandler(handler)


def test_file_config_of_env_py_leaves_loggers_made_by_env_py_alive(
    with_file_config: Any, database_url: URL
) -> None:
    with_file_config.write_env(
        'import logging\nlogging.getLogger("made.by.models")\n' + with_file_config.env.read_text()
    )

    upgrade(make_config(database_url, config_file=with_file_config.ini), database_url)

    assert "made.by.models" in logging.root.manager.loggerDict
    assert not logging.getLogger("made.by.models").disabled


def test_file_config_of_env_py_leaves_the_log_of_the_run_to_the_application(
    with_file_config: Any, database_url: URL, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "alembic")

    upgrade(make_config(database_url, config_file=with_file_config.ini), database_url)

    said = [one.getMessage() for one in caplog.records if one.name == "alembic.runtime.migration"]
    assert "Running upgrade  -> a1, a1" in said
    assert "Running upgrade a1 -> a2, a2" in said


def test_file_config_of_env_py_that_then_raises_leaves_the_loggers_as_they_were(
    with_file_config: Any, database_url: URL
) -> None:
    mine = logging.getLogger("shop.orders")
    root_before = (logging.root.level, list(logging.root.handlers))
    with_file_config.write_env(FILE_CONFIG + "1 / 0\n")

    with pytest.raises(EnvironmentFault, match="ZeroDivisionError"):
        upgrade(make_config(database_url, config_file=with_file_config.ini), database_url)

    assert not mine.disabled
    assert (logging.root.level, logging.root.handlers) == root_before


# The project's options


def test_render_as_batch_in_env_py_is_among_the_options(
    project: Any, config: Config, database_url: URL
) -> None:
    project.write_env(options=", render_as_batch=True, compare_type=False")

    with bound(config, database_url) as environment:
        environment.probe()

        assert environment.options["render_as_batch"] is True
        assert environment.options["compare_type"] is False
        assert environment.options["transaction_per_migration"] is True


def test_batch_migration_on_sqlite_moves_the_table(project: Any, sqlite_databases: Any) -> None:
    project.add_revision(
        "a3",
        "a2",
        upgrade='with op.batch_alter_table("t1") as batch:\n'
        '    batch.add_column(sa.Column("name", sa.String, nullable=False))\n'
        '    batch.create_unique_constraint("uq_name", ["name"])',
    )

    with sqlite_databases.temporary() as url:
        assert upgrade(make_config(url, config_file=project.ini), url) == ("a3",)

        assert tables(url) == {"t1", "t2", "alembic_version"}


def test_version_table_in_env_py_holds_the_revisions(
    project: Any, config: Config, database_url: URL
) -> None:
    project.write_env(options=", version_table='shop_version'")

    with bound(config, database_url) as environment:
        environment.run(lambda heads, context: environment.graph.upgrade_steps(heads, "heads"))

        assert environment.version_table == (None, "shop_version")
        assert environment.current_heads() == ("a2",)
    assert tables(database_url) == {"t1", "t2", "shop_version"}
    with bound(config, database_url) as environment:
        assert environment.probe() == ("a2",)


def test_version_table_schema_in_env_py_holds_the_revisions(
    project: Any, postgresql_url: URL
) -> None:
    execute(postgresql_url, "CREATE SCHEMA audit")
    project.write_env(options=", version_table_schema='audit', include_schemas=True")
    config = make_config(postgresql_url, config_file=project.ini)

    with bound(config, postgresql_url) as environment:
        environment.run(lambda heads, context: environment.graph.upgrade_steps(heads, "heads"))

        assert environment.version_table == ("audit", "alembic_version")
        assert environment.options["include_schemas"] is True
        assert environment.current_heads() == ("a2",)
    assert tables(postgresql_url) == {"t1", "t2"}
    assert tables(postgresql_url, "audit") == {"alembic_version"}


def test_schema_that_env_py_makes_and_commits_is_there_for_the_version_table(
    project: Any, postgresql_url: URL
) -> None:
    write_env(
        project,
        "from sqlalchemy import create_engine, text\n"
        + ENGINE
        + "with engine.begin() as connection:\n"
        "    connection.execute(text('CREATE SCHEMA IF NOT EXISTS audit'))\n",
        "engine.connect()",
        ", version_table_schema='audit'",
    )

    config = make_config(postgresql_url, config_file=project.ini)
    assert upgrade(config, postgresql_url) == ("a2",)

    assert tables(postgresql_url, "audit") == {"alembic_version"}


def test_schema_translate_map_on_the_connection_of_env_py_is_honoured(
    project: Any, postgresql_url: URL
) -> None:
    execute(postgresql_url, "CREATE SCHEMA tenant")
    write_env(
        project,
        "from sqlalchemy import create_engine\n" + ENGINE,
        "engine.connect().execution_options(schema_translate_map={None: 'tenant'})",
        ", version_table_schema='tenant'",
    )

    config = make_config(postgresql_url, config_file=project.ini)
    assert upgrade(config, postgresql_url) == ("a2",)

    assert tables(postgresql_url, "tenant") == {"t1", "t2", "alembic_version"}
    assert tables(postgresql_url) == set()


SCHEMA_PER_TENANT = (
    "from alembic import context\nfrom sqlalchemy import create_engine, text\n"
    + ENGINE
    + """
with engine.connect() as connection:
    connection.execute(text("SET search_path TO tenant"))
    connection.commit()
    connection.dialect.default_schema_name = "tenant"
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""
)


def test_search_path_on_the_connection_of_env_py_is_honoured(
    project: Any, postgresql_url: URL
) -> None:
    execute(postgresql_url, "CREATE SCHEMA tenant")
    project.write_env(SCHEMA_PER_TENANT)

    config = make_config(postgresql_url, config_file=project.ini)
    assert upgrade(config, postgresql_url) == ("a2",)

    assert tables(postgresql_url, "tenant") == {"t1", "t2", "alembic_version"}
    assert tables(postgresql_url) == set()


VERSION_LOCATIONS = """
from pathlib import Path
from alembic import context

folder = Path(context.script.dir)
context.script.version_locations = [str(folder / "versions"), str(folder / "postgresql")]
"""


@pytest.fixture
def with_version_locations(project: Any) -> Any:
    """A project whose env.py adds a folder with a revision that imports from the project."""
    project.write_env(VERSION_LOCATIONS + project.env.read_text())
    (project.folder / "shop_names.py").write_text('TABLE = "t3"\n')
    more = project.folder / "migrations" / "postgresql"
    more.mkdir()
    path = project.add_revision(
        "a3",
        "a2",
        upgrade='from shop_names import TABLE\nop.create_table(TABLE, sa.Column("id", sa.Integer))',
    )
    text = path.read_text()
    path.unlink()
    (more / "a3.py").write_text(f"import shop_names\n{text}")
    sys.modules.pop("shop_names", None)
    return project


def test_version_locations_set_in_env_py_are_read_by_probe(
    with_version_locations: Any, config: Config, database_url: URL
) -> None:
    with bound(config, database_url) as environment:
        assert environment.graph.heads == ("a2",)

        environment.probe()

        assert environment.graph.heads == ("a3",)


def test_version_locations_set_in_env_py_are_run_without_a_probe(
    with_version_locations: Any, config: Config, database_url: URL
) -> None:
    assert upgrade(config, database_url) == ("a3",)
    assert tables(database_url) == {"t1", "t2", "t3", "alembic_version"}


def test_version_locations_set_in_env_py_leave_a_graph_that_was_read_for_others(
    with_version_locations: Any, config: Config, database_url: URL
) -> None:
    graph = RevisionGraph.from_config(config)

    with get_backend(database_url).make_engine(database_url).connect() as connection:
        environment = Environment(config, graph, connection, url=database_url)
        environment.run(lambda heads, context: environment.graph.upgrade_steps(heads, "heads"))
        assert environment.current_heads() == ("a3",)
        again = Environment(config, graph, connection, url=database_url)
        again.run(lambda heads, context: again.graph.downgrade_steps(heads, "base"))
        assert again.current_heads() == ()


def test_revision_that_imports_the_project_while_it_runs_finds_it(
    make_project: Callable[..., Any], database_url: URL
) -> None:
    files = make_project()
    (files.folder / "shop_late.py").write_text('TABLE = "late"\n')
    files.add_revision(
        "a1",
        upgrade='import shop_late\nop.create_table(shop_late.TABLE, sa.Column("i", sa.Integer))',
    )
    before = list(sys.path)

    upgrade(make_config(database_url, config_file=files.ini), database_url)

    sys.modules.pop("shop_late", None)
    assert sys.path == before
    assert tables(database_url) == {"late", "alembic_version"}
