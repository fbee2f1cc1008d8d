"""The migrated database that is copied for everyone who needs one."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError

from alembic_assay.databases import Databases
from alembic_assay.exceptions import ServerUnavailable


class Template:
    """A database to which nobody is connected; ``find`` returns it, and makes it where need be."""

    def __init__(self, databases: Databases, find: Callable[[], URL]) -> None:
        self._databases = databases
        self._find = find
        self.url = find()

    def clone(self) -> URL:
        """Return a copy, which is the caller's own. Raises ``ServerUnavailable``."""
        try:
            return self._databases.clone(self.url)
        except (ServerUnavailable, DBAPIError):
            # Another process may have pruned it.
            if self.url in self._databases.templates().values():
                raise
        self.url = self._find()
        return self._databases.clone(self.url)
