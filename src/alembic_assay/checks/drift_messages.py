"""A difference between models and migrations, in words."""

from __future__ import annotations

from collections.abc import Mapping

from alembic_assay.catalog import Definition
from alembic_assay.checks.comparison import Drift

MISSING, EXTRA = "drift-missing", "drift-extra"
CHANGED, RENAMED = "drift-changed", "drift-renamed"

_NAMES = {
    "default": "server default",
    "sequence": "sequence of its own",
    "where": "condition",
    "on conflict": "ON CONFLICT",
    "on null": "ON CONFLICT of NOT NULL",
    "on delete": "ON DELETE",
    "on update": "ON UPDATE",
    "match": "MATCH",
    "not null constraint": "name of NOT NULL",
}
"""Attributes whose names in the catalogue do not tell people enough."""

_PLAIN = frozenset(
    {"type", "definition", "check", "query", "body", "columns", "kind", "enabled", "sql"}
)
"""Attributes whose value tells what it is."""

_QUOTED = frozenset({"comment"})
"""Attributes whose value is anybody's text."""

_COMPUTED = ("stored as", "computed as", "generated")
"""Where the expression of a computed column is, with what becomes of its value."""

_ENABLED = {"yes": "enabled", "no": "disabled", "always": "always enabled"}

_LONG = 100
"""Texts up to this length are shown as a whole."""


def rule_of(drift: Drift) -> str:
    """Return the rule that a difference breaks."""
    if drift.migrations is None:
        return MISSING
    if drift.models is None:
        return EXTRA
    return CHANGED if drift.attributes else RENAMED


def describe(drift: Drift, place: str = "migrations") -> str:
    """Say in one sentence what differs; ``place`` is a word for what the models differ from."""
    if drift.migrations is None:
        return f"{drift.object} is in the models, but not in the {place}"
    if drift.models is None:
        return f"{drift.object} is in the {place}, but not in the models"
    changes = [_change(drift, name, drift.models, drift.migrations, place) for name in _told(drift)]
    if drift.renamed is not None:
        changes.insert(0, f"{_other_name(drift)} in the {place}")
    return f"{drift.object}: {'; '.join(changes)}"


def _told(drift: Drift) -> list[str]:
    """Return what to say something about: each thing once."""
    names = dict.fromkeys("computed" if name in _COMPUTED else name for name in drift.attributes)
    sides = [side for side in (drift.models, drift.migrations) if side is not None]
    if not all(side.get("sequence") for side in sides) and names.keys() & {"default", "identity"}:
        names.pop("sequence", None)  # it comes with them
    return list(names)


def _other_name(drift: Drift) -> str:
    assert drift.renamed is not None
    name = drift.name_there
    is_unnamed = name.startswith("(")
    if drift.renamed.kind != drift.object.kind:
        return drift.renamed.kind if is_unnamed else f"{drift.renamed.kind} {name}"
    return "without a name" if is_unnamed else f"named {name}"


def _change(drift: Drift, name: str, models: Definition, migrations: Definition, place: str) -> str:
    if name == "computed":
        return f"{_computed(models)} in the models, {_computed(migrations)} in the {place}"
    ours, theirs = models.get(name), migrations.get(name)
    if name == "nullable":
        words = {True: "nullable", False: "NOT NULL"}
        return f"{words[bool(ours)]} in the models, {words[bool(theirs)]} in the {place}"
    if isinstance(ours, bool) or isinstance(theirs, bool):
        here, there = ("models", place) if ours else (place, "models")
        return f"{name} in the {here}, not in the {there}"
    said, other = _texts(drift, name, ours, theirs)
    label = "" if name in _PLAIN or ours is None else f"{_NAMES.get(name, name)} "
    return f"{label}{said} in the models, {other} in the {place}"


def _computed(definition: Definition) -> str:
    name = next((name for name in _COMPUTED if definition.get(name) is not None), None)
    if name is None:
        return "not computed"
    how = "computed as" if name == "generated" else name
    return f"{how} {_line(definition[name])}"


def _texts(drift: Drift, name: str, ours: object, theirs: object) -> tuple[str, str]:
    if ours is None:
        return f"no {_NAMES.get(name, name)}", _text(drift, name, theirs)
    if theirs is None:
        return _text(drift, name, ours), "none"
    said, other = _text(drift, name, ours), _text(drift, name, theirs)
    if said == other:  # they differ in white space, which is part of them
        return repr(ours), repr(theirs)
    return _shortened(said, other)


def _text(drift: Drift, name: str, value: object) -> str:
    if name in _QUOTED:
        return repr(value)
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {_line(text)}" for key, text in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(repr(one) for one in value) or "none"
    text = _line(value)
    if name == "enabled":
        return _ENABLED.get(text, f"enabled {text}")
    if drift.object.kind == "index" and name == "definition":
        return _index(text)
    if name == "default":
        return _without_own_cast(text, drift)
    return f"({text})" if name == "columns" else text


def _without_own_cast(default: str, drift: Drift) -> str:
    """Leave out that a literal is of the column's own type."""
    literal, _, type_ = default.rpartition("::")
    own = {
        str((side or {}).get("type")).partition("(")[0] for side in (drift.models, drift.migrations)
    }
    return literal if literal.endswith("'") and type_ in own else default


def _line(value: object) -> str:
    return " ".join(str(value).split()).removesuffix(";")


def _index(definition: str) -> str:
    """Leave out of CREATE INDEX what is always the same, or usual."""
    create, using, rest = definition.partition(" USING ")
    if not using:
        return definition
    unique = "unique " if create.startswith("CREATE UNIQUE ") else ""
    only = "on this table only " if " ON ONLY " in create else ""
    return unique + only + rest.removeprefix("btree ")


def _shortened(one: str, other: str) -> tuple[str, str]:
    """Leave out of two long texts what they have in common, but for a few words."""
    if max(len(one), len(other)) <= _LONG:
        return one, other
    ours, theirs = one.split(" "), other.split(" ")
    shortest = min(len(ours), len(theirs))
    same = (number for number in range(shortest) if ours[number] != theirs[number])
    start = max(next(same, shortest) - 2, 0)
    same = (
        number for number in range(shortest - start) if ours[-1 - number] != theirs[-1 - number]
    )
    end = max(next(same, shortest - start) - 2, 0)
    return _cut(ours, start, end), _cut(theirs, start, end)


def _cut(words: list[str], start: int, end: int) -> str:
    middle = " ".join(words[start : len(words) - end])
    return f"{'… ' if start else ''}{middle}{' …' if end else ''}"
