"""The operations that undo others, with what the database at hand knows of what they take away."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

from alembic.operations import ops
from alembic.operations.ops import MigrateOperation
from sqlalchemy import CheckConstraint, Constraint, MetaData, Table
from sqlalchemy.exc import InvalidRequestError, SAWarning
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.elements import conv

from alembic_assay.checks.comparison import Drift
from alembic_assay.checks.operations.finding import Operations
from alembic_assay.checks.scene import Scene


def plain_alteration(operations: Sequence[MigrateOperation]) -> ops.AlterColumnOp | None:
    """Return the operation, if it is one that alters a column and that Alembic writes as it is."""
    if len(operations) != 1 or not isinstance(operations[0], ops.AlterColumnOp):
        return None
    return None if _options(operations[0]) else _reversible(operations[0])


def way_back(
    drift: Drift, operations: Sequence[MigrateOperation], scene: Scene, known: Operations
) -> list[MigrateOperation] | None:
    """Return the operations that undo those of ``drift``, in order; ``None`` where there are none.

    What is dropped is looked up in the database at hand, where SQLAlchemy can read it.
    """
    if all(isinstance(operation, ops.ExecuteSQLOp) for operation in operations):
        return _statements(drift, scene, known) or None
    if len(operations) > 1 and any(map(_options, operations)):
        return None  # a default was taken off a column to change its type
    there = _There(scene)
    try:
        return [_reversed(operation, drift, there) for operation in reversed(operations)]
    except (ValueError, NotImplementedError):  # how Alembic says that it is not reversible
        return None


def _statements(drift: Drift, scene: Scene, known: Operations) -> list[MigrateOperation]:
    """Return what mends the same difference the other way round."""
    if drift.object.kind in _MADE_ALONE:
        kind, name = drift.object.kind.upper(), scene.quoted(drift.object.name)
        return [ops.ExecuteSQLOp(f"DROP {kind} {name}")]
    turned = replace(drift, models=drift.migrations, migrations=drift.models)
    if drift.renamed is not None:
        turned = replace(
            turned, object=drift.renamed, own_name=drift.name_there, renamed=drift.object
        )
    # What is altered of an identity is known by name, but only the models can make one.
    sides = [side for side in (drift.models, drift.migrations) if side is not None]
    if drift.object.kind == "column" and len(sides) == 2:
        return known.find(turned) if all(side.get("identity") for side in sides) else []
    return known.find(turned)


def _reversed(operation: MigrateOperation, drift: Drift, there: _There) -> MigrateOperation:
    if isinstance(operation, ops.DropIndexOp):
        return there.index(operation)
    if isinstance(operation, ops.DropConstraintOp):
        return there.constraint(operation)
    if isinstance(operation, ops.AlterColumnOp):
        altered = _reversible(operation).reverse()
        if _options(operation):
            altered.kw = there.scene.type_change_options(
                drift.own_name, drift.models, drift.migrations
            )
        return altered
    back = operation.reverse()
    if isinstance(back, ops.DropConstraintOp) and back.constraint_name is None:
        # The database names it, and did so when it made the models' tables.
        back.constraint_name = conv(drift.own_name)
    return back


def _reversible(operation: ops.AlterColumnOp) -> ops.AlterColumnOp:
    """Let an operation that sets a default say where there was none before."""
    if operation.modify_server_default is False:
        return operation
    if operation.existing_server_default is False:
        operation.existing_server_default = None
    return operation


def _options(operation: MigrateOperation) -> bool:
    """Whether there is more to be said of a column than Alembic writes down."""
    return isinstance(operation, ops.AlterColumnOp) and any(
        name.startswith("postgresql_") for name in operation.kw
    )


class _There:
    """What is about to be dropped or changed, to be made again."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene

    def index(self, operation: ops.DropIndexOp) -> MigrateOperation:
        table = self._table(str(operation.table_name), operation.schema)
        for index in table.indexes:
            if index.name == operation.index_name:
                made = ops.CreateIndexOp.from_index(index)
                made.kw = {name: value for name, value in made.kw.items() if _says_anything(value)}
                return made
        raise ValueError(f"{operation.index_name} cannot be read")

    def constraint(self, operation: ops.DropConstraintOp) -> MigrateOperation:
        table = self._table(operation.table_name, operation.schema)
        if operation.constraint_type == "primary" and not self.scene.in_batch:
            return ops.AddConstraintOp.from_constraint(table.primary_key)
        for constraint in table.constraints:
            if constraint.name == operation.constraint_name and not _says_more(constraint):
                made = ops.AddConstraintOp.from_constraint(constraint)
                made.constraint_name = operation.constraint_name  # type: ignore[attr-defined]
                return made
        raise ValueError(f"{operation.constraint_name} cannot be read")

    def _table(self, name: str, schema: str | None) -> Table:
        with warnings.catch_warnings():
            # Of types and indexes that it cannot read; then there is no way back.
            warnings.simplefilter("ignore", SAWarning)
            try:
                return Table(
                    name,
                    MetaData(),
                    schema=schema,
                    autoload_with=self.scene.migrated,
                )
            except InvalidRequestError as error:
                raise ValueError(f"{name} cannot be read") from error


def _says_more(constraint: Constraint) -> bool:
    """Whether a check constraint has options (``NOT VALID``), for which there is no code."""
    return isinstance(constraint, CheckConstraint) and any(constraint.dialect_kwargs.values())


def _says_anything(value: object) -> bool:
    """Whether an option of an index differs from what is so without it."""
    return isinstance(value, ClauseElement) or bool(value)


_MADE_ALONE = frozenset({"schema", "extension"})
"""What is made where it is missing, and is never too much."""
