"""What SHOW CREATE says of a table, view or sequence, as definitions."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any

from alembic_assay.catalog import Definition, ObjectId, Part
from alembic_assay.dialects.mysql.tokens import (
    read_text,
    split_list,
    split_words,
    unquote,
    unwrap_comments,
)

_TEXT_TYPES = ("char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set")

_COUNTER = re.compile(r"\A([^']*?) AUTO_INCREMENT=\d+")
_PARTITIONS = re.compile(r"\n ?PARTITION BY ")


def without_counter(sql: str) -> str:
    """Return a CREATE TABLE statement without where AUTO_INCREMENT stands, which is data."""
    body, closing, options = sql.partition("\n) ")
    return body + closing + _COUNTER.sub(r"\1", options)


Lines = dict[tuple[str, object], list[tuple[str, str, Definition]]]
"""By a line and the collation of its table: kind, name and definition of what it defines."""


def define_table(name: str, sql: str, known: Lines) -> Part:
    """Return the table, its columns, keys and constraints, from SHOW CREATE TABLE.

    The server prints one of them in a line, in the same order and spelling for all equal tables.
    A word that is not known here is kept among the ``options`` of its object. ``known`` remembers
    the lines: most of a schema's are the same in many tables.
    """
    body, _, rest = unwrap_comments(sql).partition("\n) ")
    options, *partitions = _PARTITIONS.split(rest, maxsplit=1)
    table = _table_options(split_words(options))
    if partitions:
        table["partition by"] = re.sub(r"\n ?", " ", partitions[0])
    part: dict[ObjectId, Definition] = {ObjectId("table", name): table}
    collation = table.get("collation")
    for line in body.split("\n")[1:]:
        defined = known.get((line, collation))
        if defined is None:
            words = split_words(line.strip().removesuffix(","))
            defined = known[line, collation] = list(_define_line(words, collation))
        for kind, label, definition in defined:
            if kind == "period":
                table[f"period {label}"] = definition["columns"]
            else:
                part[ObjectId(kind, f"{name}.{label}")] = definition
    return part


def define_view(name: str, sql: str) -> Part:
    """Return a view, from SHOW CREATE VIEW; without its definer, who is an account."""
    return {ObjectId("view", name): _define_view(sql)}


def define_sequence(name: str, sql: str) -> Part:
    """Return a sequence, from SHOW CREATE SEQUENCE, which does not say where it stands."""
    words = split_words(sql)[3:]
    return {ObjectId("sequence", name): {"options": " ".join(words)}}


_VIEW = re.compile(
    r"CREATE (?:ALGORITHM=(?P<algorithm>\w+) )?DEFINER=(?:`(?:[^`]|``)*`@)?`(?:[^`]|``)*` "
    r"SQL SECURITY (?P<security>\w+) VIEW `(?:[^`]|``)*` (?P<definition>.*?)"
    r"(?: WITH (?P<check>\w+) CHECK OPTION)?",
    re.DOTALL,
)


def _define_view(sql: str) -> Definition:
    match = _VIEW.fullmatch(sql)
    if match is None:
        return {"definition": sql}
    return _present(
        {
            "definition": match["definition"].removeprefix("AS "),
            "algorithm": match["algorithm"],
            "security": match["security"],
            "check option": match["check"],
        }
    )


def _table_options(words: list[str]) -> dict[str, object]:
    table: dict[str, object] = {}
    charset, others = None, []
    for word in words:
        key, _, value = word.partition("=")
        if key == "ENGINE":
            table["engine"] = value
        elif key == "CHARSET":
            charset = value
        elif key == "COLLATE":
            table["collation"] = value
        elif key == "COMMENT":
            table["comment"] = read_text(value)
        elif key != "DEFAULT":
            others.append(word)
    if charset is not None:
        table.setdefault("collation", f"default of {charset}")
    options = " ".join(others)
    if "WITH SYSTEM VERSIONING" in options:
        table["system versioning"] = True
        options = options.replace("WITH SYSTEM VERSIONING", "").strip()
    if options:
        table["options"] = options
    return table


def _define_line(words: list[str], collation: object) -> Iterator[tuple[str, str, Definition]]:
    if words[0].startswith("`"):
        name = unquote(words[0])
        column, check = _define_column(words[1:], collation)
        if check == f"json_valid({words[0]})" and column["type"] == "longtext":
            # That is what MariaDB makes of the type JSON.
            column, check = {**column, "type": "json"}, None
        yield "column", name, column
        if check is not None:
            yield "check constraint", name, {"check": check, "level": "column"}
    elif words[0] == "CONSTRAINT":
        name = unquote(words[1])
        if words[2] == "FOREIGN":
            yield "foreign key", name, _define_foreign_key(words[4:])
        else:
            yield "check constraint", name, _define_check(words[3:])
    elif words[0] == "PERIOD":
        yield "period", unquote(words[2]), {"columns": _names(words[3])}
    elif words[0] == "PRIMARY":
        yield "primary key", "PRIMARY", _define_index(words[2:])
    else:
        place = words.index("KEY")
        definition = {"unique": words[0] == "UNIQUE", **_define_index(words[place + 2 :])}
        if words[0] not in ("UNIQUE", "KEY"):
            definition["type"] = words[0]
        yield "index", unquote(words[place + 1]), definition


_VALUES = {
    "CHARACTER": ("charset", "SET"),
    "CHECK": ("check", ""),
    "COLLATE": ("collation", ""),
    "COMMENT": ("comment", ""),
    "DEFAULT": ("default", ""),
    "ON": ("on update", "UPDATE"),
    "SRID": ("srid", ""),
}
"""By the first word of a column's clause: the name of its value, and the word before that."""


