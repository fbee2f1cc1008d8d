"""Models that hypothesis thinks up, and one change in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa
from hypothesis import strategies as st

TYPES: dict[str, tuple[sa.types.TypeEngine[Any], tuple[Any, ...]]] = {
    "integer": (sa.Integer(), ("0", "-7", sa.text("(1 + 2)"))),
    "bigint": (sa.BigInteger(), ("0", "9007199254740993")),
    "smallint": (sa.SmallInteger(), ("5",)),
    "varchar": (sa.String(30), ("", "it's", "5%", "a:b", "NULL", "ünï", "\\")),
    "varchar-9": (sa.String(9), ("x", "X")),
    "text": (sa.Text(), ()),
    "boolean": (sa.Boolean(), (sa.true(), sa.false())),
    "numeric": (sa.Numeric(10, 2), ("0", "1.50")),
    "numeric-12": (sa.Numeric(12, 2), ("0.01",)),
    "float": (sa.Float(), ("1.5",)),
    "datetime": (sa.DateTime(), (sa.func.now(), "2020-01-02 03:04:05")),
    "date": (sa.Date(), ("2020-01-02",)),
    "time": (sa.Time(), ()),
    "bytes": (sa.LargeBinary(), ()),
    "uuid": (sa.Uuid(), ()),
    "json": (sa.JSON(), ()),
}
"""Types, no two of which are one anywhere, and server defaults, no two of which are equal."""

KEYS: dict[str, sa.types.TypeEngine[Any]] = {"integer": sa.Integer(), "varchar": sa.String(30)}

Draw = Callable[[st.SearchStrategy[Any]], Any]
"""What gives one value of a strategy."""

ODD = (
    *("order", "a b", "x.y", "Mixed", "größe", 'q"q', "it's", "select", "t`k", "a-b", "a$1"),
    *("p(q", "q)", "(x)", "a, b", "c DESC", "50%", "%s", "d:e", "-- f", "/* g", "[h]"),
)
"""Names, or ends of names, that must be quoted everywhere."""


@dataclass(frozen=True)
class ColumnPlan:
    name: str
    type: str
    nullable: bool = True
    default: int | None = None
    comment: str | None = None


@dataclass(frozen=True)
class CheckPlan:
    form: int
    limit: int
    name: str | None


@dataclass(frozen=True)
class UniquePlan:
    columns: tuple[str, ...]
    name: str | None


@dataclass(frozen=True)
class IndexPlan:
    name: str
    columns: tuple[str, ...]
    unique: bool = False
    descending: bool = False
    where: int | None = None
    lower: bool = False


@dataclass(frozen=True)
class ForeignKeyPlan:
    table: str
    ondelete: str | None
    name: str | None


@dataclass(frozen=True)
class TablePlan:
    """A table: its key ``id`` (and ``id2``), ``n`` and ``s`` to be constrained, and columns."""

    name: str
    key: tuple[str, ...]
    columns: tuple[ColumnPlan, ...] = ()
    checks: tuple[CheckPlan, ...] = ()
    uniques: tuple[UniquePlan, ...] = ()
    indexes: tuple[IndexPlan, ...] = ()
    foreign_key: ForeignKeyPlan | None = None
    comment: str | None = None
    odd: str = ""
    """What the names of ``n`` and ``s`` end with."""


Plan = tuple[TablePlan, ...]


@dataclass(frozen=True)
class Change:
    """Models before and after a change, and any one of the names by which it is to be told."""

    before: Plan
    after: Plan
    names: tuple[str, ...] = field(default=())


def make_metadata(plan: Plan) -> sa.MetaData:
    """Return models as they are planned."""
    metadata = sa.MetaData()
    by_name = {table.name: table for table in plan}
    for table in plan:
        _make_table(metadata, table, by_name)
    return metadata


def _make_table(metadata: sa.MetaData, plan: TablePlan, tables: dict[str, TablePlan]) -> None:
    items: list[Any] = [
        sa.Column(f"id{number or ''}", KEYS[key], primary_key=True)
        for number, key in enumerate(plan.key)
    ]
    number = sa.Column(f"n{plan.odd}", sa.Integer, nullable=False)
    string = sa.Column(f"s{plan.odd}", sa.String(30))
    items += [number, string, *map(_make_column, plan.columns)]
    items += [
        sa.CheckConstraint(_FORMS[check.form](number, string, check.limit), name=check.name)
        for check in plan.checks
    ]
    items += [
        sa.UniqueConstraint(*(f"{name}{plan.odd}" for name in one.columns), name=one.name)
        for one in plan.uniques
    ]
    if plan.foreign_key is not None:
        target = tables[plan.foreign_key.table]
        names = [f"ref{number or ''}" for number, _ in enumerate(target.key)]
        items += [sa.Column(name, KEYS[key]) for name, key in zip(names, target.key, strict=True)]
        # By its columns, as the name of a table may have a dot in it.
        columns = [
            metadata.tables[target.name].c[f"id{number or ''}"] for number, _ in enumerate(names)
        ]
        items.append(
            sa.ForeignKeyConstraint(
                names, columns, name=plan.foreign_key.name, ondelete=plan.foreign_key.ondelete
            )
        )
    sa.Table(plan.name, metadata, *items, comment=plan.comment)
    for index in plan.indexes:
        _make_index(index, number, string)


def _make_column(plan: ColumnPlan) -> sa.Column[Any]:
    type_, defaults = TYPES[plan.type]
    default = None if plan.default is None else defaults[plan.default]
    return sa.Column(
        plan.name, type_, nullable=plan.nullable, server_default=default, comment=plan.comment
    )


def _make_index(plan: IndexPlan, number: sa.Column[Any], string: sa.Column[Any]) -> None:
    columns: list[Any] = [number if name == "n" else string for name in plan.columns]
    if plan.lower:
        columns[0] = sa.func.lower(string)
    elif plan.descending:
        columns[0] = columns[0].desc()
    where = None if plan.where is None else number > plan.where
    sa.Index(plan.name, *columns, unique=plan.unique, sqlite_where=where, postgresql_where=where)


Form = Callable[[sa.Column[Any], sa.Column[Any], int], sa.ColumnElement[bool]]
_FORMS: Sequence[Form] = (
    lambda n, s, limit: n > limit,
    lambda n, s, limit: n.between(limit, limit + 10),
    lambda n, s, limit: n.in_([limit, limit + 1, 99]),
    lambda n, s, limit: sa.or_(sa.and_(n > limit, s.is_not(None)), n == 0),
    lambda n, s, limit: sa.and_(n > limit, sa.or_(s.is_(None), n == 0)),
    lambda n, s, limit: (n + limit) * 2 > n - (1 - n),
    lambda n, s, limit: sa.func.length(s) > limit,
    lambda n, s, limit: s != f"it's {limit}",
    lambda n, s, limit: sa.not_(s.like(f"a_{limit}")),
    lambda n, s, limit: sa.case((n > limit, 1), else_=0) == 1,
)


def names(prefix: str) -> st.SearchStrategy[str]:
    """Return names that are no other object's, plain ones and odd ones."""
    return st.sampled_from(("", *ODD)).map(lambda odd: f"{prefix}{odd and ' ' + odd}")


