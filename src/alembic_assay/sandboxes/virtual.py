"""Connections and cursors of the DBAPI that share one session, with transactions of their own."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from alembic_assay.exceptions import NotInRollback
from alembic_assay.sandboxes.stack import FRESH_HINT
from alembic_assay.sandboxes.transactions import Transactions

_OF_ADAPTERS = "_connection"
"""Where SQLAlchemy's adapters of asyncio drivers have the connection of the driver."""


class VirtualConnection:
    """What the application takes for its connection of the DBAPI.

    All that a driver's connection offers and is not told of here is that of the session itself.
    """

    def __init__(self, transactions: Transactions) -> None:
        mine = self.__dict__
        mine["_transactions"] = transactions
        mine["_row_factory"] = None

    def cursor(self, *arguments: Any, **keywords: Any) -> VirtualCursor:
        transactions = self._transactions
        kind = AsyncVirtualCursor if transactions.driver.loop else VirtualCursor
        if arguments:
            wanted = transactions.rules.cursor_arguments(arguments)
            arguments, keywords = wanted, keywords if wanted == arguments else {}
        return kind(self, transactions, arguments, keywords, self._row_factory)

    def commit(self) -> None:
        self._transactions.commit()

    def rollback(self) -> None:
        self._transactions.rollback()

    def close(self) -> None:
        self._transactions.abandon()

    terminate = close

    # Connections of some asyncio drivers are not even closed when they are dropped.
    __del__ = close

    def set_autocommit(self, value: bool) -> None:  # noqa: FBT001 - as psycopg has it
        """Let each statement commit by itself, or not."""
        self._transactions.is_autocommit = value

    def execute(self, sql: Any, *arguments: Any, **keywords: Any) -> VirtualCursor:
        """Do as the connections of some drivers: execute with a cursor, and return that."""
        cursor = self.cursor()
        cursor.execute(sql, *arguments, **keywords)
        return cursor

    def executemany(self, sql: Any, *arguments: Any, **keywords: Any) -> VirtualCursor:
        """Do as ``execute`` does, with many parameters."""
        cursor = self.cursor()
        cursor.executemany(sql, *arguments, **keywords)
        return cursor

    def executescript(self, script: str) -> Any:
        """Refuse what sqlite3 does."""
        return self.cursor().executescript(script)

    def __getattr__(self, name: str) -> Any:
        if name == "autocommit":
            return self._transactions.is_autocommit
        if name.startswith("tpc_"):
            raise NotInRollback(
                "a transaction in two phases cannot be rolled back behind a test",
                effect="What is prepared outlives its connection; so nothing was run.",
                help=FRESH_HINT,
            )
        value = getattr(self._transactions.driver.connection, name)
        if callable(value) or name == _OF_ADAPTERS:
            self._transactions.lend()
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "autocommit":
            self.set_autocommit(bool(value))
        elif name == "isolation_level":
            # Of sqlite3, for which no level at all is to commit each statement.
            self.set_autocommit(value is None)
        elif name == "row_factory":
            self.__dict__["_row_factory"] = value
        else:
            setattr(self._transactions.driver.connection, name, value)


