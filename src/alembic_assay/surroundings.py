"""What env.py meets in the process around it, and what it must not leave behind there."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import URL, Engine, event
from sqlalchemy.exc import MissingGreenlet
from sqlalchemy.util.concurrency import in_greenlet

from alembic_assay.dialects import connection_url

_T = TypeVar("_T")


def outside_event_loop(function: Callable[[], _T]) -> _T:
    """Call a function where no event loop runs: here, or else in a thread, waiting for it.

    env.py files of async projects call ``asyncio.run``, which fails in a running loop.
    """
    if not _loop_is_running():
        return function()
    with ThreadPoolExecutor(1, thread_name_prefix="alembic-assay") as executor:
        return executor.submit(contextvars.copy_context().run, function).result()


@contextmanager
def only_engines_for(refuse_other: Callable[[URL], None]) -> Iterator[None]:
    """Ask ``refuse_other``, which may raise, before any engine of this thread connects.

    An env.py that ignores its configuration would otherwise reach, and on SQLite create, the
    database that the application's own settings name. An engine that cannot work, as its driver
    is asynchronous and it is not, raises ``MissingGreenlet``.
    """
    thread = threading.get_ident()

    def ask(dialect: Any, record: Any, arguments: Any, keywords: Any) -> None:
        if threading.get_ident() != thread:
            return
        refuse_other(connection_url(dialect, arguments, keywords))
        if dialect.is_async and not in_greenlet():
            # The driver would raise the same, and leave a coroutine behind that nobody awaits.
            raise MissingGreenlet("an engine that blocks was made with an asyncio driver")

    event.listen(Engine, "do_connect", ask)
    try:
        yield
    finally:
        event.remove(Engine, "do_connect", ask)


@contextmanager
def restored_logging() -> Iterator[Callable[[], None]]:
    """Keep all loggers as they are: env.py's ``fileConfig`` disables and replaces them.

    Yields the function that puts them back, to be called as soon as env.py has done that.
    """
    before = [
        (one, one.level, one.disabled, one.propagate, list(one.handlers))
        for one in (logging.root, *_loggers())
    ]
    known = {id(entry[0]) for entry in before}

    def restore() -> None:
        for logger, level, disabled, propagate, handlers in before:
            logger.setLevel(level)
            logger.disabled, logger.propagate, logger.handlers = disabled, propagate, handlers
        for logger in _loggers():
            if id(logger) not in known:
                logger.disabled = False

    try:
        yield restore
    finally:
        restore()


def _loop_is_running() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _loggers() -> list[logging.Logger]:
    known = logging.root.manager.loggerDict.values()
    return [logger for logger in known if isinstance(logger, logging.Logger)]
