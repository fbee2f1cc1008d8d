"""The template: built once, found again, grown, copied."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import URL, Connection, inspect
from sqlalchemy.exc import DBAPIError

from alembic_assay.checks.upgrade import upgrade_database
from alembic_assay.config import make_config
from alembic_assay.databases import Databases
from alembic_assay.findings import Finding, Severity
from alembic_assay.project import Project
from alembic_assay.settings import Settings
from alembic_assay.template import Template
from alembic_assay.template_builder import Built, Seed, TemplateBuilder

if TYPE_CHECKING:
    from tests.conftest import ProjectFiles

TABLES = ["alembic_version", "groups", "users"]


@pytest.fixture
def project(project_files: ProjectFiles, databases: Databases) -> Iterator[Project]:
    """A project with two tables; its templates go with the test."""
    project_files.add_table("0001", None, "users")
    project_files.add_table("0002", "0001", "groups")
    # Another test may well have the same history, and its template would be taken for ours.
    project_files.env.write_text(f"# {secrets.token_hex(8)}\n{project_files.env.read_text()}")
    yield Project(
        lambda url: make_config(url, config_file=project_files.ini),
        databases,
        Settings(folder=project_files.folder),
    )
    for one in databases.server.own_databases():
        if one.note is not None and one.note.of.startswith(str(project_files.folder)):
            databases.drop(one.url)


class CountedBuild:
    """``upgrade_database``, which remembers in what states it found the databases."""

    def __init__(self, *findings: Finding) -> None:
        self.starts: list[list[str]] = []
        self.findings = findings

    def __call__(self, project: Project, url: URL, *, is_new: bool) -> Built:
        self.starts.append(tables(project.databases, url))
        assert is_new == (self.starts[-1] == [])
        built = upgrade_database(project, url, is_new=is_new)
        return Built([*built.findings, *self.findings], built.heads)


def tables(databases: Databases, url: URL) -> list[str]:
    with databases.backend.make_engine(url).connect() as connection:
        return sorted(inspect(connection).get_table_names())


def rows(databases: Databases, url: URL, query: str) -> list[tuple[object, ...]]:
    with databases.backend.make_engine(url).connect() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(query)]


def cloned_tables(template: TemplateBuilder, project: Project) -> list[str]:
    url = project.databases.clone(template.url)
    try:
        return tables(project.databases, url)
    finally:
        project.databases.drop(url)


@pytest.fixture
def make_template(
    project: Project, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., TemplateBuilder]:
    """Return a function that opens the project's template, each time as a run of its own."""

    def make(
        build: CountedBuild,
        *,
        run: Path | None = None,
        seed: Seed | None = None,
        rebuild: bool = False,
    ) -> TemplateBuilder:
        folder = run or tmp_path_factory.mktemp("run")
        return TemplateBuilder(project, build, folder=folder, seed=seed, rebuild=rebuild)

    return make


def test_template_is_built_once_and_found_by_later_runs(
    project: Project, make_template: Callable[..., TemplateBuilder]
) -> None:
    build = CountedBuild()

    templates = [make_template(build) for _ in range(3)]

    assert [template.ensure() for template in templates] == [[], [], []]
    assert len({template.url for template in templates}) == 1
    assert build.starts == [[]]
    assert cloned_tables(templates[2], project) == TABLES


def test_template_that_several_ask_for_at_once_is_built_once(
    project: Project, make_template: Callable[..., TemplateBuilder], tmp_path: Path
) -> None:
    build = CountedBuild()
    barrier = threading.Barrier(4)
    templates = [make_template(build, run=tmp_path) for _ in range(4)]

    def ask(template: TemplateBuilder) -> list[str]:
        barrier.wait()
        template.ensure()
        return cloned_tables(template, project)

    with ThreadPoolExecutor(4) as executor:
        answers = list(executor.map(ask, templates))

    assert build.starts == [[]]
    assert answers == [TABLES] * 4


def test_new_revision_is_run_on_the_template_of_those_before_it(
    project: Project, project_files: ProjectFiles, make_template: Callable[..., TemplateBuilder]
) -> None:
    build = CountedBuild()
    first = make_template(build)
    first.ensure()

    project_files.add_table("0003", "0002", "teams")
    project_files.add_table("0004", "0003", "roles")
    second = make_template(build)
    second.ensure()

    assert build.starts == [[], TABLES]
    assert cloned_tables(second, project) == sorted([*TABLES, "roles", "teams"])
    assert cloned_tables(first, project) == TABLES


def test_merge_is_run_on_the_template_of_its_branches(
    project: Project, project_files: ProjectFiles, make_template: Callable[..., TemplateBuilder]
) -> None:
    build = CountedBuild()
    project_files.add_table("0003", "0001", "teams")
    make_template(build).ensure()

    project_files.add_revision("0004", ("0002", "0003"))
    make_template(build).ensure()

    assert build.starts == [[], sorted([*TABLES, "teams"])]


@pytest.mark.parametrize("changed", ["0001.py", "0002.py", "env.py", "alembic.ini"])
def test_changed_file_makes_another_template(
    changed: str,
    project: Project,
    project_files: ProjectFiles,
    make_template: Callable[..., TemplateBuilder],
) -> None:
    build = CountedBuild()
    make_template(build).ensure()
    (path,) = project_files.folder.rglob(changed)
    comment = "\nfile_template = %%(rev)s" if changed == "alembic.ini" else "\n# changed"

    path.write_text(path.read_text() + comment)
    make_template(build).ensure()

    # A revision that has changed is run on the template of those before it, if there is one.
    assert build.starts == [[], []]


