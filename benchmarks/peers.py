"""Measure a migrated database of its own for each test: ours beside what others offer.

    pip install -e '.[embedded]' pytest pytest-postgresql 'pytest-mock-resources[postgres-binary]'
    python benchmarks/peers.py [--tests 100] [--tables 30] [--url postgresql://user@host/postgres]

Each test writes a row and asks a question through what its fixture gives: an Engine of SQLAlchemy,
or, with pytest-postgresql, a connection of psycopg, which costs less. All are on one PostgreSQL
server, which is found or started, or the one that ``--url`` names; all use psycopg 3. The
contenders take turns, in an order that changes each round, each in a process of its own, without
the plugins of the others, with byte code cached.

- pytest-postgresql: ``postgresql_noproc``, whose ``load`` upgrades a template, and ``postgresql``.
- pytest-mock-resources: ``create_postgres_fixture``, whose template is upgraded by a static action.
  It would start a container; its configuration is told here that the server is up.
- Alembic: a database for each test, upgraded there. As that takes long, there are fewer tests.

The time per test is that of the whole process, less that of a run of as many empty tests without
any plugin, divided by their number. So it has its part of all that is done once: imports, and the
template, which the others migrate in each run; ours is there from an earlier run, or is made anew
in the row that says so. Beside it stands what the tests themselves took, without the first and the
last, less what empty ones take.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
from dataclasses import dataclass
from pathlib import Path

from projects import INSERT, QUERY, write_project_of_tables
from pytest_runs import RECORDER, Run, RunFailed, run_pytest, workplace
from servers import connect, open_server
from sqlalchemy import URL, make_url

from alembic_assay.databases import Databases


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to a database for each test: a plugin, its conftest.py, and what a test asks for."""

    fixture: str
    plugin: str | None
    conftest: str = ""
    body: str = "use_engine({fixture})"
    options: tuple[str, ...] = ()
    is_slow: bool = False


UPGRADE = """
from pathlib import Path

def upgrade(connectable):
    from alembic import command
    from alembic.config import Config
    config = Config(str(Path(__file__).parent / "alembic.ini"))
    config.attributes["connection"] = connectable
    command.upgrade(config, "head")

SERVER = dict(host=HOST, port=PORT, user=USER, password=PASSWORD)

def url_of(name):
    from sqlalchemy import URL
    given = {key: str(text) for key, text in SERVER.items() if text is not None}
    return URL.create("postgresql+psycopg", database=name, query=given)
"""

PYTEST_POSTGRESQL = """
from pytest_postgresql import factories

def load(*, dbname, **others):
    from sqlalchemy import create_engine
    engine = create_engine(url_of(dbname))
    upgrade(engine)
    engine.dispose()

server = factories.postgresql_noproc(**SERVER, dbname="assay_bench_peer", load=[load])
own = factories.postgresql("server")
"""

MOCK_RESOURCES = """
from pytest_mock_resources import PostgresConfig, create_postgres_fixture
from pytest_mock_resources.action import AbstractAction

class Running(PostgresConfig):
    name = "postgres"

    def check_fn(self):
        pass

@pytest.fixture(scope="session")
def pmr_postgres_config():
    return Running(
        host=HOST, port=PORT, username=USER, password=PASSWORD,
        root_database=ROOT, drivername="postgresql+psycopg",
    )

class Migrations(AbstractAction):
    fixtures = ("postgres",)
    static_safe = True

    def apply(self, connection):
        upgrade(connection)

own = create_postgres_fixture(Migrations())
"""

ALEMBIC = """
@pytest.fixture
def own():
    from psycopg import connect
    from sqlalchemy import create_engine
    with connect(**SERVER, dbname="postgres", autocommit=True) as connection:
        connection.execute("CREATE DATABASE assay_bench_alone")
        engine = create_engine(url_of("assay_bench_alone"))
        upgrade(engine)
        yield engine
        engine.dispose()
        connection.execute("DROP DATABASE assay_bench_alone WITH (FORCE)")
"""

OURS = "alembic-assay: fresh_engine"
CONTENDERS = {
    OURS: Contender("fresh_engine", "alembic_assay"),
    "alembic-assay, told to make its template anew": Contender(
        "fresh_engine", "alembic_assay", options=("--assay-rebuild",)
    ),
    "pytest-postgresql: noproc, template": Contender(
        "own", "pytest_postgresql", PYTEST_POSTGRESQL, body="use_psycopg({fixture})"
    ),
    "pytest-mock-resources: template": Contender("own", "pytest_mock_resources", MOCK_RESOURCES),
    "alembic upgrade head for each test": Contender("own", None, ALEMBIC, is_slow=True),
}

TESTS = f"""
import pytest

def use_engine(engine):
    with engine.begin() as connection:
        connection.exec_driver_sql({INSERT!r})
        assert connection.exec_driver_sql({QUERY!r}).scalar() == 3

def use_psycopg(connection):
    with connection.transaction():
        connection.execute({INSERT!r})
        assert connection.execute({QUERY!r}).fetchone() == (3,)

@pytest.mark.parametrize("number", range(COUNT))
def test_each(numberPARAMETER):
    BODY
"""


