from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import (
    CheckConstraint,
    Column,
    Computed,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
    event,
    text,
)
from sqlalchemy.engine import Engine
from tests.checks.compared import compare_models

from alembic_assay.databases import Databases
from alembic_assay.findings import Severity

pytestmark = pytest.mark.parametrize("databases", ["sqlite"], indirect=True)

ID = "id INTEGER NOT NULL PRIMARY KEY"


def compared(
    databases: Databases, folder: Path, models: MetaData, ddl: str, *, notes: bool = False
) -> list[str]:
    """Return the first lines of what is said of the models and a database made by ``ddl``."""
    with databases.temporary() as url:
        with databases.backend.connect(url) as connection:
            databases.backend.run_script(connection, ddl)
        found = compare_models(databases, folder, models, url, notes=notes)
    return [str(finding).splitlines()[0] for finding in found]


class AnyValue(sa.types.UserDefinedType[Any]):
    cache_ok = True

    def get_col_spec(self, **options: Any) -> str:
        return "ANY"


def users(*items: Any, **options: Any) -> MetaData:
    metadata = MetaData()
    Table("users", metadata, Column("id", Integer, primary_key=True), *items, **options)
    return metadata


def default(type_: Any, value: Any) -> Callable[[], MetaData]:
    return lambda: users(Column("c", type_, server_default=value))


def check(condition: str) -> Callable[[], MetaData]:
    return lambda: users(
        Column("a", Integer), Column("s", String(9)), CheckConstraint(condition, name="ck")
    )


def index(*terms: str, **options: Any) -> Callable[[], MetaData]:
    def make() -> MetaData:
        metadata = users(Column("a", Integer), Column("s", String(9)))
        Index("ix", *map(text, terms), _table=metadata.tables["users"], **options)
        return metadata

    return make


def columns(rest: str) -> str:
    return f"CREATE TABLE users ({ID}, {rest})"


def checked(condition: str) -> str:
    return columns(f"a INTEGER, s VARCHAR(9), CONSTRAINT ck CHECK ({condition})")


def indexed(rest: str, unique: str = "") -> str:
    return columns(f"a INTEGER, s VARCHAR(9)); CREATE {unique} INDEX ix ON users {rest}; --")


def plain(*items: Callable[[], Any], **options: Any) -> Callable[[], MetaData]:
    return lambda: users(*(make() for make in items), **options)


RANDOM = text("((random() + 1) * 2)")
NOW = sa.func.now()

