"""Which definitions mean the same, though a database spells them differently."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

from sqlalchemy import Connection

from alembic_assay.catalog import Definition, ObjectId

Objects = Mapping[ObjectId, Definition]

DECLARABLE = frozenset(
    {
        *("table", "column", "primary key", "unique constraint", "foreign key"),
        *("check constraint", "exclusion constraint", "index", "enum", "domain", "sequence"),
    }
)
"""Kinds of objects for which SQLAlchemy's ``MetaData`` has words of its own."""


class Likeness:
    """What means the same in the database of the models and in that of the migrations.

    ``scratch`` leads to the database of the models, which is our own: whatever is done there is
    rolled back afterwards. ``models`` and ``migrated`` are all objects of the two databases.
    """

    def __init__(self, scratch: Connection, models: Objects, migrated: Objects) -> None:
        self.scratch = scratch
        self.models = models
        self.migrated = migrated

    def is_same(
        self, found: ObjectId, attribute: str, models: Definition, migrated: Definition
    ) -> bool:
        """Whether an attribute of an object means the same, though its two values differ.

        ``found`` is the name in the models' database; ``models`` and ``migrated`` are the whole
        definitions, in which the attribute may be absent.
        """
        del found, attribute, models, migrated
        return False

    def uniqueness(self, found: ObjectId, definition: Definition) -> Hashable | None:
        """Return what a constraint or index keeps unique, if it does that and no more.

        A unique constraint and a unique index of the same columns are then the same thing.
        """
        del found, definition
        return None

    def is_implied(self, found: ObjectId, objects: Objects) -> bool:
        """Whether an object comes by itself with another one, such as the index of a foreign key.

        ``objects`` are those of its own database.
        """
        del found, objects
        return False

    def is_declarable(self, found: ObjectId, definition: Definition) -> bool:
        """Whether a ``MetaData`` could have declared an object that it does not have."""
        del definition
        return found.kind in DECLARABLE
