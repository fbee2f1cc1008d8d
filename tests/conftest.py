"""Real servers, real projects: what most tests stand on."""

from __future__ import annotations

import multiprocessing.util
import os
import shutil
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

import pytest
from sqlalchemy import URL
from tests.places import Place, own_place
from tests.processes import Children

from alembic_assay.databases import Databases, open_databases
from alembic_assay.exceptions import DatabaseUnreachable
from alembic_assay.urls import parse_url

pytest_plugins = ["pytester"]

GENERIC_ENV = """
from alembic import context
from sqlalchemy import engine_from_config, pool

target_metadata = {metadata}
config = context.config

connectable = engine_from_config(
    config.get_section(config.config_ini_section, {{}}),
    prefix="sqlalchemy.",
    poolclass=pool.NullPool,
)
with connectable.connect() as connection:
    context.configure(connection=connection, target_metadata=target_metadata{options})
    with context.begin_transaction():
        context.run_migrations()
"""

REVISION = '''
"""{message}"""
import sqlalchemy as sa
from alembic import op

revision = {revision!r}
down_revision = {down_revision!r}
branch_labels = {branch_labels!r}
depends_on = {depends_on!r}


def upgrade():
{upgrade}
'''

DOWNGRADE = """

def downgrade():
{downgrade}
"""


@pytest.fixture(autouse=True)
def runs_without_pytest_asyncio(request: pytest.FixtureRequest) -> None:
    """Inner runs of pytest are without a plugin that warns where it is not told of a scope."""
    if "pytester" in request.fixturenames:
        request.getfixturevalue("pytester")  # which forgets the options of others
    request.getfixturevalue("monkeypatch").setenv("PYTEST_ADDOPTS", "-p no:asyncio")


@dataclass(frozen=True)
class ProjectFiles:
    """A small Alembic project in a folder of its own."""

    folder: Path

    @property
    def ini(self) -> Path:
        return self.folder / "alembic.ini"

    @property
    def env(self) -> Path:
        return self.folder / "migrations" / "env.py"

    def write_env(
        self, text: str | None = None, *, metadata: str = "None", options: str = ""
    ) -> None:
        """Write env.py: ``text``, or the generic one with these words in it."""
        self.env.write_text(text or GENERIC_ENV.format(metadata=metadata, options=options))

    def add_revision(
        self,
        revision: str,
        down_revision: str | tuple[str, ...] | None = None,
        *,
        upgrade: str = "pass",
        downgrade: str | None = "pass",
        message: str = "",
        branch_labels: str | None = None,
        depends_on: str | None = None,
    ) -> Path:
        """Write a revision from the bodies of its functions; ``downgrade=None`` leaves that out."""
        text = REVISION.format(
            message=message or revision,
            revision=revision,
            down_revision=down_revision,
            branch_labels=branch_labels,
            depends_on=depends_on,
            upgrade=_body(upgrade),
        )
        if downgrade is not None:
            text += DOWNGRADE.format(downgrade=_body(downgrade))
        path = self.folder / "migrations" / "versions" / f"{revision}.py"
        path.write_text(text)
        return path

    def add_table(self, revision: str, down_revision: str | None, table: str) -> Path:
        """Write a revision that makes one table, rightly."""
        return self.add_revision(
            revision,
            down_revision,
            upgrade=f'op.create_table("{table}", sa.Column("id", sa.Integer, primary_key=True))',
            downgrade=f'op.drop_table("{table}")',
        )


@pytest.fixture
def make_project(tmp_path: Path) -> Callable[..., ProjectFiles]:
    """Return a function that makes an Alembic project with a generic env.py and no revisions."""

    def make(name: str = "project", *, url: str = "sqlite://") -> ProjectFiles:
        files = ProjectFiles(tmp_path / name)
        (files.folder / "migrations" / "versions").mkdir(parents=True)
        files.ini.write_text(
            "[alembic]\nscript_location = %(here)s/migrations\nprepend_sys_path = %(here)s\n"
            f"path_separator = os\nsqlalchemy.url = {url.replace('%', '%%')}\n"
        )
        files.write_env()
        return files

    return make


