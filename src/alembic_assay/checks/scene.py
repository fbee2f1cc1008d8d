"""Where differences were found, and all that is known there."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Dialect, Inspector, Table, inspect
from sqlalchemy.engine.interfaces import ReflectedColumn
from sqlalchemy.exc import NoSuchTableError
from sqlalchemy.schema import SchemaItem

from alembic_assay.catalog import Definition, ObjectId
from alembic_assay.checks.comparison import Drift, Side
from alembic_assay.checks.declared import Declared
from alembic_assay.dialects import Backend


@dataclass(frozen=True, slots=True)
class Scene:
    """The models and their database behind ``scratch``, and that of the migrations.

    ``context`` is Alembic's, with the options of env.py. Of ``migrated`` it is only read; what is
    read there is remembered, so that a scene is of one moment.
    """

    backend: Backend
    context: MigrationContext
    declared: Declared
    scratch: Connection
    migrated: Connection
    models: Side
    migrations: Side
    _inspectors: dict[str, Inspector] = field(default_factory=dict, compare=False)

    @property
    def dialect(self) -> Dialect:
        """The dialect of both databases."""
        return self.migrated.dialect

    @property
    def in_batch(self) -> bool:
        """Whether a table is changed by making it anew."""
        return not self.backend.has_alter_constraint

    @property
    def makes_names_of_names(self) -> bool:
        """Whether the models' naming convention adds to a name, unless it is said to be final."""
        return any(
            isinstance(form, str) and "%(constraint_name)s" in form
            for metadata in self.declared.metadatas
            for form in metadata.naming_convention.values()
        )

    def item(self, drift: Drift) -> SchemaItem | None:
        """Return what declares an object in the models, if it is declared by its name."""
        return self.declared.item(drift.object, drift.owner, drift.own_name)

    def table(self, drift: Drift) -> Table | None:
        """Return the table of the models that an object is in, or the table itself."""
        return self.declared.tables.get(drift.owner)

    def place(self, drift: Drift) -> tuple[str, str | None]:
        """Return name and schema of the table, as operations want them."""
        table = self.table(drift)
        if table is not None:
            return table.name, table.schema
        return self.split(drift.owner)

    def split(self, name: str) -> tuple[str, str | None]:
        """Return name and schema of a table, type or sequence."""
        schema, _, rest = name.rpartition(".")
        schemas: Collection[ObjectId] = (*self.models.objects, *self.migrations.objects)
        return (rest, schema) if ObjectId("schema", schema) in schemas else (name, None)

    def quoted(self, name: str) -> str:
        """Return the name of a table, type or sequence as it stands in SQL."""
        rest, schema = self.split(name)
        return self.quoted_in(rest, schema)

    def quoted_in(self, name: str, schema: str | None) -> str:
        """Return a name in a schema as it stands in SQL."""
        quote = self.dialect.identifier_preparer.quote
        return f"{quote(schema)}.{quote(name)}" if schema else quote(name)

    def names_in(self, owner: str) -> set[str]:
        """Return the names that constraints and indexes of a table of the models have there."""
        return {
            self.models.own_name(found)
            for found in self.models.objects
            if self.models.owner(found) == owner and found.kind != "column"
        }

    def type_change_options(
        self, column: str, there: Definition | None, wanted: Definition | None
    ) -> dict[str, str]:
        """Return what ``op.alter_column`` must be told to make one type of a column another."""
        options = self.backend.type_change_options(
            self.migrated,
            self.dialect.identifier_preparer.quote(column),
            str((there or {}).get("type")),
            str((wanted or {}).get("type")),
        )
        return dict(options)

    def inspector(self, connection: Connection) -> Inspector:
        """Return an inspector of one of the two connections, which remembers what it has read."""
        side = "models" if connection is self.scratch else "migrations"
        if side not in self._inspectors:
            self._inspectors[side] = inspect(connection)
        return self._inspectors[side]

    def migrated_column(self, table: Table, name: str) -> ReflectedColumn | None:
        """Return what the migrations made of a column of the models."""
        schema = self.declared.schema_of(table)
        try:
            found = self.inspector(self.migrated).get_columns(table.name, schema=schema)
        except NoSuchTableError:
            return None
        return next((column for column in found if column["name"] == name), None)
