"""What differs per database; one package for each, and nobody else asks for a dialect's name."""

from __future__ import annotations

import importlib

from sqlalchemy import URL

from alembic_assay.config import mask
from alembic_assay.dialects.base import IMMEDIATE, Backend, Lock, connection_url, unreachable
from alembic_assay.exceptions import UnsupportedDatabase

__all__ = ["IMMEDIATE", "Backend", "Lock", "connection_url", "get_backend", "unreachable"]

_NAMES = ("postgresql", "sqlite")


def get_backend(url: URL) -> Backend:
    """Return the backend for a URL. Raises ``UnsupportedDatabase`` where there is none."""
    name = url.get_backend_name()
    if name not in _NAMES:
        raise UnsupportedDatabase(
            f'the database "{name}" is not supported',
            effect=f"{mask(url)} can be neither migrated nor checked.",
            help=f"supported are: {', '.join(_NAMES)}.",
        )
    backend: Backend = importlib.import_module(f"{__name__}.{name}").BACKEND
    return backend
