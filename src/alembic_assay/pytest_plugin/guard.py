"""Tests that use a database without asking for it, where ``assay_guard`` is set."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

import pytest

from alembic_assay.pytest_plugin.marker import NAME as MARKER

if TYPE_CHECKING:
    from sqlalchemy import Engine

INI = "assay_guard"

_ASKING = ("async_db_", "assay_", "db_", "fresh_", "migrated_", "row_factory")
"""With which the names of the toolkit's fixtures begin."""


def guarded(item: pytest.Item) -> AbstractContextManager[None]:
    """Have a test fail for a block if it connects to a database, and has not asked for any."""
    if not item.config.getini(INI):
        return nullcontext()
    fixtures: list[str] = getattr(item, "fixturenames", [])
    has_asked = any(name.startswith(_ASKING) for name in fixtures)
    return nullcontext() if has_asked or item.get_closest_marker(MARKER) else _refusing()


@contextmanager
def _refusing() -> Iterator[None]:
    from alembic_assay.dialects import get_backend
    from alembic_assay.sandboxes.member import raw_connections_by

    def refuse(engine: Engine) -> None:
        if get_backend(engine.url).is_in_memory(engine.url):
            return
        # Not an Exception, which the application might catch.
        raise pytest.fail.Exception(
            f"the test uses the database {engine.url!r} and has not asked for one\n"
            "  What it changes there would stay.\n"
            "  help: let it, or a fixture of it, take db_session, db_engine, async_db_session or"
            " fresh_engine; if the database is its own, mark it: @pytest.mark.assay()."
        )

    with raw_connections_by(refuse):
        yield
