from collections.abc import AsyncIterator

import pytest
from httpx2 import ASGITransport, AsyncClient
from sqlalchemy import URL

from library.app import app, lifespan


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def async_client(
    fresh_database: URL, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[AsyncClient]:
    """The application, started on a database of this test's own."""
    url = fresh_database.set(drivername="sqlite+aiosqlite")
    monkeypatch.setenv("DATABASE_URL", str(url))
    async with (
        lifespan(app),
        AsyncClient(transport=ASGITransport(app), base_url="http://library") as client,
    ):
        yield client
