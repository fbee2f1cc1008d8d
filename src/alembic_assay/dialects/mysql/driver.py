"""What the drivers of MySQL are told, and what they say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from importlib.util import find_spec
from typing import Any

from sqlalchemy import URL, Connection
from sqlalchemy.exc import DBAPIError

LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")

Rows = Sequence[Sequence[Any]]

Run = Callable[[str], Rows]
"""Runs one statement in a session, as it stands, and returns its rows, if it has any."""


def fast_arguments(url: URL) -> dict[str, Any]:
    """Return what spares a connection to this machine the encryption, where that is safe.

    PyMySQL reads all certificates of the system for each one. Without encryption it can prove a
    password to some servers only with the package ``cryptography``.
    """
    is_ours_to_say = url.get_driver_name() == "pymysql" and url.host in LOCAL_HOSTS
    if not is_ours_to_say or any(key.startswith("ssl") for key in url.query):
        return {}
    if url.password and find_spec("cryptography") is None:
        return {}
    return {"ssl_disabled": True}


def make_run(connection: Connection) -> Run:
    """Return what runs statements in a session with the driver alone.

    Through SQLAlchemy each of hundreds of short ones would cost twice as much. The errors are those
    of SQLAlchemy all the same.
    """
    driver: Any = connection.connection
    error_class: type[Exception] = connection.dialect.loaded_dbapi.Error

    def run(sql: str) -> Rows:
        with closing(driver.cursor()) as cursor:
            try:
                cursor.execute(sql)
                return tuple(cursor.fetchall()) if cursor.description else ()
            except error_class as error:
                raise DBAPIError.instance(sql, None, error, error_class) from error

    return run


def error_code(error: BaseException | None) -> object:
    """Return the number of a driver's error, which it may or may not have as an attribute."""
    arguments = error.args if error is not None else ()
    return getattr(error, "errno", None) or (arguments[0] if arguments else None)
