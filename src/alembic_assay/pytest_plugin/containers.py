"""``--assay-server``: a server for the run, in a container of the package ``testcontainers``."""

from __future__ import annotations

import importlib
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from alembic_assay.exceptions import UsageError, first_line
from alembic_assay.pytest_plugin.choices import ALLOW_HOST, SERVER, URL, choose, shown

if TYPE_CHECKING:
    import sqlalchemy

PREFIX = "testcontainers:"


def serve_from_container(config: pytest.Config) -> None:
    """Start the server that was chosen, if one was, and let ``ASSAY_URL`` name it for the run.

    To be called before there are workers, which inherit that. When pytest is done with ``config``,
    the container is stopped and the environment as it was. Raises ``pytest.UsageError``.
    """
    chosen, source = choose(config, SERVER)
    if chosen is None:
        return
    with ExitStack() as stack:
        try:
            _refuse_two_answers(config, chosen, source)
            url = stack.enter_context(running_container(image_of(chosen, source)))
        except UsageError as error:
            raise pytest.UsageError(str(error)) from error
        stack.enter_context(_environment(_variables(url)))
        config.add_cleanup(stack.pop_all().close)


def image_of(chosen: str, source: str) -> str:
    """Return the image in ``testcontainers:IMAGE``. Raises ``UsageError`` for anything else."""
    if not chosen.startswith(PREFIX):
        raise UsageError(
            f'the server "{chosen}" ({source}) does not begin with {PREFIX}',
            effect="It is not known how to start it; no test was run.",
            help=f"name an image, such as {PREFIX}postgres:16; the URL of a server that runs"
            f" already is for {URL.option}.",
        )
    return chosen.removeprefix(PREFIX).strip()


@contextmanager
def running_container(image: str) -> Iterator[sqlalchemy.URL]:
    """Have a server in a container of an image; the user of its URL may do everything there.

    Raises ``UsageError`` where there can be none.
    """
    start = _kind_of(image)
    _import("testcontainers.core.container")
    engine = _import("docker.errors")
    with ExitStack() as stack:
        try:
            url = start(image, stack)
        except UsageError:
            raise
        except engine.APIError as error:
            raise UsageError(
                f"the container engine does not run {image}: {first_line(error)}",
                effect="There is no server to make databases on; no test was run.",
                help=f"see that there is such an image: docker pull {image}",
            ) from error
        except engine.DockerException as error:
            raise UsageError(
                f"no container engine answers at {_engine_host()}: {first_line(error)}",
                effect=f"No container of {image} can be started; no test was run.",
                help="start Docker or Podman, or set DOCKER_HOST to where it listens; or leave out"
                f" {SERVER.option}: a PostgreSQL server is then found or started.",
            ) from error
        except Exception as error:
            raise UsageError(
                f"the server in a container of {image} does not start: {first_line(error)}",
                effect="There is no server to make databases on; no test was run.",
                help=f"see what it says: docker run --rm {image}",
            ) from error
        yield url


def _start_postgresql(image: str, stack: ExitStack) -> sqlalchemy.URL:
    container = _import("testcontainers.community.postgres", "testcontainers.postgres")
    started = stack.enter_context(
        container.PostgresContainer(
            image,
            username="postgres",
            password=_password(),
            dbname="postgres",
            driver="psycopg",
        ).with_command(
            # Nothing in it is to survive a power cut.
            "postgres -c fsync=off -c synchronous_commit=off -c full_page_writes=off"
        )
    )
    return _url_of(started)


def _start_mysql(image: str, stack: ExitStack) -> sqlalchemy.URL:
    container = _import("testcontainers.community.mysql", "testcontainers.mysql")
    # Only root may make databases; its password is that of the user where that is root.
    started = stack.enter_context(
        container.MySqlContainer(
            image, username="root", password=_password(), dbname="test"
        ).with_env("MYSQL_ROOT_HOST", "%")
    )
    # Before 4.10 the driver could not be told.
    return _url_of(started).set(drivername="mysql+pymysql", database="")


_STARTS: Mapping[str, Callable[[str, ExitStack], sqlalchemy.URL]] = {
    "postgres": _start_postgresql,
    "postgis": _start_postgresql,
    "pgvector": _start_postgresql,
    "timescale": _start_postgresql,
    "mysql": _start_mysql,
    "mariadb": _start_mysql,
    "percona": _start_mysql,
}
"""By what the name of an image begins with."""


def _kind_of(image: str) -> Callable[[str, ExitStack], sqlalchemy.URL]:
    name = image.rpartition("/")[2].partition("@")[0].partition(":")[0].lower()
    for beginning, start in _STARTS.items():
        if name.startswith(beginning):
            return start
    raise UsageError(
        f'the image "{image}" is of no known kind of database',
        effect="It is not known how to start a server in it; no test was run.",
        help=f"take one whose name begins with {', '.join(_STARTS)}; for any other start the"
        f" container yourself, and name its server: {URL.option}",
    )


def _import(*names: str) -> Any:
    """Return the first of these modules that there is: testcontainers has moved its own."""
    for name in names:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            missing = error
    raise UsageError(
        f"testcontainers is not installed: {first_line(missing)}",
        effect="No container can be started; no test was run.",
        help='pip install "alembic-assay[testcontainers]"',
    ) from missing


def _engine_host() -> str:
    host = os.environ.get("DOCKER_HOST")
    return f"DOCKER_HOST={host}" if host else "the default socket (DOCKER_HOST is not set)"


def _password() -> str:
    # Published ports are open to the network: https://docs.docker.com/engine/network/port-publishing/
    return secrets.token_hex(16)


def _url_of(container: Any) -> sqlalchemy.URL:
    from sqlalchemy import make_url

    return make_url(container.get_connection_url())


def _refuse_two_answers(config: pytest.Config, server: str, source: str) -> None:
    url, other_source = choose(config, URL)
    if url is not None:
        raise UsageError(
            f"there are two servers: {server} ({source}) and {shown(url)} ({other_source})",
            effect="Databases are made on one; no test was run.",
            help=f"leave out one of them; of an ini file, by an empty value: -o {SERVER.ini}= or"
            f" -o {URL.ini}=",
        )


def _variables(url: sqlalchemy.URL) -> dict[str, str]:
    """Return what lets this run use the server, also where the engine is on another machine."""
    from alembic_assay.safety import is_this_machine

    variables = {URL.variable: url.render_as_string(hide_password=False)}
    if url.host and not is_this_machine(url.host):
        hosts = (os.environ.get(ALLOW_HOST.variable), url.host)
        variables[ALLOW_HOST.variable] = ",".join(filter(None, hosts))
    return variables


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
