"""Databases of our own as files in a folder."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from filelock import FileLock, Timeout
from sqlalchemy import URL

from alembic_assay.dialects.lock import Lock
from alembic_assay.dialects.server import (
    OWN_NAME,
    Note,
    OwnDatabase,
    Server,
    cannot_make,
    refuse_to_drop,
)
from alembic_assay.dialects.sqlite.files import database_path, require_database
from alembic_assay.dialects.sqlite.lock import DiskLock
from alembic_assay.exceptions import DatabaseUnreachable, ServerUnavailable

BIRTHMARK = 0x41535359
"""``PRAGMA application_id`` of the toolkit's own databases; it travels with the copies."""

_MAGIC = b"SQLite format 3\0"

_PATIENCE_SECONDS = 1.0
"""With whoever has locked a database of our own."""

_LOCKED = (5, 6)
"""SQLITE_BUSY and SQLITE_LOCKED, for which the driver has names since Python 3.11."""

_UNFINISHED, _NOTE = "-unfinished", ".note"

_JOURNALS = ("-journal", "-wal", "-shm")

_ENDINGS = (
    *_JOURNALS,
    ".migrate.lock",
    *(_UNFINISHED + journal for journal in _JOURNALS),
    _UNFINISHED,
    _NOTE,
    _NOTE + _UNFINISHED,
    "",
)
"""Of all files of a database, itself the last."""


class SQLiteFolder(Server):
    """A folder; beside each database lies what is noted on it, and for each owner a file to lock.

    A file takes its name only when it is whole, so that each one with that name has the mark.
    """

    copies_at_once = True

    def __init__(self, folder: Path) -> None:
        super().__init__(URL.create("sqlite+pysqlite", database=str(folder)))
        self.folder = folder
        self._alive = _owner_lock(folder, self.owner)
        path = _owner_path(folder, self.owner)
        try:
            self._alive.acquire(timeout=_PATIENCE_SECONDS)
            while not path.exists():
                # Another process took it for that of a dead owner, before it was locked.
                self._alive.release()
                self._alive.acquire(timeout=_PATIENCE_SECONDS)
        except OSError as error:
            raise self._failure(error) from error

    @property
    def version(self) -> str:
        return sqlite3.sqlite_version

    def create(self, name: str) -> URL:
        with self._finished(name) as unfinished, closing(_open(unfinished)) as connection:
            connection.execute(f"PRAGMA application_id = {BIRTHMARK}")
        return self._url(name)

    def clone(self, source: URL, name: str) -> URL:
        path = _path(source)
        with self._finished(name) as unfinished:
            if _has_log(path):
                # Somebody has it open: not all that was committed is in the file itself.
                with closing(_open(path)) as original, closing(_open(unfinished)) as copy:
                    _back_up(original, copy)
            else:
                _copy(path, unfinished)
        return self._url(name)

    def drop(self, url: URL) -> None:
        path = _path(url)
        if not self._bears_mark(path):
            try:
                if path.exists() and require_database(path) != BIRTHMARK:
                    refuse_to_drop(url)
            except DatabaseUnreachable:
                if path.exists():
                    raise  # else it has been dropped by another process at this moment
            if not path.exists() and not OWN_NAME.fullmatch(path.stem):
                return
        for ending in _ENDINGS:
            with suppress(FileNotFoundError):
                os.unlink(f"{path}{ending}")  # noqa: PTH108 - a Path costs more than the call

    def seal(self, url: URL, note: Note) -> None:
        path = _path(url)
        if _has_log(path):
            with closing(_open(path)) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        path.chmod(0o400)
        self.annotate(url, note)

    def annotate(self, url: URL, note: Note) -> None:
        with self._whole(_note_path(_path(url))) as unfinished:
            unfinished.write_text(str(note), encoding="utf-8")

    def set_aside(self, url: URL, template: URL, name: str) -> URL:
        # In place, by SQLite itself: whoever has the file open goes on with what is in it now.
        kept = self._url(name)
        with closing(_open(_path(url))) as database:
            with self._finished(name) as unfinished, closing(_open(unfinished)) as copy:
                _back_up(database, copy)
            try:
                with closing(_open(_path(template))) as pristine:
                    _back_up(pristine, database)
            except BaseException:
                self.drop(kept)
                raise
        return kept

    def own_databases(self) -> list[OwnDatabase]:
        names = {file.name.partition(".")[0] for file in self.folder.glob("assay_*.db*")}
        return [
            OwnDatabase(self._url(name), parts[1], self._note(name))
            for name in sorted(names)
            if (parts := OWN_NAME.fullmatch(name))
        ]

    def living(self, owners: Collection[str]) -> set[str]:
        return {owner for owner in owners if _is_alive(self.folder, owner)}

    def forget_the_dead(self) -> None:
        for path in self.folder.glob("assay_*.alive"):
            owner = path.stem.removeprefix("assay_")
            if any(self.folder.glob(f"assay_{owner}_*")):
                continue
            with suppress(Timeout), _owner_lock(self.folder, owner):
                path.unlink(missing_ok=True)  # locked, so that nobody begins to live in it

    @contextmanager
    def lock(self, name: str) -> Iterator[Lock]:
        yield DiskLock(self.folder / f"{sha256(name.encode()).hexdigest()[:16]}.lock")

    def close(self) -> None:
        self._alive.release()
        _owner_path(self.folder, self.owner).unlink(missing_ok=True)

    def _bears_mark(self, path: Path) -> bool:
        """Whether the header of a file in this folder says that it is our own.

        That is faster than to ask SQLite, which must be asked about any other file: to close one
        drops the locks of this process on it. https://www.sqlite.org/fileformat.html
        """
        if path.parent != self.folder or not OWN_NAME.fullmatch(path.stem):
            return False
        try:
            with path.open("rb", buffering=0) as file:
                header = file.read(72)
        except OSError:
            return False
        return header.startswith(_MAGIC) and header[68:] == BIRTHMARK.to_bytes(4, "big")

    def _url(self, name: str) -> URL:
        return self.url.set(database=str(self.folder / f"{name}.db"))

    def _note(self, name: str) -> Note | None:
        try:
            return Note.parse(_note_path(self.folder / f"{name}.db").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None

    def _finished(self, name: str) -> AbstractContextManager[Path]:
        return self._whole(self.folder / f"{name}.db")

    @contextmanager
    def _whole(self, path: Path) -> Iterator[Path]:
        """Yield a path to be filled; it becomes ``path`` when it is."""
        unfinished = path.with_name(path.name + _UNFINISHED)
        try:
            yield unfinished
            unfinished.replace(path)
        except BaseException as error:
            for ending in (*_JOURNALS, ""):
                unfinished.with_name(unfinished.name + ending).unlink(missing_ok=True)
            if isinstance(error, (OSError, sqlite3.OperationalError)):
                raise self._failure(error) from error
            raise

    def _failure(self, error: Exception) -> Exception:
        return cannot_make(
            self.url, error, f"let this user write in {self.folder}, and make room on its disk."
        )


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, timeout=_PATIENCE_SECONDS)
    connection.execute("PRAGMA synchronous = OFF")
    return connection


