"""The schema that the models make, against the one that the migrations make: what differs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from alembic_assay.catalog import Definition, ObjectId, Snapshot
from alembic_assay.checks.declared import Declared
from alembic_assay.dialects import Backend, Likeness

_MAIN = frozenset({"table", "view", "materialized view"})

_NAMED = frozenset(
    {
        *("primary key", "unique constraint", "foreign key", "check constraint"),
        *("exclusion constraint", "index"),
    }
)
"""Kinds of objects that a database names where nobody else does."""

_SAID_TWICE = ("check constraint", "foreign key", "unique constraint")
"""Kinds of objects of which models and migrations may have several that say the same."""

_UNDECLARABLE = {
    "row-level security": False,
    "forced row-level security": False,
    "replica identity": "default",
    "clustered": False,
    "storage": None,
    "compression": None,
    "column comments": None,
    "attribute comments": None,
}
"""Attributes for which ``MetaData`` has no words, and what they are where nobody sets them."""

_COMMENTED = (_NAMED | {"table", "column"}) - {"index"}
"""Kinds of objects to which ``MetaData`` gives comments."""


@dataclass(frozen=True, slots=True)
class Side:
    """All objects of one of the two databases; ``owners`` leads from those inside a table to it."""

    objects: dict[ObjectId, Definition]
    owners: dict[ObjectId, ObjectId]

    @classmethod
    def of(cls, snapshot: Snapshot) -> Side:
        """Sort the objects of a snapshot."""
        owners: dict[ObjectId, ObjectId] = {}
        for part in snapshot.parts.values():
            main = next((found for found in part if found.kind in _MAIN), None)
            if main is not None:
                owners |= {found: main for found in part if found != main}
        return cls(snapshot.objects(), owners)

    def without(self, left_out: Collection[ObjectId]) -> Side:
        """Return the side without these objects, and without what is inside them."""
        return Side(
            {
                found: definition
                for found, definition in self.objects.items()
                if found not in left_out and self.owners.get(found) not in left_out
            },
            self.owners,
        )

    def spelled_as(self, other: Side, backend: Backend) -> Side:
        """Return the side with the names of ``other`` where they are the same to the database.

        To one for which ``Users`` is ``users`` they are one object.
        """

        def folded(side: Side, found: ObjectId) -> tuple[str, str, str]:
            if found not in side.owners:
                return found.kind, backend.folded(found.name), ""
            own_name = backend.folded_inside(side.own_name(found))
            return found.kind, backend.folded(side.owner(found)), own_name

        spelled = {folded(other, found): found for found in other.objects}

        def spell(found: ObjectId) -> ObjectId:
            there = spelled.get(folded(self, found), found)
            return found if there in self.objects else there

        return Side(
            {spell(found): definition for found, definition in self.objects.items()},
            {spell(found): spell(owner) for found, owner in self.owners.items()},
        )

    def with_tables_named(self, names: Mapping[str, str]) -> Side:
        """Return the side with other names of some tables, which ``names`` has by their own."""

        def rename(found: ObjectId) -> ObjectId:
            owner = self.owners.get(found, found)
            if owner.kind not in _MAIN or owner.name not in names:
                return found
            return ObjectId(found.kind, names[owner.name] + found.name[len(owner.name) :])

        return Side(
            {rename(found): definition for found, definition in self.objects.items()},
            {rename(found): rename(owner) for found, owner in self.owners.items()},
        )

    def owner(self, found: ObjectId) -> str:
        """Return the name of the table that an object is in; its own, where it is in none."""
        return self.owners.get(found, found).name

    def own_name(self, found: ObjectId) -> str:
        """Return the name of an object without that of its table."""
        owner = self.owners.get(found)
        return found.name if owner is None else found.name[len(owner.name) + 1 :]


@dataclass(frozen=True, slots=True)
class Drift:
    """One object that differs; ``None`` stands for the side on which it does not exist.

    ``object`` is its name in the models, or in the migrations where only they have it; ``renamed``
    its name in the migrations where that is another. ``attributes`` are those that differ.
    ``owner`` is the name of its table or its own, and ``own_name`` its name in there.
    ``is_declared`` is false for what does not count, as the models have no say in it.
    """

    object: ObjectId
    owner: str
    own_name: str
    models: Definition | None
    migrations: Definition | None
    attributes: tuple[str, ...] = ()
    renamed: ObjectId | None = None
    is_declared: bool = True

    @property
    def name_there(self) -> str:
        """Its name in the migrations, without that of its table."""
        return self.own_name if self.renamed is None else self.renamed.name[len(self.owner) + 1 :]


def compare_sides(
    models: Side, migrations: Side, likeness: Likeness, declared: Declared
) -> list[Drift]:
    """Return the differences, ordered by object.

    Names count where the models give them; constraints and indexes that they leave unnamed are
    found by their content. What is inside a table that one side does not have is not listed.
    """
    return _Comparison(models, migrations, likeness, declared).run()


class _Comparison:
    def __init__(
        self, models: Side, migrations: Side, likeness: Likeness, declared: Declared
    ) -> None:
        self.models = models
        self.migrations = migrations
        self.likeness = likeness
        self.declared = declared
        self.left = dict.fromkeys(models.objects)
        self.right = dict.fromkeys(migrations.objects)
        self.drifts: list[Drift] = []
        self.named_by_owner: dict[str, list[ObjectId]] = defaultdict(list)
        for other in migrations.objects:
            if other.kind in _NAMED:
                self.named_by_owner[migrations.owner(other)].append(other)

    def run(self) -> list[Drift]:
        self._pair(lambda one: [one] if self._is_asked_for(one) else [], is_alike=False)
        self._drop_implied()
        self._pair(self._unnamed_candidates, is_alike=True)
        self._pair(lambda one: [one] if one.kind in _NAMED else [], is_alike=False)
        self._pair(self._only_one_of_its_kind, is_alike=False)
        self._pair(self._candidates, is_alike=True)
        self._drop_doubles(self.left, self.models)
        self._drop_doubles(self.right, self.migrations)
        self._report_rest()
        return sorted(self.drifts, key=lambda drift: drift.object)

    def _pair(
        self, candidates: Callable[[ObjectId], Iterable[ObjectId]], *, is_alike: bool
    ) -> None:
        """Take objects off both sides in pairs, and note how those of a pair differ."""
        for one in list(self.left):
            for other in candidates(one):
                if other in self.right and (not is_alike or self._are_alike(one, other)):
                    del self.left[one], self.right[other]
                    self._note(one, other)
                    break

    def _is_asked_for(self, one: ObjectId) -> bool:
        if one.kind not in _NAMED:
            return True
        return self.declared.is_named(one, self.models.owner(one), self.models.own_name(one))

    def _unnamed_candidates(self, one: ObjectId) -> Iterable[ObjectId]:
        return [] if self._is_asked_for(one) else self._candidates(one)

    def _candidates(self, one: ObjectId) -> Iterable[ObjectId]:
        """Return the constraints and indexes of the same table, that of the same name first."""
        if one.kind not in _NAMED:
            return []
        owner, own_name = self.models.owner(one), self.models.own_name(one)
        return sorted(
            self.named_by_owner[owner],
            key=lambda other: self.migrations.own_name(other) != own_name,
        )

    def _only_one_of_its_kind(self, one: ObjectId) -> Iterable[ObjectId]:
        if one.kind != "primary key":
            return []
        return [other for other in self._candidates(one) if other.kind == "primary key"]

    def _are_alike(self, one: ObjectId, other: ObjectId) -> bool:
        models, migrations = self.models.objects[one], self.migrations.objects[other]
        if one.kind == other.kind and not self._differing(one, models, migrations):
            return True
        kept_unique = self.likeness.uniqueness(one, models)
        return kept_unique is not None and kept_unique == self.likeness.uniqueness(
            other, migrations
        )

    def _note(self, one: ObjectId, other: ObjectId) -> None:
        models, migrations = self.models.objects[one], self.migrations.objects[other]
        attributes: tuple[str, ...] = ()
        if one.kind == other.kind:
            attributes = self._differing(one, models, migrations)
        names = {self.models.own_name(one), self.migrations.own_name(other)}
        is_renamed = len(names) > 1 and not all(name.startswith("(") for name in names)
        silent = tuple(name for name in attributes if _is_undeclarable(one, name, models))
        loud = tuple(name for name in attributes if name not in silent)
        renamed = other if is_renamed else None
        is_loud = bool(loud) or (is_renamed and self._is_asked_for(one))
        if is_loud:
            self._add(one, models, migrations, loud, renamed, is_declared=True)
        if silent or (is_renamed and not is_loud):
            self._add(one, models, migrations, silent, renamed, is_declared=False)

    def _differing(
        self, one: ObjectId, models: Definition, migrations: Definition
    ) -> tuple[str, ...]:
        names = [
            name for name in {**models, **migrations} if models.get(name) != migrations.get(name)
        ]
        item = self.declared.item(one, self.models.owner(one), self.models.own_name(one))
        is_open = self.declared.leaves_default_open(item) and models.get("default") is None
        return tuple(
            name
            for name in names
            if not (is_open and name == "default")
            and not (name == "validated" and self.declared.leaves_validation_open(item))
            and not self.likeness.is_same(one, name, models, migrations)
        )

    def _drop_implied(self) -> None:
        for one in list(self.left):
            if not self._is_asked_for(one) and self.likeness.is_implied(one, self.likeness.models):
                del self.left[one]
        for other in list(self.right):
            owner, own_name = self.migrations.owner(other), self.migrations.own_name(other)
            if not self.declared.is_named(other, owner, own_name) and self.likeness.is_implied(
                other, self.likeness.migrated
            ):
                del self.right[other]

    def _drop_doubles(self, rest: dict[ObjectId, None], side: Side) -> None:
        """Take off the constraints that say again what one beside them does, as it is paired.

        Only those that nobody asked for by a name of their own; but SQLite takes the same name for
        several checks.
        """
        said: dict[str, list[object]] = {kind: [] for kind in _SAID_TWICE}
        for one, definition in side.objects.items():
            if one.kind in said and one not in rest:
                said[one.kind].append((side.owner(one), definition))
        for one in [one for one in rest if one.kind in said]:
            owner = side.owner(one)
            is_named = self.declared.is_named(one, owner, side.own_name(one))
            if not is_named and (owner, side.objects[one]) in said[one.kind]:
                del rest[one]

    def _report_rest(self) -> None:
        for one in self.left:
            if self.models.owners.get(one, one) in self.migrations.objects or self._is_main(
                one, self.models
            ):
                self._add(one, self.models.objects[one], None, is_declared=True)
        for other in self.right:
            owner = self.migrations.owners.get(other, other)
            if owner in self.models.objects or self._is_main(other, self.migrations):
                definition = self.migrations.objects[other]
                declarable = self.likeness.is_declarable(other, definition) and (
                    owner == other or owner.kind == "table"
                )
                self._add(other, None, definition, is_declared=declarable)

    def _is_main(self, found: ObjectId, side: Side) -> bool:
        return found not in side.owners

    def _add(
        self,
        found: ObjectId,
        models: Definition | None,
        migrations: Definition | None,
        attributes: tuple[str, ...] = (),
        renamed: ObjectId | None = None,
        *,
        is_declared: bool,
    ) -> None:
        side = self.models if models is not None else self.migrations
        self.drifts.append(
            Drift(
                found,
                side.owner(found),
                side.own_name(found),
                models,
                migrations,
                attributes,
                renamed,
                is_declared,
            )
        )


def _is_undeclarable(found: ObjectId, attribute: str, models: Definition) -> bool:
    """Whether an attribute differs because the migrations set what the models cannot say."""
    if attribute == "comment":
        return found.kind not in _COMMENTED and (attribute not in models or found.kind == "schema")
    missing = object()
    usual = _UNDECLARABLE.get(attribute, missing)
    return usual is not missing and models.get(attribute) in (usual, None)
