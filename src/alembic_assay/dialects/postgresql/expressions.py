"""Whether two SQL expressions mean the same, as PostgreSQL itself reads them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

_QUOTED = r"""'(?:[^']|'')*'|"(?:[^"]|"")*\""""
_TIMES = {
    "current_timestamp": "now()",
    "transaction_timestamp()": "now()",
    "('now'::text)": "(now())",
    "localtimestamp": "(now())::timestamp",
    "current_date": "(now())::date",
}
_TIME = re.compile(
    r"""\('now'::text\)|(?<![\w."])(?:"""
    r"transaction_timestamp\(\)|(?:current_timestamp|localtimestamp|current_date)(?![\w\"(]))"
    f"|{_QUOTED}",
    re.IGNORECASE,
)
"""All ways to name the time at which the transaction began; and quotes, to leave them alone."""

_SPELLING = re.compile(
    r" :\w*(?:location|format|_len) -?\d+"
    r"| :alias (?:<>|\{ALIAS :aliasname (?:\\.|\S)+ :colnames <>\})| :aliasname (?:\\.|\S)+"
)
"""Parts of a parsed query that only tell how it was written, and how its tables are called."""

_NUMBER = re.compile(
    r"'(?P<quoted>-?\d+(?:\.\d+)?)'::numeric(?!\()"
    rf"""|(?<![\w."])(?P<plain>\d+\.\d+)|{_QUOTED}"""
)
"""A constant of type ``numeric``; and quotes, to leave them alone."""

_VIEW = "alembic_assay_view"
_CALL = re.compile(r'([\w$]+|"(?:[^"]|"")*")\s*\(')
_COLLATION = re.compile(r'\bCOLLATE [\w$.]*(?:"(?:[^"]|"")*"\.?)*')

_COLUMNS = """
SELECT CASE WHEN n.nspname = current_schema() THEN c.relname
         ELSE n.nspname || '.' || c.relname END,
  'SELECT ' || string_agg(quote_ident(a.attname) || CASE
      WHEN a.atttypid IN ('varchar'::regtype, 'bpchar'::regtype) THEN '::text'
      WHEN a.atttypid IN ('varchar[]'::regtype, 'bpchar[]'::regtype) THEN '::text[]'
      ELSE '' END || ' AS ' || quote_ident(a.attname), ', ' ORDER BY a.attnum)
    || ' FROM ONLY ' || c.oid::regclass,
  quote_ident(c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.oid >= 16384 AND c.relkind IN ('r', 'p', 'f', 'v', 'm')
GROUP BY c.oid, n.nspname, c.relname
"""


