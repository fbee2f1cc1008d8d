"""The types of a table's columns that have a name of their own in the database."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import ARRAY, Boolean, Dialect, Table, TypeDecorator
from sqlalchemy.types import SchemaType, TypeEngine


def named_types(table: Table, dialect: Dialect) -> Iterator[SchemaType]:
    """Return the types with a name, such as enums, as one kind of database has them.

    They are found in arrays, in variants for this database and in a ``TypeDecorator`` as well.
    """
    for column in table.columns:
        yield from _named_within(column.type, dialect)


def _named_within(type_: TypeEngine[object], dialect: Dialect) -> Iterator[SchemaType]:
    if isinstance(type_, TypeDecorator):
        yield from _named_within(type_.load_dialect_impl(dialect), dialect)
        return
    made = type_.dialect_impl(dialect)
    if isinstance(made, TypeDecorator):  # a variant
        yield from _named_within(made.load_dialect_impl(dialect), dialect)
    elif isinstance(made, ARRAY):
        yield from _named_within(made.item_type, dialect)
    elif isinstance(made, SchemaType) and made.name is not None and not isinstance(made, Boolean):
        yield made  # the name of a Boolean is that of its check constraint
