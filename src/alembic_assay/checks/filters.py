"""What env.py's ``include_name`` and ``include_object`` leave out of a comparison."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from alembic.autogenerate.api import AutogenContext
from alembic.runtime.migration import MigrationContext
from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    MetaData,
    Table,
    UniqueConstraint,
    text,
)
from sqlalchemy.schema import SchemaItem

from alembic_assay.catalog import ObjectId
from alembic_assay.checks.comparison import Side
from alembic_assay.checks.declared import Declared

if TYPE_CHECKING:
    from alembic.runtime.environment import NameFilterParentNames, NameFilterType

_TYPES: Mapping[str, NameFilterType] = {
    "table": "table",
    "view": "table",
    "materialized view": "table",
    "column": "column",
    "index": "index",
    "unique constraint": "unique_constraint",
    "foreign key": "foreign_key_constraint",
    "check constraint": "check_constraint",
}
"""Alembic's words for the kinds of objects that its filters are asked about."""


def left_out(
    models: Side, migrations: Side, declared: Declared, context: MigrationContext
) -> set[ObjectId]:
    """Return the objects of either side that the filters of ``context`` leave out.

    The filters are asked as Alembic asks them: by the object of the models where there is one, and
    by a stand-in for what only the database has, which knows its names and its table.
    """
    options = context.opts
    if not (options.get("include_object") or options.get("include_name")):
        return set()
    filters = _Filters(models, migrations, declared, context)
    asked = {*models.objects, *migrations.objects}
    return {found for found in asked if found.kind in _TYPES and not filters.include(found)}


class _Filters:
    def __init__(
        self, models: Side, migrations: Side, declared: Declared, context: MigrationContext
    ) -> None:
        self.models = models
        self.migrations = migrations
        self.declared = declared
        self.asked = AutogenContext(context, declared.metadatas, autogenerate=False)

    def include(self, found: ObjectId) -> bool:
        is_reflected = found not in self.models.objects
        side = self.migrations if is_reflected else self.models
        owner, own_name = side.owner(found), side.own_name(found)
        schema, table_name = self._split(owner, found, side)
        item = self.declared.item(found, owner, own_name)
        shown = self._shown_name(found, owner, own_name, table_name)
        type_ = _TYPES[found.kind]
        is_there = found in self.migrations.objects
        if is_there and not self._includes_name(shown, type_, schema, table_name):
            return False
        stand_in = _stand_in(type_, shown, table_name, schema)
        return self.asked.run_object_filters(
            stand_in if item is None else item,
            shown,
            type_,
            is_reflected,
            stand_in if is_there and not is_reflected else None,
        )

    def _includes_name(
        self, name: str | None, type_: NameFilterType, schema: str | None, table_name: str
    ) -> bool:
        parents: NameFilterParentNames = {"schema_name": schema}
        if type_ == "table":
            if not self.asked.run_name_filters(schema, "schema", {}):
                return False
        else:
            parents["table_name"] = table_name
        return self.asked.run_name_filters(name, type_, parents)

    def _shown_name(
        self, found: ObjectId, owner: str, own_name: str, table_name: str
    ) -> str | None:
        """Return the name as Alembic knows it: of what the models leave unnamed there is none."""
        if found.name == owner:
            return table_name
        if found.kind == "column":
            return own_name
        is_ours = found in self.models.objects
        is_unnamed = is_ours and not self.declared.is_named(found, owner, own_name)
        return None if is_unnamed or own_name.startswith("(") else own_name

    def _split(self, owner: str, found: ObjectId, side: Side) -> tuple[str | None, str]:
        table = self.declared.tables.get(owner)
        if table is not None:
            return table.schema, table.name
        schema, _, name = owner.rpartition(".")
        is_schema = schema in self.declared.schemas or ObjectId("schema", schema) in side.objects
        return (schema, name) if schema and is_schema else (None, owner)


def _stand_in(type_: str, name: str | None, table_name: str, schema: str | None) -> SchemaItem:
    table = Table(table_name, MetaData(), schema=schema)
    if type_ == "table":
        return table
    if type_ == "column":
        column: Column[object] = Column(name or "")
        table.append_column(column)
        return column
    if type_ == "foreign_key_constraint":
        key: Column[object] = Column("referring")
        table.append_column(key)
        constraint = ForeignKeyConstraint([key], ["referred.id"], name=name)
        table.append_constraint(constraint)
        return constraint
    made: Index | UniqueConstraint | CheckConstraint
    if type_ == "index":
        made = Index(name, text("1"))
    elif type_ == "unique_constraint":
        made = UniqueConstraint(name=name)
    else:
        made = CheckConstraint("1 = 1", name=name)
    table.append_constraint(made)
    return made
