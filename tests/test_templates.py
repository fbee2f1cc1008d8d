from __future__ import annotations

import json
import stat
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import URL, inspect, make_url

from alembic_assay.checks.upgrade import upgrade_database
from alembic_assay.config import make_config
from alembic_assay.databases import Databases
from alembic_assay.findings import Finding, Severity
from alembic_assay.project import Project
from alembic_assay.settings import Settings
from alembic_assay.templates import shared_template

if TYPE_CHECKING:
    from tests.conftest import ProjectFiles


@pytest.fixture
def project(project_files: ProjectFiles, databases: Databases) -> Project:
    """A project with one table."""
    project_files.add_table("0001", None, "users")
    return Project(
        lambda url: make_config(url, config_file=project_files.ini), databases, Settings()
    )


class CountedBuild:
    """``upgrade_database``, counted, with findings to return."""

    def __init__(self, *findings: Finding) -> None:
        self.times = 0
        self.findings = findings

    def __call__(self, project: Project, url: URL) -> Sequence[Finding]:
        self.times += 1
        return [*upgrade_database(project, url), *self.findings]


def tables(project: Project, url: URL) -> list[str]:
    with project.databases.backend.make_engine(url).connect() as connection:
        return sorted(inspect(connection).get_table_names())


def test_template_is_built_once_for_all_users_and_dropped_by_the_last(
    project: Project, tmp_path: Path
) -> None:
    build = CountedBuild()
    backend = project.databases.backend

    with shared_template(project, tmp_path, "gw0", build) as (first, findings):
        with shared_template(project, tmp_path, "gw1", build) as (second, _):
            assert (second, findings) == (first, [])
        assert backend.exists(first)

    assert build.times == 1
    assert not backend.exists(first)
    assert list(tmp_path.glob("*.json")) == []


def test_template_stays_when_its_builder_leaves_first(project: Project, tmp_path: Path) -> None:
    build = CountedBuild()
    first = shared_template(project, tmp_path, "gw0", build)
    second = shared_template(project, tmp_path, "gw1", build)
    first.__enter__()
    url, _ = second.__enter__()

    first.__exit__(None, None, None)

    assert tables(project, url) == ["alembic_version", "users"]
    second.__exit__(None, None, None)
    assert not project.databases.backend.exists(url)


def test_template_that_several_ask_for_at_once_is_built_once(
    project: Project, tmp_path: Path
) -> None:
    build = CountedBuild()
    barrier = threading.Barrier(4)

    def ask(user: str) -> tuple[URL, list[str]]:
        barrier.wait()
        with shared_template(project, tmp_path, user, build) as (template, _):
            own = project.databases.clone(template)
            barrier.wait()
        found = tables(project, own)
        project.databases.drop(own)
        return template, found

    with ThreadPoolExecutor(4) as executor:
        answers = list(executor.map(ask, ["gw0", "gw1", "gw2", "gw3"]))

    assert build.times == 1
    assert len({url for url, _ in answers}) == 1
    assert [found for _, found in answers] == [["alembic_version", "users"]] * 4


def test_template_tells_every_user_what_was_found(project: Project, tmp_path: Path) -> None:
    finding = Finding("upgrade", "rule", "so", "that", "do", Severity.NOTE, "0001", "/p", "table x")

    with (
        shared_template(project, tmp_path, "gw0", CountedBuild(finding)) as (_, first),
        shared_template(project, tmp_path, "gw1", CountedBuild()) as (_, second),
    ):
        assert first == second == [finding]
        assert second[0].severity is Severity.NOTE


def test_template_is_built_again_after_the_last_user_left(project: Project, tmp_path: Path) -> None:
    build = CountedBuild()

    for _ in range(2):
        with shared_template(project, tmp_path, "main", build):
            pass

    assert build.times == 2


def test_template_that_is_gone_is_built_again(project: Project, tmp_path: Path) -> None:
    build = CountedBuild()

    with shared_template(project, tmp_path, "gw0", build) as (first, _):
        project.databases.drop(first)
        with shared_template(project, tmp_path, "gw1", build) as (second, _):
            assert tables(project, second) == ["alembic_version", "users"]

    assert build.times == 2
    assert not project.databases.backend.exists(second)


def test_template_whose_build_raises_is_dropped(project: Project, tmp_path: Path) -> None:
    made: list[URL] = []

    def build(project: Project, url: URL) -> Sequence[Finding]:
        made.append(url)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), shared_template(project, tmp_path, "gw0", build):
        pass

    assert [project.databases.backend.exists(url) for url in made] == [False]
    assert list(tmp_path.glob("*.json")) == []


def test_template_of_other_heads_is_another_one(
    project: Project, project_files: ProjectFiles, tmp_path: Path
) -> None:
    with shared_template(project, tmp_path, "gw0", upgrade_database) as (first, _):
        project_files.add_table("0002", "0001", "groups")
        with shared_template(project, tmp_path, "gw0", upgrade_database) as (second, _):
            assert tables(project, first) == ["alembic_version", "users"]
            assert tables(project, second) == ["alembic_version", "groups", "users"]


def test_error_inside_the_block_still_drops_the_template(project: Project, tmp_path: Path) -> None:
    made: list[URL] = []

    def work() -> None:
        with shared_template(project, tmp_path, "gw0", upgrade_database) as (url, _):
            made.append(url)
            _ = 1 / 0

    with pytest.raises(ZeroDivisionError):
        work()

    assert [project.databases.backend.exists(url) for url in made] == [False]


def test_record_of_a_template_can_be_read_by_its_user_alone(
    project: Project, tmp_path: Path
) -> None:
    with shared_template(project, tmp_path, "gw0", upgrade_database) as (url, _):
        [path] = tmp_path.glob("*.json")

        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert make_url(json.loads(path.read_text())["url"]) == url
