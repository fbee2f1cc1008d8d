from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy

from alembic_assay.databases import Databases
from blog import create_app, db


@pytest.fixture(scope="session")
def database(assay_databases: Databases) -> Iterator[str]:
    """A database for the tests, which is dropped when they are done."""
    with assay_databases.temporary() as url:
        yield url.render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def app(database: str) -> Flask:
    return create_app(database)


@pytest.fixture(scope="session")
def _db(app: Flask) -> Iterator[SQLAlchemy]:
    with app.app_context():
        db.create_all()
    yield db
    with app.app_context():
        db.engine.dispose()


@pytest.fixture(autouse=True)
def enable_transactional_tests(db_session) -> None:
    pass


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()
