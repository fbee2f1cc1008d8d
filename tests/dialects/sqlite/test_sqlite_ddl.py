from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from alembic_assay.dialects.sqlite.cursor import Unparsable
from alembic_assay.dialects.sqlite.ddl import parse_table
from alembic_assay.dialects.sqlite.statements import (
    define_index,
    define_text,
    define_trigger,
    define_view,
    define_virtual_table,
)
from alembic_assay.dialects.sqlite.table import (
    Check,
    Column,
    ForeignKey,
    PrimaryKey,
    Table,
    Unique,
)
from alembic_assay.dialects.sqlite.tokens import read_tokens


def stored_sql(*statements: str, name: str = "t") -> str:
    """Let SQLite itself say whether a statement is right, and what it stores of it."""
    with closing(sqlite3.connect(":memory:")) as connection:
        for statement in statements:
            connection.execute(statement)
        query = "SELECT sql FROM sqlite_master WHERE name = ?"
        text = connection.execute(query, (name,)).fetchone()[0]
        assert isinstance(text, str)
        return text


def parse(*statements: str) -> Table:
    return parse_table(stored_sql(*statements))


def test_parse_table_with_table_constraints_returns_its_value() -> None:
    table = parse(
        """
        CREATE TABLE t (
            id INTEGER NOT NULL,
            email VARCHAR(50) DEFAULT 'a, b' COLLATE NOCASE,
            user_id INTEGER,
            total DECIMAL(10, 2) GENERATED ALWAYS AS (id * 2) STORED,
            CONSTRAINT pk_t PRIMARY KEY (id, email DESC),
            CONSTRAINT uq_t UNIQUE (email, user_id) ON CONFLICT IGNORE,
            CONSTRAINT fk_t FOREIGN KEY (user_id) REFERENCES users (id)
                ON DELETE CASCADE ON UPDATE SET NULL MATCH FULL DEFERRABLE INITIALLY DEFERRED,
            CONSTRAINT ck_t CHECK (email <> ')' AND id > 0)
        )
        """
    )

    assert table == Table(
        columns=(
            Column("id", "INTEGER", nullable=False),
            Column("email", "VARCHAR(50)", default="'a, b'", collation="NOCASE"),
            Column("user_id", "INTEGER"),
            Column("total", "DECIMAL(10, 2)", generated="(id * 2) STORED"),
        ),
        primary_key=PrimaryKey(("id", "email DESC"), "pk_t"),
        uniques=(Unique(("email", "user_id"), "uq_t", "IGNORE"),),
        foreign_keys=(
            ForeignKey(
                ("user_id",),
                "users",
                ("id",),
                "fk_t",
                on_delete="CASCADE",
                on_update="SET NULL",
                match="FULL",
                deferred=True,
            ),
        ),
        checks=(Check("email <> ')' AND id > 0", "ck_t"),),
    )


def test_parse_table_with_inline_constraints_returns_those_of_the_table() -> None:
    inline = parse(
        "CREATE TABLE t (a TEXT CONSTRAINT pk PRIMARY KEY, b INT CONSTRAINT uq UNIQUE"
        " CONSTRAINT ck CHECK (b > 0) CONSTRAINT fk REFERENCES u (id) ON DELETE CASCADE)"
    )

    assert inline == parse(
        "CREATE TABLE t (a TEXT, b INT, CONSTRAINT pk PRIMARY KEY (a), CONSTRAINT uq UNIQUE (b),"
        " CONSTRAINT ck CHECK (b > 0),"
        " CONSTRAINT fk FOREIGN KEY (b) REFERENCES u (id) ON DELETE CASCADE)"
    )


