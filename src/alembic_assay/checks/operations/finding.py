"""The operations for each difference, found by the kind of the object."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from alembic.operations import ops
from alembic.operations.ops import MigrateOperation
from sqlalchemy import (
    CheckConstraint,
    Constraint,
    ForeignKeyConstraint,
    Index,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
)
from sqlalchemy.exc import NoReferencedTableError
from sqlalchemy.sql.elements import conv

from alembic_assay.checks.comparison import Drift
from alembic_assay.checks.operations.columns import ColumnOperations
from alembic_assay.checks.operations.named_types import extension_sql, schema_sql, type_sql
from alembic_assay.checks.operations.new_tables import NewTables
from alembic_assay.checks.operations.plain_types import PlainTables
from alembic_assay.checks.scene import Scene

CONSTRAINT_TYPES = {
    "primary key": "primary",
    "unique constraint": "unique",
    "foreign key": "foreignkey",
    "check constraint": "check",
    "exclusion constraint": None,
}
"""What ``op.drop_constraint`` calls the kinds of constraints."""


_OF_WHOLE_TABLES = frozenset({"strict", "without rowid", "autoincrement"})
"""Attributes that SQLite's tables have from the start, or never."""


class Operations:
    """Finds the operations for each of ``drifts``, all that were found at one scene."""

    def __init__(self, scene: Scene, drifts: Sequence[Drift]) -> None:
        self._scene = scene
        self._plain = PlainTables(scene.context)
        self._columns = ColumnOperations(scene, self._plain)
        self._new_tables = NewTables(scene, self._plain, drifts)

    @property
    def new_tables(self) -> Sequence[str]:
        """The names of the tables that only the models have, in the order of their making."""
        return self._new_tables.order

    def find(self, drift: Drift) -> list[MigrateOperation]:
        """Return the operations for a difference; none where there are none that can mend it."""
        find: Callable[[Drift], list[MigrateOperation]]
        match drift.object.kind:
            case "table":
                find = self._table
            case "column":
                find = self._column
            case kind if kind == "index" or kind in CONSTRAINT_TYPES:
                find = self._named
            case "enum" | "domain" | "sequence":
                return _statements(type_sql(drift, self._scene))
            case "schema":
                return _statements(schema_sql(drift, self._scene))
            case "extension":
                return _statements(extension_sql(drift, self._scene))
            case _:
                return []
        return find(drift)

    def _table(self, drift: Drift) -> list[MigrateOperation]:
        name, schema = self._scene.place(drift)
        table = self._scene.table(drift)
        if drift.models is None:
            return [ops.DropTableOp(name, schema=schema)]
        if drift.migrations is None:
            return self._new_tables.operations(drift)
        if self._is_made_anew(drift):
            return [ops.ModifyTableOps(name, [], schema=schema)]
        if drift.attributes != ("comment",) or not isinstance(table, Table):
            return []
        comment = drift.migrations.get("comment")
        existing = str(comment) if comment is not None else None
        if table.comment is None:
            return [ops.DropTableCommentOp(name, existing_comment=existing, schema=schema)]
        return [
            ops.CreateTableCommentOp(name, table.comment, existing_comment=existing, schema=schema)
        ]

    def _column(self, drift: Drift) -> list[MigrateOperation]:
        if self._is_made_anew(drift):
            name, schema = self._scene.place(drift)
            return [ops.ModifyTableOps(name, [], schema=schema)]
        return self._columns.find(drift)

    def _is_made_anew(self, drift: Drift) -> bool:
        """Whether a batch mends it that does nothing else: it knows how the models' table is."""
        changed = set(drift.attributes)
        return self._scene.in_batch and bool(changed) and changed <= _OF_WHOLE_TABLES

    def _named(self, drift: Drift) -> list[MigrateOperation]:
        """Return the operations for a constraint or an index: another is another one."""
        if drift.renamed is not None and not drift.attributes and (sql := self._rename(drift)):
            return _statements([sql])
        operations: list[MigrateOperation] = []
        if drift.migrations is not None:
            operations.append(self._drop(drift))
        if drift.models is not None:
            made = self._make(drift)
            if made is None:
                return []
            operations.append(made)
        return operations

    def _rename(self, drift: Drift) -> str | None:
        there, name = drift.name_there, drift.own_name
        if drift.renamed is None or drift.renamed.kind != drift.object.kind:
            return None
        if there.startswith("(") or name.startswith("("):
            return None
        quote = self._scene.dialect.identifier_preparer.quote
        _, schema = self._scene.split(drift.owner)
        return self._scene.backend.rename_sql(
            drift.object.kind,
            self._scene.quoted(drift.owner),
            self._scene.quoted_in(there, schema) if drift.object.kind == "index" else quote(there),
            quote(name),
        )

    def _drop(self, drift: Drift) -> MigrateOperation:
        name, schema = self._scene.place(drift)
        kind, there = (drift.renamed or drift.object).kind, drift.name_there
        if kind == "index":
            return ops.DropIndexOp(there, name, schema=schema)
        is_unnamed = there.startswith("(")
        if is_unnamed and kind != "check constraint":
            columns = str((drift.migrations or {}).get("columns"))
            there = self._conventional_name(drift, columns.split(", "))
        final = conv(there) if self._scene.makes_names_of_names and not is_unnamed else there
        drop = ops.DropConstraintOp(final, name, type_=CONSTRAINT_TYPES[kind], schema=schema)
        drop.info["is_unnamed"] = is_unnamed
        return drop

    def _conventional_name(self, drift: Drift, columns: list[str]) -> str:
        """Return the name that a batch gives to a constraint without one."""
        prefix = _PREFIXES[(drift.renamed or drift.object).kind]
        return f"{prefix}_{self._scene.place(drift)[0]}_{'_'.join(columns)}"

    def _make(self, drift: Drift) -> MigrateOperation | None:
        item = self._scene.item(drift)
        if isinstance(item, Index):
            # One without columns is none that a database could make.
            return ops.CreateIndexOp.from_index(item) if item.expressions else None
        if drift.object.kind == "check constraint" and not isinstance(item, CheckConstraint):
            return self._check_by_text(drift)
        if not isinstance(item, Constraint):
            item = self._unnamed(drift)
        if item is None:
            return None
        try:
            made = ops.AddConstraintOp.from_constraint(item)
        except NoReferencedTableError:
            return None  # it refers to a table that the models do not have
        if self._scene.in_batch and item.name is None:
            # A batch wants a name for what it adds; the models are content with any.
            # Every kind of it has columns, and the operation a name; their base classes do not.
            columns = [column.name for column in item.columns]  # type: ignore[attr-defined]
            made.constraint_name = self._conventional_name(drift, columns)  # type: ignore[attr-defined]
        return made

    def _check_by_text(self, drift: Drift) -> MigrateOperation | None:
        """Return the operation for a check constraint which the models do not name."""
        name, schema = self._scene.place(drift)
        text = condition_of(drift.models or {})
        if text is None:
            return None
        return ops.CreateCheckConstraintOp(None, name, text, schema=schema)

    def _unnamed(self, drift: Drift) -> Constraint | None:
        """Return the constraint that the models leave to the database to name."""
        table = self._scene.table(drift)
        if table is None:
            return None
        if drift.object.kind == "primary key":
            return table.primary_key
        wanted: dict[str, type[Any]] = {
            "unique constraint": UniqueConstraint,
            "index": UniqueConstraint,  # that is all it is, on MySQL
            "foreign key": ForeignKeyConstraint,
        }
        kind = wanted.get(drift.object.kind)
        columns = self._columns_of(drift, table)
        candidates = [
            item
            for item in table.constraints
            if kind is not None
            and isinstance(item, kind)
            and not isinstance(item, PrimaryKeyConstraint)
            and [column.name for column in item.columns] == columns
        ]
        return candidates[0] if len(candidates) == 1 else None

    def _columns_of(self, drift: Drift, table: Table) -> list[str]:
        if drift.own_name.startswith("("):
            return drift.own_name[1:-1].split(", ")
        inspector = self._scene.inspector(self._scene.scratch)
        schema = self._scene.declared.schema_of(table)
        for key in inspector.get_foreign_keys(table.name, schema=schema):
            if key["name"] == drift.own_name:
                return key["constrained_columns"]
        for unique in inspector.get_unique_constraints(table.name, schema=schema):
            if unique["name"] == drift.own_name:
                return unique["column_names"]
        return []


_PREFIXES = {"primary key": "pk", "unique constraint": "uq", "foreign key": "fk"}
"""How the names begin that are made for constraints without one."""


def condition_of(definition: Any) -> str | None:
    """Return the condition of a check constraint, as the catalogue has it."""
    if "check" in definition:
        return str(definition["check"])
    text = str(definition.get("definition", ""))
    if not (text.startswith("CHECK (") and text.endswith(")")):
        return None
    return text.removeprefix("CHECK (")[:-1]


def _statements(statements: Sequence[str]) -> list[MigrateOperation]:
    return [ops.ExecuteSQLOp(sql) for sql in statements]
