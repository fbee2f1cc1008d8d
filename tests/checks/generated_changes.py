"""One change in models that hypothesis has thought up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from hypothesis import strategies as st
from tests.checks.generated_models import (
    TYPES,
    Change,
    CheckPlan,
    ColumnPlan,
    ForeignKeyPlan,
    IndexPlan,
    Plan,
    TablePlan,
    UniquePlan,
    plans,
)


@st.composite
def changes(draw: st.DrawFn, *, indexed_expressions: bool = True, comments: bool = True) -> Change:
    """Return models, and the same models with one change in them."""
    before = draw(plans(indexed_expressions=indexed_expressions))
    place = draw(st.integers(0, len(before) - 1))
    table = before[place]
    possible = list(_changes(table, indexed_expressions=indexed_expressions, comments=comments))
    after, name = draw(st.sampled_from(possible))
    changed = (*before[:place], after, *before[place + 1 :])
    plain = Change(before, changed, (name, f"{table.name}.("))
    dropped = _without(before, table)
    whole = [
        plain,
        Change(before, (*before, TablePlan("new", ("integer",))), ("new",)),
        *([Change(before, dropped, (table.name,))] if dropped else []),
    ]
    chosen = plain if draw(st.integers(0, 5)) else draw(st.sampled_from(whole))
    is_turned = draw(st.booleans())
    return Change(chosen.after, chosen.before, chosen.names) if is_turned else chosen


def _without(plan: Plan, table: TablePlan) -> Plan | None:
    others = tuple(other for other in plan if other is not table)
    is_needed = any(one.foreign_key and one.foreign_key.table == table.name for one in others)
    return others if others and not is_needed else None


def _changes(
    table: TablePlan, *, indexed_expressions: bool, comments: bool
) -> Iterator[tuple[TablePlan, str]]:
    new = ColumnPlan("new", "integer")
    yield replace(table, columns=(*table.columns, new)), "new"
    yield replace(table, checks=(*table.checks, CheckPlan(0, 1000, "ck_new"))), "ck_new"
    yield replace(table, checks=(*table.checks, CheckPlan(0, 1000, None))), table.name
    yield replace(table, indexes=(*table.indexes, IndexPlan("ix_new", ("n", "s")))), "ix_new"
    if ("n",) not in [unique.columns for unique in table.uniques] and not any(
        index.unique for index in table.indexes
    ):
        added = UniquePlan(("n",), "uq_new")
        yield replace(table, uniques=(*table.uniques, added)), "uq_new"
    for place, column in enumerate(table.columns):
        for changed in _changed_columns(column, comments=comments):
            others = (*table.columns[:place], changed, *table.columns[place + 1 :])
            yield replace(table, columns=others), column.name
        others = (*table.columns[:place], *table.columns[place + 1 :])
        yield replace(table, columns=others), column.name
    for place, check in enumerate(table.checks):
        rest = (*table.checks[:place], *table.checks[place + 1 :])
        name = check.name or table.name
        yield replace(table, checks=rest), name
        yield replace(table, checks=(*rest, replace(check, limit=check.limit + 1))), name
    for place, index in enumerate(table.indexes):
        rest_of_them = (*table.indexes[:place], *table.indexes[place + 1 :])
        for changed_index in _changed_indexes(index, indexed_expressions=indexed_expressions):
            yield replace(table, indexes=(*rest_of_them, changed_index)), index.name
    for place, unique in enumerate(table.uniques):
        if not any(index.unique for index in table.indexes):
            rest_of_uniques = (*table.uniques[:place], *table.uniques[place + 1 :])
            yield replace(table, uniques=rest_of_uniques), unique.name or table.name
    if (key := table.foreign_key) is not None:
        ondelete = "CASCADE" if key.ondelete != "CASCADE" else "SET NULL"
        changed_key = ForeignKeyPlan(key.table, ondelete, key.name)
        yield replace(table, foreign_key=changed_key), key.name or table.name
    if comments:
        yield replace(table, comment="other words"), table.name


def _changed_columns(column: ColumnPlan, *, comments: bool) -> Iterator[ColumnPlan]:
    yield replace(column, nullable=not column.nullable)
    for other in TYPES:
        if other != column.type:
            yield replace(column, type=other, default=None)
    for default in (None, *range(len(TYPES[column.type][1]))):
        if default != column.default:
            yield replace(column, default=default)
    if comments:
        yield replace(column, comment="other words")


def _changed_indexes(index: IndexPlan, *, indexed_expressions: bool) -> Iterator[IndexPlan]:
    yield replace(index, unique=not index.unique)
    if not index.lower:
        yield replace(index, descending=not index.descending)
        yield replace(index, columns=("s", "n") if index.columns != ("s", "n") else ("n", "s"))
    if indexed_expressions:
        yield replace(index, lower=not index.lower)
        yield replace(index, where=None if index.where == 1 else 1)
