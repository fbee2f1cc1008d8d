from collections.abc import Iterator

import pytest
from litestar.testing import TestClient
from sqlalchemy import Engine

from bookmarks.app import app


@pytest.fixture(params=["one loop", "a loop for each request"])
def client(request: pytest.FixtureRequest, db_engine: Engine) -> Iterator[TestClient]:
    """The application in a thread, where its loop is: one within ``with``, without it many."""
    client = TestClient(app)
    if request.param == "one loop":
        with client:
            yield client
    else:
        yield client
