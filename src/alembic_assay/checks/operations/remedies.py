"""What to do about a difference: the code that mends it, or a sentence where there is none."""

from __future__ import annotations

from collections.abc import Sequence

from alembic_assay.checks.comparison import Drift
from alembic_assay.checks.operations.batches import Batches
from alembic_assay.checks.operations.finding import Operations
from alembic_assay.checks.operations.order import in_runnable_order
from alembic_assay.checks.operations.rendering import render_operations
from alembic_assay.checks.scene import Scene

_COMPUTED = frozenset({"stored as", "computed as", "generated"})

_WITH_WORDS = frozenset({"table", "column", "index", "enum", "domain", "sequence"})


class Remedies:
    """Remedies for ``drifts``, all that were found at one scene."""

    def __init__(self, scene: Scene, drifts: Sequence[Drift]) -> None:
        self._scene = scene
        self._operations = Operations(scene, drifts)
        self._batches = Batches(scene) if scene.in_batch else None
        new = self._operations.new_tables
        self.drifts = in_runnable_order(drifts, new, scene)
        """The differences, in the order in which the code for them can be run."""

    def find(self, drift: Drift) -> str:
        """Return the remedy for a difference; to be called in the order of ``drifts``."""
        operations = self._operations.find(drift)
        if operations:
            code = render_operations(operations, self._scene.context, self._batches)
            if code is not None:
                code += self._warning(drift, code)
                return f"add to a new revision's upgrade(), or change the model:\n{code}"
        return f"{_by_hand(drift)}, or change the model."

    def _warning(self, drift: Drift, code: str) -> str:
        """Tell of the triggers that go with the old table, of which nobody knows the text."""
        side = self._scene.migrations
        triggers = [
            side.own_name(found)
            for found in side.objects
            if found.kind == "trigger" and side.owner(found) == drift.owner
        ]
        if self._batches is None or "batch_alter_table" not in code or not triggers:
            return ""
        return f"\n# a batch loses the triggers of a table: make them again ({', '.join(triggers)})"


def _by_hand(drift: Drift) -> str:
    kind, changed = drift.object.kind, set(drift.attributes)
    if kind == "enum":
        return (
            "an enum's labels can be neither removed nor moved: make a new type in a new revision,"
            " change the columns to it (op.alter_column with postgresql_using), drop the old one"
        )
    if kind == "column" and changed & _COMPUTED:
        return (
            "nothing changes the expression of a column in place: drop the column and add it again"
            " in a new revision"
        )
    if kind == "column" and changed & {"sequence", "identity"}:
        return (
            "no operation changes where a column takes its numbers from: do it in a new revision"
            " with op.execute()"
        )
    if drift.migrations is None and kind == "column":
        return "add it in a new revision with op.execute()"
    if drift.migrations is None:
        return "make it in a new revision, with the statement by which the models do (op.execute())"
    if kind not in _WITH_WORDS:
        return (
            "drop it in a new revision and make it again, with the statement by which the models do"
            " (op.execute())"
        )
    return "no operation changes it: do it in a new revision, with op.execute()"
