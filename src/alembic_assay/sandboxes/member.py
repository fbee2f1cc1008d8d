"""An engine of the application that takes part in a sandbox, and the connections that it gets."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import sqlalchemy
from sqlalchemy import URL, Dialect, Engine, event
from sqlalchemy.pool import NullPool, PoolProxiedConnection

from alembic_assay.exceptions import SandboxError
from alembic_assay.sandboxes.virtual import VirtualConnection

_FORWARDED = ("checkout", "checkin", "reset", "invalidate", "soft_invalidate")


_PRIVATE_NAMES = ("_do_get", "_reset_on_return", "dispatch")
"""What is used of SQLAlchemy's pools and has no public name."""


def require_private_names() -> None:
    """Raise ``SandboxError`` if this version of SQLAlchemy has not all that a sandbox needs."""
    pool = NullPool(lambda: None)  # type: ignore[arg-type]
    if missing := [name for name in _PRIVATE_NAMES if not hasattr(pool, name)]:
        raise SandboxError(
            f"SQLAlchemy {sqlalchemy.__version__} has no {' and no '.join(missing)} of a pool",
            effect="Without that the application's commits would last; so no test is run.",
            help="take an older version of SQLAlchemy until this toolkit knows the new one.",
        )


class Member:
    """Gives an engine the connections of the DBAPI that ``make`` makes, by a pool that keeps none.

    The engine's own pool stays as it is, and empty; its listeners are told of what happens here.
    """

    def __init__(self, engine: Engine, make: Callable[[], Any]) -> None:
        reset = engine.pool._reset_on_return  # noqa: SLF001 - as its own ``recreate`` does
        self._pool = NullPool(make, dialect=engine.dialect, reset_on_return=reset)
        for name in _FORWARDED:
            event.listen(self._pool, name, _forward(engine.pool.dispatch, name))

    def connect(self) -> PoolProxiedConnection:
        """Return a connection, as ``Engine.raw_connection`` does."""
        return self._pool.connect()


def _forward(dispatch: Any, name: str) -> Callable[..., None]:
    def forward(*arguments: Any) -> None:
        getattr(dispatch, name)(*arguments)

    return forward


def open_connection(engine: Engine, url: URL | None = None) -> Any:
    """Return a connection of the DBAPI as the engine makes them, with its listeners; it is ours.

    With ``url`` it is one to there. The dialect is initialized by it, where it has not been yet.
    Raises ``SandboxError`` for an engine with a ``creator``, which leads to one place alone.
    """
    if url is None:
        return _connect(engine)
    here, there = (
        engine.dialect.create_connect_args(one)
        for one in (engine.url, url.set(drivername=engine.url.drivername))
    )
    made: list[Any] = []

    def give(dialect: Dialect, _: object, __: object, arguments: dict[str, Any]) -> Any:
        # With what the engine was given as ``connect_args``, which the URL does not say.
        others = {name: arguments[name] for name in arguments if name not in here[1]}
        made.append(dialect.connect(*there[0], **{**others, **there[1]}))
        return made[0]

    connection = _connect(engine, give)
    if not made:
        engine.dialect.do_close(connection)
        raise SandboxError(
            f"the engine {engine.url!r} was made with a creator",
            effect="That leads to its own database alone, and not to that of the tests.",
            help="make it with a URL, or have its creator connect to that of the tests.",
        )
    return connection


def sets_up_connections(engine: Engine) -> bool:
    """Whether an engine has connect listeners other than those of SQLAlchemy itself."""
    listeners = engine.pool.dispatch.connect
    return not all(str(one.__module__).startswith("sqlalchemy.") for one in listeners)


def tell_listeners(engine: Engine, connection: Any) -> None:
    """Have an engine take a connection of the DBAPI for a new one of its own, and set it up."""
    theirs = _connect(engine, lambda *_: connection)
    if theirs is not connection:  # the engine has a ``creator``, which knows no other
        engine.dialect.do_close(theirs)


_give: ContextVar[Callable[..., Any] | None] = ContextVar("_give", default=None)
"""What makes the connection that this thread, or this task of asyncio, is about to open."""


def _connect(engine: Engine, give: Callable[..., Any] | None = None) -> Any:
    """Return a connection from a new pool like the engine's own, as ``give`` makes it."""
    if not event.contains(engine, "do_connect", _do_connect):
        event.listen(engine, "do_connect", _do_connect, insert=True)
    token = _give.set(give)
    try:
        # What ``connect`` would give out, without telling anybody that it was.
        record = engine.pool.recreate()._do_get()  # noqa: SLF001
    finally:
        _give.reset(token)
    return record.dbapi_connection


def _do_connect(*arguments: Any) -> Any:
    """Make a connection of an engine, if it is one that was asked for here."""
    give = _give.get()
    return None if give is None else give(*arguments)


@contextmanager
def virtual_connections_by(dialect: Dialect) -> Iterator[None]:
    """Have a dialect know virtual connections, and commit no others, within a block.

    They are asked for an isolation level, where others get one set: that of their one session
    cannot change in its transaction. What counts is whether they commit each statement.
    """
    set_isolation_level, do_commit = dialect.set_isolation_level, dialect.do_commit

    def set_virtual_isolation_level(dbapi_connection: Any, level: Any) -> None:
        if isinstance(dbapi_connection, VirtualConnection):
            dbapi_connection.set_autocommit(level == "AUTOCOMMIT")
        else:
            set_isolation_level(dbapi_connection, level)

    def do_virtual_commit(connection: Any) -> None:
        if not isinstance(getattr(connection, "dbapi_connection", connection), VirtualConnection):
            raise SandboxError(
                "a connection commits that was opened before the test",
                effect="That would not be rolled back behind the test; so nothing was committed.",
                help="open connections and sessions in the test that uses them.",
            )
        do_commit(connection)

    mine = vars(dialect)
    names = ("set_isolation_level", "do_commit")
    before: dict[str, Any] = {name: mine[name] for name in names if name in mine}
    mine.update(set_isolation_level=set_virtual_isolation_level, do_commit=do_virtual_commit)
    try:
        yield
    finally:
        del mine["set_isolation_level"], mine["do_commit"]
        mine.update(before)


@contextmanager
def raw_connections_by(route: Callable[[Engine], Member | None]) -> Iterator[None]:
    """Have ``route`` asked for each connection of SQLAlchemy within a block.

    All of them come from ``Engine.raw_connection``: https://docs.sqlalchemy.org/en/20/core/connections.html#sqlalchemy.engine.Engine.raw_connection
    Where it returns nothing the engine connects as ever.
    """
    original = Engine.raw_connection

    def raw_connection(engine: Engine) -> PoolProxiedConnection:
        member = route(engine)
        return original(engine) if member is None else member.connect()

    Engine.raw_connection = raw_connection  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        Engine.raw_connection = original  # type: ignore[method-assign]


def all_engines() -> list[Engine]:
    """Return all engines of this process."""
    # Not ``isinstance``, which asks proxies of applications that do not run.
    return [one for one in gc.get_objects() if issubclass(type(one), Engine)]