@st.composite
def plans(draw: st.DrawFn, *, indexed_expressions: bool = True) -> Plan:
    """Return models of one to three tables."""
    made: list[TablePlan] = []
    for number in range(draw(st.integers(1, 3))):
        made.append(_draw_table(draw, number, made, indexed_expressions=indexed_expressions))
    return tuple(made)


def _draw_table(
    draw: Draw, number: int, others: Sequence[TablePlan], *, indexed_expressions: bool
) -> TablePlan:
    name = draw(names(f"t{number}"))
    key = draw(st.sampled_from((("integer",), ("varchar",), ("integer", "varchar"))))
    columns = [_draw_column(draw, place) for place in range(draw(st.integers(0, 3)))]
    checks = [_draw_check(draw, number, place) for place in range(draw(st.integers(0, 2)))]
    uniques = [
        UniquePlan(columns, draw(st.none() | names(f"uq{number}{place}")))
        for place, columns in enumerate(draw(_UNIQUES))
    ]
    indexes = [
        _draw_index(draw, number, place, indexed_expressions=indexed_expressions)
        for place in range(draw(st.integers(0, 2)))
    ]
    foreign_key = None
    if others and draw(st.booleans()):
        target = draw(st.sampled_from([other.name for other in others]))
        foreign_key = _draw_foreign_key(draw, number, target)
    return TablePlan(
        name,
        key,
        tuple(columns),
        tuple(checks),
        tuple(uniques),
        tuple(indexes),
        foreign_key,
        draw(_COMMENTS),
        draw(st.sampled_from(("", "", *ODD))),
    )


_UNIQUES = st.lists(st.sampled_from([("n",), ("s",), ("n", "s")]), unique=True, max_size=2)
_COMMENTS = st.sampled_from((None, "said", "it's 100 % so: \\"))


def _draw_column(draw: Draw, place: int) -> ColumnPlan:
    type_ = draw(st.sampled_from(sorted(TYPES)))
    defaults = [None, *range(len(TYPES[type_][1]))]
    name = draw(names(f"c{place}"))
    nullable, default = draw(st.booleans()), draw(st.sampled_from(defaults))
    return ColumnPlan(name, type_, nullable, default, draw(_COMMENTS))


def _draw_check(draw: Draw, number: int, place: int) -> CheckPlan:
    form, limit = draw(st.integers(0, len(_FORMS) - 1)), place * 100 + draw(st.integers(1, 50))
    return CheckPlan(form, limit, draw(st.none() | names(f"ck{number}{place}")))


def _draw_index(draw: Draw, number: int, place: int, *, indexed_expressions: bool) -> IndexPlan:
    plan = IndexPlan(
        draw(names(f"ix{number}{place}")),
        draw(st.sampled_from([("n",), ("s",), ("n", "s"), ("s", "n")])),
        unique=draw(st.booleans()),
        descending=draw(st.booleans()),
    )
    if not indexed_expressions:
        return plan
    where, lower = draw(st.none() | st.integers(0, 9)), draw(st.booleans())
    return replace(plan, where=where, lower=lower)


def _draw_foreign_key(draw: Draw, number: int, target: str) -> ForeignKeyPlan:
    ondelete = draw(st.sampled_from((None, "CASCADE", "SET NULL")))
    return ForeignKeyPlan(target, ondelete, draw(st.none() | names(f"fk{number}")))
