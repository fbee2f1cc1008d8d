"""A database schema as a value, and the comparison of two of them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple


class ObjectId(NamedTuple):
    """The name of one object in a schema, as a person would write it.

    ``kind`` is the database's word for it (``table``, ``column``, ``index``, ``enum``, …);
    ``name`` is qualified by its table where it lives in one (``users.email``), and by its
    schema where that is not the default one (``audit.users.email``).
    """

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


Definition = Mapping[str, object]
"""What the database knows of one object, attribute by attribute; values compare with ``==``."""

Part = Mapping[ObjectId, Definition]
"""Objects that are read together, such as a table with its columns, indexes and constraints."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The schema of one database at one moment.

    ``parts`` maps the database's own identity of each part (an OID, a name) to its objects. A
    reader that was given an earlier snapshot puts the *same* ``Part`` into the new one wherever
    it knows that nothing changed, so that comparing two snapshots costs what changed between them.
    ``marks`` is what the reader needs to know that; it is nobody else's business.
    """

    parts: Mapping[Hashable, Part]
    marks: Mapping[Hashable, Hashable] = field(default_factory=dict, compare=False, repr=False)

    def objects(self) -> dict[ObjectId, Definition]:
        """Return all objects of all parts."""
        return {key: value for part in self.parts.values() for key, value in part.items()}

    def sharing(self, other: Snapshot) -> Snapshot:
        """Return this snapshot with the very parts of ``other`` in place of those that are equal.

        So that one which changed and changed back is not compared again and again.
        """
        theirs = [part for _, part in _own_parts(other, self)]
        ours = {
            identity: next((one for one in theirs if one == part), part)
            for identity, part in _own_parts(self, other)
        }
        return replace(self, parts={**self.parts, **ours})


@dataclass(frozen=True, slots=True)
class Difference:
    """One object that is not the same in two snapshots; ``None`` where it does not exist."""

    object: ObjectId
    before: Definition | None
    after: Definition | None

    def __str__(self) -> str:
        if self.before is None:
            return f"{self.object}: added"
        if self.after is None:
            return f"{self.object}: removed"
        return f"{self.object}: " + ", ".join(self.changes())

    def changes(self) -> list[str]:
        """Describe each attribute that differs, as ``name: before -> after``."""
        before, after = self.before or {}, self.after or {}
        names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
        return [f"{name}: {_show(before.get(name))} -> {_show(after.get(name))}" for name in names]


_WITH_PARTS = {"table", "view", "materialized view"}
_STANDALONE = {
    *_WITH_PARTS,
    *("sequence", "function", "procedure", "event", "enum", "domain", "composite type"),
}


def compare(before: Snapshot, after: Snapshot) -> list[Difference]:
    """Return what changed from one snapshot to another, ordered by object.

    An object inside of a table or view that itself came or went is not listed: that says it all.
    """
    old = {key: value for _, part in _own_parts(before, after) for key, value in part.items()}
    new = {key: value for _, part in _own_parts(after, before) for key, value in part.items()}
    differences = [
        Difference(key, old.get(key), new.get(key))
        for key in sorted({*old, *new})
        if old.get(key) != new.get(key)
    ]
    whole = {
        f"{found.object.name}."
        for found in differences
        if found.object.kind in _WITH_PARTS and (found.before is None or found.after is None)
    }
    return [found for found in differences if not _is_inside(found.object, whole)]


def _own_parts(one: Snapshot, other: Snapshot) -> list[tuple[Hashable, Part]]:
    """Return the parts of one snapshot that are not the very same in the other."""
    shared = set(map(id, other.parts.values()))
    return [(identity, part) for identity, part in one.parts.items() if id(part) not in shared]


def _is_inside(found: ObjectId, prefixes: set[str]) -> bool:
    if found.kind in _STANDALONE:
        return False  # a schema may have the name of a table
    return any(found.name.startswith(prefix) for prefix in prefixes)


def _show(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
