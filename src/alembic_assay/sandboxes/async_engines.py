"""Engines and connections of SQLAlchemy's asyncio extension, for tests.

It is imported where it is used only: without the package greenlet the extension cannot be.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from alembic_assay.dialects import get_backend
from alembic_assay.sandboxes import Sandbox
from alembic_assay.sandboxes.loop_thread import LoopThread
from alembic_assay.sandboxes.member import all_engines


def make_async_engine(url: URL, sandbox: Sandbox) -> AsyncEngine:
    """Return an engine for a database of tests, with the driver of those that are in the sandbox.

    It keeps no connections, each of which would belong to one event loop.
    """
    backend = get_backend(url)
    used = [
        engine.url.drivername
        for engine in all_engines()
        if engine.dialect.is_async and sandbox.takes_part(engine)
    ]
    named = url.set(drivername=used[0]) if used else url
    return create_async_engine(backend.async_url(named), poolclass=NullPool)


def start_connection(engine: AsyncEngine) -> tuple[AsyncConnection, Callable[[], None]]:
    """Return a started connection, and what closes it, of an engine that is in a sandbox."""
    loop = LoopThread()
    connection = loop.wait_for(engine.connect().start())
    loop.close()
    assert connection.sync_connection is not None, "it is started"
    return connection, connection.sync_connection.close
