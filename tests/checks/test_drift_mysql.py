from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import (
    DDL,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    DateTime,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    UniqueConstraint,
    event,
    text,
)
from sqlalchemy.dialects import mysql
from tests.checks.compared import compare_models
from tests.checks.conftest import WriteModels

from alembic_assay.checks.create_all import check_create_all
from alembic_assay.checks.drift import check_drift
from alembic_assay.databases import Databases
from alembic_assay.project import Project

pytestmark = pytest.mark.parametrize("databases", ["mysql"], indirect=True)

MakeModels = Callable[[], MetaData]

ID = "id INT NOT NULL AUTO_INCREMENT PRIMARY KEY"
ROOMS = f"CREATE TABLE rooms ({ID}, a INT, b INT, UNIQUE KEY ab (a, b), UNIQUE KEY ba (b, a));\n"


def compared(
    databases: Databases, folder: Path, models: MetaData, ddl: str, *, notes: bool = False
) -> list[str]:
    """Return the first lines of what is said of the models and a database made by ``ddl``."""
    with databases.temporary() as url:
        with databases.backend.connect(url) as connection:
            databases.backend.run_script(connection, ddl)
        found = compare_models(databases, folder, models, url, notes=notes)
    return [str(finding).splitlines()[0] for finding in found]


def users(*items: Any, **options: Any) -> MetaData:
    metadata = MetaData()
    Table("users", metadata, Column("id", Integer, primary_key=True), *items, **options)
    return metadata


def column(*arguments: Any, **options: Any) -> MakeModels:
    return lambda: users(Column("c", *arguments, **options))


def check(condition: str, **options: Any) -> MakeModels:
    return lambda: users(Column("c", Integer), CheckConstraint(condition, **options))


def renting(*columns: str, to: tuple[str, ...] = ("id",), **options: Any) -> MakeModels:
    def make() -> MetaData:
        references = [f"rooms.{name}" for name in to]
        metadata = users(
            Column("x", Integer),
            Column("y", Integer),
            ForeignKeyConstraint(columns, references, name="fk", **options),
        )
        Table(
            "rooms",
            metadata,
            Column("id", Integer, primary_key=True),
            Column("a", Integer),
            Column("b", Integer),
            UniqueConstraint("a", "b", name="ab"),
            UniqueConstraint("b", "a", name="ba"),
        )
        return metadata

    return make


def listened(statement: str) -> MakeModels:
    def make() -> MetaData:
        metadata = users(Column("c", String(9)))
        event.listen(metadata, "after_create", DDL(statement))  # type: ignore[no-untyped-call]
        return metadata

    return make


def table(rest: str, options: str = "") -> str:
    return f"CREATE TABLE users ({ID}, {rest}) {options};"


def rented(rest: str) -> str:
    return ROOMS + table(f"x INT, y INT, {rest}")