def test_changed_module_that_a_revision_imports_makes_another_template(
    project_files: ProjectFiles,
    project: Project,
    make_template: Callable[..., TemplateBuilder],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    helper = project_files.folder / f"helper_{project.databases.server.owner}.py"
    helper.write_text("from sqlalchemy import Integer as Kind\n")
    project_files.add_revision(
        "0003",
        "0002",
        upgrade=f"import {helper.stem}\nop.create_table('h', sa.Column('id', {helper.stem}.Kind))",
    )
    path = project_files.folder / "migrations" / "versions" / "0003.py"
    path.write_text(
        path.read_text().replace("import sqlalchemy", f"import {helper.stem}\nimport sqlalchemy")
    )
    build = CountedBuild()
    make_template(build).ensure()

    helper.write_text("from sqlalchemy import BigInteger as Kind\n")
    make_template(build).ensure()

    assert build.starts == [[], []]


def test_finding_that_is_an_error_leaves_no_template_and_is_told_to_the_run(
    project: Project, make_template: Callable[..., TemplateBuilder], tmp_path: Path
) -> None:
    wrong = Finding("upgrade", "rule", "so", "that", "do", Severity.ERROR, "0001", "/p", "table x")
    build = CountedBuild(wrong)

    assert make_template(build, run=tmp_path).ensure() == [wrong]
    assert make_template(build, run=tmp_path).ensure() == [wrong]
    assert len(build.starts) == 1
    assert make_template(CountedBuild()).ensure() == []


def test_error_leaves_no_template_and_no_database(
    project: Project, make_template: Callable[..., TemplateBuilder]
) -> None:
    class Broken(CountedBuild):
        def __call__(self, project: Project, url: URL, *, is_new: bool) -> Built:
            super().__call__(project, url, is_new=is_new)
            raise ZeroDivisionError

    before = own_names(project)
    with pytest.raises(ZeroDivisionError):
        make_template(Broken()).ensure()

    assert own_names(project) == before
    assert make_template(CountedBuild()).ensure() == []


def own_names(project: Project) -> set[str | None]:
    """Return the names of the databases of this test's own."""
    server = project.databases.server
    return {one.url.database for one in server.own_databases() if one.owner == server.owner}


def test_template_that_was_pruned_is_found_or_built_again(
    project: Project, make_template: Callable[..., TemplateBuilder]
) -> None:
    build = CountedBuild()
    builder = make_template(build)

    def find() -> URL:
        assert builder.ensure() == []
        return builder.url

    template = Template(project.databases, find)
    project.databases.drop(template.url)

    url = template.clone()

    assert tables(project.databases, url) == TABLES
    assert build.starts == [[], []]
    project.databases.drop(url)


def test_rebuild_starts_afresh_once_in_a_run(
    project: Project, make_template: Callable[..., TemplateBuilder], tmp_path: Path
) -> None:
    build = CountedBuild()
    before = own_names(project)
    make_template(build).ensure()
    old = own_names(project)

    for _ in range(2):
        template = make_template(build, run=tmp_path, rebuild=True)
        assert template.ensure() == []

    assert build.starts == [[], []]
    assert template.url.database not in old
    assert own_names(project) == {*before, template.url.database}


def test_sealed_template_cannot_be_changed(
    project: Project, make_template: Callable[..., TemplateBuilder]
) -> None:
    template = make_template(CountedBuild())
    template.ensure()

    if project.databases.backend.name == "postgresql":
        with pytest.raises(DBAPIError, match="not currently accepting connections"):
            tables(project.databases, template.url)
    elif project.databases.backend.name == "sqlite":
        assert Path(str(template.url.database)).stat().st_mode & 0o777 == 0o400


def add_user(connection: Connection) -> None:
    connection.exec_driver_sql("INSERT INTO users (id) VALUES (1)")


def add_users(connection: Connection) -> None:
    connection.exec_driver_sql("INSERT INTO users (id) VALUES (1), (2)")


def test_seed_is_sown_once_on_the_migrated_template(
    project: Project, make_template: Callable[..., TemplateBuilder]
) -> None:
    build = CountedBuild()
    plain, one, again, other = (
        make_template(build, seed=each) for each in (None, add_user, add_user, add_users)
    )

    found = []
    for template in (plain, one, again, other):
        template.ensure()
        url = project.databases.clone(template.url)
        found.append(rows(project.databases, url, "SELECT id FROM users ORDER BY id"))
        project.databases.drop(url)

    assert found == [[], [(1,)], [(1,)], [(1,), (2,)]]
    assert build.starts == [[]]
    assert one.url == again.url
    assert len({plain.url, one.url, other.url}) == 3


def test_revisions_behind_a_seed_are_run_without_its_rows(
    project: Project, project_files: ProjectFiles, make_template: Callable[..., TemplateBuilder]
) -> None:
    build = CountedBuild()
    make_template(build, seed=add_user).ensure()

    project_files.add_revision(
        "0003", "0002", upgrade="op.execute('INSERT INTO groups SELECT id FROM users')"
    )
    template = make_template(build, seed=add_user)
    template.ensure()

    url = project.databases.clone(template.url)
    assert rows(project.databases, url, "SELECT id FROM groups") == []
    assert rows(project.databases, url, "SELECT id FROM users") == [(1,)]
    project.databases.drop(url)


def test_seed_that_fails_leaves_no_database(
    project: Project, make_template: Callable[..., TemplateBuilder]
) -> None:
    def fail(connection: Connection) -> None:
        add_user(connection)
        raise ZeroDivisionError

    make_template(CountedBuild()).ensure()
    before = own_names(project)
    with pytest.raises(ZeroDivisionError):
        make_template(CountedBuild(), seed=fail).ensure()

    assert own_names(project) == before
