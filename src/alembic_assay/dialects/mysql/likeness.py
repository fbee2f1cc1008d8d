"""What MySQL and MariaDB spell differently and mean the same."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping
from functools import cached_property

from sqlalchemy import Connection

from alembic_assay.catalog import Definition, ObjectId
from alembic_assay.dialects.likeness import Likeness, Objects
from alembic_assay.dialects.mysql.bodies import are_same_bodies
from alembic_assay.dialects.mysql.constants import is_same_constant
from alembic_assay.dialects.mysql.tokens import QUOTED, split_words

_DISPLAY_WIDTH = re.compile(r"(?<=int)\(\d+\)(?!.*zerofill)")
_PIECE = re.compile(rf"({QUOTED})|[^'`]+|.", re.DOTALL)


class MySQLLikeness(Likeness):
    """Two databases of MySQL or MariaDB, which print most of what is equal in the same way."""

    def __init__(self, scratch: Connection, models: Objects, migrated: Objects) -> None:
        super().__init__(scratch, models, migrated)
        sides = (models, migrated)
        self._relations = {
            found.name.lower() for side in sides for found in side if found.kind in _RELATIONS
        }

    def is_same(
        self, found: ObjectId, attribute: str, models: Definition, migrated: Definition
    ) -> bool:
        ours, theirs = models.get(attribute), migrated.get(attribute)
        match found.kind, attribute:
            case "column", "default":
                return self._are_same_defaults(models, ours, theirs)
            case "column", "type":
                return _without_width(ours) == _without_width(theirs)
            case "column", "stored as" | "computed as":
                return _folded(ours) == _folded(theirs)
            case "check constraint", "check":
                return _folded(ours) == _folded(theirs)
            case "check constraint", "level":
                # What a constraint of one column says is the same for the whole table.
                return True
            case "table", "options":
                return self._options(models) == self._options(migrated)
            case (("primary key" | "index"), "columns"):
                return _folded(ours) == _folded(theirs)
            case (("primary key" | "index"), "using"):
                return self._is_innodb(found)
            case "foreign key", "columns" | "references":
                return _references(models) == _references(migrated)
            case _, "body":
                return are_same_bodies(str(ours), str(theirs), self._relations)
        return False

    def is_implied(self, found: ObjectId, objects: Objects) -> bool:
        """Whether an index is what InnoDB needs for a foreign key, and makes where there is none.

        https://dev.mysql.com/doc/refman/8.4/en/create-table-foreign-keys.html
        """
        index = objects[found]
        if found.kind != "index" or index.get("unique") or index.get("type"):
            return False
        keys = self._keys_of_models if objects is self.models else self._keys_of_migrations
        columns = _folded(index["columns"])
        return any(columns in keys[table] for table in _owners(found))

    @cached_property
    def _keys_of_models(self) -> Mapping[str, set[str]]:
        return _foreign_keys(self.models)

    @cached_property
    def _keys_of_migrations(self) -> Mapping[str, set[str]]:
        return _foreign_keys(self.migrated)

    def _are_same_defaults(self, models: Definition, one: object, other: object) -> bool:
        if one is None or other is None:
            return False
        # With the type of the models in both, as a difference of types is told by itself.
        type_ = str(models["type"])
        collation = models.get("collation")
        if isinstance(collation, str) and " " not in collation and type_ != "json":
            type_ += f" COLLATE {collation}"
        return is_same_constant(self.scratch, type_, str(one), str(other))

    def _options(self, table: Definition) -> set[str]:
        """Return the options of a table that are not what it would have without them."""
        options = set(split_words(str(table.get("options", ""))))
        if table.get("engine") == "InnoDB":
            options.discard(f"ROW_FORMAT={self._usual_row_format}")
        return options

    @cached_property
    def _usual_row_format(self) -> str:
        query = "SELECT @@GLOBAL.innodb_default_row_format"
        return str(self.scratch.exec_driver_sql(query).scalar()).upper()

    def _is_innodb(self, found: ObjectId) -> bool:
        """Whether the table of an index has B-trees alone, whatever it is told."""
        tables = [self.models.get(ObjectId("table", name)) for name in _owners(found)]
        return any(table is not None and table.get("engine") == "InnoDB" for table in tables)


_RELATIONS = frozenset({"table", "view", "sequence"})


def _without_width(type_: object) -> str:
    """Return a type without how wide a client may show it, which changes no value.

    https://dev.mysql.com/doc/refman/8.4/en/numeric-type-attributes.html
    """
    return _DISPLAY_WIDTH.sub("", str(type_))


def _folded(sql: object) -> str:
    """Return an expression in lower case but for its literals: the names in it are of columns."""
    return _PIECE.sub(
        lambda piece: piece[0] if piece[0].startswith("'") else piece[0].lower(), str(sql)
    )


def _references(key: Definition) -> Hashable:
    """Return what a foreign key refers to, in whatever order its columns come."""
    table, _, referenced = str(key["references"]).rpartition(" (")
    columns = _folded(key["columns"]).split(", ")
    others = _folded(referenced.removesuffix(")")).split(", ")
    if len(columns) != len(others):  # a name with a comma in it
        return table, tuple(columns), tuple(others)
    return table, frozenset(zip(columns, others, strict=True))


def _foreign_keys(objects: Objects) -> Mapping[str, set[str]]:
    """Return the columns of the foreign keys of each table."""
    keys: dict[str, set[str]] = defaultdict(set)
    for found, definition in objects.items():
        if found.kind == "foreign key":
            for table in _owners(found):
                keys[table].add(_folded(definition["columns"]))
    return keys


def _owners(found: ObjectId) -> Iterator[str]:
    """Yield the names that the table of an object may have: names may have dots."""
    parts = found.name.split(".")
    return (".".join(parts[:count]) for count in range(1, len(parts)))
