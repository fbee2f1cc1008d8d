"""What was found out about a template is remembered, by any number of workers at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import make_url

from alembic_assay.fingerprints import versions
from alembic_assay.recall import recall, remember

WORKERS = 8


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "project" / "env.py"
    path.parent.mkdir()
    path.write_text("run = True\n")
    return path


def remember_at(path: Path, source: Path, url: str = "sqlite://") -> None:
    remember(
        path,
        server=make_url(url),
        server_version="3",
        state="abc",
        versions=versions(),
        files=[source],
        folders=[source.parent],
    )


def test_memory_holds_until_a_file_is_another(tmp_path: Path, source: Path) -> None:
    path = tmp_path / "recall.json"

    remember_at(path, source)

    memory = recall(path)
    assert memory is not None
    assert (memory.server, memory.state) == ("sqlite://", "abc")
    source.write_text("run = False\n")
    assert recall(path) is None


def test_memory_ends_with_a_new_file_of_python(tmp_path: Path, source: Path) -> None:
    path = tmp_path / "recall.json"
    remember_at(path, source)

    source.with_name("models.py").touch()

    assert recall(path) is None


def test_many_remember_at_once_and_none_fails(tmp_path: Path, source: Path) -> None:
    path = tmp_path / "recall.json"

    with ThreadPoolExecutor(WORKERS) as pool:
        done = [pool.submit(remember_at, path, source) for _ in range(WORKERS * 50)]

    assert [each.exception() for each in done] == [None] * len(done)
    assert recall(path) is not None


def test_memory_that_is_cut_off_is_none(tmp_path: Path, source: Path) -> None:
    path = tmp_path / "recall.json"
    remember_at(path, source)
    whole = path.read_bytes()

    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert recall(path) is None


def test_server_with_a_password_is_not_remembered(tmp_path: Path, source: Path) -> None:
    path = tmp_path / "recall.json"

    remember_at(path, source, "postgresql://user:secret@localhost/")

    assert not path.exists()
