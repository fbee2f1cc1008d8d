"""The catalogue of MariaDB, read from a real server: each kind of object, and each short cut."""

from __future__ import annotations

import pytest
from sqlalchemy import URL, Connection, create_engine
from sqlalchemy.pool import NullPool

from alembic_assay.catalog import ObjectId, Snapshot, compare
from alembic_assay.databases import Databases
from alembic_assay.dialects.mysql.catalog import read_catalog

VERSION_TABLE = (None, "alembic_version")

T = "CREATE TABLE t (id int, n int, name varchar(50) NOT NULL, words text)"
P = "CREATE TABLE p (id int PRIMARY KEY)"
CHILD = f"{P};; CREATE TABLE t (id int, p int, CONSTRAINT fk FOREIGN KEY (p) REFERENCES p (id))"
FUNCTION = "CREATE FUNCTION f(a int) RETURNS int {} RETURN a + {}"
TRIGGER = "CREATE TRIGGER g {} INSERT ON t FOR EACH ROW SET NEW.n = {}"
EVENT = "CREATE EVENT e ON SCHEDULE EVERY {} DAY {} DO DELETE FROM t WHERE id < {}"

CHANGES = {
    "table": ("", T, ["table t: added"]),
    "table engine": (
        T,
        "ALTER TABLE t ENGINE=MyISAM",
        ["table t: engine: InnoDB -> MyISAM"],
    ),
    "table collation": (
        f"{T} COLLATE utf8mb4_general_ci",
        "ALTER TABLE t COLLATE utf8mb4_bin",
        ["table t: collation: utf8mb4_general_ci -> utf8mb4_bin"],
    ),
    "table comment": (T, "ALTER TABLE t COMMENT 'it''s'", ["table t: comment: none -> it's"]),
    "table options": (
        T,
        "ALTER TABLE t ROW_FORMAT=COMPRESSED",
        ["table t: options: none -> ROW_FORMAT=COMPRESSED"],
    ),
    "table versioning": (
        T,
        "ALTER TABLE t ADD SYSTEM VERSIONING",
        ["table t: system versioning: none -> yes"],
    ),
    "table partitions": (
        T,
        "ALTER TABLE t PARTITION BY HASH (id) PARTITIONS 2",
        ["table t: partition by: none -> HASH (`id`) PARTITIONS 2"],
    ),
    "table partition": (
        f"{T} PARTITION BY RANGE (id) (PARTITION a VALUES LESS THAN (5))",
        "ALTER TABLE t ADD PARTITION (PARTITION b VALUES LESS THAN (9))",
        [
            "table t: partition by: RANGE (`id`) (PARTITION `a` VALUES LESS THAN (5) ENGINE ="
            " InnoDB) -> RANGE (`id`) (PARTITION `a` VALUES LESS THAN (5) ENGINE = InnoDB,"
            " PARTITION `b` VALUES LESS THAN (9) ENGINE = InnoDB)"
        ],
    ),
    "table period": (
        "CREATE TABLE t (a date NOT NULL, b date NOT NULL)",
        "ALTER TABLE t ADD PERIOD FOR pp(a, b)",
        ["table t: period pp: none -> a, b"],
    ),
    "column": (T, "ALTER TABLE t ADD c int", ["column t.c: added"]),
    "column type": (
        T,
        "ALTER TABLE t MODIFY n bigint unsigned",
        ["column t.n: type: int(11) -> bigint(20) unsigned"],
    ),
    "column length": (
        T,
        "ALTER TABLE t MODIFY name varchar(60) NOT NULL",
        ["column t.name: type: varchar(50) -> varchar(60)"],
    ),
    "column enum members": (
        "CREATE TABLE t (e enum('a', 'b,(') NOT NULL)",
        "ALTER TABLE t MODIFY e enum('b,(', 'a') NOT NULL",
        ["column t.e: type: enum('a','b,(') -> enum('b,(','a')"],
    ),
    "column set members": (
        "CREATE TABLE t (e set('a', 'b'))",
        "ALTER TABLE t MODIFY e set('a', 'b', 'it''s')",
        ["column t.e: type: set('a','b') -> set('a','b','it''s')"],
    ),
    "column json": (T, "ALTER TABLE t ADD j json", ["column t.j: added"]),
    "column nullable": (
        T,
        "ALTER TABLE t MODIFY n int NOT NULL",
        ["column t.n: nullable: yes -> no"],
    ),
    "column default": (
        T,
        "ALTER TABLE t ALTER n SET DEFAULT 5",
        ["column t.n: default: none -> 5"],
    ),
    "column default text": (
        T,
        "ALTER TABLE t ALTER name SET DEFAULT 'NULL'",
        ["column t.name: default: none -> 'NULL'"],
    ),
    "column default expression": (
        T,
        "ALTER TABLE t ALTER n SET DEFAULT (1 + length('a b'))",
        ["column t.n: default: none -> (1 + octet_length('a b'))"],
    ),
    "column on update": (
        "CREATE TABLE t (at timestamp NULL)",
        "ALTER TABLE t MODIFY at timestamp NULL ON UPDATE current_timestamp()",
        ["column t.at: on update: none -> current_timestamp()"],
    ),
    "column autoincrement": (
        P,
        "ALTER TABLE p MODIFY id int AUTO_INCREMENT",
        ["column p.id: autoincrement: none -> yes"],
    ),
    "column computed": (
        f"{T};; ALTER TABLE t ADD c int AS (n + 1)",
        "ALTER TABLE t MODIFY c int AS (n + 2)",
        ["column t.c: computed as: `n` + 1 -> `n` + 2"],
    ),
    "column stored": (
        f"{T};; ALTER TABLE t ADD c int AS (n + 1)",
        "ALTER TABLE t DROP c;; ALTER TABLE t ADD c int AS (n + 1) STORED",
        ["column t.c: computed as: `n` + 1 -> none, stored as: none -> `n` + 1"],
    ),
    "column collation": (
        f"{T} COLLATE utf8mb4_general_ci",
        "ALTER TABLE t MODIFY name varchar(50) COLLATE utf8mb4_bin NOT NULL",
        ["column t.name: collation: utf8mb4_general_ci -> utf8mb4_bin"],
    ),
    "column comment": (
        T,
        r"ALTER TABLE t MODIFY n int COMMENT 'CHECK (x)\n''`'",
        ["column t.n: comment: none -> CHECK (x)\n'`"],
    ),
    "column invisible": (
        T,
        "ALTER TABLE t MODIFY n int INVISIBLE",
        ["column t.n: invisible: none -> yes"],
    ),
    "column compressed": (
        T,
        "ALTER TABLE t MODIFY words text COMPRESSED",
        ["column t.words: options: none -> COMPRESSED"],
    ),
    "column unversioned": (
        "CREATE TABLE t (id int, n int) WITH SYSTEM VERSIONING",
        "DROP TABLE t;; CREATE TABLE t (id int, n int WITHOUT SYSTEM VERSIONING)"
        " WITH SYSTEM VERSIONING",
        ["column t.n: options: none -> WITHOUT SYSTEM VERSIONING"],
    ),
    "column renamed": (
        T,
        "ALTER TABLE t RENAME COLUMN n TO m",
        ["column t.m: added", "column t.n: removed"],
    ),
    "primary key": (
        "CREATE TABLE t (id int NOT NULL)",
        "ALTER TABLE t ADD PRIMARY KEY (id)",
        ["primary key t.PRIMARY: added"],
    ),
    "index": (T, "CREATE INDEX i ON t (name)", ["index t.i: added"]),
    "index columns": (
        f"{T};; CREATE INDEX i ON t (name)",
        "DROP INDEX i ON t;; CREATE INDEX i ON t (name(5), n DESC)",
        ["index t.i: columns: name -> name(5), n DESC"],
    ),
    "index unique": (
        f"{T};; CREATE INDEX i ON t (name)",
        "DROP INDEX i ON t;; CREATE UNIQUE INDEX i ON t (name)",
        ["index t.i: unique: no -> yes"],
    ),
    "index full text": (
        f"{T};; CREATE INDEX i ON t (name)",
        "DROP INDEX i ON t;; CREATE FULLTEXT INDEX i ON t (name)",
        ["index t.i: type: none -> FULLTEXT"],
    ),
    "index algorithm": (
        f"{T} ENGINE=MEMORY".replace(", words text", "") + ";; CREATE INDEX i ON t (n)",
        "DROP INDEX i ON t;; CREATE INDEX i USING BTREE ON t (n)",
        ["index t.i: using: none -> BTREE"],
    ),
    "index comment": (
        f"{T};; CREATE INDEX i ON t (n)",
        "DROP INDEX i ON t;; CREATE INDEX i ON t (n) COMMENT 'c'",
        ["index t.i: comment: none -> c"],
    ),
    "index ignored": (
        f"{T};; CREATE INDEX i ON t (n)",
        "ALTER TABLE t ALTER INDEX i IGNORED",
        ["index t.i: options: none -> IGNORED"],
    ),
    "foreign key": (
        f"{P};; {T}",
        "ALTER TABLE t ADD CONSTRAINT fk FOREIGN KEY (n) REFERENCES p (id)",
        ["foreign key t.fk: added", "index t.fk: added"],
    ),
    "foreign key rules": (
        CHILD,
        "ALTER TABLE t DROP FOREIGN KEY fk;; ALTER TABLE t ADD CONSTRAINT fk FOREIGN KEY (p)"
        " REFERENCES p (id) ON DELETE SET NULL ON UPDATE CASCADE",
        ["foreign key t.fk: on delete: none -> SET NULL, on update: none -> CASCADE"],
    ),
    "foreign key target": (
        CHILD,
        "RENAME TABLE p TO q",
        [
            "foreign key t.fk: references: p (id) -> q (id)",
            "table p: removed",
            "table q: added",
        ],
    ),
    "check constraint": (
        T,
        "ALTER TABLE t ADD CONSTRAINT ck CHECK (name NOT IN ('(', ' x'))",
        ["check constraint t.ck: added"],
    ),
    "check constraint expression": (
        f"{T};; ALTER TABLE t ADD CONSTRAINT ck CHECK (n > 0)",
        "ALTER TABLE t DROP CONSTRAINT ck;; ALTER TABLE t ADD CONSTRAINT ck CHECK (n > 1)",
        ["check constraint t.ck: check: `n` > 0 -> `n` > 1"],
    ),
    "check constraint of a column": (
        T,
        "ALTER TABLE t MODIFY n int CHECK (n > 0)",
        ["check constraint t.n: added"],
    ),
    "view": (T, "CREATE VIEW v AS SELECT id FROM t", ["view v: added"]),
    "view definition": (
        f"{T};; CREATE VIEW v AS SELECT id FROM t",
        "CREATE OR REPLACE VIEW v AS SELECT id FROM t WHERE name = ' AS '",
        [
            "view v: definition: select `t`.`id` AS `id` from `t` -> select `t`.`id` AS `id`"
            " from `t` where `t`.`name` = ' AS '"
        ],
    ),
    "view attributes": (
        f"{T};; CREATE VIEW v AS SELECT id FROM t",
        "CREATE OR REPLACE ALGORITHM=MERGE SQL SECURITY INVOKER VIEW v AS SELECT id FROM t"
        " WITH LOCAL CHECK OPTION",
        [
            "view v: algorithm: UNDEFINED -> MERGE, security: DEFINER -> INVOKER,"
            " check option: none -> LOCAL"
        ],
    ),
    "sequence": ("", "CREATE SEQUENCE s", ["sequence s: added"]),
    "sequence options": (
        "CREATE SEQUENCE s MAXVALUE 99",
        "ALTER SEQUENCE s INCREMENT BY 2",
        [
            "sequence s: options: start with 1 minvalue 1 maxvalue 99 increment by 1 cache 1000"
            " nocycle ENGINE=InnoDB -> start with 1 minvalue 1 maxvalue 99 increment by 2"
            " cache 1000 nocycle ENGINE=InnoDB"
        ],
    ),
    "trigger": (T, TRIGGER.format("BEFORE", 1), ["trigger t.g: added"]),
    "trigger body": (
        f"{T};; {TRIGGER.format('BEFORE', 1)}",
        f"DROP TRIGGER g;; {TRIGGER.format('BEFORE', 2)}",
        ["trigger t.g: body: SET NEW.n = 1 -> SET NEW.n = 2"],
    ),
    "trigger order": (
        f"{T};; {TRIGGER.format('BEFORE', 1)}",
        TRIGGER.format("BEFORE", 2).replace("g", "h", 1).replace("ROW", "ROW PRECEDES g"),
        ["trigger t.g: order: 1 -> 2", "trigger t.h: added"],
    ),
    "trigger mode": (
        f"{T};; {TRIGGER.format('BEFORE', 1)}",
        "DROP TRIGGER g;; SET sql_mode = 'ANSI_QUOTES';; " + TRIGGER.format("BEFORE", 1),
        ["trigger t.g: sql mode: none -> ANSI_QUOTES"],
    ),
    "function": ("", FUNCTION.format("", 1), ["function f: added"]),
    "function definition": (
        FUNCTION.format("", 1),
        f"DROP FUNCTION f;; {FUNCTION.format('DETERMINISTIC NO SQL', 2)}",
        [
            "function f: body: RETURN a + 1 -> RETURN a + 2, deterministic: NO -> YES,"
            " data access: CONTAINS SQL -> NO SQL"
        ],
    ),
    "function parameters": (
        "CREATE FUNCTION f(a int) RETURNS int RETURN 1",
        "DROP FUNCTION f;; CREATE FUNCTION f(b bigint) RETURNS bigint RETURN 1",
        ["function f: returns: int(11) -> bigint(20), parameters: IN a int(11) -> IN b bigint(20)"],
    ),
    "procedure": ("", "CREATE PROCEDURE p(OUT a int) SET a = 1", ["procedure p: added"]),
    "procedure with the name of a function": (
        FUNCTION.format("", 1),
        "CREATE PROCEDURE f(OUT b bigint) SET b = 1",
        ["procedure f: added"],
    ),
    "procedure security": (
        "CREATE PROCEDURE p() SELECT 1",
        "ALTER PROCEDURE p SQL SECURITY INVOKER COMMENT 'c'",
        ["procedure p: security: DEFINER -> INVOKER, comment: none -> c"],
    ),
    "event": (T, EVENT.format(1, "", 0), ["event e: added"]),
    "event schedule": (
        f"{T};; {EVENT.format(1, '', 0)}",
        "ALTER EVENT e ON SCHEDULE EVERY 1 DAY STARTS '2035-01-01' ENDS '2036-01-01'",
        ["event e: starts: none -> 2035-01-01 00:00:00, ends: none -> 2036-01-01 00:00:00"],
    ),
    "event definition": (
        f"{T};; {EVENT.format(1, '', 0)}",
        "SET timestamp = 2000000;; ALTER EVENT e ON SCHEDULE EVERY 2 DAY DISABLE"
        " DO DELETE FROM t WHERE id < 7",
        [
            "event e: every: 1 DAY -> 2 DAY, status: ENABLED -> DISABLED,"
            " body: DELETE FROM t WHERE id < 0 -> DELETE FROM t WHERE id < 7"
        ],
    ),
}

