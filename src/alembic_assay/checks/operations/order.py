"""The order in which what is missing can be made, and what is too much can go."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from alembic_assay.checks.comparison import Drift
from alembic_assay.checks.operations.finding import CONSTRAINT_TYPES
from alembic_assay.checks.operations.new_tables import in_order
from alembic_assay.checks.scene import Scene

_TYPES = frozenset({"enum", "domain", "sequence"})


def in_runnable_order(drifts: Sequence[Drift], new: Sequence[str], scene: Scene) -> list[Drift]:
    """Return the differences such that the operations for each find what they need.

    ``new`` are the names of the tables that only the models have, in the order of their making.
    """
    old = _tables_to_drop(drifts, scene)

    def place(drift: Drift) -> tuple[object, ...]:
        is_table = drift.object.kind == "table"
        among = new if drift.migrations is None else old if drift.models is None else ()
        position = among.index(drift.owner) if is_table and drift.owner in among else 0
        return (_stage(drift), position, drift.object)

    return sorted(drifts, key=place)


def _stage(drift: Drift) -> int:
    kind = drift.object.kind
    stages: list[Callable[[], bool]] = [
        lambda: kind in ("schema", "extension"),
        lambda: kind in _TYPES and drift.models is not None,
        lambda: kind == "foreign key" and drift.models is None,
        lambda: (kind == "index" or kind in CONSTRAINT_TYPES) and drift.models is None,
        lambda: kind == "table" and drift.models is not None,
        lambda: kind == "column" and drift.models is not None,
        lambda: kind in CONSTRAINT_TYPES and kind != "foreign key",
        lambda: kind == "index",
        lambda: kind == "foreign key",
        lambda: kind == "column",
        lambda: kind == "table",
        lambda: kind in _TYPES,
    ]
    return next((number for number, is_one in enumerate(stages) if is_one()), len(stages))


def _tables_to_drop(drifts: Sequence[Drift], scene: Scene) -> list[str]:
    """Return the tables that only the migrations have, those that refer to others first."""
    names = {
        drift.owner for drift in drifts if drift.object.kind == "table" and drift.models is None
    }
    if len(names) < 2:
        return list(names)
    inspector = scene.inspector(scene.migrated)
    referring: dict[str, set[str]] = {owner: set() for owner in sorted(names)}
    for owner in referring:
        name, schema = scene.split(owner)
        for key in inspector.get_foreign_keys(name, schema=schema):
            other, its_schema = key["referred_table"], key["referred_schema"]
            referred = f"{its_schema}.{other}" if its_schema else other
            if referred in referring:
                referring[referred].add(owner)
    return in_order(referring)
