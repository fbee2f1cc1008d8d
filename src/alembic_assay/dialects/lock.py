"""What a lock must be able to do, whoever keeps it."""

from __future__ import annotations

from abc import ABC, abstractmethod


class Lock(ABC):
    """A lock that dies with its owner: a lock of the operating system or of a database session."""

    description: str
    """What it is, for people: ``file lock /srv/app.db.migrate.lock``."""

    @abstractmethod
    def try_acquire(self) -> bool:
        """Take the lock if it is free, without waiting. Raises ``LockUnavailable``."""

    @abstractmethod
    def is_held(self) -> bool:
        """Whether it is still ours: a server may have ended the session that held it."""

    @abstractmethod
    def release(self) -> None:
        """Give it back. Raises ``LockLost`` where it was not ours any more."""

    def holder(self) -> str:
        """Say who holds it, as far as the database knows."""
        return "another process"
