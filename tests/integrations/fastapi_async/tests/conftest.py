from collections.abc import AsyncIterator

import pytest
from httpx2 import ASGITransport, AsyncClient
from sqlalchemy.ext.asyncio import AsyncEngine

from todo.app import app


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def client(async_db_engine: AsyncEngine) -> AsyncIterator[AsyncClient]:
    """The application as it is: its engine, which pytest is told of, takes part in the tests."""
    async with AsyncClient(transport=ASGITransport(app), base_url="http://todo") as client:
        yield client
