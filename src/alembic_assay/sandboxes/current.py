"""The session of the test that runs, for factories that are made before there is one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from alembic_assay.exceptions import UsageError

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_running: list[Callable[[], Session]] = []
"""One place for a process: factories are classes of modules, and know no test."""


def current_session() -> Session:
    """Return the session of the test that runs: that of its fixture ``db_session``.

    For factories, in one line: ``sqlalchemy_session_factory = current_session`` in the ``Meta`` of
    a factory of factory_boy, ``__session__ = current_session`` in one of polyfactory. Raises
    ``UsageError`` where no test runs that takes the database.
    """
    if not _running:
        raise UsageError(
            "a factory is used in a test that has not asked for the database",
            effect="There is no session to add its objects to.",
            help="have the test, or a fixture of it, take db_session.",
        )
    return _running[-1]()


@contextmanager
def current(session: Callable[[], Session]) -> Iterator[None]:
    """Have ``current_session`` return what ``session`` does within a block."""
    _running.append(session)
    try:
        yield
    finally:
        _running.pop()
