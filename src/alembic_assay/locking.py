"""The migration lock: waited for, checked, given back."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

from sqlalchemy import URL

from alembic_assay.dialects import Lock, get_backend
from alembic_assay.exceptions import LockLost, LockTimeout, UsageError, first_line
from alembic_assay.urls import mask, parse_url

log = logging.getLogger("alembic_assay")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 1.0
_SAY_AGAIN = 10.0


@contextmanager
def migration_lock(
    url: str | URL, *, timeout: float | None = 300.0, version_table: str = "alembic_version"
) -> Iterator[Lock]:
    """Hold the lock under which ``apply_migrations`` migrates the database of ``url``.

    For scripts that must keep migrations out for a while. The lock ends with the block, and with
    the process, however that ends; ``timeout`` is in seconds, ``None`` waits for ever. Raises
    ``LockTimeout``, ``LockUnavailable`` or ``DatabaseUnreachable``, and at the end of the block
    ``LockLost`` where the lock was not held to the end.
    """
    url = parse_url(url)
    backend = get_backend(url)
    if backend.is_in_memory(url):
        raise UsageError(
            f"{mask(url)} is a database in memory",
            effect="Nobody else can reach it, so that there is nothing to lock.",
            help="name a file: sqlite:///app.db",
        )
    with (
        closing(backend.connect(url)) as connection,
        held(backend.make_lock(connection, version_table), timeout=timeout) as lock,
    ):
        yield lock


@contextmanager
def held(
    lock: Lock, *, timeout: float | None, cancelled: threading.Event | None = None
) -> Iterator[Lock]:
    """Hold a lock for a block, waiting up to ``timeout`` seconds (``None``: for ever) for it.

    Setting ``cancelled`` ends the waiting with a ``LockTimeout``, even if the lock is free by then.
    """
    _wait_for(lock, timeout, cancelled or threading.Event())
    try:
        yield lock
    except BaseException:
        # The first error is the one that matters; the lock dies with its connection anyway.
        try:
            lock.release()
        except (LockLost, OSError) as error:
            log.warning("releasing the %s failed: %s", lock.description, first_line(error))
        raise
    lock.release()


def _wait_for(lock: Lock, timeout: float | None, cancelled: threading.Event) -> None:
    # Polled: a database lock that is waited for in the database would stand in the way of the
    # holder's own statements, and could not be given up.
    started = time.monotonic()
    pause, say_next = _FIRST_PAUSE, 0.0
    while cancelled.is_set() or not lock.try_acquire():
        waited = time.monotonic() - started
        if cancelled.is_set():
            raise LockTimeout(f"the wait for the {lock.description} was cancelled")
        if timeout is not None and waited >= timeout:
            raise LockTimeout(
                f"the {lock.description} was not free within {waited:.1f} s; it is held by"
                f" {lock.holder()}",
                effect="Another process is migrating this database, or hangs; nothing was changed"
                " by this one.",
                help="wait for it, or end it: the lock ends with its process; a longer wait is"
                " lock_timeout=SECONDS.",
            )
        if waited >= say_next:
            log.info("waiting for the %s, held by %s", lock.description, lock.holder())
            say_next = waited + _SAY_AGAIN
        remaining = pause if timeout is None else min(pause, max(timeout - waited, 0.0))
        cancelled.wait(remaining * random.uniform(0.7, 1.0))  # noqa: S311 - jitter
        pause = min(pause * 1.5, _LONGEST_PAUSE)