SAME = {
    "rows": (f"{T};; CREATE SEQUENCE s", "INSERT INTO t (name) VALUES ('a');; SELECT NEXTVAL(s)"),
    "counter": (
        "CREATE TABLE t (id int AUTO_INCREMENT PRIMARY KEY) COMMENT ' AUTO_INCREMENT=7'",
        "ALTER TABLE t AUTO_INCREMENT = 100",
    ),
    "no action": (
        CHILD,
        "ALTER TABLE t DROP FOREIGN KEY fk;; ALTER TABLE t ADD CONSTRAINT fk FOREIGN KEY (p)"
        " REFERENCES p (id) ON DELETE NO ACTION ON UPDATE RESTRICT",
    ),
    "order of columns": (T, "ALTER TABLE t MODIFY n int FIRST"),
    "order of indexes": (
        f"{T};; CREATE INDEX i ON t (n);; CREATE INDEX j ON t (id)",
        "DROP INDEX i ON t;; CREATE INDEX i ON t (n)",
    ),
    "event at another time": (
        f"{T};; SET timestamp = 1000000;; {EVENT.format(1, '', 0)}",
        f"DROP EVENT e;; SET timestamp = 2000000;; {EVENT.format(1, '', 0)}",
    ),
    "event in another time zone": (
        f"{T};; SET time_zone = '+05:00';; {EVENT.format(1, '', 0)};; SET time_zone = '+00:00'",
        f"DROP EVENT e;; SET timestamp = 2000000;; {EVENT.format(1, '', 0)}",
    ),
    "version table": (
        T,
        "CREATE TABLE alembic_version (version_num varchar(32) NOT NULL)",
    ),
}


