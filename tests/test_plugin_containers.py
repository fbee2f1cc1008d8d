"""``--assay-server``: a server in a container, and each reason why there is none."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from sqlalchemy import URL

# Stands in for the package where no container engine is at hand: its "container" is a server that
# runs already. What it says of the real one: names, parameters and the order of calls, as in 4.15.
STAND_IN = {
    "docker/__init__.py": "",
    "docker/errors.py": """
        class DockerException(Exception): pass
        class APIError(DockerException): pass
    """,
    "testcontainers/__init__.py": "",
    "testcontainers/core/__init__.py": "",
    "testcontainers/core/container.py": "",
    "testcontainers/community/__init__.py": "",
    "testcontainers/community/postgres.py": """
        import os
        import docker.errors

        def note(text):
            with open(os.environ["STAND_IN_NOTES"], "a") as file:
                print(text, file=file)

        class PostgresContainer:
            def __init__(self, image, port=5432, username=None, password=None, dbname=None,
                         driver="psycopg2", **kwargs):
                assert not kwargs
                note(f"made {image} {username} {dbname} {driver} {len(password)}")
            def with_command(self, command):
                note(command)
                return self
            def __enter__(self):
                if failure := os.environ.get("STAND_IN_FAILURE"):
                    raise eval(failure)
                note("started")
                return self
            def __exit__(self, *error):
                note("stopped")
            def get_connection_url(self):
                return os.environ["STAND_IN_URL"]
    """,
    "testcontainers/community/mysql.py": """
        from testcontainers.community.postgres import PostgresContainer, note

        class MySqlContainer(PostgresContainer):
            def __init__(self, image, dialect=None, username=None, root_password=None,
                         password=None, dbname=None, port=3306, seed=None, **kwargs):
                assert not kwargs
                note(f"made {image} {username} {dbname} {len(password)}")
            def with_env(self, key, value):
                note(f"{key}={value}")
                return self
    """,
}
TESTS = """
import os
import pytest
from sqlalchemy import make_url

@pytest.mark.parametrize("number", range(4))
def test_database_is_on_the_server(migrated_database, number):
    assert os.environ["ASSAY_URL"] == os.environ["STAND_IN_URL"]
    assert migrated_database.query["host"] == make_url(os.environ["STAND_IN_URL"]).query["host"]
"""
AFTERWARDS = """
import os

def pytest_configure(config):
    before = os.environ.get("ASSAY_URL")
    config.add_cleanup(lambda: print(f"ASSAY_URL was {before}, is {os.environ.get('ASSAY_URL')}"))
"""


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("ASSAY_URL", "ASSAY_SERVER", "ASSAY_ALLOW_HOST", "ALEMBIC_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    # Neither a .testcontainers.properties nor a context of Docker is to lead elsewhere.
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))


@pytest.fixture
def notes(pytester: pytest.Pytester, postgresql_url: URL, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project, and the stand-in; what was done with that is in this file."""
    folder = pytester.mkdir("stand_in")
    for name, text in STAND_IN.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(textwrap.dedent(text))
    server = postgresql_url.set(database="postgres").render_as_string(hide_password=False)
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=":")
    monkeypatch.setenv("STAND_IN_URL", server)
    monkeypatch.setenv("STAND_IN_NOTES", str(pytester.path / "notes"))
    (pytester.path / "migrations" / "versions").mkdir(parents=True)
    (pytester.path / "migrations" / "env.py").write_text(ENV)
    pytester.makefile(
        ".ini", alembic="[alembic]\nscript_location = migrations\nsqlalchemy.url = postgresql://\n"
    )
    pytester.makeconftest(AFTERWARDS)
    pytester.makepyfile(test_own=TESTS)
    return pytester.path / "notes"