class VirtualCursor:
    """A cursor of a driver, whose statements are in the transactions of a virtual connection."""

    def __init__(
        self,
        connection: VirtualConnection,
        transactions: Transactions,
        arguments: Sequence[Any],
        keywords: Mapping[str, Any],
        row_factory: Any,
    ) -> None:
        self.__dict__.update(
            connection=connection,
            _transactions=transactions,
            _arguments=arguments,
            _keywords=keywords,
            _row_factory=row_factory,
            _cursor=None,
            _is_on_server=False,
            _rows=None,
        )

    def execute(self, sql: Any, *arguments: Any, **keywords: Any) -> Any:
        return self._call("execute", _as_text(sql), sql, *arguments, **keywords)

    def executemany(self, sql: Any, *arguments: Any, **keywords: Any) -> Any:
        return self._call("executemany", _as_text(sql), sql, *arguments, **keywords)

    def callproc(self, name: str, *arguments: Any, **keywords: Any) -> Any:
        return self._call("callproc", f"CALL {name}", name, *arguments, **keywords)

    def copy(self, sql: Any, *arguments: Any, **keywords: Any) -> Any:
        """COPY, as psycopg has it: a block, in which the rows go to and fro."""
        copy = self._real().copy(sql, *arguments, **keywords)
        return self._transactions.block(_as_text(sql), copy)

    def copy_expert(self, sql: Any, *arguments: Any, **keywords: Any) -> Any:
        """COPY, as psycopg2 has it."""
        return self._call("copy_expert", _as_text(sql), sql, *arguments, **keywords)

    def copy_from(self, file: Any, *arguments: Any, **keywords: Any) -> Any:
        """COPY into a table, as psycopg2 has it."""
        return self._call("copy_from", "COPY", file, *arguments, **keywords)

    def executescript(self, script: str) -> Any:
        """Refuse what sqlite3 does: to commit, and then to run a script."""
        raise NotInRollback(
            "executescript() commits before it begins",
            effect="What the test had changed could not be rolled back; so nothing was run.",
            help=f"execute the statements one by one; or {FRESH_HINT}",
        )

    def fetchone(self) -> Any:
        rows = self._rows
        if rows is None:
            return self._fetch("fetchone")
        return rows.popleft() if rows else None

    def fetchmany(self, *size: Any) -> Any:
        rows = self._rows
        if rows is None:
            return self._fetch("fetchmany", *size)
        number = size[0] if size else self._cursor.arraysize
        return [rows.popleft() for _ in range(min(number, len(rows)))]

    def fetchall(self) -> Any:
        rows = self._rows
        if rows is None:
            return self._fetch("fetchall")
        self.__dict__["_rows"] = deque()
        return list(rows)

    def close(self) -> None:
        if self._cursor is None:
            return
        if not self._is_on_server:
            self._cursor.close()
        elif not self._transactions.is_over:
            self._transactions.run("CLOSE", self._cursor.close)

    @property
    def description(self) -> Any:
        return self._real().description

    @property
    def rowcount(self) -> Any:
        return self._real().rowcount

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real(), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._real(), name, value)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        row = self.fetchone()
        if row is None:
            raise StopIteration
        return row

    def __enter__(self) -> VirtualCursor:  # noqa: PYI034 - ``Self`` is of Python 3.11
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _call(self, method: str, text: str, /, *arguments: Any, **keywords: Any) -> Any:
        """Call a method of the driver's cursor, which runs a statement."""
        transactions, has_run = self._transactions, False

        def call() -> Any:
            nonlocal has_run
            has_run = True
            cursor = self._real()
            result = getattr(cursor, method)(*arguments, **keywords)
            if transactions.rules.reads_at_once and not self._is_on_server:
                # All rows, which are given out later.
                self.__dict__["_rows"] = deque(cursor.fetchall()) if cursor.description else None
            return result

        result = transactions.run(text, call, is_single=method == "execute")
        if not has_run:
            # A cursor that has run nothing has no rows.
            self.__dict__["_cursor"] = self.__dict__["_rows"] = None
        return self if result is self._cursor else result

    def _fetch(self, method: str, *arguments: Any) -> Any:
        fetch = getattr(self._real(), method)
        if self._is_on_server:
            # A statement, which may fail, or find the transaction failed.
            return self._transactions.run("FETCH", lambda: fetch(*arguments))
        return fetch(*arguments)

    def _real(self) -> Any:
        if self._cursor is None:
            connection = self._transactions.driver.connection
            cursor = connection.cursor(*self._arguments, **self._keywords)
            if self._row_factory is not None:
                cursor.row_factory = self._row_factory
            self.__dict__["_cursor"] = cursor
            self.__dict__["_is_on_server"] = is_on_server(cursor)
        return self._cursor


class AsyncVirtualCursor(VirtualCursor):
    """One of SQLAlchemy's adapters of asyncio drivers, which is used on the loop of its driver.

    It has all rows in memory once it has executed, unless it is one of those on the server.
    """

    def nextset(self) -> Any:
        return self._transactions.run("FETCH", self._cursor.nextset)

    def close(self) -> None:
        if self._is_on_server:
            super().close()
        self.__dict__["_cursor"] = None

    async def _async_soft_close(self) -> None:
        """Let go of the driver's cursor, and keep the rows: they are in memory."""

    @property
    def description(self) -> Any:
        return None if self._cursor is None else self._cursor.description

    @property
    def rowcount(self) -> Any:
        return -1 if self._cursor is None else self._cursor.rowcount

    def _fetch(self, method: str, *arguments: Any) -> Any:
        if self._is_on_server:
            return super()._fetch(method, *arguments)
        return getattr(self._real(), method)(*arguments)


def is_on_server(cursor: Any) -> bool:
    """Whether a driver's cursor has its rows on the server."""
    # As SQLAlchemy's adapters say it, and as psycopg and psycopg2 do, which name it.
    return bool(getattr(cursor, "server_side", False) or getattr(cursor, "name", None))


def _as_text(sql: Any) -> str:
    if isinstance(sql, str):
        return sql
    return sql.decode(errors="replace") if isinstance(sql, bytes) else str(sql)
