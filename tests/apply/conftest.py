"""What the tests of apply_migrations stand on."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import URL
from tests.processes import (
    Children,
)

from alembic_assay.databases import Databases

if TYPE_CHECKING:
    from tests.conftest import ProjectFiles


@pytest.fixture
def history(project_files: ProjectFiles) -> ProjectFiles:
    """Two revisions, each of which makes a table."""
    project_files.add_table("a", None, "first")
    project_files.add_table("b", "a", "second")
    return project_files


@pytest.fixture
def children(tmp_path: Path) -> Iterator[Children]:
    children = Children(tmp_path)
    yield children
    children.end()


@pytest.fixture
def sqlite_url(sqlite_databases: Databases) -> Iterator[URL]:
    with sqlite_databases.temporary() as url:
        yield url


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder into which every user may look."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)