ENV = """
from alembic import context
from sqlalchemy import create_engine

with create_engine(context.config.get_main_option("sqlalchemy.url")).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""


def run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", *arguments)


def assert_refused(result: pytest.RunResult, *lines: str) -> None:
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {lines[0]}", *lines[1:]], consecutive=True)
    assert "Traceback" not in result.stdout.str() + result.stderr.str()


@pytest.mark.parametrize("workers", ["0", "2"])
def test_server_runs_for_the_run_and_all_its_workers(
    pytester: pytest.Pytester, notes: Path, workers: str
) -> None:
    result = run(pytester, "--assay-server=testcontainers:postgres:16", "-n", workers, "-s")

    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(
        [
            "alembic-assay: postgresql on a server of its own, in testcontainers:postgres:16"
            " (from --assay-server)"
        ]
    )
    result.stdout.fnmatch_lines(["ASSAY_URL was None, is None"])
    assert notes.read_text().splitlines() == [
        "made postgres:16 postgres postgres psycopg 32",
        "postgres -c fsync=off -c synchronous_commit=off -c full_page_writes=off",
        "started",
        "stopped",
    ]


@pytest.mark.parametrize(
    ("variable", "ini"),
    [
        ("testcontainers:pgvector/pgvector:pg16", ""),
        ("", "testcontainers:registry:5000/x/PostGIS@sha256:0"),
    ],
)
def test_server_is_chosen_by_environment_or_ini(
    pytester: pytest.Pytester,
    notes: Path,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    ini: str,
) -> None:
    monkeypatch.setenv("ASSAY_SERVER", variable)
    pytester.makeini(f"[pytest]\nassay_server = {ini}\n")

    result = run(pytester)

    result.assert_outcomes(passed=4)
    assert notes.read_text().startswith(f"made {(variable or ini)[15:]} postgres ")


def test_server_of_mysql_is_root_s_and_may_be_on_another_machine(
    pytester: pytest.Pytester, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN_URL", "mysql://root:x@192.0.2.9:32768/test")
    monkeypatch.setenv("ASSAY_ALLOW_HOST", "a.example.org")
    pytester.makepyfile(
        test_own="""
        import os

        def test_environment():
            assert os.environ["ASSAY_URL"] == "mysql+pymysql://root:x@192.0.2.9:32768/"
            assert os.environ["ASSAY_ALLOW_HOST"] == "a.example.org,192.0.2.9"
        """
    )

    result = run(pytester, "--assay-server=testcontainers:mariadb:11")

    result.assert_outcomes(passed=1)
    assert notes.read_text().splitlines() == [
        "made mariadb:11 root test 32",
        "MYSQL_ROOT_HOST=%",
        "started",
        "stopped",
    ]


def test_server_is_stopped_when_the_run_breaks(pytester: pytest.Pytester, notes: Path) -> None:
    hook = "def pytest_collection(session):\n    raise RuntimeError('broken')\n"
    pytester.makeconftest(AFTERWARDS + hook)

    result = run(pytester, "--assay-server=testcontainers:postgres:16", "-s")

    assert result.ret == pytest.ExitCode.INTERNAL_ERROR
    assert notes.read_text().splitlines()[-2:] == ["started", "stopped"]
    assert "ASSAY_URL was None, is None" in result.stdout.str()


def test_collecting_starts_no_server(pytester: pytest.Pytester, notes: Path) -> None:
    result = run(pytester, "--assay-server=testcontainers:postgres:16", "--collect-only")

    assert result.ret == 0
    assert not notes.exists()


def test_image_that_the_engine_does_not_run_is_said(
    pytester: pytest.Pytester, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN_FAILURE", "docker.errors.APIError('no such image')")

    result = run(pytester, "--assay-server=testcontainers:postgres:0")

    assert_refused(
        result,
        "the container engine does not run postgres:0: APIError: no such image",
        "  There is no server to make databases on; no test was run.",
        "  help: see that there is such an image: docker pull postgres:0",
    )


def test_server_that_does_not_start_is_said(
    pytester: pytest.Pytester, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN_FAILURE", "TimeoutError('not ready')")

    result = run(pytester, "--assay-server=testcontainers:postgres:16")

    assert_refused(
        result,
        "the server in a container of postgres:16 does not start: TimeoutError: not ready",
        "  There is no server to make databases on; no test was run.",
        "  help: see what it says: docker run --rm postgres:16",
    )


def test_value_of_another_kind_is_refused(pytester: pytest.Pytester) -> None:
    result = run(pytester, "--assay-server=postgres:16")

    assert_refused(
        result,
        'the server "postgres:16" (from --assay-server) does not begin with testcontainers:',
        "  It is not known how to start it; no test was run.",
        "  help: name an image, such as testcontainers:postgres:16; the URL of a server that runs"
        " already is for --assay-url.",
    )


@pytest.mark.parametrize("image", ["redis:7", "postgres.example.org/redis", "x/y:postgres", ""])
def test_image_of_no_known_database_is_refused(pytester: pytest.Pytester, image: str) -> None:
    result = run(pytester, f"--assay-server=testcontainers:{image}")

    assert_refused(
        result,
        f'the image "{image}" is of no known kind of database',
        "  It is not known how to start a server in it; no test was run.",
        "  help: take one whose name begins with postgres, postgis, pgvector, timescale, mysql,"
        " mariadb, percona; for any other start the container yourself, and name its server:"
        " --assay-url",
    )


@pytest.mark.parametrize(
    ("arguments", "variable", "ini", "source"),
    [
        (["--assay-url=postgresql://app:s3cret@localhost/"], "", "", "--assay-url"),
        ([], "postgresql://app:s3cret@localhost/", "", "env ASSAY_URL"),
        ([], "", "postgresql://app:s3cret@localhost/", "ini assay_url"),
    ],
)
def test_server_and_url_are_two_answers(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    variable: str,
    ini: str,
    source: str,
) -> None:
    monkeypatch.setenv("ASSAY_URL", variable)
    pytester.makeini(f"[pytest]\nassay_url = {ini}\nassay_server = testcontainers:postgres:16\n")

    result = run(pytester, *arguments)

    assert_refused(
        result,
        "there are two servers: testcontainers:postgres:16 (from ini assay_server) and"
        f" postgresql://app:[*][*][*]@localhost/ (from {source})",
        "  Databases are made on one; no test was run.",
        "  help: leave out one of them; of an ini file, by an empty value: -o assay_server= or"
        " -o assay_url=",
    )
    assert "s3cret" not in result.stdout.str() + result.stderr.str()


def test_empty_value_leaves_out_the_server_of_the_ini_file(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nassay_url = sqlite://\nassay_server = testcontainers:postgres\n")
    pytester.makepyfile("def test_own():\n    pass\n")

    result = run(pytester, "-o", "assay_server=")

    result.assert_outcomes(passed=1)


@pytest.mark.parametrize("missing", ["testcontainers", "docker"])
def test_package_that_is_not_installed_is_said(pytester: pytest.Pytester, missing: str) -> None:
    pytester.makeconftest(f"import sys\nsys.modules[{missing!r}] = None\n")

    result = run(pytester, "--assay-server=testcontainers:postgres:16")

    assert_refused(
        result,
        "testcontainers is not installed: ModuleNotFoundError: *",
        "  No container can be started; no test was run.",
        '  help: pip install "alembic-assay[[]testcontainers]"',
    )


@pytest.mark.parametrize("workers", ["0", "2"])
@pytest.mark.parametrize("image", ["postgres:16", "mariadb:11"])
def test_engine_that_does_not_answer_is_said(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, image: str, workers: str
) -> None:
    pytest.importorskip("testcontainers", reason="needs alembic-assay[testcontainers]")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{pytester.path}/docker.sock")

    result = run(pytester, f"--assay-server=testcontainers:{image}", "-n", workers)

    assert_refused(
        result,
        f"no container engine answers at DOCKER_HOST=unix://{pytester.path}/docker.sock:"
        " DockerException: *",
        f"  No container of {image} can be started; no test was run.",
        "  help: start Docker or Podman, or set DOCKER_HOST to where it listens; or leave out"
        " --assay-server: a PostgreSQL server is then found or started.",
    )