EQUAL = {
    "white space and comments": (
        "a INT, b TEXT",
        "a -- first, (\n INT /* ) ' */ ,\n\tb TEXT -- last\n",
    ),
    "case of a type": ("a varchar(10)", "a VARCHAR ( 10 )"),
    "words of a type": ("a double  precision", 'a "DOUBLE"\nPRECISION'),
    "quotes of names": ("a INT, b INT, UNIQUE (a, b)", '"a" INT, [b] INT, UNIQUE (`a`, "b")'),
    "names as strings": ("a INT", "'a' INT"),
    "case of a name in a key": ("a INT, UNIQUE (a)", "a INT, UNIQUE (A)"),
    "case of a name in a foreign key": (
        "a INT, FOREIGN KEY (a) REFERENCES u (id)",
        "a INT, foreign key (A) references u (id)",
    ),
    "parentheses of a default": ("a TEXT DEFAULT 'x'", "a TEXT DEFAULT (('x'))"),
    "parentheses of a signed default": ("a INT DEFAULT -1", "a INT DEFAULT (- 1)"),
    "parentheses of a function": (
        "a TEXT DEFAULT CURRENT_TIMESTAMP",
        "a TEXT DEFAULT (current_timestamp)",
    ),
    "case of a function": (
        "a TEXT DEFAULT (datetime('now'))",
        "a TEXT DEFAULT (DATETIME( 'now' ))",
    ),
    "default in double quotes": ("a TEXT DEFAULT 'it''s'", 'a TEXT DEFAULT "it\'s"'),
    "default that is a word": ("a TEXT DEFAULT 'pending'", "a TEXT DEFAULT pending"),
    "default NULL": ("a TEXT", "a TEXT DEFAULT NULL"),
    "default (NULL)": ("a TEXT", "a TEXT DEFAULT (null)"),
    "NULL": ("a TEXT", "a TEXT NULL"),
    "blob": ("a BLOB DEFAULT x'0aff'", "a BLOB DEFAULT (X'0AFF')"),
    "ABORT": (
        "a TEXT NOT NULL UNIQUE",
        "a TEXT NOT NULL ON CONFLICT ABORT UNIQUE ON CONFLICT ABORT",
    ),
    "conflict clause of a check": ("a INT, CHECK (a > 0)", "a INT, CHECK (a > 0) ON CONFLICT FAIL"),
    "BINARY": ("a TEXT", "a TEXT COLLATE binary"),
    "collation": ("a TEXT COLLATE NOCASE", "a TEXT COLLATE 'nocase'"),
    "order of attributes": ("a TEXT DEFAULT 'x' NOT NULL", "a TEXT NOT NULL DEFAULT 'x'"),
    "ASC": ("a TEXT PRIMARY KEY", "a TEXT PRIMARY KEY ASC"),
    "ASC in a key": ("a TEXT, PRIMARY KEY (a)", "a TEXT, PRIMARY KEY (a ASC)"),
    "rowid": ("id INTEGER PRIMARY KEY", "id INTEGER NOT NULL, PRIMARY KEY (id)"),
    "rowid DESC in a key": ("id INTEGER PRIMARY KEY", "id INTEGER, PRIMARY KEY (id DESC)"),
    "AUTOINCREMENT": (
        "id INTEGER PRIMARY KEY AUTOINCREMENT",
        "id INTEGER, PRIMARY KEY (id AUTOINCREMENT)",
    ),
    "generated": ("a INT, b INT AS (a + 1)", "a INT, b INT GENERATED ALWAYS AS ((a+1)) VIRTUAL"),
    "NO ACTION": ("a REFERENCES u", "a REFERENCES u ON DELETE NO ACTION ON UPDATE NO ACTION"),
    "MATCH SIMPLE": ("a REFERENCES u", "a REFERENCES u MATCH SIMPLE"),
    "immediate": ("a REFERENCES u", "a REFERENCES u DEFERRABLE INITIALLY IMMEDIATE"),
    "not deferrable": ("a REFERENCES u", "a REFERENCES u NOT DEFERRABLE INITIALLY DEFERRED"),
    "order of actions": (
        "a REFERENCES u ON DELETE CASCADE ON UPDATE SET NULL",
        "a REFERENCES u ON UPDATE SET NULL ON DELETE CASCADE",
    ),
    "deferral behind NOT NULL": (
        "a INT REFERENCES u DEFERRABLE INITIALLY DEFERRED NOT NULL",
        "a INT REFERENCES u NOT NULL DEFERRABLE INITIALLY DEFERRED",
    ),
    "quotes in a check": ("a INT, CHECK (a > 0)", 'a INT, CHECK (("a">0))'),
    "keywords of a check": (
        "a TEXT, CHECK (a LIKE 'x' AND a IS NOT NULL)",
        "a TEXT, CHECK (a like 'x' and a is not null)",
    ),
    "operators of a check": (
        "a INT, CHECK (a = 1 OR a <> 2)",
        "a INT, CHECK (a == 1 OR a != 2)",
    ),
    "collation of a check": (
        "a TEXT, CHECK (a COLLATE NOCASE > 'x')",
        "a TEXT, CHECK (a collate \"nocase\" > 'x')",
    ),
    "no comma between constraints": (
        "a INT, CHECK (a > 0), UNIQUE (a)",
        "a INT, CHECK (a > 0) UNIQUE (a)",
    ),
    "name without a constraint": ("a INT, CHECK (a > 0)", "a INT CHECK (a > 0) CONSTRAINT unused"),
}