def _back_up(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    """Copy a database to which others are connected, as they see it."""

    def refuse_to_wait(status: int, remaining: int, total: int) -> None:
        # The driver would try again for ever; each try has waited for a while already.
        if status in _LOCKED:
            raise ServerUnavailable(
                "an SQLite database of our own cannot be copied: it is locked",
                effect="Somebody is connected to it, in a transaction that does not end.",
                help="close the sessions and connections on which a test has begun a transaction.",
            )

    source.backup(target, progress=refuse_to_wait)


def _has_log(path: Path) -> bool:
    """Whether there is a write-ahead log: https://www.sqlite.org/wal.html."""
    log = path.with_name(path.name + "-wal")
    return log.exists() and log.stat().st_size > 0


def _copy(source: Path, target: Path) -> None:
    """Copy a file, by reference where the file system can."""
    if hasattr(os, "copy_file_range"):
        try:
            with source.open("rb") as old, target.open("xb") as new:
                left = os.fstat(old.fileno()).st_size
                while left > 0:
                    left -= os.copy_file_range(old.fileno(), new.fileno(), left) or left
            return
        except OSError:
            target.unlink(missing_ok=True)  # not on these file systems; or the disk is full
    shutil.copyfile(source, target)


def _path(url: URL) -> Path:
    path = database_path(url)
    assert path is not None, "a database of our own is a file"
    return path


def _note_path(path: Path) -> Path:
    return path.with_name(path.name + _NOTE)


def _owner_path(folder: Path, owner: str) -> Path:
    return folder / f"assay_{owner}.alive"


def _owner_lock(folder: Path, owner: str) -> FileLock:
    path = _owner_path(folder, owner)
    return FileLock(path, timeout=0, thread_local=False, fallback_to_soft=False)


def _is_alive(folder: Path, owner: str) -> bool:
    if not _owner_path(folder, owner).exists():
        return False
    lock = _owner_lock(folder, owner)
    try:
        lock.acquire()
    except Timeout:
        return True
    lock.release()
    return False