def _define_column(words: list[str], collation: object) -> tuple[Definition, str | None]:
    """Return a column and, where it has one of its own, the expression of its check constraint."""
    column: dict[str, Any] = {"type": words[0], "nullable": True}
    rest = iter(words[1:])
    options = []
    for word in rest:
        if word in _VALUES:
            key, skipped = _VALUES[word]
            if skipped:
                next(rest)
            column[key] = next(rest)
        elif word in ("unsigned", "zerofill"):
            column["type"] += f" {word}"
        elif word in ("AUTO_INCREMENT", "INVISIBLE"):
            column[word.lower().replace("_", "")] = True
        elif word == "NOT":
            column["nullable"] = next(rest) != "NULL"
        elif word == "GENERATED":
            _always, _as, expression, storage = itertools.islice(rest, 4)
            _add_generation(column, expression, storage)
        elif word != "NULL":
            options.append(word)
    if options:
        column["options"] = " ".join(options)
    if "comment" in column:
        column["comment"] = read_text(column["comment"])
    if column.get("default") == "NULL":
        del column["default"]  # a column without a default has this one
    charset, check = column.pop("charset", None), column.pop("check", None)
    if words[0].partition("(")[0] in _TEXT_TYPES:
        column.setdefault("collation", f"default of {charset}" if charset else collation)
    return column, check and check[1:-1]


def _add_generation(column: dict[str, Any], expression: str, storage: str) -> None:
    if expression == "ROW":
        column["generated"] = f"row {storage.lower()}"
    else:
        column["computed as" if storage == "VIRTUAL" else "stored as"] = expression[1:-1]


def _define_index(words: list[str]) -> dict[str, object]:
    # MySQL writes USING before the columns of some.
    place = next(number for number, word in enumerate(words) if word.startswith("("))
    index: dict[str, object] = {"columns": _names(words[place])}
    rest = iter(words[:place] + words[place + 1 :])
    options = []
    for word in rest:
        if word == "USING":
            index["using"] = next(rest)
        elif word == "COMMENT":
            index["comment"] = read_text(next(rest))
        else:
            options.append(word)
    if options:
        index["options"] = " ".join(options)
    return index


def _define_foreign_key(words: list[str]) -> Definition:
    columns, _, *target = words
    place = next(number for number, word in enumerate(target) if word.startswith("("))
    key: dict[str, object] = {
        "columns": _names(columns),
        "references": f"{_names(''.join(target[:place]))} ({_names(target[place])})",
    }
    rules = " ".join(target[place + 1 :])
    for event in ("DELETE", "UPDATE"):
        rule = re.search(rf"ON {event} (CASCADE|SET NULL|SET DEFAULT)", rules)
        # NO ACTION is RESTRICT, and that is what there is without a word.
        # https://dev.mysql.com/doc/refman/8.4/en/create-table-foreign-keys.html
        if rule is not None:
            key[f"on {event.lower()}"] = rule[1]
    return key


def _define_check(words: list[str]) -> Definition:
    expression, *options = words
    return _present({"check": expression[1:-1], "options": " ".join(options) or None})


def _names(text: str) -> str:
    """Return names as a person would write them: ``a, b(5), c DESC``."""
    inner = text[1:-1] if text.startswith("(") else text
    return ", ".join(unquote(item) for item in split_list(inner))


def _present(definition: dict[str, object]) -> Definition:
    return {key: value for key, value in definition.items() if value is not None}
