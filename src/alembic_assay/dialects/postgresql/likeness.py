"""What PostgreSQL spells differently and means the same."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from typing import cast

from sqlalchemy import Connection

from alembic_assay.catalog import Definition, ObjectId
from alembic_assay.dialects.likeness import Likeness, Objects
from alembic_assay.dialects.postgresql.expressions import Expressions
from alembic_assay.dialects.postgresql.function_bodies import are_same_functions
from alembic_assay.dialects.postgresql.index_shapes import IndexShapes, kept_unique

_CHECK = re.compile(r"CHECK \((?P<condition>.*)\)(?P<rest>[ A-Z]*)", re.DOTALL)
_TRIGGER = re.compile(
    r"(?P<head>.*? FOR EACH \w+) WHEN \((?P<condition>.*)\)(?P<rest> EXECUTE .*)", re.DOTALL
)
_SEQUENCE = re.compile(r"\w+(?P<start>, start .* to )(?P<end>-?\d+)(?P<rest>, cache \d+)")
_LAST = {"smallint": 2**15 - 1, "integer": 2**31 - 1, "bigint": 2**63 - 1}
_TEXT_TYPE = re.compile(r"(?:character varying|character|bpchar)(?:\(\d+\))?(?=\[|$)")


class PostgreSQLLikeness(Likeness):
    """Two databases on one PostgreSQL server."""

    def __init__(self, scratch: Connection, models: Objects, migrated: Objects) -> None:
        super().__init__(scratch, models, migrated)
        functions = {
            found.name.partition("(")[0].rpartition(".")[2]
            for found in [*models, *migrated]
            if found.kind == "function"
        }
        self._expressions = Expressions(scratch, functions)
        self._indexes = IndexShapes(self._expressions)

    def is_same(
        self, found: ObjectId, attribute: str, models: Definition, migrated: Definition
    ) -> bool:
        one, other = models.get(attribute), migrated.get(attribute)
        match found.kind, attribute:
            case (("column" | "domain"), "default"):
                return self._are_same_values(str(models["type"]), one, other)
            case "column", "stored as" | "computed as":
                rows = self._rows(found)
                return self._are_same_values(str(models["type"]), one, other, rows)
            case "column", "sequence":
                return _is_same_sequence(str(models["type"]), str(one), str(other))
            case "domain", "constraints":
                return self._are_same_domain_checks(found, models, one, other)
            case _, "options":
                return _options(one) == _options(other)
            case "policy", "using" | "with check" if one and other:
                return self._expressions.are_same(str(one), str(other), self._rows(found))
            case _, "definition":
                return self._is_same_definition(found, str(one), str(other))
        return False

    def _is_same_definition(self, found: ObjectId, one: str, other: str) -> bool:
        match found.kind:
            case "check constraint":
                return self._are_same_checks(self._rows(found), one, other)
            case "index" | "exclusion constraint":
                return self._indexes.are_same(self._table(found), one, other)
            case "trigger":
                return self._are_same_triggers(found, one, other)
            case "view" | "materialized view":
                return self._expressions.are_same_queries(_statement(one), _statement(other))
            case "function" | "procedure":
                return are_same_functions(one, other)
        return False

    def uniqueness(self, found: ObjectId, definition: Definition) -> Hashable | None:
        if definition.get("options") or definition.get("valid") is False:
            return None
        if found.kind not in ("unique constraint", "index"):
            return None
        return kept_unique(str(definition["definition"]))

    def is_declarable(self, found: ObjectId, definition: Definition) -> bool:
        # Partitions come and go, and children by inheritance are the partitions of old.
        is_child = bool(definition.get("partition bound") or definition.get("parents"))
        if found.kind == "table" and (is_child or definition.get("kind") == "foreign"):
            return False
        return super().is_declarable(found, definition)

    def _table(self, found: ObjectId) -> str:
        """Return the name of the table that an object is in."""
        name = found.name
        while name and not {ObjectId("table", name), ObjectId("materialized view", name)} & (
            self.models.keys()
        ):
            name = name.rpartition(".")[0]
        return name

    def _rows(self, found: ObjectId, *names: str) -> str:
        return self._expressions.rows_of(self._table(found), *names) or ""

    def _are_same_values(self, type_: str, one: object, other: object, rows: str = "") -> bool:
        """Whether two values of a column are the same; none at all is NULL."""
        # Of JSON as text, spaces and the order of keys mean nothing.
        type_ = re.sub(r"^json(?=\[|$)", "jsonb", _TEXT_TYPE.sub("text", type_))
        mine, yours = (f"({'NULL' if value is None else value})::{type_}" for value in (one, other))
        return self._expressions.are_same(mine, yours, rows)

    def _are_same_checks(self, rows: str, one: str, other: str) -> bool:
        mine, yours = _CHECK.fullmatch(one), _CHECK.fullmatch(other)
        if mine is None or yours is None or mine["rest"] != yours["rest"]:
            return False
        return self._expressions.are_same(mine["condition"], yours["condition"], rows)

    def _are_same_domain_checks(
        self, found: ObjectId, models: Definition, one: object, other: object
    ) -> bool:
        """Whether a domain has the same checks; a name that the server gave may be another."""
        mine, yours = (cast("Mapping[str, str]", value or {}) for value in (one, other))
        type_ = _TEXT_TYPE.sub("text", str(models["type"]))
        rows = f"FROM json_to_recordset('[]') AS checked(value {type_})"
        own_name = found.name.rpartition(".")[2]
        left = dict(yours)
        for name, check in mine.items():
            names = left if name.startswith(f"{own_name}_check") else left.keys() & {name}
            for there in names:
                if check == left[there] or self._are_same_checks(rows, check, left[there]):
                    del left[there]
                    break
            else:
                return False
        return not left

    def _are_same_triggers(self, found: ObjectId, one: str, other: str) -> bool:
        mine, yours = _TRIGGER.fullmatch(one), _TRIGGER.fullmatch(other)
        if mine is None or yours is None:
            return False
        if (mine["head"], mine["rest"]) != (yours["head"], yours["rest"]):
            return False
        rows = self._rows(found, "old", "new")
        return self._expressions.are_same(mine["condition"], yours["condition"], rows)


def _is_same_sequence(type_: str, one: str, other: str) -> bool:
    """Whether two sequences of a column give the same numbers until the column is full.

    Those of servers before version 10 were all ``bigint``, and are so after an upgrade.
    """
    mine, yours = _SEQUENCE.fullmatch(one), _SEQUENCE.fullmatch(other)
    last = _LAST.get(type_)
    if mine is None or yours is None or last is None:
        return False
    if (mine["start"], mine["rest"]) != (yours["start"], yours["rest"]):
        return False
    return min(int(mine["end"]), int(yours["end"])) >= last


def _options(value: object) -> set[str]:
    return set(str(value).lower().split(", ")) if value else set()


def _statement(definition: str) -> str:
    return definition.strip().removesuffix(";")