@pytest.mark.parametrize(("one", "other"), EQUAL.values(), ids=EQUAL)
def test_parse_table_spelled_differently_is_equal(one: str, other: str) -> None:
    assert parse(f"CREATE TABLE t ({one})") == parse(f"CREATE TABLE t ({other})")


HEADERS = {
    "IF NOT EXISTS": 'CREATE TABLE IF NOT EXISTS "main"."t" (id INTEGER PRIMARY KEY, a TEXT)',
    "lower case": "create table t(id integer primary key,a text)",
    "line breaks": "CREATE TABLE\n[t]\n(id INTEGER PRIMARY KEY\n, a TEXT\n)\n;",
}


@pytest.mark.parametrize("statement", HEADERS.values(), ids=HEADERS)
def test_parse_table_with_another_header_is_equal(statement: str) -> None:
    plain = parse("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT)")

    assert parse(statement) == plain
    assert parse_table(statement) == plain


def test_parse_table_that_was_altered_equals_one_made_at_once() -> None:
    altered = parse(
        "CREATE TABLE old (id INTEGER PRIMARY KEY, a TEXT CHECK (a > 'x') -- why\n)",
        "ALTER TABLE old ADD COLUMN b VARCHAR(5) DEFAULT 'y' REFERENCES old(id)",
        "ALTER TABLE old RENAME TO t",
        "ALTER TABLE t RENAME COLUMN a TO c",
        "ALTER TABLE t ADD COLUMN gone INT",
        "ALTER TABLE t DROP COLUMN gone",
    )

    assert altered == parse(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, c TEXT CHECK (c > 'x'),"
        " b VARCHAR(5) DEFAULT 'y' REFERENCES t(id))"
    )


def test_parse_table_made_by_a_select_returns_its_columns() -> None:
    table = parse("CREATE TABLE t AS SELECT 1 AS id, 'x' AS \"a, b\"")

    assert [column.name for column in table.columns] == ["id", "a, b"]


def test_parse_table_with_odd_names_keeps_them() -> None:
    table = parse(
        'CREATE TABLE "t" ("check" INT, "a b" TEXT, "c.d" TEXT, "say ""hi""" TEXT, [x"y] INT,'
        " `back``tick` INT, 'it''s' INT, key TEXT, naïve INT, \"primary\" INT, generated TEXT)"
    )

    assert [column.name for column in table.columns] == [
        "check",
        "a b",
        "c.d",
        'say "hi"',
        'x"y',
        "back`tick",
        "it's",
        "key",
        "naïve",
        "primary",
        "generated",
    ]


def test_parse_table_without_types_has_empty_ones() -> None:
    table = parse("CREATE TABLE t (a, b DEFAULT 1, c CHECK (c > 0), d GENERATED ALWAYS AS (a))")

    assert [column.type for column in table.columns] == ["", "", "", ""]


OPTIONS = {
    "": (False, False),
    "STRICT": (True, False),
    "without rowid": (False, True),
    "WITHOUT ROWID, STRICT": (True, True),
}


