"""Databases of our own: on one server, with names of their own, gone at the end."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sqlalchemy import URL

from alembic_assay.dialects import Backend, get_backend


class Databases:
    """A place where databases are made; every one is marked as ours and dropped by ``close``."""

    def __init__(self, server: URL, origin: str) -> None:
        self.server = server
        self.origin = origin
        self.backend: Backend = get_backend(server)
        self._own: list[URL] = []

    def create(self) -> URL:
        """Return a new, empty database."""
        return self._remember(self.backend.create(self.server, _name()))

    def clone(self, source: URL) -> URL:
        """Return a copy of a database of our own to which nobody is connected."""
        return self._remember(self.backend.clone(source, _name()))

    def drop(self, url: URL) -> None:
        """Drop a database of our own; one that is gone already is fine."""
        self.backend.drop(url)
        if url in self._own:
            self._own.remove(url)

    def is_own(self, url: URL) -> bool:
        """Whether a database was made here and is still there."""
        return url in self._own

    def disown(self, url: URL) -> None:
        """Leave a database to others, who drop it."""
        self._own.remove(url)

    @contextmanager
    def temporary(self) -> Iterator[URL]:
        """Have a new, empty database for a block."""
        url = self.create()
        try:
            yield url
        finally:
            self.drop(url)

    def close(self) -> None:
        """Drop all databases that were made here and are still there, then raise what failed."""
        with ExitStack() as stack:
            for url in self._own:
                stack.callback(self.backend.drop, url)
        self._own.clear()

    def _remember(self, url: URL) -> URL:
        self._own.append(url)
        return url


@contextmanager
def open_databases(url: URL, *, folder: Path | None = None) -> Iterator[Databases]:
    """Have a place for databases of the kind of ``url``, on its server if it names one.

    Databases that are files lie in ``folder``, by default in one that ends with the block. Raises
    ``ServerUnavailable``, ``DatabaseUnreachable`` or ``UnsupportedDatabase``.
    """
    with get_backend(url).serve(url, folder) as (server, origin):
        databases = Databases(server, origin)
        try:
            yield databases
        finally:
            databases.close()


def without_own_names(text: str) -> str:
    """Remove the names of databases of our own from a text, where they stand before other names.

    They are others in each run, and some servers name the database in each error.
    """
    return _OWN_NAME.sub("", text)


_OWN_NAME = re.compile(r"`?\bassay_[0-9a-f]{12}\b`?\.")


def _name() -> str:
    return f"assay_{secrets.token_hex(6)}"
