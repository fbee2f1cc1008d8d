"""Which of some values make a row that the database would take: it is asked."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    literal,
    literal_column,
    null,
    select,
    union_all,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeEngine

from alembic_assay.dialects import Backend
from alembic_assay.seeding.shape import Condition

_AT_ONCE, _AT_MOST, _TOGETHER = 100, 5000, 24
"""Rows in a statement, rows in all, and options of a column that are tried with those of others."""

_ROW = "alembic_assay_row"


class Unsolvable(Exception):
    """None of the rows that were tried meets these conditions."""

    def __init__(self, conditions: Sequence[Condition]) -> None:
        super().__init__(*conditions)
        self.conditions = conditions


@dataclass(frozen=True, slots=True)
class Question:
    """What the database is asked: whether rows of one table meet its conditions.

    ``types`` are for each column that of its values, and that of the database.
    """

    connection: Connection
    backend: Backend
    table: str
    types: Mapping[str, tuple[TypeEngine[Any], TypeEngine[Any]]]

    def solve(
        self,
        options: Mapping[str, Sequence[Any]],
        conditions: Sequence[Condition],
        hints: dict[str, int],
    ) -> dict[str, Any]:
        """Return a value for each column, of its ``options``, so that all conditions are met.

        The first options are preferred; then those at the places in ``hints``, in which is left
        what was found. Nothing is changed, and the transaction stays usable. Raises ``Unsolvable``.
        """
        row = {name: values[0] for name, values in options.items()}
        hinted = {
            name: values[hints.get(name, 0) % len(values)] for name, values in options.items()
        }
        if found := self._find([row, hinted] if hints else [row], conditions):
            return found
        row = self._search(row, options, conditions)
        for name, values in options.items():
            hints[name] = next(place for place, one in enumerate(values) if one is row[name])
        return row

    def _search(
        self,
        row: dict[str, Any],
        options: Mapping[str, Sequence[Any]],
        conditions: Sequence[Condition],
    ) -> dict[str, Any]:
        for group in _split(conditions, options):
            names = sorted({name for one in group for name in one.columns}, key=[*row].index)
            combinations = itertools.islice(_combine([options[name] for name in names]), _AT_MOST)
            rows = ({**row, **dict(zip(names, one, strict=True))} for one in combinations)
            while chunk := [*itertools.islice(rows, _AT_ONCE)]:
                if (found := self._find(chunk, group)) is not None:
                    row = found
                    break
            else:
                raise Unsolvable(group)
        return row

    def _find(
        self, rows: list[dict[str, Any]], conditions: Sequence[Condition]
    ) -> dict[str, Any] | None:
        """Return the first row that meets all conditions."""
        if not conditions:
            return rows[0]
        try:
            with self.connection.begin_nested():
                number = self.connection.scalar(self._query(rows, conditions))
        except DBAPIError:
            # A check that fails on one row says nothing about the others.
            if len(rows) == 1:
                return None
            half = len(rows) // 2
            return self._find(rows[:half], conditions) or self._find(rows[half:], conditions)
        return None if number is None else rows[number]

    def _query(self, rows: list[dict[str, Any]], conditions: Sequence[Condition]) -> Any:
        mentioned = {name for one in conditions for name in one.columns}
        names = [name for name in rows[0] if name in mentioned]
        candidates = [
            select(
                literal_column(str(number)).label(_ROW),
                *(self._expression(name, row[name]).label(name) for name in names),
            )
            for number, row in enumerate(rows)
        ]
        one_of = (union_all(*candidates) if len(rows) > 1 else candidates[0]).subquery(self.table)
        place = one_of.c[_ROW]
        met: list[ColumnElement[bool]] = [literal_column(one.sql) for one in conditions]
        return select(place).select_from(one_of).where(*met).order_by(place).limit(1)

    def _expression(self, name: str, value: Any) -> ColumnElement[Any]:
        type_, stored = self.types[name]
        if isinstance(value, ColumnElement):
            return value
        made = null() if value is None else literal(value, type_)
        return self.backend.cast_value(made, stored)


def _split(
    conditions: Iterable[Condition], options: Mapping[str, Sequence[Any]]
) -> list[list[Condition]]:
    """Return groups of conditions that have no column in common for which there is a choice."""
    groups: list[tuple[set[str], list[Condition]]] = []
    for condition in conditions:
        columns = {name for name in condition.columns if len(options[name]) > 1}
        joined = [condition]
        apart = []
        for other, members in groups:
            if other.isdisjoint(columns):
                apart.append((other, members))
            else:
                columns |= other
                joined = members + joined
        groups = [*apart, (columns, joined)]
    return [members for _, members in groups]


def _combine(options: Sequence[Sequence[Any]]) -> Iterator[tuple[Any, ...]]:
    """Yield combinations, the likeliest first.

    That is all the first options; another one in one place; the second options in any places, as
    where several columns must not be NULL together; then more and more.
    """
    yield from _change(options, 0, 1)
    yield from _change(options, 1, None)
    for width, most in ((2, 10), (_TOGETHER, 2), (8, 10)):
        for changes in range(2, min(len(options), most) + 1):
            yield from itertools.islice(_change(options, changes, width), _AT_MOST // 4)


def _change(
    options: Sequence[Sequence[Any]], changes: int, width: int | None
) -> Iterator[tuple[Any, ...]]:
    """Yield combinations that have other than the first options in some of the places."""
    for places in itertools.combinations(range(len(options)), changes):
        yield from itertools.product(
            *(one[1:width] if place in places else one[:1] for place, one in enumerate(options))
        )
