"""What SQLite's stored statements spell differently and mean the same."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Hashable
from functools import cached_property

from sqlalchemy import Connection

from alembic_assay.catalog import Definition, ObjectId
from alembic_assay.dialects.likeness import Likeness, Objects
from alembic_assay.dialects.sqlite.cursor import Cursor, Unparsable
from alembic_assay.dialects.sqlite.defaults import is_same_default
from alembic_assay.dialects.sqlite.expressions import Node, parse_expression, parse_statements
from alembic_assay.dialects.sqlite.names import Names, fold
from alembic_assay.dialects.sqlite.tokens import read_tokens, render_tokens
from alembic_assay.dialects.sqlite.types import is_same_type


class SQLiteLikeness(Likeness):
    """Two SQLite databases, of which no statement is as another one would have written it."""

    def __init__(self, scratch: Connection, models: Objects, migrated: Objects) -> None:
        super().__init__(scratch, models, migrated)
        self._models = _Database(models)
        self._migrated = _Database(migrated)

    def is_same(
        self, found: ObjectId, attribute: str, models: Definition, migrated: Definition
    ) -> bool:
        if attribute == "not null constraint":
            return True  # MetaData has no name for it
        if found.kind == "foreign key" and attribute in ("columns", "references"):
            return _references(models) == _references(migrated)
        ours, theirs = models.get(attribute), migrated.get(attribute)
        if not isinstance(ours, str) or not isinstance(theirs, str):
            return False
        if attribute == "type":
            is_key = self._models.is_only_key(found) or self._migrated.is_only_key(found)
            return is_same_type(ours, theirs, is_key=is_key)
        if attribute == "default":
            return is_same_default(self.scratch, _text(models, "type"), ours, theirs)
        return self._models.read(found, attribute, ours) == self._migrated.read(
            found, attribute, theirs
        )

    def uniqueness(self, found: ObjectId, definition: Definition) -> Hashable | None:
        is_constraint = found.kind == "unique constraint" and definition.get("on conflict") is None
        is_index = bool(definition.get("unique")) and definition.get("where") is None
        columns = _text(definition, "columns")
        if not (is_constraint or is_index) or columns is None:
            return None
        is_ours = self.models.get(found) is definition
        database = self._models if is_ours else self._migrated
        return database.read(found, "columns", columns)

    def is_implied(self, found: ObjectId, objects: Objects) -> bool:
        """Whether a constraint without a name says again what another one of its table says."""
        first = ObjectId(found.kind, _AGAIN.sub("", found.name))
        return first != found and objects.get(first) == objects[found]

    def is_declarable(self, found: ObjectId, definition: Definition) -> bool:
        is_virtual = found.kind == "table" and "using" in definition
        return not is_virtual and super().is_declarable(found, definition)


_AGAIN = re.compile(r"(?<=\)) #\d+$")


class _Database:
    """What the texts of one of the two databases mean."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._columns: dict[str, dict[str, Definition]] = defaultdict(dict)
        tables = {fold(found.name) for found in objects if found.kind == "table"}
        for found, definition in objects.items():
            if found.kind == "column":
                name = fold(found.name)
                for table in _owners(name, tables):
                    self._columns[table][name[len(table) + 1 :]] = definition

    def read(self, found: ObjectId, attribute: str, text: str) -> Hashable:
        """Return the meaning of an attribute, which is equal where it is the same."""
        match found.kind, attribute:
            case ("check constraint", "check") | ("index", "where"):
                return parse_expression(text, self._names(found))
            case "column", "generated":
                expression, _, kind = text.rpartition(" ")
                return parse_expression(expression, self._names(found)), kind
            case (("index" | "primary key" | "unique constraint"), "columns"):
                return self._terms(found, text)
            case "trigger", "when":
                return parse_expression(text, self._all_names)
            case "view", "query":
                return parse_statements(text, self._names_of_query(text))
            case ("trigger", "event" | "body") | ("view", "columns"):
                return parse_statements(text, self._all_names)
        return text

    def is_only_key(self, found: ObjectId) -> bool:
        """Whether a column is the primary key of its table, all by itself."""
        for table in _owners(fold(found.name), self._columns):
            column = fold(found.name)[len(table) + 1 :]
            if column in self._keys.get(table, ()):
                return True
        return False

    @cached_property
    def _keys(self) -> dict[str, set[str]]:
        keys: dict[str, set[str]] = defaultdict(set)
        for found, definition in self._objects.items():
            if found.kind == "primary key":
                for table in _owners(fold(found.name), self._columns):
                    keys[table].add(fold(_text(definition, "columns") or ""))
        return keys

    @cached_property
    def _all_names(self) -> Names:
        relations = {fold(found.name) for found in self._objects if found.kind in ("table", "view")}
        columns = {column for table in self._columns.values() for column in table}
        return Names({*relations, *columns, "new", "old"}, others_are_strings=False)

    def _names(self, found: ObjectId) -> Names:
        owners = _owners(fold(found.name), self._columns)
        known = {column for table in owners for column in self._columns[table]}
        return Names(known, owners[0] if len(owners) == 1 else None)

    def _names_of_query(self, text: str) -> Names:
        """Return the names for a query; where it reads one table alone, that need not be named."""
        tokens = read_tokens(text)
        words = [token.keyword for token in tokens]
        names = self._all_names
        if words.count("SELECT") > 1 or words.count("FROM") != 1:
            return names
        place = words.index("FROM") + 1
        source, after = tokens[place : place + 1], words[place + 1 : place + 2]
        if not source or (after and after[0] not in _AFTER_SOURCE):
            return names
        return Names(names.known, fold(source[0].identifier or ""), others_are_strings=False)

    def _terms(self, found: ObjectId, text: str) -> Hashable:
        collations = {
            column: definition.get("collation")
            for table in _owners(fold(found.name), self._columns)
            for column, definition in self._columns[table].items()
        }

        def collated(tree: Node) -> Node:
            if tree[0] != "name":
                return tree
            collation = collations.get(str(tree[1])) or "BINARY"
            return "COLLATE", tree, ("collation", collation)

        plain = fold(text).split(", ")
        if all(name in collations for name in plain):  # names stand there without quotes
            return tuple((collated(("name", name)), False) for name in plain)
        try:
            terms = Cursor(read_tokens(f"({text})")).take_items()
        except Unparsable:
            return text
        names, found_terms = self._names(found), []
        for term in terms:
            is_descending = len(term) > 1 and term[-1].keyword == "DESC"
            tree = parse_expression(render_tokens(term[:-1] if is_descending else term), names)
            found_terms.append((collated(tree), is_descending))
        return tuple(found_terms)


_AFTER_SOURCE = ("WHERE", "GROUP", "ORDER", "LIMIT", "HAVING")


def _owners(name: str, tables: Collection[str]) -> list[str]:
    """Return the tables in which an object of this name can be: names may have dots."""
    parts = name.split(".")
    heads = (".".join(parts[:count]) for count in range(1, len(parts)))
    return [head for head in heads if head in tables]


def _references(definition: Definition) -> Hashable:
    """Return what a foreign key refers to, in whatever order its columns come."""
    columns = fold(_text(definition, "columns") or "").split(", ")
    table, _, referenced = fold(_text(definition, "references") or "").rpartition(" (")
    others = referenced.removesuffix(")").split(", ")
    if len(columns) != len(others):
        return table, tuple(columns), tuple(others)
    return table, frozenset(zip(columns, others, strict=True))


def _text(definition: Definition, attribute: str) -> str | None:
    value = definition.get(attribute)
    return value if isinstance(value, str) else None
