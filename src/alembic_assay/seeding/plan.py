"""What is to be known of a table or model before rows of it are made."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, literal_column
from sqlalchemy.orm import Session
from sqlalchemy.schema import DefaultClause, FetchedValue
from sqlalchemy.types import NullType

from alembic_assay.dialects import Backend
from alembic_assay.seeding.shape import Condition, Shape, StoredColumn
from alembic_assay.seeding.values import ValueSource


class Left(Enum):
    """What is in a column that is left out, where only the insert will tell."""

    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Field:
    """A column as the caller names it; ``left`` is its value, or the SQL of it, if left out."""

    key: str
    column: StoredColumn
    source: ValueSource
    left: Any
    is_required: bool
    takes_values: bool


@dataclass(frozen=True, slots=True)
class Link:
    """A foreign key, by the keys of its fields and the columns that they refer to.

    ``relationship`` is the attribute of the model that holds the other row.
    """

    keys: tuple[str, ...]
    target: Target
    referred: tuple[str, ...]
    relationship: str | None = None
    is_to_itself: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """A table of a plan: the keys of its columns, and what must hold for a row of it.

    ``hints`` are the places among a column's options of what was right for the last row.
    """

    shape: Shape
    keys: Mapping[str, str]
    conditions: tuple[Condition, ...]
    hints: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """All that is known; joined-table inheritance has several parts, that of the base first."""

    fields: Mapping[str, Field]
    parts: tuple[Part, ...]
    links: tuple[Link, ...]

    def key_of(self, column: str) -> str | None:
        """Return the key of a column's field, if it has any."""
        return next((part.keys[column] for part in self.parts if column in part.keys), None)

    def part_of(self, field: Field) -> Part:
        """Return the part whose column a field is."""
        name = field.column.name
        return next(one for one in self.parts if one.shape.columns.get(name) is field.column)

    def column_of(self, field: Field) -> str:
        """Return the name of a field's column behind that of its table."""
        return f"{self.part_of(field).shape.label}.{field.column.name}"


ReadShape = Callable[[str, "str | None"], Shape]
"""Returns what the database says of a table, by name and schema, or raises ``UsageError``."""


class Target(ABC):
    """What rows are made of: a table, or a model. Equal ones are the same."""

    @property
    @abstractmethod
    def title(self) -> str:
        """How the caller writes it."""

    @abstractmethod
    def connect(self, session: Session) -> Connection:
        """Return the session's connection for this."""

    @abstractmethod
    def plan(self, read: ReadShape, backend: Backend, connection: Connection) -> Plan:
        """Return what is to be known. Raises ``UsageError`` where no row could ever be made."""

    @abstractmethod
    def resolve(
        self, session: Session, plan: Plan, given: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the values of columns by their keys, and whatever else the caller gave.

        Raises ``UsageError`` for a name that is none.
        """

    @abstractmethod
    def insert(
        self, session: Session, plan: Plan, values: Mapping[str, Any], others: Mapping[str, Any]
    ) -> Any:
        """Make the row, and return it as the caller gets it."""

    @abstractmethod
    def value_of(self, made: Any, column: str) -> Any:
        """Return what is in a column of a row that was made."""


def make_field(
    key: str,
    column: StoredColumn,
    declared: Column[Any] | None,
    backend: Backend,
    connection: Connection,
) -> Field:
    """Return the field of a column; ``declared`` is what the models say of it."""
    is_typed = declared is not None and not isinstance(declared.type, NullType)
    type_ = declared.type if declared is not None and is_typed else column.type
    left = _left(column, declared)
    is_nullable = column.nullable and (declared is None or bool(declared.nullable))
    return Field(
        key,
        column,
        ValueSource(column.name, type_, column.type, backend, connection.dialect),
        left,
        is_required=left is None and not is_nullable,
        takes_values=column.takes_values and not column.is_computed,
    )


def require_links(fields: Mapping[str, Field], links: Iterable[Link]) -> dict[str, Field]:
    """Return the fields, with values wanted for what refers to other rows.

    The database would number it, if it is the only key of a table of SQLite.
    """
    linked = {key for link in links if not link.is_to_itself for key in link.keys}
    return {
        key: replace(one, left=None, is_required=True)
        if key in linked and one.column.is_numbered and one.takes_values
        else one
        for key, one in fields.items()
    }


def default_of(column: StoredColumn) -> ColumnElement[Any]:
    """Return the default that the database has for a column."""
    # As SQLAlchemy reads it from MySQL, what happens on UPDATE stands in there, too.
    return literal_column(f"({str(column.default).partition(' ON UPDATE ')[0]})")


def _left(column: StoredColumn, declared: Column[Any] | None) -> Any:
    if column.is_computed or column.is_numbered:
        return Left.UNKNOWN
    if declared is not None and declared.default is not None:
        default: Any = declared.default
        return default.arg if default.is_scalar else Left.UNKNOWN
    if column.default is not None:
        return default_of(column)
    fetched = declared.server_default if declared is not None else None
    if isinstance(fetched, FetchedValue) and not isinstance(fetched, DefaultClause):
        return Left.UNKNOWN  # a trigger fills it
    return None
