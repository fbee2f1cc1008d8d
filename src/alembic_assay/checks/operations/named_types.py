"""The statements for types and sequences that differ, for which Alembic has no operations."""

from __future__ import annotations

import re
from collections.abc import Mapping

from alembic_assay.catalog import Definition
from alembic_assay.checks.comparison import Drift
from alembic_assay.checks.scene import Scene


def type_sql(drift: Drift, scene: Scene) -> list[str]:
    """Return the statements for an enum, a domain or a sequence; none where it takes more."""
    kind, name = drift.object.kind.upper(), scene.quoted(drift.object.name)
    if drift.models is None:
        return [f"DROP {'TYPE' if kind == 'ENUM' else kind} {name}"]
    if kind == "ENUM":
        return _enum(name, drift.models, drift.migrations)
    if kind == "DOMAIN":
        return _domain(name, drift.models, drift.migrations, drift.attributes, scene)
    if set(drift.attributes) <= {"options"}:
        verb = "ALTER" if drift.migrations else "CREATE"
        return [f"{verb} SEQUENCE {name} {_sequence_options(drift.models, drift.migrations)}"]
    return []


def schema_sql(drift: Drift, scene: Scene) -> list[str]:
    """Return the statement for a schema that only the models have."""
    quoted = scene.dialect.identifier_preparer.quote(drift.object.name)
    return [f"CREATE SCHEMA {quoted}"] if drift.migrations is None else []


def extension_sql(drift: Drift, scene: Scene) -> list[str]:
    """Return the statement for an extension that only the models make."""
    quoted = scene.dialect.identifier_preparer.quote(drift.object.name)
    return [f"CREATE EXTENSION {quoted}"] if drift.migrations is None else []


def _enum(name: str, models: Definition, migrations: Definition | None) -> list[str]:
    wanted = _labels(models.get("labels"))
    if migrations is None:
        return [f"CREATE TYPE {name} AS ENUM ({', '.join(map(_literal, wanted))})"]
    there = _labels(migrations.get("labels"))
    if [label for label in wanted if label in there] != there:
        return []  # labels can be neither removed nor moved
    return [
        f"ALTER TYPE {name} ADD VALUE {_literal(label)}{_position(number, wanted, there)}"
        for number, label in enumerate(wanted)
        if label not in there
    ]


def _position(number: int, wanted: list[str], there: list[str]) -> str:
    """Say where a new label goes: those before it are there when it comes."""
    if not any(label in there for label in wanted[number:]):
        return ""
    if number == 0:
        return f" BEFORE {_literal(there[0])}"
    return f" AFTER {_literal(wanted[number - 1])}"


def _domain(
    name: str,
    models: Definition,
    migrations: Definition | None,
    attributes: tuple[str, ...],
    scene: Scene,
) -> list[str]:
    quote = scene.dialect.identifier_preparer.quote
    checks = _constraints(models)
    if migrations is None:
        parts = [f"CREATE DOMAIN {name} AS {models['type']}"]
        if models.get("collation"):
            parts.append(f"COLLATE {models['collation']}")
        if models.get("default") is not None:
            parts.append(f"DEFAULT {models['default']}")
        if models.get("nullable") is False:
            parts.append("NOT NULL")
        parts += [f"CONSTRAINT {quote(check)} {text}" for check, text in checks.items()]
        return [" ".join(parts)]
    if not set(attributes) <= {"default", "nullable", "constraints"}:
        return []
    changes = []
    if "default" in attributes:
        default = models.get("default")
        changes.append("DROP DEFAULT" if default is None else f"SET DEFAULT {default}")
    if "nullable" in attributes:
        changes.append(f"{'DROP' if models.get('nullable') else 'SET'} NOT NULL")
    there = _constraints(migrations)
    changes += [
        f"DROP CONSTRAINT {quote(check)}"
        for check, text in there.items()
        if checks.get(check) != text
    ]
    changes += [
        f"ADD CONSTRAINT {quote(check)} {text}"
        for check, text in checks.items()
        if there.get(check) != text
    ]
    return [f"ALTER DOMAIN {name} {change}" for change in changes]


_SEQUENCE = re.compile(
    r"(?P<type>\w+), start (?P<start>-?\d+), increment (?P<increment>-?\d+),"
    r" (?P<least>-?\d+) to (?P<greatest>-?\d+), cache (?P<cache>\d+)(?P<cycle>, cycle)?"
)


def _sequence_options(models: Definition, migrations: Definition | None) -> str:
    """Return the options as they stand in SQL: the catalogue has them as people read them."""
    options = str(models.get("options", ""))
    match = _SEQUENCE.fullmatch(options)
    if match is None:
        return options
    cycle = " CYCLE" if match["cycle"] else " NO CYCLE" if migrations else ""
    return (
        f"AS {match['type']} INCREMENT {match['increment']} MINVALUE {match['least']}"
        f" MAXVALUE {match['greatest']} START {match['start']} CACHE {match['cache']}{cycle}"
    )


def _constraints(definition: Definition) -> dict[str, str]:
    found = definition.get("constraints")
    return {str(k): str(v) for k, v in found.items()} if isinstance(found, Mapping) else {}


def _labels(value: object) -> list[str]:
    return [str(label) for label in value] if isinstance(value, list) else []


def _literal(label: str) -> str:
    return "'" + label.replace("'", "''") + "'"
