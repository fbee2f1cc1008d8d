"""What a batch must be told, so that the table it makes anew is what the old one was."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from alembic.operations import ops
from alembic.operations.ops import MigrateOperation
from sqlalchemy import Column, Computed, Identity, Index, Table

from alembic_assay.checks.scene import Scene

_CONVENTIONS = {"unique": "uq", "foreignkey": "fk", "primary": "pk"}
"""How the names begin by which a batch finds constraints without one, by their types."""

_ALL_COLUMNS = "_%(table_name)s_%(column_0_N_name)s"


@dataclass(frozen=True, slots=True)
class Batch:
    """What is done in a batch, with which options (as code), and what after it."""

    operations: list[MigrateOperation]
    options: dict[str, str] = field(default_factory=dict)
    afterwards: list[MigrateOperation] = field(default_factory=list)


class Batches:
    """Batches that come one after the other, on tables as the migrations made them.

    Alembic reflects a table to make it anew. SQLAlchemy does not see everything: a check constraint
    without a name, an index of an expression, what a keyword says of the table as a whole.
    """

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._checks: dict[str, list[str]] = defaultdict(list)
        self._indexes: dict[str, set[str]] = defaultdict(set)
        for found, definition in scene.migrations.objects.items():
            owner, name = scene.migrations.owner(found), scene.migrations.own_name(found)
            if found.kind == "check constraint" and name.startswith("("):
                self._checks[owner].append(str(definition.get("check")))
            elif found.kind == "index":
                self._indexes[owner].add(name)

    def of(self, name: str, schema: str | None, operations: Sequence[MigrateOperation]) -> Batch:
        """Return the batch for operations on a table."""
        owner = f"{schema}.{name}" if schema else name
        checks = self._checks[owner]
        shown = [
            one
            for one in operations
            if not (isinstance(one, ops.ModifyTableOps) or self._takes_check(one, checks))
        ]
        options: dict[str, str] = {}
        if len(shown) < len(operations) or any(map(_cannot_be_added, shown)):
            options["recreate"] = "'always'"
        if prefixes := sorted(filter(None, map(_convention, shown))):
            conventions = {prefix: f"{prefix}{_ALL_COLUMNS}" for prefix in prefixes}
            options["naming_convention"] = repr(conventions)
        if checks:
            restated = ", ".join(f"sa.CheckConstraint({check!r})" for check in checks)
            options["table_args"] = f"[{restated}]"
        table = self._scene.declared.tables.get(owner)
        if table is None:
            return Batch(shown, options)
        is_about_keywords = any(isinstance(one, ops.ModifyTableOps) for one in operations)
        keywords = self._keywords(table, is_complete=is_about_keywords)
        if keywords:
            options["table_kwargs"] = repr(keywords)
        is_made_anew = "recreate" in options or not all(map(_is_addition, shown))
        return Batch(shown, options, self._lost_indexes(owner, table) if is_made_anew else [])

    def _keywords(self, table: Table, *, is_complete: bool) -> dict[str, object]:
        """Return what is said of the table as a whole; ``is_complete`` with what is so anyway."""
        dialect = self._scene.dialect
        usual = {
            f"{dialect.name}_{name}": value
            for item, arguments in dialect.construct_arguments or ()
            if item is Table
            for name, value in arguments.items()
        }
        declared = {name: value for name, value in table.kwargs.items() if name in usual}
        return {**usual, **declared} if is_complete else declared

    def note(self, operation: MigrateOperation) -> None:
        """Note an operation outside of a batch: what it makes is to be kept by the next one."""
        if isinstance(operation, (ops.CreateIndexOp, ops.DropIndexOp)):
            schema, name = operation.schema, str(operation.index_name)
            owner = f"{schema}.{operation.table_name}" if schema else str(operation.table_name)
            if isinstance(operation, ops.CreateIndexOp):
                self._indexes[owner].add(name)
            else:
                self._indexes[owner].discard(name)

    def _lost_indexes(self, owner: str, table: Table) -> list[MigrateOperation]:
        operations: list[MigrateOperation] = []
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            is_there = self._scene.declared.final_name(index) in self._indexes[owner]
            if is_there and not _is_plain(index):
                drop = ops.DropIndexOp(
                    str(index.name), table.name, schema=table.schema, if_exists=True
                )
                operations += [drop, ops.CreateIndexOp.from_index(index)]
        return operations

    def _takes_check(self, operation: MigrateOperation, checks: list[str]) -> bool:
        """Take a check constraint without a name into the arguments of the table, or out of it."""
        if isinstance(operation, ops.CreateCheckConstraintOp):
            if operation.constraint_name is None:
                checks.append(str(operation.condition))
                return True
        elif isinstance(operation, ops.DropConstraintOp) and operation.constraint_type == "check":
            name = str(operation.constraint_name)
            if name.startswith("("):
                gone = next((check for check in checks if name.startswith(f"({check})")), None)
                if gone is not None:
                    checks.remove(gone)
                return True
        return False


def _is_addition(operation: MigrateOperation) -> bool:
    return isinstance(operation, ops.AddColumnOp)


def _cannot_be_added(operation: MigrateOperation) -> bool:
    """Whether it is a column that an existing table cannot get: there would be no value for it."""
    if not isinstance(operation, ops.AddColumnOp):
        return False
    column: Column[object] = operation.column
    default = column.server_default
    return not column.nullable and (default is None or isinstance(default, (Computed, Identity)))


def _convention(operation: MigrateOperation) -> str | None:
    """Return the kind of names that a batch is to give, for a constraint that has none."""
    if not isinstance(operation, ops.DropConstraintOp) or not operation.info.get("is_unnamed"):
        return None
    return _CONVENTIONS.get(operation.constraint_type or "")


def _is_plain(index: Index) -> bool:
    return all(isinstance(expression, Column) for expression in index.expressions)
