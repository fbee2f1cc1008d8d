from pathlib import Path

import pytest
from factories import BookFactory

from alembic_assay import Project, apply_migrations, check_create_all
from library.app import PROJECT, app, lifespan
from library.models import Book

CONFIG = PROJECT / "alembic.ini"


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where there is no database yet."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'library.db'}"
    monkeypatch.setenv("DATABASE_URL", url)
    return url


@pytest.mark.anyio
async def test_first_start_creates_the_tables_and_stamps_them(url: str) -> None:
    async with lifespan(app):
        await BookFactory()

    assert apply_migrations(url, config=CONFIG).action == "up to date"


@pytest.mark.anyio
async def test_next_start_keeps_what_is_there(url: str) -> None:
    async with lifespan(app):
        await BookFactory(title="Emma")

    async with lifespan(app):
        assert [book.title for book in await Book.objects.all()] == ["Emma"]


@pytest.mark.anyio
async def test_start_upgrades_an_older_database(url: str) -> None:
    apply_migrations(url, config=CONFIG, target="2f6b0a7d91ce")

    async with lifespan(app):
        assert await Book.objects.count() == 0


def test_tables_that_are_created_equal_those_of_the_migrations(assay_project: Project) -> None:
    assert check_create_all(assay_project) == []
