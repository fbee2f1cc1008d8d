"""The models' tables as a migration can write them: by names that it has, and no others."""

from __future__ import annotations

import copy
from typing import Any

from alembic.autogenerate.api import AutogenContext
from alembic.runtime.migration import MigrationContext
from sqlalchemy import ARRAY, Boolean, Column, Enum, MetaData, Sequence, String, Table
from sqlalchemy.dialects.postgresql import DOMAIN, ENUM
from sqlalchemy.types import TypeDecorator, TypeEngine


class PlainTables:
    """Copies of the models' tables, for one database.

    A type of the application, which a migration would have to import and which changes with it, is
    there the type that it stands for; one that is an object of its own in the database is named
    and not made. Where env.py's ``render_item`` has a word for a type, it stays.
    """

    def __init__(self, context: MigrationContext) -> None:
        self._context = context
        self._copies: dict[MetaData, MetaData] = {}

    def table(self, table: Table) -> Table:
        """Return the copy of a table, in a copy of its metadata."""
        metadata = table.metadata
        if metadata not in self._copies:
            # All tables, as foreign keys are told by the columns that they lead to.
            self._copies[metadata] = MetaData(schema=metadata.schema)
            for other in metadata.tables.values():
                self._copy(other, self._copies[metadata])
        return self._copies[metadata].tables[table.key]

    def column(self, column: Column[Any]) -> Column[Any]:
        """Return the copy of a column as it stands alone, without the constraints of its type."""
        copied = self.table(column.table).columns[column.key]
        copied.type = self.type(column.type, alone=True)
        return copied

    def type(self, type_: TypeEngine[Any], *, alone: bool) -> TypeEngine[Any]:
        """Return what a migration can write for a type.

        Where it stands ``alone``, the check constraint that it brings is an object of its own.
        """
        dialect = self._context.dialect
        if self._is_rendered_by_env_py(type_):
            return type_
        if isinstance(type_, TypeDecorator) and not _is_of_sqlalchemy(type_):
            return self.type(type_.load_dialect_impl(dialect), alone=alone)
        if isinstance(type_, ARRAY):
            array = copy.copy(type_)
            array.item_type = self.type(type_.item_type, alone=alone)
            return array
        if isinstance(type_, Enum):
            made = type_.dialect_impl(dialect)
            if isinstance(made, ENUM):
                return ENUM(*type_.enums, name=made.name, schema=type_.schema, create_type=False)
            if alone and not (type_.native_enum and dialect.supports_native_enum):
                return String(type_.length)
        if isinstance(type_, DOMAIN):
            base = self.type(type_.data_type, alone=alone)
            return _MadeDomain(type_.name or "", base, schema=type_.schema, create_type=False)
        if alone and isinstance(type_, Boolean) and type_.create_constraint:
            return Boolean()
        return type_

    def _copy(self, table: Table, metadata: MetaData) -> None:
        copied = table.to_metadata(metadata)
        copied.info.clear()  # anybody's objects, of which nothing gets into the database
        for column in copied.columns:
            column.type = self.type(table.columns[column.key].type, alone=False)
            if isinstance(column.default, Sequence) and column.server_default is None:
                # The migration does not tell of it, and would make a sequence of the column's own.
                column.autoincrement = False

    def _is_rendered_by_env_py(self, type_: TypeEngine[Any]) -> bool:
        render = self._context.opts.get("render_item")
        if render is None:
            return False
        opts = {**self._context.opts, "target_metadata": None}
        asked = AutogenContext(self._context, opts=opts, autogenerate=False)
        asked.imports = set()
        return render("type", type_, asked) is not False


def named_type_code(type_: TypeEngine[Any]) -> str | None:
    """Return the code of a type that is an object of its own and that is not to be made.

    SQLAlchemy and Alembic have not always written down what says so.
    """
    if isinstance(type_, _MadeDomain):
        base = type_.data_type
        module = "postgresql" if ".dialects." in type(base).__module__ else "sa"
        what = f"DOMAIN({type_.name!r}, {module}.{base!r}"
    elif isinstance(type_, ENUM) and not type_.create_type:
        what = f"ENUM({', '.join(map(repr, type_.enums))}, name={type_.name!r}"
    else:
        return None
    schema = f", schema={type_.schema!r}" if type_.schema else ""
    return f"postgresql.{what}{schema}, create_type=False)"


class _MadeDomain(DOMAIN):
    """A domain that is there: a copy of any other forgets in SQLAlchemy 2.0 that it is."""


def _is_of_sqlalchemy(type_: TypeEngine[Any]) -> bool:
    return type(type_).__module__.partition(".")[0] == "sqlalchemy"
