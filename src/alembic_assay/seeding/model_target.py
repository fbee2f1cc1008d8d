"""Rows of a model, as its instances."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Column, Connection, Table
from sqlalchemy import inspect as inspect_orm
from sqlalchemy.orm import Mapper, RelationshipDirection, RelationshipProperty, Session
from sqlalchemy.orm.exc import UnmappedColumnError

from alembic_assay.dialects import Backend
from alembic_assay.seeding.messages import not_in_model, unknown_name
from alembic_assay.seeding.plan import (
    Field,
    Left,
    Link,
    Part,
    Plan,
    ReadShape,
    Target,
    make_field,
    require_links,
)
from alembic_assay.seeding.shape import Reference, Shape
from alembic_assay.seeding.table_target import TableTarget


@dataclass(frozen=True, slots=True)
class ModelTarget(Target):
    """A mapped class."""

    mapper: Mapper[Any]

    @classmethod
    def of(cls, mapper: Mapper[Any]) -> ModelTarget:
        """Return the target for a class, or for one below it, if it has no rows of its own."""
        if mapper.polymorphic_on is None or mapper.polymorphic_identity is not None:
            return cls(mapper)
        below = (one for one in mapper.self_and_descendants if one.polymorphic_identity is not None)
        return cls(next(below, mapper))

    @property
    def title(self) -> str:
        return self.mapper.class_.__name__

    def connect(self, session: Session) -> Connection:
        return session.connection(bind_arguments={"mapper": self.mapper})

    def plan(self, read: ReadShape, backend: Backend, connection: Connection) -> Plan:
        fields: dict[str, Field] = {}
        parts: list[Part] = []
        links: list[Link] = []
        for table in self._tables:
            shape = read(table.name, table.schema)
            declared = {backend.folded_inside(one.name): one for one in table.c}
            keys = {}
            for name, column in shape.columns.items():
                known = declared.get(backend.folded_inside(name))
                key = self._key(known)
                field = make_field(key or name, column, known, backend, connection)
                if key is None:
                    if field.is_required:
                        raise not_in_model(self.title, shape.label, name)
                    continue
                keys[name] = key
                fields.setdefault(key, self._adapt(field, known))
            inherited = self._inherited(shape)
            conditions = (one for one in shape.conditions if not one.columns <= inherited)
            parts.append(Part(shape, keys, tuple(conditions)))
            links += self._links(table, shape, keys)
        return Plan(require_links(fields, links), tuple(parts), tuple(links))

    def resolve(
        self, session: Session, plan: Plan, given: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        names = {*self.mapper.all_orm_descriptors.keys(), *self.mapper.attrs.keys()}
        values: dict[str, Any] = {}
        others: dict[str, Any] = {}
        for name, value in given.items():
            if name in plan.fields:
                values[name] = value
            elif name in names or hasattr(self.mapper.class_, name):
                others[name] = value
            else:
                raise unknown_name(f"{self.title} has no attribute", name, names)
        for name in others.keys() & self.mapper.relationships.keys():
            relationship = self.mapper.relationships[name]
            if relationship.direction is RelationshipDirection.MANYTOONE:
                values |= self._foreign_values(session, relationship, others[name])
        return values, others

    def insert(
        self, session: Session, plan: Plan, values: Mapping[str, Any], others: Mapping[str, Any]
    ) -> Any:
        instance = self._make_instance({**values, **others})
        session.add(instance)
        session.flush()
        # What the database has filled in is read now: with an AsyncSession it could not be later.
        if expired := inspect_orm(instance).expired_attributes:
            session.refresh(instance, [*expired])
        return instance

    def value_of(self, made: Any, column: str) -> Any:
        for table in self._tables:
            for one in table.c:
                if one.name == column and (key := self._key(one)):
                    return getattr(made, key)
        raise AssertionError(column)

    @property
    def _tables(self) -> list[Table]:
        return [one for one in self.mapper.tables if isinstance(one, Table)]

    def _key(self, column: Column[Any] | None) -> str | None:
        if column is None:
            return None
        try:
            return self.mapper.get_property_by_column(column).key
        except UnmappedColumnError:
            return None

    def _adapt(self, field: Field, column: Column[Any] | None) -> Field:
        """Return the field without what the mapper and the class fill in themselves."""
        left: Any = None
        is_told = column is None or column.default is not None or column.server_default is not None
        is_numbered = field.column.is_numbered and column in self.mapper.primary_key
        if not is_told and not is_numbered and not field.column.is_computed:
            # The mapper inserts NULL where it knows of no default, whatever the database has.
            field = replace(field, left=None, is_required=not field.column.nullable)
        if column is self.mapper.polymorphic_on:
            left = self.mapper.polymorphic_identity
        elif column is self.mapper.version_id_col and self.mapper.version_id_generator:
            left = Left.UNKNOWN
        elif (default := self._parameters.get(field.key)) is not None:
            # Of a dataclass, whose defaults are not those of the columns.
            is_value = isinstance(default, (str, int, float))
            left = default if is_value else Left.UNKNOWN
        if left is None:
            return field
        takes_values = field.key in self._parameters
        return replace(field, left=left, is_required=False, takes_values=takes_values)

    @property
    def _parameters(self) -> dict[str, Any]:
        """The defaults of what the constructor names."""
        parameters = inspect.signature(self.mapper.class_).parameters.values()
        return {
            one.name: None if one.default is one.empty else one.default
            for one in parameters
            if one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)
        }

    def _inherited(self, shape: Shape) -> frozenset[str]:
        """Return the columns that are a foreign key to the table of the base class."""
        own = {one.fullname for one in self._tables} - {shape.label}
        return frozenset(
            column
            for one in shape.references
            if _fullname(one) in own and {*one.columns} <= {*shape.key}
            for column in one.columns
        )

    def _links(self, table: Table, shape: Shape, keys: Mapping[str, str]) -> Iterator[Link]:
        own = {one.fullname for one in self._tables}
        references = {one.columns: one for one in (*_declared(table), *shape.references)}
        for one in references.values():
            if {*one.columns} <= self._inherited(shape) or not {*one.columns} <= keys.keys():
                continue
            relationship = self._relationship(table, one)
            yield Link(
                tuple(keys[name] for name in one.columns),
                ModelTarget.of(relationship.mapper) if relationship else self._target(one),
                one.referred,
                relationship.key if relationship else None,
                is_to_itself=_fullname(one) in own,
            )

    def _relationship(self, table: Table, reference: Reference) -> RelationshipProperty[Any] | None:
        wanted = {*zip(reference.columns, reference.referred, strict=True)}
        for one in self.mapper.relationships:
            pairs = one.local_remote_pairs or []
            if (
                one.direction is RelationshipDirection.MANYTOONE
                and not one.viewonly
                and all(local.table is table for local, _ in pairs)
                and {(local.name, remote.name) for local, remote in pairs} == wanted
            ):
                return one
        return None

    def _target(self, reference: Reference) -> Target:
        """Return the model of the table that is referred to, or the table itself."""
        name = _fullname(reference)
        found = [
            one
            for one in self.mapper.registry.mappers
            if isinstance(one.local_table, Table)
            and one.local_table.fullname == name
            and not one.single
        ]
        if found:
            return ModelTarget.of(min(found, key=lambda one: one.class_.__qualname__))
        return TableTarget(reference.table, reference.schema)

    def _foreign_values(
        self, session: Session, relationship: RelationshipProperty[Any], other: Any
    ) -> dict[str, Any]:
        if other is not None:
            session.add(other)
            session.flush()
        target = ModelTarget(relationship.mapper)
        return {
            key: None if other is None else target.value_of(other, remote.name)
            for local, remote in relationship.local_remote_pairs or []
            if (key := self._key(local))  # type: ignore[arg-type]
        }

    def _make_instance(self, values: Mapping[str, Any]) -> Any:
        """Call the class with what it takes, or fill an instance where it asks for more."""
        class_ = self.mapper.class_
        signature = inspect.signature(class_)
        kinds = [one.kind for one in signature.parameters.values()]
        takes_all = inspect.Parameter.VAR_KEYWORD in kinds
        taken = {
            name: value
            for name, value in values.items()
            if name in signature.parameters or (takes_all and name in self.mapper.attrs)
        }
        for one in signature.parameters.values():
            is_asked = one.default is one.empty and one.kind is not one.VAR_KEYWORD
            if is_asked and one.name in self.mapper.attrs:
                taken.setdefault(one.name, None)
        try:
            signature.bind(**taken)
        except TypeError:
            instance = self.mapper.class_manager.new_instance()
            taken = {}
        else:
            instance = class_(**taken)
        for name, value in values.items():
            if name not in taken:
                setattr(instance, name, value)
        return instance


def _declared(table: Table) -> Iterator[Reference]:
    """Yield the foreign keys of the model: the database may have none."""
    for one in table.foreign_key_constraints:
        try:
            referred = one.referred_table
        except Exception:  # noqa: S112 - of a table that the models do not have
            continue
        yield Reference(
            tuple(column.name for column in one.columns),
            referred.schema,
            referred.name,
            tuple(element.column.name for element in one.elements),
        )


def _fullname(reference: Reference) -> str:
    return f"{reference.schema}.{reference.table}" if reference.schema else reference.table