@dataclass(frozen=True, slots=True)
class Seconds:
    """What one test took: its part of the process, and itself."""

    process: float
    itself: float


def main() -> None:
    options = parse_options()
    with workplace() as folder, open_server(make_url(options.url), folder) as databases:
        fsync = ask_server(databases.url, "SHOW fsync")
        version = ask_server(databases.url, "SHOW server_version")
        print(f"PostgreSQL {version} ({databases.origin}), fsync {fsync}")
        print(f"{options.tests} tests, {options.tables} tables, {options.rounds} rounds,", load())
        with databases.temporary() as root:
            counts = write_projects(folder, options, databases, root)
            print_table(measure(folder, counts, databases.url, options.rounds))
        print(load(), "at the end")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--url", default="postgresql://", help="the server (default: our own)")
    parser.add_argument("--tests", type=int, default=100, help="default: %(default)s")
    parser.add_argument("--slow-tests", type=int, default=20, help="default: %(default)s")
    parser.add_argument("--tables", type=int, default=30, help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    return parser.parse_args()


def load() -> str:
    return f"load {os.getloadavg()[0]:.2f}"


def ask_server(server: URL, query: str) -> object:
    with connect(server) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def write_projects(
    folder: Path, options: argparse.Namespace, databases: Databases, root: URL
) -> dict[str, int]:
    """Write a project with tests for each contender; return how many tests each has."""
    _, given = databases.url.get_dialect()().create_connect_args(databases.url)
    server = {"HOST": "host", "PORT": "port", "USER": "user", "PASSWORD": "password"}
    constants = "".join(f"{name} = {given.get(key)!r}\n" for name, key in server.items())
    constants += f"ROOT = {root.database!r}\n"
    counts = {}
    for count in {options.tests, options.slow_tests}:
        empty = floor(folder, count)
        empty.parent.mkdir()
        (empty.parent / "conftest.py").write_text(RECORDER)
        empty.write_text(make_tests(count, parameter="", body="pass"))
    for name, contender in CONTENDERS.items():
        counts[name] = options.slow_tests if contender.is_slow else options.tests
        project = project_of(folder, name)
        write_project_of_tables(project, options.tables, "postgresql")
        # Ours has nothing to pay for, nor to gain, from what the others need.
        needs = constants + UPGRADE + contender.conftest if contender.conftest else ""
        (project / "conftest.py").write_text(RECORDER + needs)
        body = contender.body.format(fixture=contender.fixture)
        (project / "test_own.py").write_text(
            make_tests(counts[name], parameter=f", {contender.fixture}", body=body)
        )
    return counts


def make_tests(count: int, *, parameter: str, body: str) -> str:
    tests = TESTS.replace("COUNT", str(count))
    return tests.replace("PARAMETER", parameter).replace("BODY", body)


def floor(folder: Path, count: int) -> Path:
    """Return the file of so many empty tests."""
    return folder / f"empty_{count}" / "test_empty.py"


def project_of(folder: Path, name: str) -> Path:
    return folder / f"project_{list(CONTENDERS).index(name)}"


def measure(
    folder: Path, counts: dict[str, int], server: URL, rounds: int
) -> dict[str, list[Seconds] | str]:
    """Return what each round found for each contender, or why it cannot be run."""
    found: dict[str, list[Seconds] | str] = {name: [] for name in counts}
    for number in range(rounds + 1):
        floors = {count: run_pytest(floor(folder, count), plugin=None) for count in counts.values()}
        for name in random.sample(list(found), len(found)):
            each = found[name]
            if isinstance(each, str):
                continue
            try:
                own = run(name, folder, server)
            except (RunFailed, subprocess.SubprocessError) as error:
                found[name] = str(error)
                continue
            if number > 0:  # before, the byte code is written, and our template is made
                base, count = floors[counts[name]], counts[name]
                each.append(Seconds((own.wall - base.wall) / count, own.per_test - base.per_test))
    return found


def run(name: str, folder: Path, server: URL) -> Run:
    contender = CONTENDERS[name]
    options = list(contender.options)
    if contender.plugin == "alembic_assay":
        options.append(f"--assay-url={server.render_as_string(hide_password=False)}")
    test_file = project_of(folder, name) / "test_own.py"
    return run_pytest(test_file, *options, plugin=contender.plugin)


def print_table(found: dict[str, list[Seconds] | str]) -> None:
    print(f"\n{'':<48}{'per test':>10}{'it / ours':>11}{'itself':>12}{'it / ours':>11}")
    medians = {
        name: [
            statistics.median(one.process for one in each),
            statistics.median(one.itself for one in each),
        ]
        for name, each in found.items()
        if not isinstance(each, str)
    }
    nothing = [float("nan"), float("nan")]
    our_process, our_itself = medians.get(OURS, nothing)
    for name, each in found.items():
        if isinstance(each, str):
            print(f"{name:<48}cannot be run: {each}")
            continue
        process, itself = medians[name]
        row = f"{name:<48}{process * 1000:>7.1f} ms{process / our_process:>11.2f}"
        print(row + f"{itself * 1000:>9.1f} ms{itself / our_itself:>11.2f}")


if __name__ == "__main__":
    main()
