from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import URL, Engine, create_engine
from sqlalchemy.orm import Session

from alembic_assay.databases import Databases
from shop.app import app, get_session

SCRIPTS = Path(__file__).parent.parent / "migrations"


@pytest.fixture(scope="session")
def migrated_database(assay_databases: Databases) -> Iterator[URL]:
    """A database that our other tool has migrated."""
    with assay_databases.temporary() as url:
        migrate(url)
        yield url


def migrate(url: URL) -> None:
    """Run the scripts in the order of their versions, as Flyway does."""
    engine = create_engine(url)
    with engine.begin() as connection:
        for script in sorted(SCRIPTS.glob("V*__*.sql")):
            connection.exec_driver_sql(script.read_text())
    engine.dispose()


@pytest.fixture
def client(db_engine: Engine) -> Iterator[TestClient]:
    """The application, with sessions of its own on the tests' database."""

    def get_test_session() -> Iterator[Session]:
        with Session(db_engine) as session:
            yield session

    app.dependency_overrides[get_session] = get_test_session
    yield TestClient(app)
    app.dependency_overrides.clear()
