"""What the models declare, found by the names that the catalogue has for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from sqlalchemy import (
    CheckConstraint,
    Column,
    Computed,
    Constraint,
    DefaultClause,
    Dialect,
    FetchedValue,
    ForeignKeyConstraint,
    Identity,
    Index,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
)
from sqlalchemy.schema import SchemaItem
from sqlalchemy.types import SchemaType

from alembic_assay.catalog import ObjectId
from alembic_assay.dialects.named_types import named_types

_KINDS: dict[type[SchemaItem], str] = {
    PrimaryKeyConstraint: "primary key",
    UniqueConstraint: "unique constraint",
    ForeignKeyConstraint: "foreign key",
    CheckConstraint: "check constraint",
    Index: "index",
}


class Declared:
    """The tables of the models, as one database names them.

    ``default_schema`` is the schema whose name the catalogue leaves out; ``translated`` is the
    ``schema_translate_map`` under which the tables are made.
    """

    def __init__(
        self,
        metadatas: Sequence[MetaData],
        dialect: Dialect,
        default_schema: str | None,
        translated: Mapping[str | None, str | None],
    ) -> None:
        self.metadatas = metadatas
        self._dialect = dialect
        self._default_schema = default_schema
        self._translated = translated
        self.tables: dict[str, Table] = {}
        for metadata in metadatas:
            for table in metadata.tables.values():
                self.tables.setdefault(self.name_of(table), table)
        self._items = {name: self._items_of(table) for name, table in self.tables.items()}

    def schema_of(self, item: Table | SchemaType) -> str | None:
        """Return the schema in which a table or type is made; ``None`` for the default one."""
        schema = self._translated.get(item.schema, item.schema)
        return None if schema == self._default_schema else schema

    @cached_property
    def schemas(self) -> set[str | None]:
        """The schemas of the tables and their types, and ``None`` for the default one."""
        tables = self.tables.values()
        types = [type_ for table in tables for type_ in named_types(table, self._dialect)]
        return {None, *map(self.schema_of, tables), *map(self.schema_of, types)}

    def unnamed_checks(self, owner: str) -> list[CheckConstraint]:
        """Return the check constraints of a table that have no name."""
        table = self.tables.get(owner)
        return [
            item
            for item in (_constraints_and_indexes(table) if table is not None else ())
            if isinstance(item, CheckConstraint) and self.final_name(item) is None
        ]

    def item(self, found: ObjectId, owner: str, own_name: str) -> SchemaItem | None:
        """Return what declares an object of the table ``owner``, or the table itself."""
        if found.name == owner:
            return self.tables.get(owner)
        items = self._items.get(owner, {})
        if found.kind == "column":
            return items.get(("column", own_name))
        if found.kind == "primary key":
            return self.tables[owner].primary_key if owner in self.tables else None
        # The same name may stand for a unique constraint in the one and an index in the other.
        kinds = (found.kind, *("index", "unique constraint", "check constraint", "foreign key"))
        return next(
            (
                items[kind, own_name]
                for kind in kinds
                if (kind, own_name) in items and not _is_beside(found, kind)
            ),
            None,
        )

    def is_named(self, found: ObjectId, owner: str, own_name: str) -> bool:
        """Whether the models give its name to a constraint or index of the table ``owner``."""
        return any(
            name == own_name and kind != "column" and not _is_beside(found, kind)
            for kind, name in self._items.get(owner, ())
        )

    def leaves_default_open(self, column: SchemaItem | None) -> bool:
        """Whether a column has some default that the models do not tell: ``FetchedValue``."""
        if not isinstance(column, Column):
            return False
        default = column.server_default
        told = (DefaultClause, Computed, Identity)
        return isinstance(default, FetchedValue) and not isinstance(default, told)

    def leaves_validation_open(self, item: SchemaItem | None) -> bool:
        """Whether a constraint need not hold for the rows of before: it is ``NOT VALID``.

        In a new table it holds for all rows nevertheless, so that ``create_all`` cannot show it.
        """
        options = item.dialect_options if isinstance(item, Constraint) else {}
        name = self._dialect.name
        return name in options and bool(options[name].get("not_valid"))

    def name_of(self, table: Table) -> str:
        """Return the name of a table as the catalogue has it."""
        schema = self.schema_of(table)
        return f"{schema}.{table.name}" if schema else table.name

    def _items_of(self, table: Table) -> dict[tuple[str, str], SchemaItem]:
        found: dict[tuple[str, str], SchemaItem] = {
            ("column", column.name): column for column in table.columns
        }
        for item in _constraints_and_indexes(table):
            kinds = (_KINDS[type_] for type_ in _KINDS if isinstance(item, type_))
            kind = next(kinds, "exclusion constraint")
            if (name := self.final_name(item)) is not None:
                found[kind, name] = item
        return found

    def final_name(self, item: Constraint | Index) -> str | None:
        """Return the name under which SQLAlchemy makes it: conventions applied, and cut."""
        if item.name is None:
            return None
        preparer = self._dialect.identifier_preparer
        quoted = (
            preparer.format_index(item)
            if isinstance(item, Index)
            else preparer.format_constraint(item)
        )
        if not quoted:
            return None
        quote, end = preparer.initial_quote, preparer.final_quote
        if quoted.startswith(quote) and quoted.endswith(end):
            return quoted[1:-1].replace(end * 2, end)
        return quoted


def _is_beside(found: ObjectId, kind: str) -> bool:
    """Whether what has the same name is another object: MySQL names an index after a foreign key.

    https://dev.mysql.com/doc/refman/8.4/en/create-table-foreign-keys.html
    """
    return found.kind == "index" and kind == "foreign key"


def _constraints_and_indexes(table: Table) -> Iterator[Constraint | Index]:
    yield from table.constraints
    yield from table.indexes
    for column in table.columns:
        yield from column.constraints
