"""Engines, sessions and sessionmakers of an application that somebody has named.

Those of SQLAlchemy's asyncio extension are told by what they have: without the package greenlet it
cannot be imported.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from sqlalchemy import Connection, Engine
from sqlalchemy.orm import Session
from sqlalchemy.util import ThreadLocalRegistry

from alembic_assay.exceptions import UsageError


class Engines(Protocol):
    """What unbound sessions are bound to; the second is an ``AsyncEngine``."""

    @property
    def engine(self) -> Engine: ...

    @property
    def async_engine(self) -> Any: ...


def engines_of(targets: Iterable[object]) -> list[Engine]:
    """Return the engines among targets, and those to which the others are bound.

    Raises ``UsageError`` for what is none of all these.
    """
    found = []
    for target in targets:
        engine = _engine(target)
        found += [engine] if engine else _binds(_owner(target))
    return found


@contextmanager
def bound(targets: Iterable[object], engines: Engines) -> Iterator[None]:
    """Bind within a block what is bound to nothing, and close all sessions behind it."""
    everything = [target for target in targets if _engine(target) is None]
    unbound = [owner for target in everything if not _binds(owner := _owner(target))]
    for owner in unbound:
        _bind(owner, engines.async_engine if _is_async(owner) else engines.engine)
    try:
        yield
    finally:
        for target in everything:
            _close(target)
        for owner in unbound:
            _bind(owner, None)


def _engine(target: Any) -> Engine | None:
    found = getattr(target, "sync_engine", target)
    if isinstance(found, Connection):
        return found.engine
    return found if isinstance(found, Engine) else None


def _owner(target: Any) -> Any:
    """Return the session or sessionmaker that has the binds of a target."""
    owner = target.session_factory if _is_registry(target) else target
    if _is_maker(owner) or _is_session(owner):
        return owner
    raise UsageError(
        f"{target!r} is no engine, no session and no sessionmaker of SQLAlchemy",
        effect="It was named to take part in the tests, and it is not known how it could.",
        help="name an Engine, a sessionmaker, a Session or a scoped_session, or one of their"
        " asyncio kind.",
    )


def _binds(owner: Any) -> list[Engine]:
    if _is_maker(owner):
        given = [owner.kw.get("bind"), *(owner.kw.get("binds") or {}).values()]
    else:
        given = [owner.bind]
    return [engine for bind in given if (engine := _engine(bind)) is not None]


def _bind(owner: Any, engine: Any) -> None:
    if _is_maker(owner):
        owner.configure(bind=engine)
        return
    owner.bind = engine
    if not isinstance(owner, Session):
        owner.sync_session.bind = _engine(engine)


def _close(target: Any) -> None:
    """Close a session, or all that a registry has; nothing can go wrong with them any more."""
    if _is_registry(target):
        if not isinstance(target.registry, ThreadLocalRegistry):
            # In whichever scope they are, as that of now may be another one, or none.
            sessions = target.registry.registry
            for session in sessions.values():
                _close(session)
            sessions.clear()
        else:
            target.remove()
    elif _is_session(target):
        getattr(target, "sync_session", target).close()


def _is_registry(target: object) -> bool:
    return hasattr(target, "session_factory") and hasattr(target, "registry")


def _is_maker(owner: object) -> bool:
    return hasattr(owner, "kw") and hasattr(owner, "configure")


def _is_session(owner: object) -> bool:
    return isinstance(getattr(owner, "sync_session", owner), Session)


def _is_async(owner: Any) -> bool:
    made = owner.class_ if _is_maker(owner) else type(owner)
    return not issubclass(made, Session)
