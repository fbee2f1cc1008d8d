"""Whether anything was written in a database, as its content tells."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import URL, Connection, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool
from tests.processes import ask

from alembic_assay.databases import Databases

SCHEMA = """
CREATE TABLE parent (
    id int AUTO_INCREMENT PRIMARY KEY, name varchar(20), size float, UNIQUE KEY named (name)
);
CREATE TABLE child (
    id int AUTO_INCREMENT PRIMARY KEY, parent int, at timestamp NULL,
    CONSTRAINT fk FOREIGN KEY (parent) REFERENCES parent (id), CONSTRAINT ck CHECK (parent > 0)
);
INSERT INTO parent VALUES (1, 'a', 1.5), (2, 'b', 0.1);
CREATE VIEW v AS SELECT id FROM parent;
DELIMITER //
CREATE TRIGGER tr BEFORE INSERT ON child FOR EACH ROW SET NEW.at = '2024-10-27 01:30:00'//
CREATE FUNCTION f() RETURNS int DETERMINISTIC RETURN 1//
CREATE PROCEDURE p() BEGIN SELECT 1; END//
CREATE EVENT ev ON SCHEDULE EVERY 1 DAY STARTS '2035-01-01 00:00:00' DISABLE DO SET @a = 1//
"""

ON_MARIADB = """
CREATE SEQUENCE numbers;
CREATE TABLE versioned (id int) WITH SYSTEM VERSIONING;
CREATE TABLE secretive (id int, secret int INVISIBLE DEFAULT 3);
INSERT INTO secretive VALUES (1);
"""

CHANGES = {
    "row inserted": "INSERT INTO child (parent) VALUES (1)",
    "row deleted": "DELETE FROM parent WHERE id = 2",
    "row changed": "UPDATE parent SET name = 'A' WHERE id = 1",
    "values exchanged": "UPDATE parent SET size = CASE id WHEN 1 THEN 0.1 ELSE 1.5 END",
    "last digit of a float": "UPDATE parent SET size = size + 0.0000005",
    "table emptied": "DELETE FROM parent",
    "counter moved": "ALTER TABLE child AUTO_INCREMENT = 7",
    "table made": "CREATE TABLE other (id int)",
    "table dropped": "DROP TABLE child",
    "table renamed": "RENAME TABLE child TO kid",
    "table commented": "ALTER TABLE parent COMMENT 'so'",
    "column added": "ALTER TABLE child ADD COLUMN more int",
    "column changed": "ALTER TABLE child MODIFY at datetime",
    "column commented": "ALTER TABLE child MODIFY at timestamp NULL COMMENT 'when'",
    "default set": "ALTER TABLE parent ALTER name SET DEFAULT 'x'",
    "index made": "CREATE INDEX late ON child (at)",
    "index dropped": "DROP INDEX named ON parent",
    "foreign key dropped": "ALTER TABLE child DROP FOREIGN KEY fk",
    "check dropped": "ALTER TABLE child DROP CONSTRAINT ck",
    "view made": "CREATE VIEW w AS SELECT 1",
    "view changed": "CREATE OR REPLACE VIEW v AS SELECT name FROM parent",
    "view dropped": "DROP VIEW v",
    "trigger made": "CREATE TRIGGER late AFTER DELETE ON child FOR EACH ROW SET @a = 1",
    "trigger dropped": "DROP TRIGGER tr",
    "function made": "CREATE FUNCTION g() RETURNS int DETERMINISTIC RETURN 2",
    "function dropped": "DROP FUNCTION f",
    "procedure made": "CREATE PROCEDURE q() BEGIN SELECT 2; END",
    "procedure commented": "ALTER PROCEDURE p COMMENT 'so'",
    "procedure dropped": "DROP PROCEDURE p",
    "event made": "CREATE EVENT late ON SCHEDULE EVERY 1 DAY DISABLE DO SET @a = 2",
    "event changed": "ALTER EVENT ev ON SCHEDULE EVERY 2 DAY",
    "event dropped": "DROP EVENT ev",
    "character set of the database": "ALTER DATABASE CHARACTER SET latin1",
}

CHANGES_ON_MARIADB = {
    "sequence used": "SELECT NEXTVAL(numbers)",
    "sequence set": "SELECT SETVAL(numbers, 500)",
    "sequence changed": "ALTER SEQUENCE numbers MAXVALUE 1000",
    "sequence dropped": "DROP SEQUENCE numbers",
    "row of a versioned table": "INSERT INTO versioned VALUES (1)",
    "hidden value changed": "UPDATE secretive SET secret = 4",
    "comment of the database": "ALTER DATABASE COMMENT 'so'",
}

READS = (
    "SELECT * FROM parent FOR UPDATE",
    "SELECT id FROM v",
    "SELECT f()",
    "CALL p()",
    "SHOW TABLE STATUS",
    "ANALYZE TABLE parent",
    "UPDATE parent SET name = 'z' WHERE id = 99",
    "CREATE TEMPORARY TABLE t (id int)",
)


@pytest.fixture
def clones(mysql_databases: Databases, mysql_url: URL) -> Iterator[list[URL]]:
    """Two clones of a database that has some of everything."""
    with mysql_databases.backend.connect(mysql_url) as connection:
        mysql_databases.backend.run_script(connection, SCHEMA)
    yield from _clones(mysql_databases, mysql_url)


@pytest.fixture
def mariadb_clones(
    mysql_databases: Databases, mysql_url: URL, mariadb: Connection
) -> Iterator[list[URL]]:
    """Two clones of a database that has what only MariaDB has."""
    mysql_databases.backend.run_script(mariadb, ON_MARIADB)
    yield from _clones(mysql_databases, mysql_url)


def _clones(databases: Databases, source: URL) -> Iterator[list[URL]]:
    clones = [databases.clone(source), databases.clone(source)]
    yield clones
    for url in clones:
        databases.drop(url)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_content_differs_once_something_was_written(
    mysql_databases: Databases, clones: list[URL], change: str
) -> None:
    untouched, written = clones

    ask(written, change)

    content = mysql_databases.server.content(written)
    assert content is not None
    assert content != mysql_databases.server.content(untouched)


@pytest.mark.parametrize("change", CHANGES_ON_MARIADB.values(), ids=CHANGES_ON_MARIADB.keys())
def test_content_differs_once_something_was_written_that_only_mariadb_has(
    mysql_databases: Databases, mariadb_clones: list[URL], change: str
) -> None:
    untouched, written = mariadb_clones
    before = mysql_databases.server.content(untouched)

    ask(written, change)

    assert mysql_databases.server.content(written) != before
    assert mysql_databases.server.content(untouched) == before


def test_content_differs_where_the_checksum_of_the_server_does_not(
    mysql_databases: Databases, mysql_url: URL
) -> None:
    ask(mysql_url, "CREATE TABLE t (id int PRIMARY KEY, value int NOT NULL)")
    ask(mysql_url, "INSERT INTO t VALUES (1, 1), (12, 907)")
    checksum = ask(mysql_url, "CHECKSUM TABLE t")
    before = mysql_databases.server.content(mysql_url)

    ask(mysql_url, "UPDATE t SET value = 908 - value")

    assert ask(mysql_url, "CHECKSUM TABLE t") == checksum
    assert mysql_databases.server.content(mysql_url) != before


def test_content_differs_once_rows_of_a_versioned_table_are_history(
    mysql_databases: Databases, mariadb_clones: list[URL]
) -> None:
    untouched, written = mariadb_clones

    ask(written, "INSERT INTO versioned VALUES (1)")
    ask(written, "DELETE FROM versioned")

    assert mysql_databases.server.content(written) != mysql_databases.server.content(untouched)


def test_content_differs_after_an_insert_that_was_rolled_back(
    mysql_databases: Databases, clones: list[URL]
) -> None:
    untouched, written = clones

    with create_engine(written, poolclass=NullPool).connect() as connection:
        connection.exec_driver_sql("INSERT INTO child (parent) VALUES (1)")
        connection.rollback()

    assert ask(written, "SELECT * FROM child") == []
    assert mysql_databases.server.content(written) != mysql_databases.server.content(untouched)


def test_content_is_the_same_after_nothing_but_reading(
    mysql_databases: Databases, clones: list[URL]
) -> None:
    untouched, read = clones

    for query in READS:
        ask(read, query)

    content = mysql_databases.server.content(read)
    assert content is not None
    assert content == mysql_databases.server.content(read)
    assert content == mysql_databases.server.content(untouched)


def test_content_is_read_when_no_forgotten_session_can_write_any_more(
    mysql_databases: Databases, clones: list[URL]
) -> None:
    untouched, written = clones

    with create_engine(written, poolclass=NullPool).connect() as forgotten:
        forgotten.exec_driver_sql("UPDATE parent SET name = 'A' WHERE id = 1")
        content = mysql_databases.server.content(written)
        with pytest.raises(DBAPIError):
            forgotten.exec_driver_sql("COMMIT")
        forgotten.invalidate()

    assert content == mysql_databases.server.content(untouched)
    assert ask(written, "SELECT name FROM parent WHERE id = 1") == [("a",)]


def test_content_of_a_database_that_is_gone_is_unknown(
    mysql_databases: Databases, clones: list[URL]
) -> None:
    ask(clones[0], f"DROP DATABASE {clones[0].database}")

    assert mysql_databases.server.content(clones[0]) is None
