"""Tables that only the models have: what makes them, and in which order."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from alembic.operations import ops
from alembic.operations.ops import MigrateOperation
from sqlalchemy import Constraint, ForeignKeyConstraint, Index, PrimaryKeyConstraint, Table
from sqlalchemy.exc import NoReferencedColumnError, NoReferencedTableError
from sqlalchemy.schema import SchemaItem

from alembic_assay.checks.comparison import Drift
from alembic_assay.checks.operations.plain_types import PlainTables
from alembic_assay.checks.scene import Scene


class NewTables:
    """All tables among ``drifts`` that are not in the migrations.

    Each stands behind those that it refers to. Where they refer to each other, the foreign key is
    made with the last of them, if the database lets a table be altered.
    """

    def __init__(self, scene: Scene, plain: PlainTables, drifts: Sequence[Drift]) -> None:
        self._scene = scene
        self._plain = plain
        tables = {
            drift.owner: table
            for drift in drifts
            if drift.object.kind == "table"
            and drift.migrations is None
            and (table := scene.table(drift)) is not None
        }
        self.order = in_order(
            {
                owner: {referred for _, referred in self._references(table)} & tables.keys()
                for owner, table in sorted(tables.items())
            }
        )
        """Their names, in the order in which they can be made."""
        self._late: dict[str, list[ForeignKeyConstraint]] = {owner: [] for owner in self.order}
        if not scene.in_batch:
            for position, owner in enumerate(self.order):
                for key, referred in self._references(tables[owner]):
                    if referred in self.order[position + 1 :]:
                        self._late[referred].append(key)

    def operations(self, drift: Drift) -> list[MigrateOperation]:
        """Return what makes a table, its indexes, and the foreign keys that had to wait for it."""
        table = self._scene.table(drift)
        if table is None:
            return []  # a view that SQLAlchemy keeps as a table, or one that a listener makes
        made = self._scene.names_in(drift.owner)
        waiting = [_key(key) for keys in self._late.values() for key in keys if key.table is table]
        create = ops.CreateTableOp.from_table(self._plain.table(table))
        create.columns = [
            item
            for item in create.columns
            if self._is_made(item, made) and _key(item) not in waiting
        ]
        indexes = sorted(table.indexes, key=lambda index: str(index.name))
        return [
            create,
            *(
                ops.CreateIndexOp.from_index(index)
                for index in indexes
                if index.expressions and self._is_made(index, made)
            ),
            *(ops.AddConstraintOp.from_constraint(key) for key in self._late[drift.owner]),
        ]

    def _is_made(self, item: SchemaItem, made: Collection[str]) -> bool:
        """Whether it is made in this kind of database: ``ddl_if`` may say that it is not."""
        if not isinstance(item, (Constraint, Index)) or isinstance(item, PrimaryKeyConstraint):
            return True
        name = self._scene.declared.final_name(item)
        return name is None or name in made

    def _references(self, table: Table) -> Iterator[tuple[ForeignKeyConstraint, str]]:
        for key in table.foreign_key_constraints:
            try:
                referred = self._scene.declared.name_of(key.referred_table)
            except (NoReferencedTableError, NoReferencedColumnError):
                continue  # one that only the migrations have
            yield key, referred


def in_order(references: Mapping[str, Collection[str]]) -> list[str]:
    """Return the names, each behind those that it refers to as far as that is possible."""
    left = dict(references)
    ordered: list[str] = []
    while left:
        ready = (name for name, to in left.items() if not (set(to) - {name}) & left.keys())
        name = next(ready, next(iter(left)))
        del left[name]
        ordered.append(name)
    return ordered


def _key(item: SchemaItem) -> tuple[object, ...]:
    """Return by what the copy of a foreign key is known."""
    if not isinstance(item, ForeignKeyConstraint):
        return ()
    return (item.name, *item.column_keys, *(part.target_fullname for part in item.elements))