SAME: dict[str, tuple[MakeModels, str]] = {
    "display width": (column(Integer), table("c INT(5)")),
    "tinyint": (column(Boolean), table("c TINYINT(4)")),
    "whole decimal": (column(Numeric(10)), table("c DECIMAL(10, 0)")),
    "collation of the table": (
        lambda: users(Column("c", String(9)), mysql_charset="latin1"),
        table("c VARCHAR(9) COLLATE latin1_swedish_ci", "CHARSET=latin1"),
    ),
    "number with decimals": (
        column(Numeric(10, 2), server_default=text("0")),
        table("c DECIMAL(10, 2) DEFAULT '0.00'"),
    ),
    "number as text": (column(Integer, server_default="5"), table("c INT DEFAULT 5")),
    "calculated number": (
        column(Integer, server_default=text("(1 + 2)")),
        table("c INT DEFAULT 3"),
    ),
    "truth": (column(Boolean, server_default=text("true")), table("c TINYINT(1) DEFAULT '1'")),
    "quote": (column(String(9), server_default="it's"), table("c VARCHAR(9) DEFAULT 'it\\'s'")),
    "percent": (column(String(9), server_default="5%"), table("c VARCHAR(9) DEFAULT '5%'")),
    "empty text": (column(String(9), server_default=""), table("c VARCHAR(9) DEFAULT ''")),
    "null": (column(String(9)), table("c VARCHAR(9) DEFAULT NULL")),
    "now": (
        column(DateTime, server_default=sa.func.now()),
        table("c DATETIME DEFAULT CURRENT_TIMESTAMP"),
    ),
    "any default": (column(Integer, server_default=sa.FetchedValue()), table("c INT DEFAULT 7")),
    "names in capital letters": (
        lambda: users(
            Column("Name", String(9), unique=True),
            Column("size", Integer, Computed("length(Name)")),
            CheckConstraint("Name <> 'A'"),
        ),
        table(
            "name VARCHAR(9), size INT AS (length(name)), UNIQUE KEY NAME (name),"
            " CHECK (name <> 'A')"
        ),
    ),
    "names with percent signs": (
        lambda: users(Column("a%b", Integer), Index("ix%", "a%b")),
        table("`a%b` INT, KEY `ix%` (`a%b`)"),
    ),
    "row format": (lambda: users(mysql_row_format="DYNAMIC"), f"CREATE TABLE users ({ID});"),
    "counter": (users, f"CREATE TABLE users ({ID}) AUTO_INCREMENT=100;"),
    "btree": (
        lambda: users(Column("c", Integer), Index("ix", "c", mysql_using="btree")),
        table("c INT, KEY ix (c)"),
    ),
    "unique index": (
        lambda: users(Column("c", Integer), UniqueConstraint("c", name="uq")),
        table("c INT, UNIQUE INDEX uq (c)"),
    ),
    "check of the column": (check("c > 0"), table("c INT CHECK (`c`>0)")),
    "rule of no action": (
        renting("x", ondelete="RESTRICT"),
        rented("CONSTRAINT fk FOREIGN KEY (x) REFERENCES rooms (id) ON DELETE NO ACTION"),
    ),
    "foreign key in another order": (
        renting("x", "y", to=("a", "b")),
        rented("CONSTRAINT fk FOREIGN KEY (y, x) REFERENCES rooms (b, a)"),
    ),
    "index for a foreign key": (
        renting("x"),
        rented("KEY made_before (x), CONSTRAINT fk FOREIGN KEY (x) REFERENCES rooms (id)"),
    ),
    "body of a trigger": (
        listened("CREATE TRIGGER t BEFORE INSERT ON users FOR EACH ROW SET NEW.c = 'A'"),
        table("c VARCHAR(9)")
        + "create trigger t before insert on users for each row\n set new.`c`='A' /* always */;",
    ),
    "definer of a view": (
        listened("CREATE VIEW v AS SELECT id FROM users"),
        table("c VARCHAR(9)") + "CREATE SQL SECURITY DEFINER VIEW v AS SELECT (`id`) FROM users;",
    ),
}


@pytest.mark.parametrize(("models", "ddl"), SAME.values(), ids=SAME.keys())
def test_other_spelling_is_no_drift(
    databases: Databases, tmp_path: Path, models: MakeModels, ddl: str
) -> None:
    assert compared(databases, tmp_path, models(), ddl) == []


