"""Rows of a table, by its name or its ``Table``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, MetaData, Row, Table, select
from sqlalchemy.orm import Session

from alembic_assay.dialects import Backend
from alembic_assay.seeding.messages import unknown_name
from alembic_assay.seeding.plan import (
    Field,
    Link,
    Part,
    Plan,
    ReadShape,
    Target,
    make_field,
    require_links,
)


@dataclass(frozen=True, slots=True)
class TableTarget(Target):
    """A table; ``declared`` is what the caller has of it, with types and defaults."""

    name: str
    schema: str | None = None
    declared: Table | None = None

    @property
    def title(self) -> str:
        return f'"{self.schema}.{self.name}"' if self.schema else f'"{self.name}"'

    def connect(self, session: Session) -> Connection:
        arguments = {} if self.declared is None else {"clause": self.declared}
        return session.connection(bind_arguments=arguments)

    def plan(self, read: ReadShape, backend: Backend, connection: Connection) -> Plan:
        shape = read(self.name, self.schema)
        declared = {} if self.declared is None else {one.name: one for one in self.declared.c}
        fields: dict[str, Field] = {
            name: make_field(name, column, declared.get(name), backend, connection)
            for name, column in shape.columns.items()
        }
        links = [
            Link(
                one.columns,
                TableTarget(one.table, one.schema, self._declared(one.table, one.schema)),
                one.referred,
                is_to_itself=(one.table, one.schema) == (self.name, self.schema),
            )
            for one in shape.references
        ]
        part = Part(shape, {name: name for name in fields}, shape.conditions)
        return Plan(require_links(fields, links), (part,), tuple(links))

    def resolve(
        self, session: Session, plan: Plan, given: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        for name in given:
            if name not in plan.fields:
                label = plan.parts[0].shape.label
                raise unknown_name(f'the table "{label}" has no column', name, plan.fields)
        return dict(given), {}

    def insert(
        self, session: Session, plan: Plan, values: Mapping[str, Any], others: Mapping[str, Any]
    ) -> Row[Any]:
        connection = self.connect(session)
        stored = plan.parts[0].shape.table
        table = stored if self.declared is None else _with_columns_of(stored, self.declared)
        columns = {one.name: one for one in table.c}
        shown = [columns[one.name] for one in stored.c]
        statement = table.insert().values({columns[name]: value for name, value in values.items()})
        if connection.dialect.insert_returning:
            return connection.execute(statement.returning(*shown)).one()
        inserted = connection.execute(statement)
        key = zip(table.primary_key, inserted.inserted_primary_key or (), strict=True)
        known = [column == value for column, value in key]
        known = known or [columns[name] == value for name, value in values.items()]
        return connection.execute(select(*shown).where(*known).limit(1)).one()

    def value_of(self, made: Row[Any], column: str) -> Any:
        return made._mapping[column]  # noqa: SLF001 - public, and named so as not to hide a column

    def _declared(self, name: str, schema: str | None) -> Table | None:
        if self.declared is None:
            return None
        return self.declared.metadata.tables.get(f"{schema}.{name}" if schema else name)


def _with_columns_of(stored: Table, declared: Table) -> Table:
    """Return a copy of what the caller has, with what only the database has."""
    copy = declared.to_metadata(MetaData())
    names = {one.name for one in copy.c}
    for column in stored.c:
        if column.name not in names:
            copy.append_column(Column(column.name, column.type, primary_key=column.primary_key))
    return copy
