"""A row while it is being made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from alembic_assay.dialects import Backend
from alembic_assay.seeding.plan import Plan, Target


@dataclass(slots=True)
class Draft:
    """The n-th row of a target.

    ``given`` are the keys to which the caller gave values. ``fresh`` refer to rows that were made
    for this one. ``forced`` need a value although the database would give one, as ``copies`` have
    the values of other keys. ``path`` are the columns for which it is made, with their targets.
    """

    target: Target
    plan: Plan
    number: int
    values: dict[str, Any]
    others: dict[str, Any]
    given: frozenset[str]
    connection: Connection
    backend: Backend
    path: tuple[tuple[Target, str], ...]
    fresh: set[str] = field(default_factory=set)
    forced: set[str] = field(default_factory=set)
    copies: dict[str, str] = field(default_factory=dict)

    def needs(self, key: str) -> bool:
        """Whether a value must be made for a column."""
        is_wanted = self.plan.fields[key].is_required or key in self.forced
        return is_wanted and key not in self.values and key not in self.copies

    def known(self, key: str) -> Any:
        """Return what is, or will be, in a column; None also where it is not known yet."""
        return self.values.get(key, self.plan.fields[key].left)

    def finished(self) -> Mapping[str, Any]:
        """Return all values."""
        return {**self.values, **{key: self.values[one] for key, one in self.copies.items()}}
