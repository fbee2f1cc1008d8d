"""Where databases may be made: refused without any connection, by every way in."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import URL, create_engine, make_url

from alembic_assay.config import load_config
from alembic_assay.exceptions import DatabaseUnreachable, UnsafePlace
from alembic_assay.project import open_project, server_url
from alembic_assay.safety import STAGES, refuse_unsafe, split_hosts
from alembic_assay.settings import Settings

if TYPE_CHECKING:
    from tests.conftest import ProjectFiles

REFUSED = (
    "192.0.2.1 is another machine than this one\n"
    "  Databases would be made and dropped there; nothing was connected to.\n"
    "  help: if tests may do that, allow it: --assay-allow-host 192.0.2.1 (pytest),"
    " --allow-host 192.0.2.1 (alembic-assay), or ASSAY_ALLOW_HOST=192.0.2.1."
)
PRODUCTION = (
    "this is production: APP_ENV=production in the environment\n"
    "  Databases would be made and dropped here; nothing was connected to.\n"
    "  help: check where tests run; if this is such a place, give APP_ENV another value for this"
    " run, such as APP_ENV=test."
)
NAMED_AND_CLOSED = "postgresql://app:s3cret@db.example.org:1/postgres?hostaddr=127.0.0.1"
"""A server that has to be allowed by its name; a connection would go to a closed port here."""


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = ("ASSAY_URL", "ASSAY_SERVER", "ASSAY_CONFIG", "ASSAY_METADATA", "ASSAY_ALLOW_HOST")
    for name in (*chosen, *STAGES, "ALEMBIC_CONFIG"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite:////srv/app.db",
        "postgresql://",
        "postgresql://app@localhost/shop",
        "postgresql://app@LOCALHOST:5433/shop",
        "postgresql+asyncpg://127.0.0.1/shop",
        "postgresql://127.8.9.10/shop",
        "postgresql://[::1]:5432/shop",
        "postgresql:///shop?host=/var/run/postgresql",
        "postgresql:///shop?host=localhost:5432&host=127.0.0.1:5433",
        "postgresql:///shop?host=localhost,/tmp&port=5432,5433",
        "postgresql://localhost/shop?hostaddr=127.0.0.1",
        "mysql+pymysql://root@127.0.0.1:3306/",
        "mysql+pymysql://root@/?unix_socket=/run/mysqld/mysqld.sock",
    ],
)
def test_this_machine_needs_no_permission(url: str) -> None:
    refuse_unsafe(make_url(url), allowed_hosts=())


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("postgresql://app:s3cret@192.0.2.1/shop", "192.0.2.1"),
        ("mysql+pymysql://db.example.org/", "db.example.org"),
        ("postgresql://localhost.example.org/", "localhost.example.org"),
        ("postgresql://128.0.0.1/", "128.0.0.1"),
        ("postgresql://[2001:db8::1]:5432/", "2001:db8::1"),
        ("postgresql:///shop?host=db.example.org", "db.example.org"),
        ("postgresql://localhost/?host=db.example.org", "db.example.org"),
        ("postgresql://localhost/?hostaddr=192.0.2.1", "192.0.2.1"),
        ("postgresql://localhost,db.example.org/", "db.example.org"),
        ("postgresql:///?host=localhost:5432&host=db.example.org:5433", "db.example.org"),
        ("postgresql:///?host=a.example.org,b.example.org", "a.example.org,b.example.org"),
    ],
)
def test_each_other_host_of_a_url_is_refused(url: str, hosts: str) -> None:
    with pytest.raises(UnsafePlace) as raised:
        refuse_unsafe(make_url(url), allowed_hosts=("other.example.org",))

    assert raised.value.message == (
        f"{hosts.replace(',', ' and ')}"
        f" {'are other machines' if ',' in hosts else 'is another machine'} than this one"
    )
    assert f"--assay-allow-host {hosts} " in raised.value.help
    assert "s3cret" not in str(raised.value)


def test_refusal_says_what_to_do() -> None:
    with pytest.raises(UnsafePlace) as raised:
        refuse_unsafe(make_url("postgresql://app:s3cret@192.0.2.1/shop"), allowed_hosts=())

    assert str(raised.value) == REFUSED


@pytest.mark.parametrize("allowed", [["DB.example.org "], ["other", "db.example.org"]])
def test_allowed_host_is_not_refused(allowed: list[str]) -> None:
    refuse_unsafe(make_url("postgresql://Db.Example.org/shop"), allowed_hosts=allowed)


def test_every_host_must_be_allowed() -> None:
    server = make_url("postgresql:///?host=a.example.org,b.example.org")

    with pytest.raises(UnsafePlace) as raised:
        refuse_unsafe(server, allowed_hosts=["a.example.org"])

    assert raised.value.message == "b.example.org is another machine than this one"


@pytest.mark.parametrize("name", STAGES)
@pytest.mark.parametrize("value", ["production", "PROD", " Live "])
@pytest.mark.parametrize("url", ["sqlite://", "postgresql://localhost/"])
def test_environment_that_is_production_is_refused(
    url: str, value: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(UnsafePlace) as raised:
        refuse_unsafe(make_url(url), allowed_hosts=["localhost"])

    assert raised.value.message == f"this is production: {name}={value} in the environment"


@pytest.mark.parametrize("value", ["", "test", "staging", "reproduction"])
def test_environment_that_is_something_else_is_not_refused(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENV", value)

    refuse_unsafe(make_url("sqlite://"), allowed_hosts=())


def test_hosts_stand_between_commas_or_in_lines() -> None:
    assert split_hosts("\na.example.org, b.example.org\n  192.0.2.1,\n") == (
        "a.example.org",
        "b.example.org",
        "192.0.2.1",
    )
    assert split_hosts(" ") == ()


# -- the project


def test_open_project_refuses_another_machine(project_files: ProjectFiles) -> None:
    url = "postgresql://app:s3cret@192.0.2.1/shop"

    with (
        pytest.raises(UnsafePlace) as raised,
        open_project(url=url, config_file=project_files.ini),
    ):
        pass

    assert str(raised.value) == REFUSED


def test_open_project_refuses_the_server_of_the_settings(project_files: ProjectFiles) -> None:
    settings = '[tool.alembic-assay]\nurl = "postgresql://192.0.2.1/"\n'
    (project_files.folder / "pyproject.toml").write_text(settings)

    with pytest.raises(UnsafePlace) as raised, open_project(config_file=project_files.ini):
        pass

    assert str(raised.value) == REFUSED


@pytest.mark.parametrize(
    ("allowed", "variable"),
    [(["db.example.org"], ""), ([], "a.example.org, db.example.org"), (["db.example.org"], "a")],
)
def test_open_project_connects_to_a_machine_that_is_allowed(
    project_files: ProjectFiles,
    allowed: list[str],
    variable: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ASSAY_ALLOW_HOST", variable)

    with (
        pytest.raises(DatabaseUnreachable),
        open_project(url=NAMED_AND_CLOSED, config_file=project_files.ini, allowed_hosts=allowed),
    ):
        pass


def test_application_database_on_another_machine_is_no_reason_to_refuse(
    project_files: ProjectFiles,
) -> None:
    text = project_files.ini.read_text()
    project_files.ini.write_text(text.replace("sqlite://", "postgresql://192.0.2.1/shop"))

    with open_project(config_file=project_files.ini) as project:
        assert project.databases.backend.name == "postgresql"


@pytest.mark.parametrize(
    ("server", "own", "expected"),
    [
        ("postgresql://h/shop", "postgresql://h/shop", "postgresql://h/"),
        ("postgresql://h/shop", "postgresql+asyncpg://app@h:5432/shop", "postgresql://h/"),
        ("postgresql://h/shop?dbname=x", "postgresql://h/shop", "postgresql://h/shop"),
        ("postgresql://h/?dbname=shop", "postgresql://h/shop", "postgresql://h/"),
        ("postgresql://h/tests", "postgresql://h/shop", "postgresql://h/tests"),
        ("postgresql://other/shop", "postgresql://h/shop", "postgresql://other/shop"),
        ("postgresql://h", "postgresql://h/shop", "postgresql://h"),
        ("mysql+pymysql://h/shop", "mysql+aiomysql://h/shop", "mysql+pymysql://h/"),
        ("mysql+pymysql://h/?db=shop", "mysql+pymysql://h/shop", "mysql+pymysql://h/"),
        ("postgresql://h/shop", "sqlite:///shop.db", "postgresql://h/shop"),
        ("postgresql://h/shop?dbname=x", "driver://", "postgresql://h/shop"),
        ("sqlite:///shop.db", "sqlite:///shop.db", "sqlite:///"),
    ],
)
def test_application_database_is_taken_out_of_a_url(
    project_files: ProjectFiles, server: str, own: str, expected: str
) -> None:
    text = project_files.ini.read_text()
    project_files.ini.write_text(text.replace("= sqlite://", f"= {own}"))

    found = server_url(server, Settings(), load_config(project_files.ini))

    assert found == make_url(expected)


@pytest.fixture
def closed_database(postgresql_url: URL) -> Iterator[URL]:
    """A database to which nobody can connect, any more."""
    server = postgresql_url.set(database="postgres")
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    name = postgresql_url.database
    with engine.connect() as connection:
        connection.exec_driver_sql(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    yield postgresql_url
    with engine.connect() as connection:
        connection.exec_driver_sql(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    engine.dispose()


def test_application_database_tells_the_server_without_a_connection(
    project_files: ProjectFiles, closed_database: URL
) -> None:
    url = closed_database.render_as_string(hide_password=False)
    project_files.ini.write_text(project_files.ini.read_text().replace("sqlite://", url))

    with (
        open_project(url=url, config_file=project_files.ini) as project,
        project.databases.temporary() as own,
        project.databases.backend.connect(own) as connection,
    ):
        assert connection.exec_driver_sql("SELECT current_database()").scalar() == own.database


def test_database_in_the_query_is_not_taken_for_those_that_are_made(
    project_files: ProjectFiles, postgresql_url: URL
) -> None:
    server = postgresql_url.set(database="postgres")
    misleading = server.update_query_dict({"dbname": str(postgresql_url.database)})

    with (
        open_project(url=misleading, config_file=project_files.ini) as project,
        project.databases.temporary() as own,
        project.databases.backend.connect(own) as connection,
    ):
        assert connection.exec_driver_sql("SELECT current_database()").scalar() == own.database


# -- pytest


@pytest.fixture
def pytest_project(pytester: pytest.Pytester) -> pytest.Pytester:
    versions = pytester.path / "migrations" / "versions"
    versions.mkdir(parents=True)
    (pytester.path / "migrations" / "env.py").write_text("")
    pytester.makefile(
        ".ini", alembic="[alembic]\nscript_location = migrations\nsqlalchemy.url = sqlite://\n"
    )
    return pytester


def run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return pytester.runpytest_subprocess(
        "-p", "no:cacheprovider", "--assay", "-k", "heads", *arguments
    )


def test_pytest_refuses_another_machine(pytest_project: pytest.Pytester) -> None:
    result = run(pytest_project, "--assay-url=postgresql://app:s3cret@192.0.2.1/shop")

    result.assert_outcomes(errors=1, deselected=3)
    result.stdout.fnmatch_lines(REFUSED.splitlines(), consecutive=True)
    assert "s3cret" not in result.stdout.str() + result.stderr.str()


def test_pytest_refuses_production_on_sqlite_too(
    pytest_project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APP_ENV", "production")

    result = run(pytest_project)

    result.assert_outcomes(errors=1, deselected=3)
    result.stdout.fnmatch_lines(PRODUCTION.splitlines(), consecutive=True)


@pytest.mark.parametrize(
    ("arguments", "variable", "ini"),
    [
        (["--assay-allow-host=a.example.org,db.example.org"], "", ""),
        (["--assay-allow-host=a.example.org", "--assay-allow-host=DB.example.org"], "", ""),
        ([], "db.example.org", ""),
        ([], "", "a.example.org, b.example.org\n  db.example.org"),
    ],
)
def test_pytest_goes_on_to_a_machine_that_is_allowed(
    pytest_project: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    variable: str,
    ini: str,
) -> None:
    monkeypatch.setenv("ASSAY_ALLOW_HOST", variable)
    pytest_project.makeini(f"[pytest]\nassay_allow_host = {ini}\n")

    result = run(pytest_project, f"--assay-url={NAMED_AND_CLOSED}", *arguments)

    result.assert_outcomes(errors=1, deselected=3)
    result.stdout.fnmatch_lines(["postgresql*db.example.org:1/* cannot be reached: *"])
    assert "s3cret" not in result.stdout.str() + result.stderr.str()


def test_header_says_which_machines_are_allowed_and_by_what(
    pytest_project: pytest.Pytester,
) -> None:
    pytest_project.makeini("[pytest]\nassay_allow_host =\n  a.example.org\n  b.example.org\n")

    result = run(pytest_project)

    result.assert_outcomes(passed=1, deselected=3)
    result.stdout.fnmatch_lines(
        [
            "alembic-assay: sqlite, which needs no server (from alembic.ini), allow-host"
            " a.example.org b.example.org (from ini assay_allow_host)"
        ]
    )


# -- the command line


def run_module(files: ProjectFiles, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "alembic_assay", *arguments],
        cwd=files.folder,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )


def test_check_refuses_another_machine(project_files: ProjectFiles) -> None:
    done = run_module(project_files, "check", "--url", "postgresql://app:s3cret@192.0.2.1/shop")

    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"error: {REFUSED}\n")


def test_drift_refuses_another_machine(
    project_files: ProjectFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_URL", "postgresql://app:s3cret@192.0.2.1/shop")

    done = run_module(project_files, "drift")

    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"error: {REFUSED}\n")


@pytest.mark.parametrize("command", ["check", "drift"])
def test_commands_go_on_to_a_machine_that_is_allowed(
    project_files: ProjectFiles, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_URL", NAMED_AND_CLOSED)

    done = run_module(
        project_files, command, "--allow-host", "a.example.org", "--allow-host", "db.example.org"
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert "db.example.org:1/postgres" in done.stderr.splitlines()[0]
    assert " cannot be reached: " in done.stderr.splitlines()[0]
    assert "s3cret" not in done.stderr


@pytest.mark.parametrize("command", ["check", "drift"])
def test_commands_refuse_production(
    project_files: ProjectFiles, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APP_ENV", "production")

    done = run_module(project_files, command)

    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"error: {PRODUCTION}\n")


def test_another_value_is_the_way_on_that_the_refusal_names(
    project_files: ProjectFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APP_ENV", "test")

    assert run_module(project_files, "check", "heads").returncode == 0


def test_apply_works_in_production(
    project_files: ProjectFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APP_ENV", "production")
    project_files.add_table("0001", None, "a")

    done = run_module(project_files, "apply", "sqlite:///app.db")

    assert (done.returncode, done.stderr) == (0, "")
    assert (project_files.folder / "app.db").exists()
