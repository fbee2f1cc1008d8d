"""Choosing the values of a row, so that the database will take it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from alembic_assay.seeding.candidates import Literals, make_candidates
from alembic_assay.seeding.draft import Draft
from alembic_assay.seeding.messages import unknown_type, unmet
from alembic_assay.seeding.plan import Field, Left, Part, default_of
from alembic_assay.seeding.shape import Condition
from alembic_assay.seeding.solver import Question, Unsolvable
from alembic_assay.seeding.values import NoValue

_FURTHER = (*range(1, 10), *(10 * 2**power for power in range(18)))
"""How much further than the next number one is looked for that no row has yet."""


def choose_values(part: Part, draft: Draft) -> frozenset[str]:
    """Add to the draft what it needs in one table.

    Return the keys that could have been left out, and got a value as a check demands it. Raises
    ``UsageError``.
    """
    conditions = [one for one in part.conditions if _is_open(one, part, draft)]
    options = {
        name: _options(name, part, conditions, draft)
        # What could be left out is changed last.
        for name, key in sorted(part.keys.items(), key=lambda one: not draft.needs(one[1]))
        if draft.needs(key) or any(name in one.columns for one in conditions)
    }
    fields = {name: draft.plan.fields[part.keys[name]] for name in options}
    types = {name: (one.source.type, one.column.type) for name, one in fields.items()}
    question = Question(draft.connection, draft.backend, part.shape.table.name, types)
    try:
        row = question.solve(options, conditions, part.hints)
    except Unsolvable as unsolvable:
        raise _unmet(unsolvable.conditions, part, draft) from None
    needed = {key for key in part.keys.values() if draft.needs(key)}
    demanded = {
        part.keys[name]
        for name, value in row.items()
        if part.keys[name] not in draft.values | draft.copies and value is not options[name][0]
    }
    for name, value in row.items():
        if part.keys[name] in needed | demanded:
            draft.values[part.keys[name]] = value
            if value is not options[name][0]:
                _go_behind(value, fields[name], draft)
    return frozenset(demanded - needed)


def _is_open(condition: Condition, part: Part, draft: Draft) -> bool:
    """Whether a condition depends on what is to be chosen; else the database may decide."""
    keys = [part.keys[name] for name in condition.columns if name in part.keys]
    fields = [draft.plan.fields[key] for key in keys]
    if len(keys) < len(condition.columns) or any(one.column.is_computed for one in fields):
        return False
    if draft.given.issuperset(keys) or not draft.copies.keys().isdisjoint(keys):
        return False
    if not condition.is_unique:
        return True
    # A new row's key, a number or a NULL is like no other one.
    is_new = not draft.fresh.isdisjoint(keys)
    return not is_new and all(
        draft.needs(key) or not _is_left_open(draft.known(key)) for key in keys
    )


def _is_left_open(value: Any) -> bool:
    return value is None or value is Left.UNKNOWN


def _options(name: str, part: Part, conditions: Sequence[Condition], draft: Draft) -> Sequence[Any]:
    """Return the values that a column may have, first that which it has without conditions."""
    key = part.keys[name]
    field = draft.plan.fields[key]
    if key in draft.values:
        return [draft.values[key]]
    if not draft.needs(key) and (field.column.is_numbered or not field.takes_values):
        return [draft.number if field.left is Left.UNKNOWN else field.left]
    made = _make_values(
        field, [one for one in conditions if name in one.columns], conditions, draft
    )
    if draft.needs(key) and field.column.default is not None:
        made = [default_of(field.column), *made]
    if not made:
        column = draft.plan.column_of(field)
        raise unknown_type(draft.target.title, column, field.key, repr(field.source.type))
    if draft.needs(key) or field.left is Left.UNKNOWN:
        return made
    return [field.left, *made, *([None] if field.column.nullable else [])]


def _make_values(
    field: Field, own: Sequence[Condition], conditions: Sequence[Condition], draft: Draft
) -> list[Any]:
    """Return values for a column that has its ``own`` conditions; none where none is known."""
    if not own:
        with suppress(NoValue):
            return [field.source.accept(field.source.make(draft.number))]
    further = _FURTHER if any(one.is_unique for one in own) else ()
    numbers = [draft.number, *(draft.number + more for more in further)]
    literals = _literals([one for one in own if not one.is_unique], conditions)
    try:
        return make_candidates(field.source, numbers, literals)
    except NoValue:
        return [one for number in numbers[:3] for one in _guess(field, number, draft)]


def _literals(checks: Sequence[Condition], others: Sequence[Condition]) -> Literals | None:
    """Return the literals of a column's checks, then of those of the columns it is compared to."""
    if not checks:
        return None
    compared = frozenset[str]().union(*(one.columns for one in checks))
    near = [one for one in others if not one.is_unique and not compared.isdisjoint(one.columns)]
    return Literals.of(one.sql for one in (*checks, *near))


def _guess(field: Field, number: int, draft: Draft) -> list[Any]:
    """Return a value of a type that is not known, if the database takes one."""
    stored = draft.plan.part_of(field).shape.table.c[field.column.name]
    for value in draft.backend.guess_values(draft.connection, stored, number):
        with suppress(DBAPIError), draft.connection.begin_nested():
            draft.connection.execute(select(value))
            return [value]
    return []


def _go_behind(value: Any, field: Field, draft: Draft) -> None:
    """Let the next rows begin behind the number of a value that had to be looked for."""
    with suppress(NoValue):
        further = (draft.number + more for more in _FURTHER)
        source = field.source
        found = next((one for one in further if source.accept(source.make(one)) == value), 0)
        draft.number = max(draft.number, found)


def _unmet(conditions: Sequence[Condition], part: Part, draft: Draft) -> Exception:
    columns = {name for one in conditions for name in one.columns}
    keys = [key for name, key in part.keys.items() if name in columns]
    open_ = [key for key in keys if key not in draft.values]
    return unmet(draft.target.title, part.shape.label, conditions, open_ or keys)