@pytest.fixture
def project_files(make_project: Callable[..., ProjectFiles]) -> ProjectFiles:
    """An Alembic project with a generic env.py and no revisions."""
    return make_project()


@pytest.fixture
def own_temporary_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """A folder below which this test, and the processes that it starts, have their own files."""
    # Both are chosen at their first use, and for the whole run.
    multiprocessing.util.get_temp_dir()
    tmp_path_factory.getbasetemp()
    # Not one of pytest's: the address of a socket in it must be short, and as root a server runs
    # under another account, which cannot pass through those.
    folder = Path(mkdtemp(prefix="assay-"))
    folder.chmod(0o711)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    for name in ("TMPDIR", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(folder))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgresql_databases() -> Iterator[Databases]:
    """PostgreSQL databases: on the server that the toolkit finds or starts, as for its users."""
    with open_databases(parse_url("postgresql://")) as databases:
        yield databases


@pytest.fixture(scope="session")
def sqlite_databases() -> Iterator[Databases]:
    """SQLite databases, in a folder of their own."""
    with open_databases(parse_url("sqlite://")) as databases:
        yield databases


@pytest.fixture(scope="session")
def mysql_databases() -> Iterator[Databases]:
    """MySQL or MariaDB databases, on the server that ``ASSAY_TEST_MYSQL_URL`` names, or on this
    machine's.
    """
    named = os.environ.get("ASSAY_TEST_MYSQL_URL")
    with ExitStack() as stack:
        url = parse_url(named or "mysql+pymysql://root@127.0.0.1:3306/")
        try:
            databases = stack.enter_context(open_databases(url))
        except DatabaseUnreachable:
            if named:
                raise
            pytest.skip("no MySQL or MariaDB: set ASSAY_TEST_MYSQL_URL")
        yield databases


@pytest.fixture(params=["sqlite", "postgresql", "mysql"])
def databases(request: pytest.FixtureRequest) -> Databases:
    """Databases of each kind in turn: the test runs on all."""
    return request.getfixturevalue(f"{request.param}_databases")  # type: ignore[no-any-return]


@pytest.fixture
def place(databases: Databases, own_temporary_folder: Path) -> Iterator[Place]:
    """A place of each kind in turn for the databases of this test alone."""
    with own_place(databases, own_temporary_folder) as place:
        yield place


@pytest.fixture
def inner_project(
    pytester: pytest.Pytester,
    make_project: Callable[..., ProjectFiles],
    place: Place,
    monkeypatch: pytest.MonkeyPatch,
) -> ProjectFiles:
    """A project in the folder of pytester, whose databases are made in the place."""
    for name in ("ASSAY_CONFIG", "ASSAY_METADATA", "ALEMBIC_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ASSAY_URL", place.url)
    return make_project(pytester.path)


@pytest.fixture
def children(tmp_path: Path) -> Iterator[Children]:
    """Processes, which end with the test."""
    children = Children(tmp_path)
    yield children
    children.end()


@pytest.fixture
def database_url(databases: Databases) -> Iterator[URL]:
    """An empty database of each kind in turn."""
    with databases.temporary() as url:
        yield url


@pytest.fixture
def postgresql_url(postgresql_databases: Databases) -> Iterator[URL]:
    """An empty PostgreSQL database."""
    with postgresql_databases.temporary() as url:
        yield url


@pytest.fixture
def mysql_url(mysql_databases: Databases) -> Iterator[URL]:
    """An empty MySQL or MariaDB database."""
    with mysql_databases.temporary() as url:
        yield url


def _body(code: str) -> str:
    return textwrap.indent(textwrap.dedent(code).strip() or "pass", "    ")
