from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.pool import StaticPool

from alembic_assay.catalog import ObjectId, Snapshot, compare
from alembic_assay.dialects.sqlite.catalog import read_catalog

VERSION_TABLE = (None, "alembic_version")


@pytest.fixture
def connection() -> Iterator[Connection]:
    engine = create_engine("sqlite://", poolclass=StaticPool)

    @event.listens_for(engine, "connect")
    def leave_transactions_to_us(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    with engine.connect() as connection:
        yield connection
    engine.dispose()


def run(connection: Connection, *statements: str) -> None:
    for statement in statements:
        connection.exec_driver_sql(statement)


def read(connection: Connection, previous: Snapshot | None = None) -> Snapshot:
    return read_catalog(connection, version_table=VERSION_TABLE, previous=previous)


def differences(before: Snapshot, after: Snapshot) -> list[str]:
    return [str(found) for found in compare(before, after)]


def changes(connection: Connection, one: list[str], other: list[str]) -> list[str]:
    """Compare what two series of statements make of the same empty database."""
    run(connection, *one)
    before = read(connection)
    connection.rollback()
    run(connection, *other)
    return differences(before, read(connection))


def test_read_catalog_names_every_object(connection: Connection) -> None:
    run(
        connection,
        "CREATE TABLE teams (id INTEGER PRIMARY KEY)",
        "CREATE TABLE users (id INTEGER CONSTRAINT pk_users PRIMARY KEY AUTOINCREMENT,"
        " email VARCHAR(50) NOT NULL DEFAULT 'x' COLLATE NOCASE CONSTRAINT uq_email UNIQUE,"
        " team_id INTEGER REFERENCES teams ON DELETE CASCADE,"
        " age INTEGER CHECK (age > 0), UNIQUE (email, age), CONSTRAINT ck_age CHECK (age < 200),"
        " CONSTRAINT fk FOREIGN KEY (age) REFERENCES ages (n))",
        "CREATE INDEX ix_email ON users (email) WHERE age > 1",
        "CREATE TRIGGER trg AFTER INSERT ON users BEGIN SELECT 1; END",
        "CREATE VIEW v AS SELECT id FROM users",
        "CREATE TRIGGER vtrg INSTEAD OF DELETE ON v BEGIN SELECT 2; END",
    )

    snapshot = read(connection)

    column = {
        "type": "INTEGER",
        "nullable": True,
        "not null constraint": None,
        "on null": None,
        "default": None,
        "collation": None,
        "generated": None,
        "autoincrement": False,
    }
    foreign_key = {"on delete": None, "on update": None, "match": None, "deferred": False}
    assert set(snapshot.parts) == {"teams", "users", "v"}
    assert snapshot.parts["users"] == {
        ObjectId("table", "users"): {"strict": False, "without rowid": False},
        ObjectId("column", "users.id"): {**column, "nullable": False, "autoincrement": True},
        ObjectId("column", "users.email"): {
            **column,
            "type": "VARCHAR(50)",
            "nullable": False,
            "default": "'x'",
            "collation": "NOCASE",
        },
        ObjectId("column", "users.team_id"): column,
        ObjectId("column", "users.age"): column,
        ObjectId("primary key", "users.pk_users"): {"columns": "id", "on conflict": None},
        ObjectId("unique constraint", "users.uq_email"): {"columns": "email", "on conflict": None},
        ObjectId("unique constraint", "users.(email, age)"): {
            "columns": "email, age",
            "on conflict": None,
        },
        ObjectId("foreign key", "users.(team_id)"): {
            **foreign_key,
            "columns": "team_id",
            "references": "teams (id)",
            "on delete": "CASCADE",
        },
        ObjectId("foreign key", "users.fk"): {
            **foreign_key,
            "columns": "age",
            "references": "ages (n)",
        },
        ObjectId("check constraint", "users.(age > 0)"): {"check": "age > 0"},
        ObjectId("check constraint", "users.ck_age"): {"check": "age < 200"},
        ObjectId("index", "users.ix_email"): {
            "unique": False,
            "columns": "email",
            "where": "age > 1",
        },
        ObjectId("trigger", "users.trg"): {
            "timing": "AFTER",
            "event": "INSERT",
            "when": None,
            "body": "SELECT 1",
        },
    }
    assert set(snapshot.parts["v"]) == {ObjectId("view", "v"), ObjectId("trigger", "v.vtrg")}


def test_read_catalog_leaves_out_what_is_not_the_users(connection: Connection) -> None:
    run(
        connection,
        "CREATE TABLE ALEMBIC_VERSION (version_num TEXT NOT NULL)",
        "CREATE INDEX ix_version ON alembic_version (version_num)",
        "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, a TEXT UNIQUE)",
        "INSERT INTO t (a) VALUES ('x')",
        "ANALYZE",
        "CREATE TEMP TABLE passing (a TEXT)",
    )

    assert set(read(connection).parts) == {"t"}
    assert set(read_catalog(connection, version_table=(None, "other")).parts) == {
        "ALEMBIC_VERSION",
        "t",
    }
    assert {key.kind for key in read(connection).parts["t"]} == {
        "table",
        "column",
        "primary key",
        "unique constraint",
    }


def test_read_catalog_leaves_out_shadow_tables(connection: Connection) -> None:
    run(
        connection,
        "CREATE VIRTUAL TABLE docs USING fts5(title, body)",
        "CREATE TABLE docs_of_ours (id INTEGER)",
    )

    snapshot = read(connection)

    assert set(snapshot.parts) == {"docs", "docs_of_ours"}
    assert snapshot.parts["docs"] == {ObjectId("table", "docs"): {"using": "fts5(title, body)"}}


def test_read_catalog_leaves_out_attached_databases(connection: Connection) -> None:
    connection.rollback()
    raw = connection.connection.driver_connection
    assert isinstance(raw, sqlite3.Connection)
    raw.execute("ATTACH ':memory:' AS other")
    run(connection, "CREATE TABLE other.t (id INT)", "CREATE TABLE main.u (id INT)")

    assert set(read(connection).parts) == {"u"}
    assert set(read_catalog(connection, version_table=("other", "u")).parts) == {"u"}
    assert set(read_catalog(connection, version_table=("main", "u")).parts) == set()


def test_read_catalog_leaves_the_transaction_open(connection: Connection) -> None:
    run(connection, "CREATE TABLE t (id INT)")

    read(connection)

    assert connection.in_transaction()
    connection.rollback()
    assert read(connection).parts == {}


TABLE = "id INTEGER PRIMARY KEY, a TEXT, b INTEGER"

DIFFERENT = {
    "table": (["CREATE TABLE t (a)"], [], ["table t: removed"]),
    "type": (
        ["CREATE TABLE t (a INT)"],
        ["CREATE TABLE t (a INTEGER)"],
        ["column t.a: type: INT -> INTEGER"],
    ),
    "length": (
        ["CREATE TABLE t (a DECIMAL(10, 2))"],
        ["CREATE TABLE t (a DECIMAL(10, 4))"],
        ["column t.a: type: DECIMAL(10, 2) -> DECIMAL(10, 4)"],
    ),
    "no type": (
        ["CREATE TABLE t (a)"],
        ["CREATE TABLE t (a TEXT)"],
        ["column t.a: type: none -> TEXT"],
    ),
    "nullable": (
        ["CREATE TABLE t (a TEXT NOT NULL)"],
        ["CREATE TABLE t (a TEXT)"],
        ["column t.a: nullable: no -> yes"],
    ),
    "not null conflict": (
        ["CREATE TABLE t (a TEXT NOT NULL ON CONFLICT IGNORE)"],
        ["CREATE TABLE t (a TEXT NOT NULL)"],
        ["column t.a: on null: IGNORE -> none"],
    ),
    "not null name": (
        ["CREATE TABLE t (a TEXT CONSTRAINT nn_a NOT NULL)"],
        ["CREATE TABLE t (a TEXT NOT NULL)"],
        ["column t.a: not null constraint: nn_a -> none"],
    ),
    "default": (
        ["CREATE TABLE t (a TEXT DEFAULT 'x, y')"],
        ["CREATE TABLE t (a TEXT DEFAULT 'x,y')"],
        ["column t.a: default: 'x, y' -> 'x,y'"],
    ),
    "default gone": (
        ["CREATE TABLE t (a TEXT DEFAULT (lower('X')))"],
        ["CREATE TABLE t (a TEXT)"],
        ["column t.a: default: lower('X') -> none"],
    ),
    "collation": (
        ["CREATE TABLE t (a TEXT COLLATE NOCASE)"],
        ["CREATE TABLE t (a TEXT)"],
        ["column t.a: collation: NOCASE -> none"],
    ),
    "generated": (
        ["CREATE TABLE t (b INT, a INT AS ((b + 1) * 2) STORED)"],
        ["CREATE TABLE t (b INT, a INT AS (b + (1 * 2)) STORED)"],
        ["column t.a: generated: ((b + 1) * 2) STORED -> (b + (1 * 2)) STORED"],
    ),
    "stored": (
        ["CREATE TABLE t (b INT, a INT AS (b + 1) STORED)"],
        ["CREATE TABLE t (b INT, a INT AS (b + 1))"],
        ["column t.a: generated: (b + 1) STORED -> (b + 1) VIRTUAL"],
    ),
    "autoincrement": (
        ["CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT)"],
        ["CREATE TABLE t (id INTEGER PRIMARY KEY)"],
        ["column t.id: autoincrement: yes -> no"],
    ),
    "columns": (
        ["CREATE TABLE t (a TEXT, b TEXT)"],
        ["CREATE TABLE t (a TEXT, c TEXT)"],
        ["column t.b: removed", "column t.c: added"],
    ),
    "primary key": (
        ["CREATE TABLE t (a TEXT, b TEXT, CONSTRAINT pk PRIMARY KEY (a, b))"],
        ["CREATE TABLE t (a TEXT, b TEXT, CONSTRAINT pk PRIMARY KEY (b, a))"],
        ["primary key t.pk: columns: a, b -> b, a"],
    ),
    "unnamed primary key": (
        ["CREATE TABLE t (a TEXT, b TEXT, PRIMARY KEY (a))"],
        ["CREATE TABLE t (a TEXT, b TEXT)"],
        ["primary key t.(a): removed"],
    ),
    "primary key conflict": (
        ["CREATE TABLE t (a TEXT PRIMARY KEY ON CONFLICT REPLACE)"],
        ["CREATE TABLE t (a TEXT PRIMARY KEY)"],
        ["primary key t.(a): on conflict: REPLACE -> none"],
    ),
    "unique": (
        ["CREATE TABLE t (a TEXT, b TEXT, CONSTRAINT uq UNIQUE (a, b))"],
        ["CREATE TABLE t (a TEXT, b TEXT, CONSTRAINT uq UNIQUE (a COLLATE NOCASE, b DESC))"],
        ["unique constraint t.uq: columns: a, b -> a COLLATE NOCASE, b DESC"],
    ),
    "unique name": (
        ["CREATE TABLE t (a TEXT CONSTRAINT uq UNIQUE)"],
        ["CREATE TABLE t (a TEXT UNIQUE)"],
        ["unique constraint t.(a): added", "unique constraint t.uq: removed"],
    ),
    "foreign key": (
        ["CREATE TABLE t (a TEXT REFERENCES u (x) ON DELETE CASCADE)"],
        [
            "CREATE TABLE t (a TEXT REFERENCES w (y)"
            " ON UPDATE SET NULL MATCH FULL DEFERRABLE INITIALLY DEFERRED)"
        ],
        [
            "foreign key t.(a): references: u (x) -> w (y), on delete: CASCADE -> none,"
            " on update: none -> SET NULL, match: none -> FULL, deferred: no -> yes"
        ],
    ),
    "foreign key columns": (
        ["CREATE TABLE t (a INT, b INT, CONSTRAINT fk FOREIGN KEY (a) REFERENCES u (x))"],
        ["CREATE TABLE t (a INT, b INT, CONSTRAINT fk FOREIGN KEY (a, b) REFERENCES u (x, y))"],
        ["foreign key t.fk: columns: a -> a, b, references: u (x) -> u (x, y)"],
    ),
    "foreign key without columns": (
        ["CREATE TABLE t (a INT REFERENCES u (id))"],
        ["CREATE TABLE t (a INT REFERENCES u)"],
        ["foreign key t.(a): references: u (id) -> u (its primary key)"],
    ),
    "check": (
        ["CREATE TABLE t (a INT, CONSTRAINT ck CHECK (a > 0))"],
        ["CREATE TABLE t (a INT, CONSTRAINT ck CHECK (a >= 0))"],
        ["check constraint t.ck: check: a > 0 -> a >= 0"],
    ),
    "string in a check": (
        ["CREATE TABLE t (a TEXT, CONSTRAINT ck CHECK (a <> 'X'))"],
        ["CREATE TABLE t (a TEXT, CONSTRAINT ck CHECK (a <> 'x'))"],
        ["check constraint t.ck: check: a <> 'X' -> a <> 'x'"],
    ),
    "double-quoted string in a check": (
        ['CREATE TABLE t (a TEXT, CONSTRAINT ck CHECK (a <> "X"))'],
        ['CREATE TABLE t (a TEXT, CONSTRAINT ck CHECK (a <> "x"))'],
        ["check constraint t.ck: check: a <> X -> a <> x"],
    ),
    "equal unnamed checks": (
        ["CREATE TABLE t (a INT CHECK (a > 0), CHECK (a > 0), CHECK (a > 0))"],
        ["CREATE TABLE t (a INT CHECK (a > 0))"],
        [
            "check constraint t.(a > 0) #2: removed",
            "check constraint t.(a > 0) #3: removed",
        ],
    ),
    "without rowid": (
        ["CREATE TABLE t (a TEXT NOT NULL PRIMARY KEY) WITHOUT ROWID"],
        ["CREATE TABLE t (a TEXT NOT NULL PRIMARY KEY)"],
        ["table t: without rowid: yes -> no"],
    ),
    "index": (
        [f"CREATE TABLE t ({TABLE})", "CREATE UNIQUE INDEX ix ON t (a) WHERE b > 1"],
        [f"CREATE TABLE t ({TABLE})", "CREATE INDEX ix ON t (a DESC)"],
        ["index t.ix: unique: yes -> no, columns: a -> a DESC, where: b > 1 -> none"],
    ),
    "index on an expression": (
        [f"CREATE TABLE t ({TABLE})", "CREATE INDEX ix ON t (lower(a))"],
        [f"CREATE TABLE t ({TABLE})"],
        ["index t.ix: removed"],
    ),
    "index name": (
        [f"CREATE TABLE t ({TABLE})", "CREATE INDEX ix ON t (a)"],
        [f"CREATE TABLE t ({TABLE})", "CREATE INDEX ix_a ON t (a)"],
        ["index t.ix: removed", "index t.ix_a: added"],
    ),
    "trigger": (
        [
            f"CREATE TABLE t ({TABLE})",
            "CREATE TRIGGER trg AFTER INSERT ON t WHEN new.b > 0 BEGIN SELECT 1; END",
        ],
        [
            f"CREATE TABLE t ({TABLE})",
            "CREATE TRIGGER trg UPDATE OF a ON t BEGIN SELECT 'x'; END",
        ],
        [
            "trigger t.trg: timing: AFTER -> BEFORE, event: INSERT -> UPDATE OF a,"
            " when: new.b > 0 -> none, body: SELECT 1 -> SELECT 'x'"
        ],
    ),
    "view": (
        ["CREATE VIEW v AS SELECT 1 AS a"],
        ["CREATE VIEW v (b) AS SELECT 2 AS a"],
        ["view v: columns: none -> b, query: SELECT 1 AS a -> SELECT 2 AS a"],
    ),
    "case of a view's column": (
        ["CREATE VIEW v AS SELECT 1 AS userId"],
        ["CREATE VIEW v AS SELECT 1 AS userid"],
        ["view v: query: SELECT 1 AS userId -> SELECT 1 AS userid"],
    ),
    "view for table": (
        ["CREATE TABLE x (a)"],
        ["CREATE VIEW x AS SELECT 1 AS a"],
        ["table x: removed", "view x: added"],
    ),
    "virtual table": (
        ["CREATE VIRTUAL TABLE t USING fts5(a)"],
        ["CREATE VIRTUAL TABLE t USING fts5(a, b)"],
        ["table t: using: fts5(a) -> fts5(a, b)"],
    ),
}


@pytest.mark.parametrize(("one", "other", "expected"), DIFFERENT.values(), ids=DIFFERENT)
def test_compare_of_another_attribute_says_so(
    connection: Connection, one: list[str], other: list[str], expected: list[str]
) -> None:
    assert changes(connection, one, other) == expected


@pytest.mark.skipif(sqlite3.sqlite_version_info < (3, 37), reason="knows no STRICT")
def test_compare_of_strict_says_so(connection: Connection) -> None:
    assert changes(connection, ["CREATE TABLE t (a TEXT) STRICT"], ["CREATE TABLE t (a TEXT)"]) == [
        "table t: strict: yes -> no"
    ]


EQUAL = {
    "order of columns and constraints": (
        ["CREATE TABLE t (a TEXT, b INT, CHECK (b > 0), UNIQUE (a))"],
        ["CREATE TABLE t (b INT CHECK (b > 0), a TEXT UNIQUE)"],
    ),
    "order of statements": (
        ["CREATE TABLE t (a)", "CREATE TABLE u (a)", "CREATE INDEX x ON t (a)"],
        ["CREATE TABLE u (a)", "CREATE TABLE t (a)", "CREATE INDEX IF NOT EXISTS x ON T ([A] ASC)"],
    ),
    "order of numbered constraints": (
        ["CREATE TABLE t (a INT REFERENCES u (x), FOREIGN KEY (a) REFERENCES w (x))"],
        ["CREATE TABLE t (a INT REFERENCES w (x), FOREIGN KEY (a) REFERENCES u (x))"],
    ),
    "referenced primary key": (
        ["CREATE TABLE t (a REFERENCES u)", "CREATE TABLE u (x INT, y INT, PRIMARY KEY (x))"],
        ["CREATE TABLE t (a REFERENCES u(x))", "CREATE TABLE u (x INT PRIMARY KEY, y INT)"],
    ),
    "trigger's table in another case": (
        [f"CREATE TABLE t ({TABLE})", "CREATE TRIGGER g DELETE ON t BEGIN SELECT 1; END"],
        [
            f"CREATE TABLE t ({TABLE})",
            'CREATE TRIGGER "g" before delete on T for each row begin select 1 ; end',
        ],
    ),
    "view's spelling": (
        ["CREATE TABLE t (a)", "CREATE VIEW v AS SELECT a FROM t WHERE a <> 1"],
        ["CREATE TABLE t (a)", 'CREATE VIEW "v" as\nselect "a" from [t] /* all */ where a != 1'],
    ),
}


@pytest.mark.parametrize(("one", "other"), EQUAL.values(), ids=EQUAL)
def test_compare_of_another_spelling_is_silent(
    connection: Connection, one: list[str], other: list[str]
) -> None:
    assert changes(connection, one, other) == []


def test_read_catalog_of_a_table_that_is_not_understood_compares_its_text(
    connection: Connection,
) -> None:
    run(connection, "CREATE TABLE t (a TEXT)", "CREATE INDEX ix ON t (a)")
    snapshots = []
    for body in ("a !! 'x'", "[a]   !! /* */ 'x'", "a !! 'y'"):
        run(connection, "PRAGMA writable_schema = ON")
        connection.exec_driver_sql(
            "UPDATE sqlite_master SET sql = ? WHERE name = 't'", (f"CREATE TABLE t ({body})",)
        )
        snapshots.append(read(connection))
    one, spelled, different = snapshots

    assert one.parts["t"][ObjectId("table", "t")] == {"sql": "CREATE TABLE t(a ! ! 'x')"}
    assert differences(one, spelled) == []
    assert differences(one, different) == [
        "table t: sql: CREATE TABLE t(a ! ! 'x') -> CREATE TABLE t(a ! ! 'y')"
    ]


def batch(connection: Connection, table: str = "t") -> list[str]:
    """Let Alembic copy the table twice, to add a column and to drop it; return what changed."""
    before = read(connection)
    operations = Operations(MigrationContext.configure(connection))
    with operations.batch_alter_table(table, recreate="always") as to_add:
        to_add.add_column(sa.Column("added", sa.Integer()))
    assert f"column {table}.added: added" in differences(before, read(connection, before))
    with operations.batch_alter_table(table, recreate="always") as to_drop:
        to_drop.drop_column("added")
    return differences(before, read(connection, before))


KEPT = {
    "inline": "id INTEGER PRIMARY KEY, a TEXT UNIQUE, b INTEGER REFERENCES u, c TEXT NOT NULL",
    "text key": "id TEXT PRIMARY KEY, a TEXT NULL",
    "composite key": "a TEXT, b INTEGER, CONSTRAINT pk_t PRIMARY KEY (b, a)",
    "defaults": "a BOOLEAN DEFAULT 0, b DATETIME DEFAULT CURRENT_TIMESTAMP, c TEXT DEFAULT 'it''s',"
    " d REAL DEFAULT -1.5, e TEXT DEFAULT NULL, f BLOB DEFAULT x'00', g TEXT DEFAULT (lower('X'))",
    "constraints": "a TEXT, b INTEGER,\n CONSTRAINT uq UNIQUE (b, a),\n"
    " CONSTRAINT ck CHECK((a>'x')),\n CONSTRAINT fk FOREIGN KEY(b)"
    " REFERENCES u(id) ON DELETE SET NULL ON UPDATE NO ACTION",
    "deferred": "a INTEGER, FOREIGN KEY (a) REFERENCES u (id) DEFERRABLE INITIALLY DEFERRED",
    "odd names": '"check" TEXT, [a b] TEXT, `c.d` TEXT, "order" INTEGER, UNIQUE ("a b")',
}


@pytest.mark.parametrize("body", KEPT.values(), ids=KEPT)
def test_batch_that_keeps_all_of_a_table_leaves_no_difference(
    connection: Connection, body: str
) -> None:
    run(connection, "CREATE TABLE u (id INTEGER PRIMARY KEY)", f"CREATE TABLE t ({body})")

    assert batch(connection) == []


def test_batch_of_a_table_that_alembic_made_leaves_no_difference(connection: Connection) -> None:
    operations = Operations(MigrationContext.configure(connection))
    operations.create_table("u", sa.Column("id", sa.Integer(), primary_key=True))
    operations.create_table(
        "t",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("email", sa.String(50), nullable=False, server_default="x", unique=True),
        sa.Column("at", sa.DateTime(), server_default=sa.func.now()),
        sa.Column("price", sa.Numeric(10, 2), server_default=sa.text("0")),
        sa.Column("user_id", sa.Integer(), sa.ForeignKey("u.id", ondelete="CASCADE")),
        sa.CheckConstraint("price >= 0", name="ck_price"),
        sa.UniqueConstraint("user_id", "at", name="uq_t"),
    )
    operations.create_index("ix_t", "t", ["price"], sqlite_where=sa.text("price > 1"))

    assert batch(connection) == []


LOST = {
    "check": (
        ["CREATE TABLE t (a INTEGER CHECK (a > 0))"],
        ["check constraint t.(a > 0): removed"],
    ),
    "autoincrement": (
        ["CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT)"],
        ["column t.id: autoincrement: yes -> no"],
    ),
    "collation": (
        ["CREATE TABLE t (a TEXT COLLATE NOCASE)"],
        ["column t.a: collation: NOCASE -> none"],
    ),
    "conflict clauses": (
        ["CREATE TABLE t (a TEXT NOT NULL ON CONFLICT IGNORE UNIQUE ON CONFLICT FAIL)"],
        [
            "column t.a: on null: IGNORE -> none",
            "unique constraint t.(a): on conflict: FAIL -> none",
        ],
    ),
    "inline unique": (
        ["CREATE TABLE t (a VARCHAR(10) UNIQUE)"],
        ["unique constraint t.(a): removed"],
    ),
    "inline names": (
        ["CREATE TABLE t (a INTEGER CONSTRAINT uq UNIQUE CONSTRAINT fk REFERENCES t (a))"],
        [
            "foreign key t.(a): added",
            "foreign key t.fk: removed",
            "unique constraint t.(a): added",
            "unique constraint t.uq: removed",
        ],
    ),
    "inline actions": (
        ["CREATE TABLE t (a INTEGER REFERENCES u ON DELETE CASCADE)"],
        ["foreign key t.(a): on delete: CASCADE -> none"],
    ),
    "expression index": (
        ["CREATE TABLE t (a TEXT)", "CREATE INDEX ix ON t (lower(a))"],
        ["index t.ix: removed"],
    ),
    "index order": (
        ["CREATE TABLE t (a TEXT)", "CREATE INDEX ix ON t (a DESC)"],
        ["index t.ix: columns: a DESC -> a"],
    ),
    "trigger": (
        ["CREATE TABLE t (a TEXT)", "CREATE TRIGGER g DELETE ON t BEGIN SELECT 1; END"],
        ["trigger t.g: removed"],
    ),
    "type": (["CREATE TABLE t (a INT)"], ["column t.a: type: INT -> INTEGER"]),
}


@pytest.mark.filterwarnings("ignore:Unnamed CHECK constraint on reflected table:UserWarning")
@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection:sqlalchemy.exc.SAWarning")
@pytest.mark.parametrize(("statements", "expected"), LOST.values(), ids=LOST)
def test_batch_that_loses_something_is_reported(
    connection: Connection, statements: list[str], expected: list[str]
) -> None:
    run(connection, "CREATE TABLE u (id INTEGER PRIMARY KEY)", *statements)

    assert batch(connection) == expected


def test_read_catalog_with_previous_and_no_change_returns_it(connection: Connection) -> None:
    run(connection, "CREATE TABLE t (a)", "CREATE VIEW v AS SELECT a FROM t")
    before = read(connection)
    run(connection, "INSERT INTO t VALUES (1)")

    assert read(connection, before) is before


def test_read_catalog_with_previous_reuses_parts_that_did_not_change(
    connection: Connection,
) -> None:
    run(connection, "CREATE TABLE t (a)", "CREATE TABLE u (a)", "CREATE VIEW v AS SELECT a FROM t")
    before = read(connection)
    run(connection, "CREATE INDEX ix ON u (a)")

    after = read(connection, before)

    assert after.parts["t"] is before.parts["t"]
    assert after.parts["v"] is before.parts["v"]
    assert after.parts["u"] is not before.parts["u"]
    assert differences(before, after) == ["index u.ix: added"]


def test_read_catalog_with_previous_reads_children_of_another_primary_key_again(
    connection: Connection,
) -> None:
    run(
        connection,
        "CREATE TABLE u (x INT PRIMARY KEY, y INT)",
        "CREATE TABLE implied (a REFERENCES u)",
        "CREATE TABLE spelled (a REFERENCES u (x))",
    )
    before = read(connection)
    run(connection, "DROP TABLE u", "CREATE TABLE u (x INT, y INT PRIMARY KEY)")

    after = read(connection, before)

    assert after.parts["spelled"] is before.parts["spelled"]
    assert differences(before, after) == [
        "foreign key implied.(a): references: u (x) -> u (y)",
        "primary key u.(x): removed",
        "primary key u.(y): added",
    ]


def test_read_catalog_with_previous_sees_that_a_referenced_table_is_gone(
    connection: Connection,
) -> None:
    run(
        connection,
        "CREATE TABLE u (x INT PRIMARY KEY)",
        "CREATE TABLE implied (a REFERENCES U)",
    )
    before = read(connection)
    run(connection, "DROP TABLE u")

    after = read(connection, before)

    assert differences(before, after) == [
        "foreign key implied.(a): references: U (x) -> U (its primary key)",
        "table u: removed",
    ]


def test_read_catalog_with_previous_sees_a_name_in_another_case(connection: Connection) -> None:
    run(connection, "CREATE TABLE t (a)", "CREATE INDEX ix ON T (a)")
    before = read(connection)
    run(connection, "DROP TABLE t", "CREATE TABLE T (a)", "CREATE INDEX ix ON t (a)")

    after = read(connection, before)

    assert after == read(connection)
    assert differences(before, after) == ["table T: added", "table t: removed"]


def test_read_catalog_with_previous_of_another_version_table_tells_the_one_from_the_other(
    connection: Connection,
) -> None:
    run(connection, "CREATE TABLE one (n)", "CREATE TABLE two (n)")
    before = read_catalog(connection, version_table=(None, "one"))

    after = read_catalog(connection, version_table=(None, "two"), previous=before)

    assert (set(before.parts), set(after.parts)) == ({"two"}, {"one"})


def test_read_catalog_with_previous_sees_a_table_where_a_shadow_table_was(
    connection: Connection,
) -> None:
    run(connection, "CREATE VIRTUAL TABLE search USING fts5 (body)")
    before = read(connection)
    (config,) = connection.exec_driver_sql(
        "SELECT sql FROM sqlite_master WHERE name = 'search_config'"
    ).one()
    run(connection, "DROP TABLE search", config)

    after = read(connection, before)

    assert differences(before, after) == ["table search: removed", "table search_config: added"]


def test_read_catalog_with_previous_sees_another_spelling_that_means_the_same_as_the_same(
    connection: Connection,
) -> None:
    run(connection, "CREATE TABLE t (a TEXT)")
    before = read(connection)
    run(connection, "DROP TABLE t", 'CREATE TABLE "t" ("a" text)')

    after = read(connection, before)

    assert after.parts["t"] is before.parts["t"]


def test_read_catalog_with_previous_that_was_rolled_back_sees_the_change(
    connection: Connection,
) -> None:
    run(connection, "CREATE TABLE t (a TEXT)")
    connection.commit()
    run(connection, "CREATE TABLE rolled_back (a TEXT)")
    rolled_back = read(connection)
    number = connection.exec_driver_sql("PRAGMA schema_version").scalar()
    connection.rollback()
    run(connection, "CREATE TABLE other (a TEXT)")
    assert connection.exec_driver_sql("PRAGMA schema_version").scalar() == number

    after = read(connection, rolled_back)

    assert differences(rolled_back, after) == ["table other: added", "table rolled_back: removed"]


def random_statement(choose: random.Random) -> str:
    table, other = choose.choice("abc"), choose.choice("abc")
    name = f"x{choose.randrange(4)}"
    return choose.choice(
        [
            f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, n INT REFERENCES {other})",
            f"CREATE TABLE {table} (id INTEGER, n TEXT PRIMARY KEY CHECK (n <> '{name}'))",
            f"DROP TABLE {table}",
            f"ALTER TABLE {table} RENAME TO {other}",
            f"ALTER TABLE {table} ADD COLUMN {name} TEXT DEFAULT '{name}'",
            f"ALTER TABLE {table} RENAME COLUMN n TO {name}",
            f"CREATE INDEX {name} ON {table} (n)",
            f"DROP INDEX {name}",
            f"CREATE VIEW v{name} AS SELECT 1 AS {table}",
            f"DROP VIEW v{name}",
            f"CREATE TRIGGER g{name} DELETE ON {table} BEGIN SELECT {other}.n FROM {other}; END",
            "COMMIT",
            "ROLLBACK",
        ]
    )


@pytest.mark.parametrize("seed", range(10))
def test_read_catalog_with_previous_equals_a_full_read_after_any_statement(
    connection: Connection, seed: int
) -> None:
    choose = random.Random(seed)
    snapshots = [read(connection)]
    for _ in range(80):
        statement = random_statement(choose)
        if statement in ("COMMIT", "ROLLBACK"):
            (connection.commit if statement == "COMMIT" else connection.rollback)()
        else:
            with connection.begin_nested() if connection.in_transaction() else connection.begin():
                try:
                    connection.exec_driver_sql(statement)
                except sa.exc.OperationalError:
                    continue
        previous = choose.choice(snapshots)

        snapshot = read(connection, previous)

        full = read(connection)
        assert snapshot == full
        assert differences(snapshot, full) == []
        assert [list(part) for part in snapshot.parts.values()] == [
            list(part) for part in full.parts.values()
        ]
        snapshots.append(snapshot)
    assert len(snapshots) > 20