DIFFERENT: dict[str, tuple[MakeModels, str, str]] = {
    "unsigned": (
        column(Numeric(5, 2)),
        table("c DECIMAL(5, 2) UNSIGNED"),
        "drift-changed: column users.c: decimal(5,2) in the models, decimal(5,2) unsigned in the"
        " database",
    ),
    "zero fill": (
        column(mysql.DECIMAL(5, 2, zerofill=True)),
        table("c DECIMAL(5, 2) UNSIGNED"),
        "drift-changed: column users.c: decimal(5,2) unsigned zerofill in the models, decimal(5,2)"
        " unsigned in the database",
    ),
    "order of an enum": (
        column(sa.Enum("a", "b")),
        table("c ENUM('b', 'a')"),
        "drift-changed: column users.c: enum('a','b') in the models, enum('b','a') in the database",
    ),
    "collation": (
        column(String(9, collation="utf8mb4_bin")),
        table("c VARCHAR(9) COLLATE utf8mb4_unicode_ci"),
        "drift-changed: column users.c: collation utf8mb4_bin in the models, utf8mb4_unicode_ci in"
        " the database",
    ),
    "capital letters of a default": (
        column(String(9), server_default="a"),
        table("c VARCHAR(9) DEFAULT 'A'"),
        "drift-changed: column users.c: server default 'a' in the models, 'A' in the database",
    ),
    "type alone, not the default": (
        column(Numeric(5, 2), server_default="0"),
        table("c DECIMAL(5, 1) DEFAULT 0"),
        "drift-changed: column users.c: decimal(5,2) in the models, decimal(5,1) in the database",
    ),
    "capital letters of a check": (
        lambda: users(Column("c", String(9)), CheckConstraint("c <> 'a'", name="ck")),
        table("c VARCHAR(9), CONSTRAINT ck CHECK (c <> 'A')"),
        "drift-changed: check constraint users.ck: `c` <> 'a' in the models, `c` <> 'A' in the"
        " database",
    ),
    "stored": (
        column(Integer, Computed("3 + 4", persisted=True)),
        table("c INT AS (3 + 4)"),
        "drift-changed: column users.c: stored as 3 + 4 in the models, computed as 3 + 4 in the"
        " database",
    ),
    "engine": (
        lambda: users(mysql_engine="InnoDB"),
        f"CREATE TABLE users ({ID}) ENGINE=MyISAM;",
        "drift-changed: table users: engine InnoDB in the models, MyISAM in the database",
    ),
    "other row format": (
        users,
        f"CREATE TABLE users ({ID}) ROW_FORMAT=COMPACT;",
        "drift-changed: table users: no options in the models, ROW_FORMAT=COMPACT in the database",
    ),
    "length of a prefix": (
        lambda: users(Column("c", String(99)), Index("ix", "c", mysql_length=10)),
        table("c VARCHAR(99), KEY ix (c)"),
        "drift-changed: index users.ix: (c(10)) in the models, (c) in the database",
    ),
    "index for a foreign key, and wider": (
        renting("x"),
        rented("KEY wide (x, y), CONSTRAINT fk FOREIGN KEY (x) REFERENCES rooms (id)"),
        "drift-extra: index users.wide is in the database, but not in the models",
    ),
    "index of a foreign key that is gone": (
        lambda: users(Column("x", Integer)),
        f"CREATE TABLE rooms ({ID});"
        + table("x INT, CONSTRAINT fk FOREIGN KEY (x) REFERENCES rooms (id)")
        + "ALTER TABLE users DROP FOREIGN KEY fk; DROP TABLE rooms;",
        "drift-extra: index users.fk is in the database, but not in the models",
    ),
    "pairs of a foreign key": (
        renting("x", "y", to=("a", "b")),
        rented("CONSTRAINT fk FOREIGN KEY (x, y) REFERENCES rooms (b, a)"),
        "drift-changed: foreign key users.fk: references rooms (a, b) in the models, rooms (b, a)"
        " in the database",
    ),
    "text in a trigger": (
        listened("CREATE TRIGGER t BEFORE INSERT ON users FOR EACH ROW SET NEW.c = 'A'"),
        table("c VARCHAR(9)")
        + "CREATE TRIGGER t BEFORE INSERT ON users FOR EACH ROW SET NEW.c = 'a';",
        "drift-changed: trigger users.t: SET NEW.c = 'A' in the models, SET NEW.c = 'a' in the"
        " database",
    ),
}


@pytest.mark.parametrize(("models", "ddl", "said"), DIFFERENT.values(), ids=DIFFERENT.keys())
def test_other_meaning_is_drift(
    databases: Databases, tmp_path: Path, models: MakeModels, ddl: str, said: str
) -> None:
    assert compared(databases, tmp_path, models(), ddl) == [said]


def test_what_no_model_can_say_is_a_note(databases: Databases, tmp_path: Path) -> None:
    ddl = f"""
    CREATE TABLE users ({ID});
    CREATE VIEW v AS SELECT id FROM users;
    CREATE TRIGGER t BEFORE INSERT ON users FOR EACH ROW SET NEW.id = 1;
    CREATE FUNCTION f() RETURNS INT DETERMINISTIC RETURN 1;
    CREATE PROCEDURE p() SELECT 1;
    CREATE EVENT e ON SCHEDULE EVERY 1 DAY DISABLE DO SELECT 1;
    """

    found = compared(databases, tmp_path, users(), ddl)
    noted = compared(databases, tmp_path, users(), ddl, notes=True)

    assert found == []
    assert [line.removesuffix(" is in the database, but not in the models") for line in noted] == [
        f"drift-undeclared: {name}"
        for name in ("event e", "function f", "procedure p", "trigger users.t", "view v")
    ]


