"""What Alembic has missed, as operations of its own kind where there are such, and as our own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from alembic.operations import ops
from alembic.operations.ops import MigrateOperation, ModifyTableOps, UpgradeOps
from sqlalchemy import CheckConstraint

from alembic_assay.autogenerate.confirming import can_alter
from alembic_assay.autogenerate.drift_operation import NOTHING, Code, DriftOp
from alembic_assay.autogenerate.way_back import plain_alteration, way_back
from alembic_assay.checks.comparison import Drift
from alembic_assay.checks.drift_messages import describe, rule_of
from alembic_assay.checks.operations.batches import Batches
from alembic_assay.checks.operations.finding import Operations
from alembic_assay.checks.operations.order import in_runnable_order
from alembic_assay.checks.operations.rendering import render_operations
from alembic_assay.checks.scene import Scene


def complete(
    upgrade_ops: UpgradeOps, scene: Scene, operations: Operations, missed: Sequence[Drift]
) -> None:
    """Add an operation for each difference of ``missed``.

    A column is altered together with what Alembic itself alters in its table. New types come before
    everything, and so does the end of what may lean on a column that goes; all the others come
    last, as they may lean on what Alembic makes.
    """
    completion = _Completion(upgrade_ops, scene, operations)
    for drift in in_runnable_order(missed, (), scene):
        completion.add(drift)
    completion.finish()


@dataclass(frozen=True, slots=True)
class _Step:
    """A difference, the operations for it, and those that undo them, if there are any."""

    drift: Drift
    operations: Sequence[MigrateOperation]
    back: Sequence[MigrateOperation] | None

    @property
    def is_early(self) -> bool:
        if self.drift.object.kind in _TYPES or self.drift.object.kind in ("schema", "extension"):
            return self.drift.models is not None
        return self.drift.models is None and self.drift.object.kind not in ("table", "column")


class _Completion:
    def __init__(self, upgrade_ops: UpgradeOps, scene: Scene, operations: Operations) -> None:
        self.upgrade_ops = upgrade_ops
        self.scene = scene
        self.operations = operations
        self.steps: list[_Step] = []

    def add(self, drift: Drift) -> None:
        if self._comes_with_column(drift):
            return
        operations = self.operations.find(drift)
        alteration = plain_alteration(operations)
        if alteration is not None and can_alter(self.scene):
            self._alter(alteration)
        else:
            back = way_back(drift, operations, self.scene, self.operations) if operations else None
            self.steps.append(_Step(drift, operations, back))

    def finish(self) -> None:
        """Put all into the order in which it can be run, and render it in that."""
        early = [step for step in self.steps if step.is_early]
        late = [step for step in self.steps if not step.is_early]
        made = [*early, *late]
        upgrades = self._render([step.operations for step in made], self.scene)
        turned = replace(self.scene, models=self.scene.migrations, migrations=self.scene.models)
        downgrades = self._render([step.back or () for step in reversed(made)], turned)[::-1]
        own = [
            self._own(step, upgrade, downgrade)
            for step, upgrade, downgrade in zip(made, upgrades, downgrades, strict=True)
        ]
        self.upgrade_ops.ops = [*own[: len(early)], *self.upgrade_ops.ops, *own[len(early) :]]

    def _render(self, all_: Sequence[Sequence[MigrateOperation]], scene: Scene) -> list[str]:
        """Return the code of operations that are run in this order in the schema of a scene."""
        batches = Batches(scene) if scene.in_batch else None
        return [
            (render_operations(operations, scene.context, batches) or "") if operations else ""
            for operations in all_
        ]

    def _own(self, step: _Step, upgrade: str, downgrade: str) -> DriftOp:
        drift = step.drift
        rule, message = rule_of(drift), describe(drift, "database")
        if not upgrade:
            return DriftOp(rule, message, Code("pass"), NOTHING)
        there, back = Code.of(upgrade), Code.of(downgrade)
        if not downgrade:
            back = Code(f"raise NotImplementedError({f'no way back: {drift.object}'!r})")
        if drift.object.kind in _TYPES and self._comes_with_table(drift):
            if drift.migrations is None:
                there = NOTHING
            else:
                back = NOTHING
        return DriftOp(rule, message, there, back)

    def _alter(self, operation: ops.AlterColumnOp) -> None:
        place = operation.table_name, operation.schema
        for container in self.upgrade_ops.ops:
            if isinstance(container, ModifyTableOps) and place == (
                container.table_name,
                container.schema,
            ):
                container.ops.append(operation)
                return
        new = ModifyTableOps(operation.table_name, [operation], schema=operation.schema)
        self.upgrade_ops.ops.append(new)

    def _comes_with_table(self, drift: Drift) -> bool:
        """Whether a type comes with a table, as ``op.create_table`` makes what its columns need.

        That is so in the upgrade for a new table, and in the downgrade for one that goes.
        """
        kind = ops.CreateTableOp if drift.migrations is None else ops.DropTableOp
        name = self.scene.quoted(drift.object.name)
        compiler = self.scene.dialect.type_compiler_instance
        return any(
            compiler.process(column.type).partition("[")[0] == name
            for operation in self.upgrade_ops.ops
            if isinstance(operation, kind)
            for column in operation.to_table().columns
        )

    def _comes_with_column(self, drift: Drift) -> bool:
        """Whether a check constraint is that of a type whose column Alembic adds."""
        table = self.scene.table(drift)
        if drift.object.kind != "check constraint" or drift.migrations is not None or table is None:
            return False
        added = {
            operation.column.name
            for container in self.upgrade_ops.ops
            if isinstance(container, ModifyTableOps) and container.table_name == table.name
            for operation in container.ops
            if isinstance(operation, ops.AddColumnOp) and operation.schema == table.schema
        }
        item = self.scene.item(drift)
        checks = self.scene.declared.unnamed_checks(drift.owner) if item is None else [item]
        return any(
            isinstance(check, CheckConstraint)
            and check._type_bound  # noqa: SLF001 - nothing public tells it
            and {column.name for column in check.columns} <= added
            for check in checks
        )


_TYPES = frozenset({"enum", "domain", "sequence"})
"""What a column may lean on, and is not part of a table."""