def read(connection: Connection, previous: Snapshot | None = None) -> Snapshot:
    return read_catalog(connection, version_table=VERSION_TABLE, previous=previous)


def execute(connection: Connection, ddl: str) -> None:
    for statement in ddl.split(";;"):
        if statement.strip():
            connection.exec_driver_sql(statement, execution_options={"no_parameters": True})


@pytest.mark.parametrize(("before", "change", "expected"), CHANGES.values(), ids=CHANGES)
def test_read_catalog_sees_change(
    mariadb: Connection, before: str, change: str, expected: list[str]
) -> None:
    execute(mariadb, before)
    old = read(mariadb)

    execute(mariadb, change)
    new = read(mariadb, old)

    assert [str(found) for found in compare(old, new)] == expected
    assert read(mariadb).objects() == new.objects()


@pytest.mark.parametrize(("before", "change"), SAME.values(), ids=SAME)
def test_read_catalog_leaves_out_what_is_no_definition(
    mariadb: Connection, before: str, change: str
) -> None:
    execute(mariadb, before)
    old = read(mariadb)

    execute(mariadb, change)

    assert compare(old, read(mariadb, old)) == []
    assert compare(old, read(mariadb)) == []


def test_read_catalog_without_a_change_returns_the_previous_snapshot(mariadb: Connection) -> None:
    execute(mariadb, f"{T};; {TRIGGER.format('BEFORE', 1)};; {FUNCTION.format('', 1)}")
    old = read(mariadb)

    assert read(mariadb, old) is old


