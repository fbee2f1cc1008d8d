from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from catalogue.app import app
from catalogue.database import get_session


@pytest.fixture
def client(db_session: Session) -> Iterator[TestClient]:
    """The application, inside this test's transaction: what it commits does not last."""
    app.dependency_overrides[get_session] = lambda: db_session
    yield TestClient(app)
    app.dependency_overrides.clear()
