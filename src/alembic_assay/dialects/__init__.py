"""What differs per database; one package for each, and nobody else asks for a dialect's name."""

from __future__ import annotations

import importlib

from sqlalchemy import URL

from alembic_assay.dialects.base import IMMEDIATE, Backend, connection_url, unreachable
from alembic_assay.dialects.likeness import Likeness, Objects
from alembic_assay.dialects.lock import Lock
from alembic_assay.dialects.server import Note, OwnDatabase, Server, signature
from alembic_assay.dialects.user_folder import user_folder
from alembic_assay.exceptions import UnsupportedDatabase
from alembic_assay.urls import mask

__all__ = [
    "IMMEDIATE",
    "Backend",
    "Likeness",
    "Lock",
    "Note",
    "Objects",
    "OwnDatabase",
    "Server",
    "connection_url",
    "get_backend",
    "signature",
    "unreachable",
    "user_folder",
]

_PACKAGES = {
    "mariadb": "mysql",
    "mysql": "mysql",
    "postgresql": "postgresql",
    "sqlite": "sqlite",
}
"""By the names with which URLs begin."""


def get_backend(url: URL) -> Backend:
    """Return the backend for a URL. Raises ``UnsupportedDatabase`` where there is none."""
    name = url.get_backend_name()
    if name not in _PACKAGES:
        raise UnsupportedDatabase(
            f'the database "{name}" is not supported',
            effect=f"{mask(url)} can be neither migrated nor checked.",
            help=f"supported are: {', '.join(_PACKAGES)}.",
        )
    backend: Backend = importlib.import_module(f"{__name__}.{_PACKAGES[name]}").BACKEND
    return backend
