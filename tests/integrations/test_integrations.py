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
    """A run of a project's tests, of which there are so many, on a kind of database."""

    project: str
    tests: int
    databases: str = "postgresql"
    options: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def outcome(self) -> str:
        if self.options == PARALLEL:
            return f"{self.tests} passed"
        checks = 4 if self.options == CHECKED else 0
        return f"{2 * (self.tests + checks) - 1} passed"  # there and back again

    @property
    def id(self) -> str:
        drivers = (value.partition(":")[0] for value in self.environment.values())
        return " ".join([self.project, *drivers, *self.options])


CHECKED = ("--assay",)
"""With the four checks of the migrations."""

PARALLEL = ("-n", "2")

PSYCOPG = {"DATABASE_URL": "postgresql+psycopg://localhost/nowhere"}
ASYNCPG = {"DATABASE_URL": "postgresql+asyncpg://localhost/nowhere"}
AIOSQLITE = {"DATABASE_URL": "sqlite+aiosqlite:////nowhere/nothing.db"}
"""Where the applications' own engines lead, with the driver that is to be used."""

RUNS = [
    Run("fastapi_sync", 8),
    Run("fastapi_ormar", 9, "sqlite", options=CHECKED),
    Run("fastapi_async", 7, options=CHECKED, environment=PSYCOPG),
    Run("fastapi_async", 7, options=PARALLEL, environment=PSYCOPG),
    Run("fastapi_async", 7, environment=ASYNCPG),
    Run("fastapi_async", 7, "sqlite", environment=AIOSQLITE),
    Run("flask", 12),
    Run("flask", 12, options=("-o", "mocked-sessions=")),
    Run("litestar", 10, options=CHECKED, environment=PSYCOPG),
    Run("litestar", 10, "sqlite", environment=AIOSQLITE),
    Run("pytest_asyncio", 10, options=CHECKED, environment=PSYCOPG),
    Run("pytest_asyncio", 10, environment=ASYNCPG),
    Run("workers", 5, options=CHECKED),
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
    # Where it is not told of a scope it warns, and warnings are errors here.
    others = () if run.project == "pytest_asyncio" else ("-p", "no:asyncio")
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
        [sys.executable, "-m", "pytest", "-q", "-p", "watching", *others, *run.options],
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
    assert last_line.partition(" in ")[0] == run.outcome, result.stdout + result.stderr
    assert place.left() == place.noted("kept") == []