SAME: list[tuple[Callable[[], MetaData], str]] = [
    (default(Integer, "0"), columns("c INTEGER DEFAULT 0")),
    (default(Integer, "5"), columns("c INTEGER DEFAULT ((+5))")),
    (default(Integer, text("(60 * 60)")), columns("c INTEGER DEFAULT 3600")),
    (default(sa.Boolean, sa.false()), columns("c BOOLEAN DEFAULT FALSE")),
    (default(sa.Boolean, "1"), columns("c BOOLEAN DEFAULT TRUE")),
    (default(sa.Numeric(10, 2), text("0")), columns("c NUMERIC(10,2) DEFAULT '0.00'")),
    (default(Integer, text("NULL")), columns("c INTEGER")),
    (default(String(9), "it's"), columns("c VARCHAR(9) DEFAULT ('it''s')")),
    (default(String(9), ""), columns('c VARCHAR(9) DEFAULT ""')),
    (default(String(9), "5%"), columns("c VARCHAR(9) DEFAULT '5%' -- per cent\n")),
    (default(sa.DateTime, NOW), columns("c DATETIME DEFAULT (current_timestamp)")),
    (default(sa.DateTime, NOW), columns("c DATETIME DEFAULT (datetime('now'))")),
    (
        default(sa.DateTime, NOW),
        columns("c DATETIME DEFAULT (strftime('%Y-%m-%d %H:%M:%S', 'now'))"),
    ),
    (plain(lambda: Column("c", String(50))), columns("c varchar ( 50 )")),
    (plain(lambda: Column("c", sa.Numeric(10, 2))), columns("c DECIMAL(10,2)")),
    (plain(lambda: Column("c", Integer)), columns("c INT NULL")),
    (
        plain(lambda: Column("c", Integer, nullable=False)),
        columns("c INTEGER CONSTRAINT x NOT NULL"),
    ),
    (check("a > 0 AND s <> 'x'"), checked("((A) > 0) and (`s` != 'x')")),
    (check("a IS NOT NULL"), checked("a NOTNULL")),
    (check("a NOT IN (0, 1)"), checked("NOT (a IN (FALSE, TRUE))")),
    (check("a - 1 - 2 > 0"), checked("((a - 1) - 2) > 0")),
    (check("users.a = 0"), checked("[a] == 0 /* none */")),
    (check("s IN ('x', 'Y')"), checked('s IN ("x", "Y")')),
    (index("lower(s)"), indexed("((LOWER( s )))")),
    (index("s COLLATE NOCASE DESC"), indexed('((s) collate "nocase" desc)')),
    (index("a"), indexed("(a ASC) ")),
    (index("s", sqlite_where=text("a = 1")), indexed("(s COLLATE BINARY) WHERE (a = TRUE)")),
    (plain(lambda: Column("a", Integer, unique=True)), columns("a INTEGER UNIQUE, UNIQUE (a)")),
    (
        plain(lambda: Column("a", Integer, unique=True)),
        columns("a INTEGER); CREATE UNIQUE INDEX any_name ON users (a"),
    ),
    (
        plain(lambda: Column("a", Integer), lambda: UniqueConstraint("a", name="uq")),
        columns("a INTEGER CONSTRAINT uq UNIQUE ON CONFLICT ABORT"),
    ),
    (
        plain(lambda: Column("boss", Integer, ForeignKey("users.id", onupdate="CASCADE"))),
        columns("boss INTEGER REFERENCES Users ON DELETE NO ACTION ON UPDATE CASCADE"),
    ),
    (
        plain(lambda: Column("boss", Integer, ForeignKey("users.id"))),
        columns("boss INTEGER REFERENCES users (ID) DEFERRABLE INITIALLY IMMEDIATE"),
    ),
    (plain(lambda: Column("c", Integer, Computed("id * 2"))), columns("c INTEGER AS ((id)*2)")),
    (plain(lambda: Column("Email", String(9))), f"CREATE TABLE USERS ({ID}, email VARCHAR(9))"),
    (plain(lambda: Column("a", Integer)), "CREATE TABLE users (a INTEGER, id INTEGER PRIMARY KEY)"),
    (plain(), "CREATE TABLE users (id INTEGER, PRIMARY KEY (id DESC))"),
]


@pytest.mark.parametrize(("models", "ddl"), SAME, ids=[ddl for _, ddl in SAME])
def test_what_means_the_same_is_no_drift(
    databases: Databases, tmp_path: Path, models: Callable[[], MetaData], ddl: str
) -> None:
    assert compared(databases, tmp_path, models(), ddl) == []


DIFFERENT: list[tuple[Callable[[], MetaData], str, str]] = [
    (default(Integer, "1"), columns("c INTEGER DEFAULT -1"), "column users.c"),
    (default(Integer, "1"), columns("c INTEGER DEFAULT 1.5"), "column users.c"),
    (default(Integer, RANDOM), columns("c INTEGER DEFAULT (random() + 1 * 2)"), "column users.c"),
    (default(String(9), ""), columns("c VARCHAR(9) DEFAULT NULL"), "column users.c"),
    (default(String(9), "05"), columns("c VARCHAR(9) DEFAULT 5"), "column users.c"),
    (default(sa.Boolean, sa.false()), columns("c BOOLEAN DEFAULT 'false'"), "column users.c"),
    (
        default(sa.DateTime, NOW),
        columns("c DATETIME DEFAULT 'CURRENT_TIMESTAMP'"),
        "column users.c",
    ),
    (
        plain(lambda: Column("c", AnyValue, server_default="1"), sqlite_strict=True),
        f"{columns('c ANY DEFAULT 1')} STRICT",
        "column users.c",
    ),
    (plain(lambda: Column("c", String(50))), columns("c VARCHAR(100)"), "column users.c"),
    (plain(lambda: Column("c", Integer)), columns("c BIGINT"), "column users.c"),
    (plain(lambda: Column("c", String(9, "NOCASE"))), columns("c VARCHAR(9)"), "column users.c"),
    (check("a > 0 AND s > '' OR a = 0"), checked("a > 0 AND (s > '' OR a = 0)"), "ck"),
    (check("a - (1 - 2) > 0"), checked("a - 1 - 2 > 0"), "ck"),
    (check("a IS TRUE"), checked("a IS 1"), "ck"),
    (check("s = 'A'"), checked("s = 'a'"), "ck"),
    (check("s = 'x'"), checked("s COLLATE NOCASE = 'x'"), "ck"),
    (index("a"), indexed("(a DESC)"), "index users.ix"),
    (index("a"), indexed("(a)", "UNIQUE"), "index users.ix"),
    (index("lower(s)"), indexed("(upper(s))"), "index users.ix"),
    (index("s"), indexed("(s COLLATE NOCASE)"), "index users.ix"),
    (index("a", sqlite_where=text("a > 0")), indexed("(a)"), "index users.ix"),
    (
        plain(lambda: Column("a", Integer, unique=True)),
        columns("a INTEGER); CREATE UNIQUE INDEX ux ON users (a) WHERE (a > 0"),
        "unique constraint users.(a)",
    ),
    (
        plain(lambda: Column("a", Integer, unique=True)),
        columns("a INTEGER UNIQUE ON CONFLICT IGNORE"),
        "unique constraint users.(a)",
    ),
    (
        plain(lambda: Column("boss", Integer, ForeignKey("users.id", ondelete="CASCADE"))),
        columns("boss INTEGER REFERENCES users"),
        "foreign key users.(boss)",
    ),
    (
        plain(lambda: Column("c", Integer, Computed("id * 2", persisted=True))),
        columns("c INTEGER AS (id * 2) VIRTUAL"),
        "column users.c",
    ),
    (plain(sqlite_autoincrement=True), f"CREATE TABLE users ({ID})", "column users.id"),
    (plain(), "CREATE TABLE users (id INT NOT NULL PRIMARY KEY)", "column users.id"),
    (plain(), f"CREATE TABLE users ({ID}) STRICT", "table users"),
    (plain(), f"CREATE TABLE users ({ID}) WITHOUT ROWID", "table users"),
    (
        plain(lambda: PrimaryKeyConstraint("id", name="pk_users")),
        f"CREATE TABLE users ({ID})",
        "primary key users.pk_users",
    ),
]