def test_read_catalog_keeps_the_parts_that_are_as_they_were(mariadb: Connection) -> None:
    execute(mariadb, f"{T};; {P};; CREATE VIEW v AS SELECT id FROM p")
    old = read(mariadb)

    execute(mariadb, "ALTER TABLE t ADD c int")
    new = read(mariadb, old)

    kept = {key for key, part in new.parts.items() if old.parts.get(key) is part}
    assert kept == {("table", "p"), ("table", "v")}


def test_read_catalog_sees_at_once_what_another_connection_changed(
    mysql_url: URL, mariadb: Connection
) -> None:
    engine = create_engine(mysql_url, poolclass=NullPool, isolation_level="REPEATABLE READ")
    execute(mariadb, f"{T};; INSERT INTO t (name) VALUES ('a')")

    with engine.connect() as reader:
        reader.exec_driver_sql("SELECT * FROM t").all()
        reader.rollback()
        old = read(reader)
        reader.rollback()
        for column in ("a", "b", "c"):
            execute(mariadb, f"ALTER TABLE t ADD {column} int")
            new = read(reader, old)
            reader.rollback()

            assert [str(found) for found in compare(old, new)] == [f"column t.{column}: added"]
            old = new


def test_read_catalog_leaves_the_transaction_open_that_it_begins(mysql_url: URL) -> None:
    with create_engine(mysql_url, poolclass=NullPool).connect() as connection:
        read(connection)

        assert connection.in_transaction()