class Expressions:
    """Compares expressions in a database of our own, in which nothing is left behind.

    The planner is asked what becomes of them: it computes what is constant, turns ``NOT a = b``
    into ``a <> b``, and leaves out casts that do nothing; so it does not matter whether a cast was
    written, added by the server, or is left from a column's former type. Nothing volatile runs.
    Failing that, what counts is what the parser makes of them, without how they are spelled
    (``x AT TIME ZONE 'utc'`` is ``timezone('utc', x)``).

    ``functions`` are the names of the users' own: what calls one of them is no constant to us.
    """

    def __init__(self, connection: Connection, functions: set[str]) -> None:
        self._connection = connection
        self._functions = functions
        self._tables: Mapping[str, tuple[str, str]] | None = None
        self._known: dict[tuple[Callable[[str], object], str], object] = {}

    def rows_of(self, table: str, *names: str) -> str | None:
        """Return a query's FROM for the columns of a table, named as the catalogue names it.

        The table goes by its own name, or else by each of ``names``. Columns of all types for text
        are ``text``. ``None`` if there is no such table.
        """
        query = self.columns_of(table)
        if query is None:
            return None
        aliases = names or (self._read_tables()[table][1],)
        return "FROM " + ", ".join(f"({query}) AS {alias}" for alias in aliases)

    def columns_of(self, table: str) -> str | None:
        """Return a query for the columns of a table, as ``rows_of`` has them."""
        found = self._read_tables().get(table)
        return None if found is None else found[0]

    def are_same(self, one: str, other: str, rows: str = "") -> bool:
        """Whether two expressions mean the same for the columns of ``rows``, a query's FROM."""
        if self._called(one) != self._called(other):
            return False
        if sorted(_COLLATION.findall(one)) != sorted(_COLLATION.findall(other)):
            return False  # a plan does not show them
        queries = [f"SELECT ({_with_one_time(text)}) AS value {rows}" for text in (one, other)]
        return any(self._agree(read, *queries) for read in (self._plan, self._parse))

    def are_same_queries(self, one: str, other: str) -> bool:
        """Whether two queries are the same but for how they are spelled."""
        return self._agree(self._parse, one, other)

    def execute(self, statement: str) -> Any:
        """Execute a statement whose percent signs are its own."""
        return self._connection.exec_driver_sql(statement.replace("%", "%%"))

    @contextmanager
    def undone(self) -> Iterator[None]:
        """Undo in the end what the block does in the database, also where it fails."""
        with self._connection.begin_nested() as savepoint:
            yield
            savepoint.rollback()

    def _called(self, text: str) -> set[str]:
        return {
            name for call in _CALL.findall(text) if (name := call.strip('"')) in self._functions
        }

    def _agree(self, read: Callable[[str], object], one: str, other: str) -> bool:
        found = self._read(read, one)
        return found is not None and found == self._read(read, other)

    def _read(self, read: Callable[[str], object], query: str) -> object:
        if (read, query) not in self._known:
            try:
                with self.undone():
                    self._known[read, query] = read(query)
            except DBAPIError:  # it names what is not there, or is no expression at all
                self._known[read, query] = None
        return self._known[read, query]

    def _plan(self, query: str) -> object:
        """Return the value as the planner would compute it; ``None`` if the plan hides a query."""
        explained = self.execute(f"EXPLAIN (VERBOSE, COSTS OFF, FORMAT JSON) {query}").scalar_one()
        plan = (json.loads(explained) if isinstance(explained, str) else explained)[0]["Plan"]
        return None if _has_subplan(plan) else _NUMBER.sub(_shortest, plan["Output"][0])

    def _parse(self, query: str) -> object:
        """Return the query as it is stored, once writing and reading it again changes nothing.

        So are read what a dump has restored and what was written by hand.
        """
        for _ in range(4):
            with self.undone():
                self.execute(f"CREATE TEMPORARY VIEW {_VIEW} AS {query}")
                oid, text, tree = self.execute(
                    "SELECT ev_class, pg_get_viewdef(ev_class), ev_action::text FROM pg_rewrite"
                    f" WHERE ev_class = 'pg_temp.{_VIEW}'::regclass"
                ).one()
            if text == query:
                break
            query = text
        return re.sub(rf"\b{oid}\b", "0", _SPELLING.sub("", tree))

    def _read_tables(self) -> Mapping[str, tuple[str, str]]:
        if self._tables is None:
            found = self.execute(_COLUMNS)
            self._tables = {name: (query, alias) for name, query, alias in found}
        return self._tables


def _with_one_time(text: str) -> str:
    return _TIME.sub(lambda found: _TIMES.get(found[0].lower(), found[0]), text)


def _shortest(found: re.Match[str]) -> str:
    """Write a number without the zeros at its end; leave other quotes as they are."""
    number = found["quoted"] or found["plain"]
    if number is None:
        return found[0]
    return number.rstrip("0").rstrip(".") if "." in number else number


def _has_subplan(plan: Mapping[str, Any]) -> bool:
    """Whether a plan computes a subquery, which it shows only in part."""
    return any(
        inner["Parent Relationship"] in ("SubPlan", "InitPlan") or _has_subplan(inner)
        for inner in plan.get("Plans", ())
    )