@pytest.mark.parametrize(
    ("models", "ddl", "name"), DIFFERENT, ids=[f"{ddl} {name}" for _, ddl, name in DIFFERENT]
)
def test_what_means_something_else_is_drift(
    databases: Databases, tmp_path: Path, models: Callable[[], MetaData], ddl: str, name: str
) -> None:
    found = compared(databases, tmp_path, models(), ddl)

    assert [one for one in found if name in one], found


def test_virtual_tables_and_views_of_the_migrations_are_no_drift(
    databases: Databases, tmp_path: Path
) -> None:
    ddl = f"""
        CREATE TABLE users ({ID});
        CREATE VIRTUAL TABLE found USING fts5(body);
        CREATE VIEW all_users AS SELECT id FROM users;
    """

    assert compared(databases, tmp_path, users(), ddl) == []
    assert compared(databases, tmp_path, users(), ddl, notes=True) == [
        "drift-undeclared: table found is in the database, but not in the models",
        "drift-undeclared: view all_users is in the database, but not in the models",
    ]


VIEW = "CREATE VIEW adults AS SELECT users.id, count(*) AS n FROM users WHERE users.id > 1"
TRIGGER = "CREATE TRIGGER tg AFTER INSERT ON users BEGIN UPDATE users SET id = 1; END"


@pytest.mark.parametrize(
    ("ours", "theirs", "found"),
    [
        (VIEW, 'create view "adults" as select id, COUNT(*) n from users where (id > 1)', False),
        (VIEW, VIEW.replace("> 1", "> 2"), True),
        (TRIGGER, TRIGGER.lower().replace("id = 1", '"id" = (1)'), False),
        (TRIGGER, TRIGGER.replace("id = 1", "id = 2"), True),
        (TRIGGER, "", True),
    ],
)
def test_views_and_triggers_that_the_models_make_are_compared(
    databases: Databases, tmp_path: Path, ours: str, theirs: str, *, found: bool
) -> None:
    models = users()
    event.listen(models, "after_create", sa.DDL(ours))  # type: ignore[no-untyped-call]

    ddl = f"CREATE TABLE users ({ID}); {theirs}"

    assert bool(compared(databases, tmp_path, models, ddl)) is found


def test_attached_database_is_not_touched(databases: Databases, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs.db"

    def attach(connection: Any, record: Any) -> None:
        connection.execute(f"ATTACH '{theirs}' AS app")

    event.listen(Engine, "connect", attach)
    try:
        with databases.temporary() as url:
            [finding] = compare_models(databases, tmp_path, users(schema="app"), url)
    finally:
        event.remove(Engine, "connect", attach)

    assert finding.severity is Severity.SKIPPED
    assert finding.message == (
        "the models name the schema app, which is a database of its own here"
    )
    assert theirs.read_bytes() == b""