@pytest.mark.parametrize("mode", ["ANSI_QUOTES", "NO_BACKSLASH_ESCAPES", "ANSI", "ORACLE"])
def test_read_catalog_reads_the_same_in_any_sql_mode(mariadb: Connection, mode: str) -> None:
    execute(mariadb, f"{CHILD};; ALTER TABLE t ADD c varchar(9) DEFAULT 'it''s' COMMENT 'c'")
    execute(mariadb, r"CREATE VIEW v AS SELECT 'a\nb' AS c FROM t")
    old = read(mariadb)

    mariadb.exec_driver_sql(f"SET sql_mode = '{mode}'")
    before = mariadb.exec_driver_sql("SELECT @@sql_mode").scalar()

    assert compare(old, read(mariadb)) == []
    assert mariadb.exec_driver_sql("SELECT @@sql_mode").scalar() == before


def test_read_catalog_of_two_databases_with_the_same_schema_is_the_same(
    mysql_databases: Databases, mariadb: Connection
) -> None:
    ddl = (
        f"CREATE SEQUENCE s;; {CHILD};; ALTER TABLE t ADD c bigint DEFAULT NEXTVAL(s);;"
        " CREATE VIEW v AS SELECT t.id FROM t JOIN p ON p.id = t.p;;"
        " CREATE VIEW w AS SELECT * FROM v;; CREATE VIEW x AS SELECT 1 FROM s;;"
        " CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW SET NEW.id = 1"
    )
    execute(mariadb, ddl)
    with mysql_databases.temporary() as url:
        engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as other:
            execute(other, ddl)

            assert compare(read(mariadb), read(other)) == []


