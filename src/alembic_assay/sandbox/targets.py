"""Engines, sessions and sessionmakers of an application that somebody has named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from sqlalchemy import Engine
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_scoped_session,
    async_sessionmaker,
)
from sqlalchemy.orm import Session, scoped_session, sessionmaker
from sqlalchemy.util import ScopedRegistry

from alembic_assay.exceptions import UsageError


class Engines(Protocol):
    """What unbound sessions are bound to."""

    @property
    def engine(self) -> Engine: ...

    @property
    def async_engine(self) -> AsyncEngine: ...


_SCOPED = (scoped_session, async_scoped_session)
_MAKERS = (sessionmaker, async_sessionmaker)
_SESSIONS = (Session, AsyncSession)


def engines_of(targets: Iterable[object]) -> list[Engine]:
    """Return the engines among targets, and those to which the others are bound.

    Raises ``UsageError`` for what is none of all these.
    """
    found = []
    for target in targets:
        if isinstance(target, (Engine, AsyncEngine)):
            found.append(_sync(target))
        else:
            found += [_sync(bind) for bind in _binds(_owner(target))]
    return found


@contextmanager
def bound(targets: Iterable[object], engines: Engines) -> Iterator[None]:
    """Bind within a block what is bound to nothing, and close all sessions behind it."""
    everything = list(targets)
    unbound = [
        owner
        for target in everything
        if not isinstance(target, (Engine, AsyncEngine)) and not _binds(owner := _owner(target))
    ]
    for owner in unbound:
        _bind(owner, engines.async_engine if _is_async(owner) else engines.engine)
    try:
        yield
    finally:
        for target in everything:
            _close(target)
        for owner in unbound:
            _bind(owner, None)


def _sync(engine: Any) -> Engine:
    found = engine.sync_engine if isinstance(engine, AsyncEngine) else engine
    return found if isinstance(found, Engine) else found.engine


def _owner(target: object) -> Any:
    """Return the session or sessionmaker that has the binds of a target."""
    owner = target.session_factory if isinstance(target, _SCOPED) else target
    if isinstance(owner, (*_MAKERS, *_SESSIONS)):
        return owner
    raise UsageError(
        f"{target!r} is no engine, no session and no sessionmaker of SQLAlchemy",
        effect="It was named to take part in the tests, and it is not known how it could.",
        help="name an Engine, a sessionmaker, a Session or a scoped_session, or one of their"
        " asyncio kind.",
    )


def _binds(owner: Any) -> list[Any]:
    if isinstance(owner, _MAKERS):
        given = [owner.kw.get("bind"), *(owner.kw.get("binds") or {}).values()]
    else:
        given = [owner.bind]
    return [bind for bind in given if bind is not None]


def _bind(owner: Any, engine: Engine | AsyncEngine | None) -> None:
    if isinstance(owner, _MAKERS):
        owner.configure(bind=engine)
        return
    owner.bind = engine
    if isinstance(owner, AsyncSession):
        owner.sync_session.bind = engine.sync_engine if isinstance(engine, AsyncEngine) else None


def _is_async(owner: object) -> bool:
    return isinstance(owner, (AsyncSession, async_sessionmaker))


def _close(target: object) -> None:
    """Close a session, or all that a registry has; nothing can go wrong with them any more."""
    if isinstance(target, _SCOPED):
        if isinstance(target.registry, ScopedRegistry):
            # In whichever scope they are, as that of now may be another one, or none.
            sessions = target.registry.registry
            for session in sessions.values():
                _close(session)
            sessions.clear()
        else:
            target.remove()
    elif isinstance(target, _SESSIONS):
        (target.sync_session if isinstance(target, AsyncSession) else target).close()