@pytest.mark.skipif(sqlite3.sqlite_version_info < (3, 37), reason="knows no STRICT")
@pytest.mark.parametrize(("text", "expected"), OPTIONS.items())
def test_parse_table_with_options_returns_them(text: str, expected: tuple[bool, bool]) -> None:
    table = parse(f"CREATE TABLE t (id TEXT PRIMARY KEY) {text}")

    assert (table.strict, table.without_rowid) == expected
    assert table.columns[0].nullable is not any(expected)


def test_parse_table_with_integer_primary_key_desc_is_no_rowid() -> None:
    table = parse("CREATE TABLE t (id INTEGER PRIMARY KEY DESC)")

    assert table.columns == (Column("id", "INTEGER", nullable=True),)
    assert table.primary_key == PrimaryKey(("id DESC",))


PRAGMA_CASES = [
    "a INT, b TEXT NOT NULL, c DECIMAL(10, 2) DEFAULT -1.5, PRIMARY KEY (b, a)",
    "a INTEGER PRIMARY KEY, b DEFAULT 'x', c TEXT NOT NULL ON CONFLICT IGNORE DEFAULT ''",
    "a FOO BAR(3), b CHECK (b IN ('(', ')')) NOT NULL, c LONG VARCHAR UNIQUE NOT NULL",
    "a TEXT REFERENCES u(id) ON DELETE SET DEFAULT NOT NULL, b INT DEFAULT 0x1F NULL",
    "\"a\" REAL DEFAULT +.5e3, b BLOB DEFAULT x'00', c TEXT DEFAULT TRUE NOT NULL",
]


@pytest.mark.parametrize("body", PRAGMA_CASES)
def test_parse_table_says_what_sqlite_itself_says(body: str) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(f"CREATE TABLE t ({body})")
        info = connection.execute("PRAGMA table_info(t)").fetchall()

    table = parse(f"CREATE TABLE t ({body})")

    is_rowid = "INTEGER PRIMARY KEY" in body
    assert [column.name for column in table.columns] == [row[1] for row in info]
    assert [column.type.replace(", ", ",") for column in table.columns] == [
        row[2].replace(", ", ",") for row in info
    ]
    assert [column.nullable for column in table.columns] == [
        not row[3] and not (is_rowid and row[5]) for row in info
    ]
    assert [(column.default or "").upper() for column in table.columns] == [
        (row[4] or "").upper() for row in info
    ]
    key = table.primary_key.columns if table.primary_key else ()
    assert list(key) == [row[1] for row in sorted(info, key=lambda row: row[5]) if row[5]]


@pytest.mark.parametrize(
    "text",
    [
        "CREATE TABLE t AS SELECT 1",
        "CREATE TABLE t (a INT",
        "CREATE TABLE t (a INT UNFORESEEN CLAUSE (1) AGAIN)",
        "CREATE TABLE t (a INT, CONSTRAINT x EXCLUDE (a))",
        "CREATE TABLE t (a INT) UNFORESEEN",
        "CREATE TABLE t (a INT DEFAULT",
        "CREATE TABLE t (a TEXT DEFAULT 'x)",
        "CREATE TABLE select (a)",
        "CREATE TABLE t (a INT, PRIMARY KEY (b))",
        "",
    ],
)
def test_parse_table_of_unforeseen_text_raises(text: str) -> None:
    with pytest.raises(Unparsable):
        parse_table(text)


def test_define_text_keeps_what_differs_and_drops_spelling() -> None:
    one = define_text("create  table t (a INT UNFORESEEN 'x  y') -- why")

    assert one == {"sql": "CREATE TABLE t(a INT UNFORESEEN 'x  y')"}
    assert one == define_text("CREATE TABLE \"t\"(a INT UNFORESEEN 'x  y');")
    assert one != define_text("CREATE TABLE t (a INT UNFORESEEN 'x y')")
    assert define_text("CREATE TABLE t ('unterminated") != define_text("CREATE TABLE t (")