def test_character_set_of_the_database_is_that_of_the_models(
    databases: Databases, tmp_path: Path
) -> None:
    ddl = f"ALTER DATABASE CHARACTER SET latin1; {table('c VARCHAR(9)')}"

    assert compared(databases, tmp_path, users(Column("c", String(9))), ddl) == []


def test_index_of_a_foreign_key_that_env_py_hides_is_no_drift(
    project: Project, write_models: WriteModels
) -> None:
    create = """
    op.create_table("rooms", sa.Column("id", sa.Integer, primary_key=True))
    op.create_table(
        "users",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("room", sa.Integer, sa.ForeignKey("rooms.id")),
    )
    """
    write_models(
        models="""
        Table("rooms", metadata, Column("id", Integer, primary_key=True))
        Table("users", metadata, Column("id", Integer, primary_key=True), Column("room", Integer))
        """,
        options=", include_object=lambda *args: args[2] != 'foreign_key_constraint'",
        upgrade=create,
    )

    assert check_drift(project) == []


def test_models_that_need_what_migrations_make_are_compared_in_a_copy(
    project: Project, write_models: WriteModels
) -> None:
    write_models(
        models="""
        Table("a", metadata, Column("id", Integer, primary_key=True), Column("more", Integer))
        Table("b", metadata, Column("id", Integer, ForeignKey("a.id"), primary_key=True))
        for view in ("CREATE VIEW seen AS SELECT * FROM base", "CREATE VIEW more AS SELECT 2 AS n"):
            sa.event.listen(metadata, "after_create", sa.DDL(view))
        """,
        upgrade="""
        op.create_table("a", sa.Column("id", sa.Integer, primary_key=True))
        op.create_table(
            "b", sa.Column("id", sa.Integer, sa.ForeignKey("a.id"), primary_key=True)
        )
        op.execute("CREATE VIEW base AS SELECT 1 AS n")
        op.execute("CREATE VIEW seen AS SELECT * FROM base")
        op.execute("CREATE VIEW more AS SELECT 3 AS n")
        """,
    )

    found = [str(one).splitlines()[0] for one in check_drift(project)]

    assert found == [
        "drift-missing: column a.more is in the models, but not in the migrations",
        "drift-changed: view more: select 2 AS `n` in the models, select 3 AS `n` in the"
        " migrations",
    ]


def test_models_of_another_database_are_not_made(databases: Databases, tmp_path: Path) -> None:
    with databases.temporary() as other:
        schema = str(other.database)
        models = MetaData(schema=schema)
        Table("users", models, Column("id", Integer, primary_key=True))

        found = compared(databases, tmp_path, models, f"CREATE TABLE users ({ID});")
        with databases.backend.connect(other) as connection:
            has_tables = databases.backend.has_tables(connection, except_for=(None, ""))

    assert found == [
        f"drift-not-checked: the models name the schema {schema}, which is a database of its own"
        " here"
    ]
    assert not has_tables


def test_table_of_another_database_is_not_dropped_to_make_room(
    databases: Databases, project: Project, write_models: WriteModels
) -> None:
    with databases.temporary() as other, databases.temporary() as url:
        users = f'Table("users", metadata, Column("id", Integer), schema="{other.database}")'
        write_models(models=users, upgrade="pass")
        metadata = MetaData()
        Table("users", metadata, Column("id", Integer), schema=other.database)
        with databases.backend.connect(other) as theirs, databases.backend.connect(url) as ours:
            databases.backend.run_script(theirs, f"CREATE TABLE users ({ID})")
            databases.backend.run_script(ours, f"CREATE TABLE rooms ({ID})")

            databases.backend.clear_for_models(ours, [metadata])
            found = check_create_all(project)

            assert not databases.backend.has_tables(ours, except_for=(None, ""))
            assert databases.backend.has_tables(theirs, except_for=(None, ""))
    assert [(one.rule, one.message) for one in found] == [
        (
            "create-all-not-checked",
            f"the models name the schema {other.database}, which is a database of its own here",
        )
    ]
