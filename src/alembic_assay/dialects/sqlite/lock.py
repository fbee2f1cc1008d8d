"""The lock of a file, which is the one of the operating system."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock, Timeout

from alembic_assay.dialects.lock import Lock
from alembic_assay.exceptions import LockUnavailable


class DiskLock(Lock):
    """A lock of the operating system on a file beside a database, which is never deleted.

    Never on the database file: to close that would drop SQLite's own locks on it.
    https://www.sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_
    """

    def __init__(self, path: Path) -> None:
        self.description = f"file lock {path}"
        # A marker file, to which filelock would fall back, outlives a crash of its owner.
        self._lock = FileLock(path, timeout=0, thread_local=False, fallback_to_soft=False)

    def try_acquire(self) -> bool:
        try:
            self._lock.acquire()
        except Timeout:
            return False
        except (OSError, NotImplementedError) as error:
            raise LockUnavailable(
                f"the {self.description} cannot be taken: {type(error).__name__}: {error}",
                effect="Without it two processes could migrate at once; nothing was changed.",
                help="let this user write in the folder of the database, on a file system with"
                " file locks.",
            ) from error
        return True

    def is_held(self) -> bool:
        return self._lock.is_locked

    def release(self) -> None:
        self._lock.release()
