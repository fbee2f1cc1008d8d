"""Projects of every kind, as users write them, pass their tests in any order, and leave nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.places import Place, own_place

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Run:
    """A run of a project's tests: on which kind of database, how, and how many of them pass."""

    project: str
    passed: int
    databases: str = "postgresql"
    options: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return " ".join([self.project, *self.environment.values(), *self.options])


REVERSED = ("--reverse",)
PARALLEL = ("-n", "2")

RUNS = [
    Run("fastapi_sync", 8),
    Run("fastapi_sync", 8, options=REVERSED),
]


@pytest.fixture
def place(run: Run, request: pytest.FixtureRequest) -> Iterator[Place]:
    """A place for the databases of this run alone."""
    # In this order: the server is that of all tests, and outlives the folder.
    databases = request.getfixturevalue(f"{run.databases}_databases")
    with own_place(databases, request.getfixturevalue("own_temporary_folder")) as place:
        yield place


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.id)
def test_project_passes_its_tests_and_leaves_nothing(
    run: Run, place: Place, tmp_path: Path
) -> None:
    shutil.copytree(HERE / run.project, tmp_path / "project")
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    shutil.copy(HERE / "watching.py", plugins)
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ALEMBIC_", "ASSAY_", "PYTEST_"))
    }

    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "watching", *run.options],
        cwd=tmp_path / "project",
        env={
            **environment,
            **run.environment,
            "ASSAY_URL": place.url,
            "PYTHONPATH": str(plugins),
        },
        capture_output=True,
        text=True,
        check=False,
    )

    last_line = (result.stdout.splitlines() or [""])[-1]
    assert last_line.partition(" in ")[0] == f"{run.passed} passed", result.stdout + result.stderr
    assert place.left() == place.noted("kept") == []