@pytest.mark.parametrize("name", ["order by", "100%", "a`b", "Tab.le", "größe"])
def test_read_catalog_reads_any_name(mariadb: Connection, name: str) -> None:
    quoted = "`" + name.replace("`", "``") + "`"
    execute(
        mariadb,
        f"CREATE TABLE {quoted} ({quoted} int, KEY {quoted} ({quoted}),"
        f" CONSTRAINT {quoted} CHECK ({quoted} > 0));;"
        f" CREATE VIEW v AS SELECT {quoted} FROM {quoted};;"
        f" CREATE TRIGGER {quoted} BEFORE INSERT ON {quoted} FOR EACH ROW SET @a = 1;;"
        f" CREATE PROCEDURE {quoted}({quoted} int) SELECT 1",
    )

    found = set(read(mariadb).objects())

    kinds = ("column", "index", "check constraint", "trigger")
    assert found == {
        ObjectId("table", name),
        ObjectId("view", "v"),
        ObjectId("procedure", name),
        *(ObjectId(kind, f"{name}.{name}") for kind in kinds),
    }


def test_read_catalog_tells_the_parameters_of_functions_and_procedures_apart(
    mariadb: Connection,
) -> None:
    execute(mariadb, f"{FUNCTION.format('', 1)};; CREATE PROCEDURE f(OUT b bigint) SET b = 1")

    found = read(mariadb).objects()

    assert found[ObjectId("function", "f")]["parameters"] == "IN a int(11)"
    assert found[ObjectId("procedure", "f")]["parameters"] == "OUT b bigint(20)"


def test_read_catalog_reads_a_view_on_a_table_that_is_gone(mariadb: Connection) -> None:
    execute(mariadb, f"{T};; CREATE VIEW v AS SELECT id FROM t;; DROP TABLE t")

    assert list(read(mariadb).objects()) == [ObjectId("view", "v")]


def test_read_catalog_leaves_out_the_version_table_of_its_own_schema_alone(
    mysql_url: URL, mariadb: Connection
) -> None:
    execute(mariadb, T)

    def found(schema: str | None, name: str) -> set[str]:
        snapshot = read_catalog(mariadb, version_table=(schema, name))
        return {key.name for key in snapshot.objects() if key.kind == "table"}

    assert found(None, "t") == found(mysql_url.database, "t") == set()
    assert found("elsewhere", "t") == found(None, "T") == {"t"}