def test_define_index_returns_its_terms_and_condition() -> None:
    text = stored_sql(
        "CREATE TABLE u (Email TEXT, age INT)",
        'CREATE UNIQUE INDEX IF NOT EXISTS main."t" ON u'
        ' (EMAIL collate nocase desc, "age" asc, LOWER(Email)) where (age>0)',
    )

    assert define_index(text, ["Email", "age"]) == {
        "unique": True,
        "columns": "Email COLLATE NOCASE DESC, age, lower(Email)",
        "where": "age > 0",
    }


def test_define_view_returns_its_query_with_the_case_of_its_columns() -> None:
    text = stored_sql(
        "CREATE TABLE u (id INT)",
        'CREATE VIEW t ("A b", c) AS -- why\nselect Id, COUNT(*) as n from "u" where id=\'a\' ;',
    )

    assert define_view(text) == {
        "columns": '"A b", c',
        "query": "SELECT Id, count(*) AS n FROM u WHERE id = 'a'",
    }


def test_define_trigger_returns_its_clauses() -> None:
    text = stored_sql(
        "CREATE TABLE u (id INT, n INT)",
        "CREATE TRIGGER t after update of id, n on u for each row when (new.id > 0) begin"
        " update u set n = CASE WHEN n > 1 THEN 2 END; delete from u; end",
    )

    assert define_trigger(text) == {
        "timing": "AFTER",
        "event": "UPDATE OF id, n",
        "when": "new.id > 0",
        "body": "UPDATE u SET n = CASE WHEN n > 1 THEN 2 END; DELETE FROM u",
    }


def test_define_trigger_without_defaults_equals_one_with_them() -> None:
    short = stored_sql("CREATE TABLE u (id)", "CREATE TRIGGER t DELETE ON u BEGIN SELECT 1; END")
    long = stored_sql(
        "CREATE TABLE u (id)",
        "CREATE TRIGGER t BEFORE DELETE ON u FOR EACH ROW BEGIN SELECT 1; END",
    )

    assert define_trigger(short) == define_trigger(long)


def test_define_virtual_table_returns_its_module_and_arguments() -> None:
    text = stored_sql("CREATE VIRTUAL TABLE t USING fts5(title,  body, tokenize='porter ascii')")

    assert define_virtual_table(text) == {
        "using": "fts5(title, body, tokenize = 'porter ascii')",
    }


@pytest.mark.parametrize("define", [define_view, define_trigger, define_virtual_table])
def test_define_of_unforeseen_text_returns_all_of_it(define: object) -> None:
    assert callable(define)
    assert define("CREATE SOMETHING  odd") == {"sql": "CREATE SOMETHING odd"}


def test_define_text_of_nothing_is_empty() -> None:
    assert define_text(" -- nothing") == {"sql": ""}


def test_define_index_of_unforeseen_text_returns_all_of_it() -> None:
    assert define_index("CREATE INDEX i ON t (a) UNFORESEEN", ["a"]) == {
        "sql": "CREATE INDEX i ON t(a) UNFORESEEN"
    }


@pytest.mark.parametrize(
    ("sql", "tokens"),
    [
        ("", []),
        (" \n\t\ufeff ", []),
        ("a -- b", [("word", "a", "A")]),
        ("a/*b*/c /* d", [("word", "a", "A"), ("word", "c", "C")]),
        ("a-b", [("word", "a", "A"), ("operator", "-", "-"), ("word", "b", "B")]),
        ("'--' ;; ", [("string", "'--'", "")]),
        ('"a ""b"""[c]`d`', [("name", 'a "b"', ""), ("name", "c", ""), ("name", "d", "")]),
        ("x'0a' x", [("blob", "x'0a'", ""), ("word", "x", "X")]),
        (
            "1.5e3->>'$'",
            [("number", "1.5e3", ""), ("operator", "->>", "->>"), ("string", "'$'", "")],
        ),
    ],
)
def test_read_tokens_splits_any_text(sql: str, tokens: list[tuple[str, str, str]]) -> None:
    assert read_tokens(sql) == tokens
