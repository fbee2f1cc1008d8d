"""What a CREATE TABLE statement says, as values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Column:
    """A column; its PRIMARY KEY, UNIQUE, CHECK and REFERENCES are constraints of the table."""

    name: str
    type: str
    nullable: bool = True
    null_constraint: str | None = None
    null_conflict: str | None = None
    default: str | None = None
    collation: str | None = None
    generated: str | None = None
    autoincrement: bool = False


@dataclass(frozen=True, slots=True)
class PrimaryKey:
    """A primary key; ``columns`` as in ``id`` or ``id DESC``."""

    columns: tuple[str, ...]
    name: str | None = None
    conflict: str | None = None


@dataclass(frozen=True, slots=True)
class Unique:
    """A unique constraint; ``columns`` as in ``email`` or ``email COLLATE NOCASE``."""

    columns: tuple[str, ...]
    name: str | None = None
    conflict: str | None = None


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A foreign key; ``referenced`` is empty where it is the other table's primary key."""

    columns: tuple[str, ...]
    table: str
    referenced: tuple[str, ...] = ()
    name: str | None = None
    on_delete: str | None = None
    on_update: str | None = None
    match: str | None = None
    deferred: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    """A check constraint."""

    expression: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """What one CREATE TABLE statement says."""

    columns: tuple[Column, ...]
    primary_key: PrimaryKey | None = None
    uniques: tuple[Unique, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    checks: tuple[Check, ...] = ()
    strict: bool = False
    without_rowid: bool = False
