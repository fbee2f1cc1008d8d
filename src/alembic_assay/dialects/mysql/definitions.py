"""What a database is made of but its rows, as the statements that make it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from alembic_assay.dialects.mysql.driver import Rows, Run
from alembic_assay.dialects.mysql.queries import DEFAULTS, MARK
from alembic_assay.dialects.mysql.tokens import literal, quote
from alembic_assay.exceptions import UsageError

AS_IT_IS = "NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES"
"""The SQL mode in which rows and tables are read and written: it changes and refuses nothing."""

UTC = "+00:00"

_ROUTINES = f"""
SELECT ROUTINE_TYPE, ROUTINE_NAME FROM information_schema.ROUTINES
WHERE ROUTINE_SCHEMA = {{}} AND ROUTINE_NAME <> '{MARK}' ORDER BY ROUTINE_TYPE, ROUTINE_NAME
"""
_TRIGGERS = """
SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = {}
ORDER BY EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION, ACTION_ORDER
"""
_EVENTS = """
SELECT EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA = {} ORDER BY EVENT_NAME
"""


class Statement(NamedTuple):
    """A statement, and the settings of the session that it must be run with."""

    sql: str
    mode: str = AS_IT_IS
    zone: str = UTC


class SequenceObject(NamedTuple):
    """A sequence; ``state`` begins with the number that it gives next."""

    name: str
    sql: str
    state: Sequence[Any]


@dataclass(frozen=True, slots=True)
class Definitions:
    """The objects of a database; each kind in an order in which they may be made, but views.

    ``tables`` say where their AUTO_INCREMENT stands.
    """

    defaults: Rows
    sequences: list[SequenceObject]
    tables: dict[str, str]
    routines: list[Statement]
    views: list[Statement]
    triggers: list[Statement]
    events: list[Statement]


def prepare(run: Run) -> None:
    """Let a session read and write rows as they are, and print statements in the usual way."""
    run(f"SET sql_mode = '{AS_IT_IS}', time_zone = '{UTC}'")


def read_definitions(run: Run, *, name: str) -> Definitions:
    """Read the database that a prepared session is in, as if it were called ``name``.

    Its own one stands nowhere else in a statement: it is that of a database of our own.
    """
    ((own_name,),) = run("SELECT DATABASE()")

    def ask(query: str) -> Rows:
        return run(query.format(literal(own_name)))

    def show(kind: str, object_: str) -> list[Any]:
        ((_, *texts),) = run(f"SHOW CREATE {kind} {quote(object_)}")
        if None in texts[:3]:
            raise _unreadable(kind, object_)
        return [text.replace(own_name, name) for text in texts[:3]]

    listed: dict[str, list[str]] = {}
    for object_, kind in run("SHOW FULL TABLES"):
        listed.setdefault(kind, []).append(object_)
    routines = [show(kind, object_) for kind, object_ in ask(_ROUTINES)]
    triggers = [show("TRIGGER", object_) for (object_,) in ask(_TRIGGERS)]
    events = [show("EVENT", object_) for (object_,) in ask(_EVENTS)]
    return Definitions(
        defaults=run(DEFAULTS),
        sequences=[
            SequenceObject(object_, show("SEQUENCE", object_)[0], *_state(run, object_))
            for object_ in listed.get("SEQUENCE", ())
        ],
        tables={
            object_: show("TABLE", object_)[0]
            for kind in ("BASE TABLE", "SYSTEM VERSIONED")
            for object_ in listed.get(kind, ())
        },
        routines=[Statement(sql, mode) for mode, sql, _ in routines],
        views=[Statement(show("VIEW", object_)[0]) for object_ in listed.get("VIEW", ())],
        triggers=[Statement(sql, mode) for mode, sql, _ in triggers],
        events=[Statement(sql, mode, zone) for mode, zone, sql in events],
    )


def read_filled(run: Run, tables: Sequence[str]) -> list[str]:
    """Return those of the tables that have rows."""
    literals = [
        f"(SELECT {number} FROM {quote(name)} LIMIT 1)" for number, name in enumerate(tables)
    ]
    return [tables[number] for (number,) in run(" UNION ALL ".join(literals))] if tables else []


def _state(run: Run, sequence: str) -> Rows:
    return run(f"SELECT * FROM {quote(sequence)}")


def _unreadable(kind: str, name: str) -> UsageError:
    return UsageError(
        f"the text of {kind.lower()} {name} cannot be read: another user has made it",
        effect="The database cannot be copied without it.",
        help="give this user the right to read it: GRANT SHOW_ROUTINE ON *.* (MySQL), or"
        " GRANT SELECT ON mysql.proc (MariaDB).",
    )
