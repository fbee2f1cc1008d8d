"""The files of a database, and whether they are one."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sqlalchemy import URL

from alembic_assay.exceptions import DatabaseUnreachable, NotADatabase


def database_path(url: URL) -> Path | None:
    """Return the file of a URL, symbolic links resolved; ``None`` for a database in memory."""
    name = url.database or ""
    if name.startswith("file:"):
        parts = urlsplit(name)
        if "mode=memory" in parts.query or url.query.get("mode") == "memory":
            return None
        name = unquote(parts.path)
    if name in ("", ":memory:"):
        return None
    return Path(name).resolve()


def lock_path(path: Path) -> Path:
    """Return the file beside a database that its migration lock is taken on."""
    return path.with_name(path.name + ".migrate.lock")


def require_database(path: Path) -> int:
    """Let SQLite itself say whether the file is one of its own; an empty file is.

    Return its ``application_id``.
    """
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            return int(connection.execute("PRAGMA application_id").fetchone()[0])
    except sqlite3.OperationalError as error:
        raise DatabaseUnreachable(
            f"{path} cannot be opened: {error}",
            effect="It was not touched.",
            help="see that it is a file that this user may read, and that nobody else locks it.",
        ) from error
    except sqlite3.DatabaseError as error:
        raise NotADatabase(
            f"{path} is not an SQLite database: {error}",
            effect="It is something else, or damaged; it was not touched.",
            help="correct the path in the URL, or restore the file from a backup.",
        ) from error
