"""A stored CREATE TABLE statement of SQLite as a value, free of how it was spelled."""

from __future__ import annotations

from dataclasses import replace

from alembic_assay.dialects.sqlite.cursor import Cursor, Unparsable, take_qualified_name
from alembic_assay.dialects.sqlite.table import Check, Column, ForeignKey, PrimaryKey, Table, Unique
from alembic_assay.dialects.sqlite.tokens import (
    END,
    read_tokens,
    render_expression,
    render_term,
    render_tokens,
    resolve_name,
)


def parse_table(sql: str) -> Table:
    """Parse CREATE TABLE. Raises ``Unparsable`` for a text that is not understood to its end."""
    cursor = Cursor(read_tokens(sql))
    cursor.take_words("CREATE TABLE", "CREATE TEMP TABLE", "CREATE TEMPORARY TABLE")
    take_qualified_name(cursor)
    parser = _Parser(cursor)
    parser.take_body()
    options = set()
    while cursor.peek() is not END:
        options.add(cursor.take_words("STRICT", "WITHOUT ROWID"))
        cursor.accept(",")
    return parser.make_table(strict="STRICT" in options, without_rowid="WITHOUT ROWID" in options)


class _Parser:
    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._columns: dict[str, Column] = {}
        self._primary_key: PrimaryKey | None = None
        self._key_columns: tuple[str, ...] = ()
        self._uniques: list[Unique] = []
        self._foreign_keys: list[ForeignKey] = []
        self._checks: list[Check] = []

    def take_body(self) -> None:
        cursor = self._cursor
        cursor.take_words("(")
        while not cursor.accept(")"):
            if cursor.peek().keyword in ("CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"):
                self._take_table_constraint()
            else:
                self._take_column()
            cursor.accept(",")

    def make_table(self, *, strict: bool, without_rowid: bool) -> Table:
        never_null = self._key_columns if strict or without_rowid else self._rowid_columns()
        for name in never_null:
            self._columns[name] = replace(self._columns[name], nullable=False)
        return Table(
            columns=tuple(self._columns.values()),
            primary_key=self._primary_key,
            uniques=tuple(self._uniques),
            foreign_keys=tuple(self._foreign_keys),
            checks=tuple(self._checks),
            strict=strict,
            without_rowid=without_rowid,
        )

    def _rowid_columns(self) -> tuple[str, ...]:
        """An INTEGER PRIMARY KEY is never null; but for historical reasons not with DESC beside it.

        https://www.sqlite.org/lang_createtable.html#rowid
        """
        names = self._key_columns
        terms = self._primary_key.columns if self._primary_key else ()
        is_alias = len(names) == 1 and names == terms and self._columns[names[0]].type == "INTEGER"
        return names if is_alias else ()

    def _take_column(self) -> None:
        cursor = self._cursor
        name = cursor.take_name()
        column = Column(name, self._take_type())
        while not cursor.at(",") and not cursor.at(")"):
            constraint = self._take_constraint_name()
            if not cursor.at(",") and not cursor.at(")"):
                column = self._take_column_constraint(column, constraint)
        self._columns[name] = column

    def _take_type(self) -> str:
        cursor = self._cursor
        words = []
        while cursor.peek().identifier is not None and not cursor.at("GENERATED", "ALWAYS", "AS"):
            words.append(cursor.take_name())
        arguments = f"({render_tokens(cursor.take_group())})" if words and cursor.at("(") else ""
        return (" ".join(words) + arguments).upper()

    def _take_constraint_name(self) -> str | None:
        name = None
        while self._cursor.accept("CONSTRAINT"):
            name = self._cursor.take_name()
        return name

    def _take_column_constraint(self, column: Column, name: str | None) -> Column:
        cursor = self._cursor
        if cursor.accept("NOT", "NULL"):
            conflict = self._take_conflict()
            return replace(column, nullable=False, null_constraint=name, null_conflict=conflict)
        if cursor.accept("NULL"):
            self._take_conflict()
        elif cursor.accept("DEFAULT"):
            return replace(column, default=self._take_default())
        elif cursor.accept("COLLATE"):
            collation = cursor.take_name().upper()
            return replace(column, collation=None if collation == "BINARY" else collation)
        elif cursor.accept("GENERATED", "ALWAYS", "AS") or cursor.accept("AS"):
            expression = render_expression(cursor.take_group())
            kind = "STORED" if cursor.accept("STORED") else "VIRTUAL"
            cursor.accept("VIRTUAL")
            return replace(column, generated=f"({expression}) {kind}")
        elif cursor.accept("PRIMARY", "KEY"):
            term = f"{column.name} DESC" if cursor.accept("DESC") else column.name
            cursor.accept("ASC")
            self._primary_key = PrimaryKey((term,), name, self._take_conflict())
            self._key_columns = (column.name,)
            return replace(column, autoincrement=cursor.accept("AUTOINCREMENT"))
        elif cursor.accept("UNIQUE"):
            self._uniques.append(Unique((column.name,), name, self._take_conflict()))
        elif cursor.accept("CHECK"):
            self._checks.append(Check(render_expression(cursor.take_group()), name))
        elif cursor.accept("REFERENCES"):
            self._foreign_keys.append(self._take_references((column.name,), name))
        elif self._foreign_keys and self._is_at_deferral():
            deferred = self._take_deferral()
            self._foreign_keys[-1] = replace(self._foreign_keys[-1], deferred=deferred)
        else:
            raise Unparsable(f"unknown column constraint {cursor.peek().text!r}")
        return column

    def _take_table_constraint(self) -> None:
        cursor = self._cursor
        name = self._take_constraint_name()
        if cursor.accept("PRIMARY", "KEY"):
            self._primary_key = PrimaryKey(self._take_key(), name, self._take_conflict())
        elif cursor.accept("UNIQUE"):
            columns = tuple(render_term(term, self._columns) for term in cursor.take_items())
            self._uniques.append(Unique(columns, name, self._take_conflict()))
        elif cursor.accept("CHECK"):
            self._checks.append(Check(render_expression(cursor.take_group()), name))
            self._take_conflict()
        elif cursor.accept("FOREIGN", "KEY"):
            columns = tuple(resolve_name(each, self._columns) for each in self._take_names())
            cursor.take_words("REFERENCES")
            self._foreign_keys.append(self._take_references(columns, name))
        elif not cursor.at(",") and not cursor.at(")"):
            raise Unparsable(f"unknown table constraint {cursor.peek().text!r}")

    def _take_key(self) -> tuple[str, ...]:
        terms = self._cursor.take_items()
        names = tuple(resolve_name(Cursor(term).take_name(), self._columns) for term in terms)
        if unknown := set(names).difference(self._columns):
            raise Unparsable(f"unknown columns {unknown}")
        first = self._columns[names[0]]
        if len(terms) == 1 and first.type == "INTEGER":
            is_autoincrement = terms[0][-1].keyword == "AUTOINCREMENT"
            self._columns[first.name] = replace(first, autoincrement=is_autoincrement)
            terms = [terms[0][:1]]
        self._key_columns = names
        return tuple(render_term(term, self._columns) for term in terms)

    def _take_references(self, columns: tuple[str, ...], name: str | None) -> ForeignKey:
        cursor = self._cursor
        table = cursor.take_name()
        referenced = self._take_names() if cursor.at("(") else ()
        key = ForeignKey(columns, table, referenced, name)
        while True:
            if cursor.accept("ON", "DELETE"):
                key = replace(key, on_delete=self._take_action())
            elif cursor.accept("ON", "UPDATE"):
                key = replace(key, on_update=self._take_action())
            elif cursor.accept("MATCH"):
                match = cursor.take_name().upper()
                key = replace(key, match=None if match == "SIMPLE" else match)
            elif self._is_at_deferral():
                key = replace(key, deferred=self._take_deferral())
            else:
                return key

    def _take_names(self) -> tuple[str, ...]:
        return tuple(Cursor(item).take_name() for item in self._cursor.take_items())

    def _take_action(self) -> str | None:
        action = self._cursor.take_words(
            "NO ACTION", "RESTRICT", "CASCADE", "SET NULL", "SET DEFAULT"
        )
        return None if action == "NO ACTION" else action

    def _is_at_deferral(self) -> bool:
        return self._cursor.at("DEFERRABLE") or self._cursor.at("NOT", "DEFERRABLE")

    def _take_deferral(self) -> bool:
        """Only DEFERRABLE INITIALLY DEFERRED does: https://www.sqlite.org/foreignkeys.html ."""
        is_deferrable = self._cursor.take_words("DEFERRABLE", "NOT DEFERRABLE") == "DEFERRABLE"
        if not self._cursor.accept("INITIALLY"):
            return False
        return self._cursor.take_words("DEFERRED", "IMMEDIATE") == "DEFERRED" and is_deferrable

    def _take_conflict(self) -> str | None:
        if not self._cursor.accept("ON", "CONFLICT"):
            return None
        action = self._cursor.take_words("ABORT", "ROLLBACK", "FAIL", "IGNORE", "REPLACE")
        return None if action == "ABORT" else action

    def _take_default(self) -> str | None:
        cursor = self._cursor
        if cursor.at("("):
            default = render_expression(cursor.take_group())
        elif cursor.peek().kind != "string" and cursor.peek().identifier is not None:
            default = "'" + cursor.take_name().replace("'", "''") + "'"
        else:
            sign = [cursor.take()] if cursor.at("-") or cursor.at("+") else []
            default = render_tokens([*sign, cursor.take()])
        return None if default == "NULL" else default
