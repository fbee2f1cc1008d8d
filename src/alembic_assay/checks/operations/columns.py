"""The Alembic operations for a column that differs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from alembic.operations import ops
from alembic.operations.ops import MigrateOperation
from sqlalchemy import Column, DefaultClause, text
from sqlalchemy.engine.interfaces import ReflectedColumn

from alembic_assay.checks.comparison import Drift
from alembic_assay.checks.operations.plain_types import PlainTables
from alembic_assay.checks.scene import Scene

_ALTERABLE = frozenset({"type", "collation", "nullable", "default", "comment"})
"""Attributes that ``op.alter_column`` changes; the collation is a part of SQLAlchemy's type."""

_OF_ITS_OWN = "nextval of its own sequence"
"""The default of a column with a sequence that comes and goes with it."""

_USUAL_NUMBERS = re.compile(r"\w+, start 1, increment 1, 1 to \d+, cache 1")
"""The sequence of a column of which nothing is said."""

_SERIAL = {"smallint": "SMALLSERIAL", "integer": "SERIAL", "bigint": "BIGSERIAL"}


class ColumnOperations:
    """Finds the operations for columns."""

    def __init__(self, scene: Scene, plain: PlainTables) -> None:
        self._scene = scene
        self._plain = plain

    def find(self, drift: Drift) -> list[MigrateOperation]:
        """Return the operations for a column; none where nothing changes it in place."""
        name, schema = self._scene.place(drift)
        column = self._scene.item(drift)
        if drift.models is None:
            return [ops.DropColumnOp(name, drift.own_name, schema=schema)]
        if not isinstance(column, Column):
            return []
        if drift.migrations is None:
            return self._add(drift, column)
        if set(drift.attributes) <= _ALTERABLE and not self._has_own_sequence(drift):
            return self._alter(drift, column)
        return self._alter_identity(drift)

    def _add(self, drift: Drift, column: Column[Any]) -> list[MigrateOperation]:
        name, schema = self._scene.place(drift)
        definition = drift.models or {}
        if self._has_own_sequence(drift):
            # Alembic adds no such column, though it makes one with a table.
            type_ = _SERIAL.get(str(definition.get("type")))
            return self._statement(drift, f"ADD COLUMN {{}} {type_}") if type_ else []
        plain = self._plain.column(column)
        return [ops.AddColumnOp.from_column_and_tablename(schema, name, plain)]

    def _alter(self, drift: Drift, column: Column[Any]) -> list[MigrateOperation]:
        name, schema = self._scene.place(drift)
        found = self._scene.migrated_column(column.table, column.name)
        options = self._options_of_type_change(drift)
        default_there = found.get("default") if found is not None else None
        has_default_to_cast = bool(options) and default_there is not None
        operations: list[MigrateOperation] = []
        if has_default_to_cast:
            # The old default need not be a value of the new type.
            drop = ops.AlterColumnOp(name, column.name, schema=schema, **_existing(found))
            drop.modify_server_default = None
            operations.append(drop)
        alter = ops.AlterColumnOp(name, column.name, schema=schema, **_existing(found))
        alter.kw.update(options)
        if {"type", "collation"} & set(drift.attributes):
            alter.modify_type = self._plain.column(column).type
        if "nullable" in drift.attributes:
            alter.modify_nullable = column.nullable
        if "comment" in drift.attributes:
            alter.modify_comment = column.comment
        if has_default_to_cast:
            alter.existing_server_default = False
        if "default" in drift.attributes or has_default_to_cast:
            alter.modify_server_default = column.server_default
        return [*operations, alter]

    def _options_of_type_change(self, drift: Drift) -> Mapping[str, str]:
        if "type" not in drift.attributes:
            return {}
        return self._scene.type_change_options(drift.own_name, drift.migrations, drift.models)

    def _alter_identity(self, drift: Drift) -> list[MigrateOperation]:
        models, migrations = drift.models or {}, drift.migrations or {}
        ours, theirs = models.get("identity"), migrations.get("identity")
        changed = set(drift.attributes)
        if ours == theirs or not changed <= {"identity", "sequence"}:
            return []
        if theirs is None:
            # Older versions of Alembic do not add one.
            action = f"ADD GENERATED {str(ours).upper()} AS IDENTITY"
            is_usual = _USUAL_NUMBERS.fullmatch(str(models.get("sequence")))
            return self._statement(drift, f"ALTER COLUMN {{}} {action}") if is_usual else []
        if ours is None:
            return self._statement(drift, "ALTER COLUMN {} DROP IDENTITY")
        if changed == {"identity"}:
            return self._statement(drift, f"ALTER COLUMN {{}} SET GENERATED {str(ours).upper()}")
        return []

    def _statement(self, drift: Drift, action: str) -> list[MigrateOperation]:
        quoted = self._scene.dialect.identifier_preparer.quote(drift.own_name)
        table = self._scene.quoted(drift.owner)
        return [ops.ExecuteSQLOp(f"ALTER TABLE {table} {action.format(quoted)}")]

    def _has_own_sequence(self, drift: Drift) -> bool:
        sides = (drift.models or {}, drift.migrations or {})
        is_whole = drift.models is None or drift.migrations is None
        return (is_whole or "default" in drift.attributes) and any(
            side.get("default") == _OF_ITS_OWN for side in sides
        )


def _existing(found: ReflectedColumn | None) -> dict[str, Any]:
    if found is None:
        return {}
    default = found.get("default")
    return {
        "existing_type": found["type"],
        "existing_nullable": found["nullable"],
        "existing_server_default": DefaultClause(text(default)) if default is not None else False,
        "existing_comment": found.get("comment"),
    }
