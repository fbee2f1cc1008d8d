"""Copying a database, object by object: there is no statement for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from alembic_assay.dialects.mysql.ddl import define_table
from alembic_assay.dialects.mysql.queries import DEFAULTS, MARK
from alembic_assay.dialects.mysql.statements import run
from alembic_assay.dialects.mysql.tokens import literal, quote

_ROUTINES = f"""
SELECT ROUTINE_TYPE, ROUTINE_NAME FROM information_schema.ROUTINES
WHERE ROUTINE_SCHEMA = {{}} AND ROUTINE_NAME <> '{MARK}'
"""
_TRIGGERS = """
SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = {}
ORDER BY EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION, ACTION_ORDER
"""
_EVENTS = "SELECT EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA = {}"

_AS_IT_IS = "NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES"


def clone_database(source: Connection, target: Connection) -> None:
    """Make all that is in the database of ``source``, rows too, in the empty one of ``target``.

    The names of both stand nowhere else in a statement: they are those of databases of our own. Of
    system-versioned tables the rows of today are copied, and their history begins anew. A view that
    cannot be made, as what it stands on is gone, is left out: nobody could use it.
    """
    for connection in (source, target):
        run(connection, f"SET sql_mode = '{_AS_IT_IS}', time_zone = '+00:00'")
    run(target, "SET foreign_key_checks = 0, unique_checks = 0")
    copy = _Copy(source, target)
    copy.set_defaults()
    copy.make_tables()
    copy.make_routines()
    copy.make_views()
    # After the rows, which they would change, and the routines, which they may call.
    copy.make_triggers()
    copy.make_events()
    target.commit()


class _Copy:
    def __init__(self, source: Connection, target: Connection) -> None:
        self.source, self.target = source, target
        self.old_name: str = run(source, "SELECT DATABASE()")[0][0]
        self.new_name: str = run(target, "SELECT DATABASE()")[0][0]
        self.listed = [(name, type_) for name, type_ in run(source, "SHOW FULL TABLES")]

    def set_defaults(self) -> None:
        # Tables that are made later depend on them, and what routines declare.
        ((charset, collation),) = theirs = run(self.source, DEFAULTS)
        if theirs != run(self.target, DEFAULTS):
            name = quote(self.new_name)
            run(self.target, f"ALTER DATABASE {name} CHARACTER SET {charset} COLLATE {collation}")

    def make_tables(self) -> None:
        # Sequences first: columns may take their defaults from them.
        for name in self._names("SEQUENCE"):
            self._make(self._show("SEQUENCE", name)[1])
            ((value,),) = run(self.source, f"SELECT next_not_cached_value FROM {quote(name)}")
            run(self.target, f"SELECT SETVAL({quote(name)}, {value}, 0)")
        for name in self._names("BASE TABLE", "SYSTEM VERSIONED"):
            sql = self._show("TABLE", name)[1]
            self._make(sql)
            columns = ", ".join(quote(column) for column in _stored_columns(name, sql))
            run(
                self.target,
                f"INSERT INTO {quote(name)} ({columns})"
                f" SELECT {columns} FROM {quote(self.old_name)}.{quote(name)}",
            )

    def make_routines(self) -> None:
        for type_, name in self._ask(_ROUTINES):
            _, mode, sql, *_ = self._show(type_, name)
            self._make(sql, mode)

    def make_views(self) -> None:
        # One may stand on another: as long as any could be made, the others are tried again.
        waiting = [self._show("VIEW", name)[1] for name in self._names("VIEW")]
        while waiting:
            later = [sql for sql in waiting if not self._can_make(sql)]
            if later == waiting:
                return
            waiting = later

    def make_triggers(self) -> None:
        for (name,) in self._ask(_TRIGGERS):
            _, mode, sql, *_ = self._show("TRIGGER", name)
            self._make(sql, mode)

    def make_events(self) -> None:
        for (name,) in self._ask(_EVENTS):
            _, mode, zone, sql, *_ = self._show("EVENT", name)
            run(self.target, f"SET time_zone = '{zone}'")
            self._make(sql, mode)

    def _names(self, *types: str) -> list[str]:
        return [name for name, type_ in self.listed if type_ in types]

    def _ask(self, query: str) -> Sequence[Sequence[Any]]:
        return run(self.source, query.format(literal(self.old_name)))

    def _show(self, type_: str, name: str) -> Sequence[Any]:
        return run(self.source, f"SHOW CREATE {type_} {quote(name)}")[0]

    def _make(self, sql: str, mode: str = _AS_IT_IS) -> None:
        run(self.target, f"SET sql_mode = '{mode}'")
        run(self.target, sql.replace(self.old_name, self.new_name))
        run(self.target, f"SET sql_mode = '{_AS_IT_IS}'")

    def _can_make(self, sql: str) -> bool:
        try:
            self._make(sql)
        except DBAPIError:
            return False
        return True


def _stored_columns(table: str, sql: str) -> list[str]:
    generated = {"computed as", "stored as", "generated"}
    return [
        key.name.removeprefix(f"{table}.")
        for key, definition in define_table(table, sql, {}).items()
        if key.kind == "column" and generated.isdisjoint(definition)
    ]
