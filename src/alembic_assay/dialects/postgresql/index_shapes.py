"""What an index does, apart from how its definition is written."""

from __future__ import annotations

import re
from collections.abc import Hashable
from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError

from alembic_assay.dialects.postgresql.expressions import Expressions

_NAME = r'(?:"(?:[^"]|"")*"|[\w$]+)'
_ON_TABLE = re.compile(rf"INDEX ON (?:ONLY )?{_NAME}(?:\.{_NAME})? ")
_UNIQUE_CONSTRAINT = re.compile(
    rf"UNIQUE (?P<nulls>NULLS NOT DISTINCT )?\((?P<columns>{_NAME}(?:, {_NAME})*)\)"
)
_UNIQUE_INDEX = re.compile(
    rf"CREATE UNIQUE INDEX ON (?:ONLY )?{_NAME}(?:\.{_NAME})? USING btree"
    rf" \((?P<columns>{_NAME}(?:, {_NAME})*)\)(?P<nulls> NULLS NOT DISTINCT)?"
)

_TABLE, _INDEX = "alembic_assay_table", "alembic_assay_index"
_SHAPE = f"""
SELECT ARRAY[i.indisunique::text, to_jsonb(i) ->> 'indnullsnotdistinct', x.relam::text,
    i.indkey::text, i.indnkeyatts::text, i.indoption::text, i.indcollation::text,
    (SELECT array_agg(p.opcfamily ORDER BY k.position)::text
      FROM unnest(i.indclass) WITH ORDINALITY k(oid, position) JOIN pg_opclass p USING (oid)),
    (SELECT array_agg(option ORDER BY option)::text FROM unnest(x.reloptions) option),
    o.conexclop::text, o.condeferrable::text, o.condeferred::text],
  (SELECT array_agg(pg_get_indexdef(x.oid, k.position::int, false) ORDER BY k.position)
    FROM unnest(i.indkey) WITH ORDINALITY k(number, position) WHERE k.number = 0),
  pg_get_expr(i.indpred, i.indrelid)
FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
LEFT JOIN pg_constraint o ON o.conindid = x.oid AND o.conrelid = i.indrelid
WHERE i.indrelid = 'pg_temp.{_TABLE}'::regclass
"""
# The family of an operator class, as text and character varying have their own names for one class.


@dataclass(frozen=True, slots=True)
class _Shape:
    properties: Hashable
    expressions: tuple[str, ...]


class IndexShapes:
    """Compares definitions of indexes and exclusion constraints, on copies of their tables."""

    def __init__(self, expressions: Expressions) -> None:
        self._expressions = expressions
        self._known: dict[tuple[str, str], _Shape | None] = {}

    def are_same(self, table: str, one: str, other: str) -> bool:
        """Whether two definitions make an index of the same use on a table."""
        mine, yours = self._shape(table, one), self._shape(table, other)
        if mine is None or yours is None or mine.properties != yours.properties:
            return False
        rows = self._expressions.rows_of(table) or ""
        return all(
            self._expressions.are_same(left, right, rows)
            for left, right in zip(mine.expressions, yours.expressions, strict=True)
        )

    def _shape(self, table: str, definition: str) -> _Shape | None:
        if (table, definition) not in self._known:
            try:
                self._known[table, definition] = self._make(table, definition)
            except DBAPIError:  # it names what the models' database does not have
                self._known[table, definition] = None
        return self._known[table, definition]

    def _make(self, table: str, definition: str) -> _Shape | None:
        columns = self._expressions.columns_of(table)
        if columns is None:
            return None
        statement = (
            f"ALTER TABLE pg_temp.{_TABLE} ADD {definition}"
            if definition.startswith("EXCLUDE")
            else _ON_TABLE.sub(f"INDEX {_INDEX} ON pg_temp.{_TABLE} ", definition, count=1)
        )
        with self._expressions.undone():
            self._expressions.execute(f"CREATE TEMPORARY TABLE {_TABLE} AS {columns} WITH NO DATA")
            self._expressions.execute(statement)
            properties, keys, predicate = self._expressions.execute(_SHAPE).one()
        texts = (*(keys or ()), *([] if predicate is None else [predicate]))
        return _Shape((tuple(properties), len(keys or ()), predicate is None), texts)


def kept_unique(definition: str) -> Hashable | None:
    """Return what a unique constraint or index keeps unique, if it does that and no more."""
    for pattern in (_UNIQUE_CONSTRAINT, _UNIQUE_INDEX):
        if found := pattern.fullmatch(definition):
            return found["columns"], found["nulls"] is not None
    return None
