"""A process that is killed at any step leaves nothing that the next one would not put right."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import make_url
from tests.places import Place
from tests.processes import Children, use_template

from alembic_assay.databases import open_databases

if TYPE_CHECKING:
    from tests.conftest import ProjectFiles

KILLS = 6
"""How many of the steps a test tries, evenly spread; benchmarks/kills.py tries them all."""


def test_next_run_works_and_a_prune_leaves_nothing(
    project_files: ProjectFiles, place: Place, children: Children, tmp_path: Path
) -> None:
    project_files.add_table("0001", None, "users")
    folder = str(place.folder) if place.folder else None
    options = {"ini": str(project_files.ini), "run": str(tmp_path), "folder": folder}
    url = make_url(place.url)
    steps = children.start(use_template, url, **options).result()["steps"]
    prune(place)
    assert steps > KILLS

    for number in range(KILLS):
        kill_at = number * steps // KILLS
        killed = children.start(use_template, url, kill_at=kill_at, **options)
        killed.process.join()
        assert killed.process.exitcode in (-9, 0), killed.log.read_text()

        for record in tmp_path.glob("alembic-assay-*.json"):
            record.unlink()
        next_run = children.start(use_template, url, **options).result()
        assert next_run["tables"] == ["alembic_version", "users"]
        assert place.left() == []
        prune(place)


def prune(place: Place) -> None:
    with open_databases(make_url(place.url)) as databases:
        databases.prune(everything=True)
    assert place.all() == set()
