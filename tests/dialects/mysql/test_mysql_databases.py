"""Databases on a MySQL or MariaDB server: their mark, their copies, their end."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import URL, Connection, create_engine, make_url
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.pool import NullPool
from tests.processes import ask, tables

from alembic_assay.catalog import compare
from alembic_assay.databases import Databases, open_databases
from alembic_assay.dialects import Note, get_backend
from alembic_assay.dialects.mysql.databases import MySQLServer
from alembic_assay.exceptions import (
    DatabaseUnreachable,
    ServerUnavailable,
    UnsupportedDatabase,
    UsageError,
)

VERSION_TABLE = (None, "alembic_version")

EVERYTHING = r"""
CREATE TABLE parent (id int AUTO_INCREMENT PRIMARY KEY, child int);
CREATE TABLE child (
    id int AUTO_INCREMENT PRIMARY KEY, parent int, twofold int AS (parent * 2), name varchar(20),
    stored int AS (parent + 1) STORED, at timestamp DEFAULT '2024-03-31 02:30:00', odd date,
    hidden int DEFAULT 7, CONSTRAINT fk FOREIGN KEY (parent) REFERENCES parent (id),
    CONSTRAINT ck CHECK (name <> '100%'), FULLTEXT KEY words (name)
) COMMENT 'it''s %s';
ALTER TABLE parent ADD CONSTRAINT back FOREIGN KEY (child) REFERENCES child (id);
CREATE TABLE empty_one (id int AUTO_INCREMENT PRIMARY KEY) AUTO_INCREMENT = 50;
SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO';
INSERT INTO parent VALUES (0, NULL), (7, NULL);
INSERT INTO child (id, parent, name, odd) VALUES (1, 0, 'größe', '0000-00-00'), (9, 7, NULL, NULL);
UPDATE parent SET child = 9 WHERE id = 7;
SET sql_mode = 'ANSI_QUOTES';
DELIMITER //
CREATE FUNCTION twice(a int) RETURNS int DETERMINISTIC RETURN a * 2//
CREATE PROCEDURE fill() BEGIN INSERT INTO "empty_one" VALUES (NULL); END//
CREATE TRIGGER b_first BEFORE INSERT ON parent FOR EACH ROW SET NEW."child" = NULL//
CREATE TRIGGER a_second BEFORE INSERT ON parent FOR EACH ROW SET NEW.id = twice(NEW.id)//
CREATE EVENT ev ON SCHEDULE EVERY 1 DAY STARTS '2035-01-01 00:00:00' DISABLE DO CALL fill()//
DELIMITER ;
CREATE VIEW z_base AS SELECT id, twice(id) AS two FROM child;
CREATE VIEW a_top AS SELECT * FROM z_base WHERE two > 1;
CREATE TABLE gone (id int);
CREATE VIEW broken AS SELECT id FROM gone;
DROP TABLE gone;
"""

ON_MARIADB = """
SET sql_mode = '';
CREATE SEQUENCE numbers START WITH 5;
CREATE TABLE numbered (id bigint DEFAULT NEXTVAL(numbers), secret int INVISIBLE DEFAULT 3);
INSERT INTO numbered () VALUES (), ();
CREATE TABLE versioned (id int) WITH SYSTEM VERSIONING;
INSERT INTO versioned VALUES (1), (2);
DELETE FROM versioned WHERE id = 1;
"""


@pytest.fixture
def user(mysql_databases: Databases) -> Iterator[URL]:
    """The server's URL, with a user that has no rights at all, and a password."""
    name, server = f"tester_{secrets.token_hex(4)}", mysql_databases.url.set(database="")
    ask(server, f"CREATE USER {name} IDENTIFIED BY 's3cret'")
    yield server.set(username=name, password="s3cret")
    ask(server, f"DROP USER {name}")


def test_clone_has_all_that_its_source_has(
    mysql_databases: Databases, mysql_url: URL, mariadb: Connection
) -> None:
    backend = mysql_databases.backend
    backend.run_script(mariadb, EVERYTHING + ON_MARIADB)
    source = backend.read_catalog(mariadb, version_table=VERSION_TABLE)

    copied = mysql_databases.clone(mysql_url)

    with backend.connect(copied) as connection:
        clone = backend.read_catalog(connection, version_table=VERSION_TABLE)
    assert [str(found) for found in compare(source, clone)] == ["view broken: removed"]
    for query in (
        "SELECT id, parent, twofold, name, stored, at, odd, hidden FROM child",
        "SELECT id, child FROM parent",
        "SELECT id, two FROM a_top",
        "SELECT id, secret FROM numbered",
        "SELECT id FROM versioned",
    ):
        assert ask(copied, query) == ask(mysql_url, query)
        assert ask(copied, query)
    ask(copied, "CALL fill()")
    ask(copied, "INSERT INTO numbered () VALUES ()")
    assert ask(copied, "SELECT id FROM empty_one") == [(50,)]
    assert ask(mysql_url, "SELECT id FROM empty_one") == []
    # The server has set the numbers up to there aside, as it does for each session that ends.
    assert ask(copied, "SELECT max(id) FROM numbered") == [(1005,)]
    assert ask(mysql_url, "SELECT max(id) FROM numbered") == [(6,)]
    with pytest.raises(IntegrityError, match="foreign key constraint fails"):
        ask(copied, "DELETE FROM child WHERE id = 9")


def test_clone_has_the_character_set_of_its_source(
    mysql_databases: Databases, mysql_url: URL
) -> None:
    ask(mysql_url, "ALTER DATABASE CHARACTER SET latin1 COLLATE latin1_german2_ci")

    copied = mysql_databases.clone(mysql_url)

    assert ask(copied, "SELECT @@collation_database") == [("latin1_german2_ci",)]


def test_mark_is_no_part_of_the_schema(mysql_databases: Databases, mysql_url: URL) -> None:
    backend = mysql_databases.backend

    with backend.connect(mysql_url) as connection:
        assert backend.read_catalog(connection, version_table=VERSION_TABLE).objects() == {}
        assert not backend.has_tables(connection, except_for=VERSION_TABLE)
        assert not backend.has_rows(connection, except_for=VERSION_TABLE)


@pytest.mark.parametrize("mark", ["", "alembic-assay", "alembic-assay: assay_01234567_0001"])
def test_database_of_another_on_the_server_is_never_dropped(
    mysql_databases: Databases, mark: str
) -> None:
    url = mysql_databases.create()
    mysql_databases.drop(url)
    server = url.set(database="")
    ask(server, f"CREATE DATABASE {url.database}")
    ask(url, "CREATE TABLE t (id int)")
    if mark:
        # As in a copy of a database of our own, under another name.
        ask(url, f"CREATE PROCEDURE alembic_assay() COMMENT '{mark}' BEGIN END")

    with pytest.raises(UsageError) as raised:
        mysql_databases.drop(url)

    assert str(raised.value) == (
        f"{url.render_as_string()} was not made by alembic-assay\n"
        "  It was not dropped: only databases that carry the toolkit's own mark ever are.\n"
        "  help: drop it yourself if it is not needed any more."
    )
    assert get_backend(url).exists(url)
    ask(server, f"DROP DATABASE {url.database}")


def test_transaction_of_another_is_not_in_the_way_of_the_drop(mysql_databases: Databases) -> None:
    url = mysql_databases.create()
    ask(url, "CREATE TABLE t (id int)")

    with create_engine(url, poolclass=NullPool).connect() as forgotten:
        forgotten.exec_driver_sql("SELECT * FROM t")
        mysql_databases.drop(url)
        forgotten.invalidate()

    assert not get_backend(url).exists(url)


def test_rows_are_seen_as_soon_as_they_are_there(
    mysql_databases: Databases, mysql_url: URL, connection: Connection
) -> None:
    backend = mysql_databases.backend
    for statement in (
        "CREATE TABLE `a%b` (id int)",
        "CREATE TABLE alembic_version (id int)",
        "INSERT INTO alembic_version VALUES (1)",
        "CREATE VIEW v AS SELECT * FROM alembic_version",
    ):
        connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
    before = backend.has_rows(connection, except_for=VERSION_TABLE)

    ask(mysql_url, "INSERT INTO `a%%b` VALUES (1)")

    assert not before
    assert backend.has_rows(connection, except_for=VERSION_TABLE)


def test_mariadb_url_keeps_its_dialect(mysql_databases: Databases, mariadb: Connection) -> None:
    server = mysql_databases.url.set(drivername="mariadb")

    with open_databases(server) as databases, databases.temporary() as url:
        engine = databases.backend.make_own_engine(url)

        assert engine.url.drivername == "mariadb+pymysql"
        assert engine.dialect.name == "mariadb"
        assert databases.backend.exists(url)


def test_server_without_a_host_is_asked_for() -> None:
    with pytest.raises(ServerUnavailable) as raised, open_databases(make_url("mariadb://")):
        pass

    assert str(raised.value) == (
        "there is no MySQL or MariaDB server to make databases on\n"
        "  The project runs on MySQL or MariaDB; another database would prove nothing about it.\n"
        "  help: name a server: ASSAY_URL=mariadb+pymysql://user:password@host/"
    )


def test_server_that_does_not_answer_is_said_without_the_password() -> None:
    url = make_url("mysql+pymysql://app:s3cret@127.0.0.1:1/")

    with pytest.raises(DatabaseUnreachable) as raised, open_databases(url):
        pass

    assert raised.value.message.startswith(
        "mysql+pymysql://app:***@127.0.0.1:1/ cannot be reached: OperationalError: (2003,"
    )
    assert "s3cret" not in str(raised.value)


def test_wrong_password_is_said_without_it(user: URL) -> None:
    wrong = user.set(password="wr0ng", database="shop")

    with pytest.raises(DatabaseUnreachable, match="Access denied") as raised:
        get_backend(wrong).exists(wrong)

    assert "wr0ng" not in str(raised.value)


def test_user_who_may_not_create_is_told_what_to_grant(user: URL) -> None:
    with open_databases(user) as databases, pytest.raises(ServerUnavailable) as raised:
        databases.create()

    assert raised.value.message.startswith(
        f"no database can be made on {user.render_as_string()}: OperationalError: (1044,"
    )
    assert raised.value.help == "give the user the right to: GRANT ALL ON `assay\\_%`.* TO …"


def test_user_who_may_not_mark_leaves_no_database_behind(
    mysql_databases: Databases, user: URL
) -> None:
    server = mysql_databases.url.set(database="")
    ask(server, f"GRANT CREATE, DROP ON `assay\\_%%`.* TO {user.username}")
    name = _new_name()

    with closing(MySQLServer(user)) as ours, pytest.raises(ServerUnavailable):
        ours.create(name)

    assert not get_backend(server).exists(server.set(database=name))


def test_user_with_rights_on_our_databases_alone_can_do_all(
    mysql_databases: Databases, user: URL, tmp_path: Path
) -> None:
    ask(mysql_databases.url, f"GRANT ALL ON `assay\\_%%`.* TO {user.username}")

    with open_databases(user) as databases, databases.temporary() as source:
        server, fingerprint = databases.server, secrets.token_hex(8)
        with databases.backend.connect(source) as connection:
            databases.backend.run_script(connection, EVERYTHING)
        server.seal(source, Note.signed("template", str(tmp_path), fingerprint))
        first, second = databases.clone(source), databases.clone(source)

        assert server.content(first) == server.content(second) is not None
        assert ask(first, "SELECT id, two FROM a_top") == ask(source, "SELECT id, two FROM a_top")
        assert databases.templates()[fingerprint] == source
        assert server.living([server.owner]) == {server.owner}
        kept = server.set_aside(first, source, _new_name())
        assert tables(kept) == tables(first) == tables(source)
        server.drop(kept)


def test_user_who_may_see_the_sessions_of_others_and_not_end_them_can_drop(
    mysql_databases: Databases, mysql_url: URL, user: URL
) -> None:
    ask(mysql_databases.url, f"GRANT ALL ON `assay\\_%%`.* TO {user.username}")
    ask(mysql_databases.url, f"GRANT PROCESS ON *.* TO {user.username}")

    with (
        create_engine(mysql_url, poolclass=NullPool).connect() as idle,
        closing(MySQLServer(user)) as server,
    ):
        idle.exec_driver_sql("SELECT 1")
        server.drop(user.set(database=mysql_url.database))

    assert not get_backend(mysql_url).exists(mysql_url)


def test_clone_that_gets_no_session_leaves_nothing_behind(
    mysql_databases: Databases, mysql_url: URL, user: URL
) -> None:
    ask(mysql_databases.url, f"GRANT ALL ON `assay\\_%%`.* TO {user.username}")
    ask(mysql_databases.url, f"ALTER USER {user.username} WITH MAX_USER_CONNECTIONS 1")
    name = _new_name()

    with closing(MySQLServer(user)) as server, pytest.raises(ServerUnavailable) as raised:
        server.clone(user.set(database=mysql_url.database), name)

    assert raised.value.help == "raise max_connections of the server, or run fewer workers."
    assert not get_backend(mysql_url).exists(mysql_url.set(database=name))


def test_clone_is_made_with_the_one_session_that_can_be_had(
    mysql_databases: Databases, mysql_url: URL, user: URL
) -> None:
    ask(mysql_databases.url, f"GRANT ALL ON `assay\\_%%`.* TO {user.username}")
    ask(mysql_databases.url, f"ALTER USER {user.username} WITH MAX_USER_CONNECTIONS 2")
    for table in ("a", "b", "c"):
        ask(mysql_url, f"CREATE TABLE {table} (id int)")

    with closing(MySQLServer(user)) as server:
        url = server.clone(user.set(database=mysql_url.database), _new_name())
        found = tables(mysql_databases.url.set(database=url.database))
        server.drop(url)

    assert found == {"a", "b", "c"}


def test_view_that_we_may_not_make_is_not_left_out(
    mysql_databases: Databases, mysql_url: URL, user: URL
) -> None:
    ask(mysql_databases.url, f"GRANT ALL ON `assay\\_%%`.* TO {user.username}")
    ask(mysql_url, "CREATE VIEW v AS SELECT 1")
    name = _new_name()

    with closing(MySQLServer(user)) as server, pytest.raises(ServerUnavailable, match="1227"):
        server.clone(user.set(database=mysql_url.database), name)

    assert not get_backend(mysql_url).exists(mysql_url.set(database=name))


def test_routine_that_we_may_not_read_is_not_left_out(
    mysql_databases: Databases, mysql_url: URL, user: URL
) -> None:
    ask(mysql_databases.url, f"GRANT ALL ON `assay\\_%%`.* TO {user.username}")
    ask(mysql_url, "CREATE FUNCTION f() RETURNS int DETERMINISTIC RETURN 1")
    name = _new_name()

    with closing(MySQLServer(user)) as server, pytest.raises(UsageError) as raised:
        server.clone(user.set(database=mysql_url.database), name)

    assert str(raised.value) == (
        "the text of function f cannot be read: another user has made it\n"
        "  The database cannot be copied without it.\n"
        "  help: give this user the right to read it: GRANT SHOW_ROUTINE ON *.* (MySQL), or GRANT"
        " SELECT ON mysql.proc (MariaDB)."
    )
    assert not get_backend(mysql_url).exists(mysql_url.set(database=name))


def test_template_that_was_dropped_by_another_is_missed(mysql_databases: Databases) -> None:
    template = mysql_databases.create()
    ask(template, "CREATE TABLE t (id int)")
    ask(template, "INSERT INTO t VALUES (1)")
    mysql_databases.seal(template, Note.signed("template", "/", "fingerprint"))
    mysql_databases.drop(mysql_databases.clone(template))
    ask(mysql_databases.url, f"DROP DATABASE {template.database}")
    name = _new_name()

    with pytest.raises(DBAPIError):
        mysql_databases.server.clone(template, name)

    assert not get_backend(template).exists(template.set(database=name))


def test_missing_database_is_created_with_the_character_set_of_the_server(
    mysql_databases: Databases,
) -> None:
    url = mysql_databases.create()
    mysql_databases.drop(url)
    backend = get_backend(url)

    backend.ensure_database(url)
    backend.ensure_database(url)

    ((own, usual),) = ask(url, "SELECT @@collation_database, @@GLOBAL.collation_server")
    assert own == usual
    ask(url.set(database=""), f"DROP DATABASE {url.database}")


def test_user_who_may_not_create_the_database_is_told(user: URL) -> None:
    url = user.set(database="assay_missing")

    with pytest.raises(DatabaseUnreachable, match=r"Access denied for user .* to database"):
        get_backend(url).ensure_database(url)


def test_url_without_a_database_is_refused(mysql_databases: Databases) -> None:
    url = mysql_databases.url.set(database="")

    with pytest.raises(UsageError) as raised:
        get_backend(url).ensure_database(url)

    assert str(raised.value) == (
        f"{url.render_as_string()} names no database\n"
        "  A server has many, and nothing says which one is meant.\n"
        "  help: write its name behind the host: mysql+pymysql://user:password@host/shop"
    )


def test_read_only_connection_refuses_every_change(mysql_url: URL) -> None:
    ask(mysql_url, "CREATE TABLE t (id int)")

    with get_backend(mysql_url).connect_read_only(mysql_url) as connection:
        for statement in ("INSERT INTO t VALUES (1)", "CREATE TABLE u (id int)", "DROP TABLE t"):
            with pytest.raises(OperationalError, match="READ ONLY"):
                connection.exec_driver_sql(statement)
            connection.rollback()

    assert tables(mysql_url) == {"t"}


def test_settings_of_a_session_are_carried_to_another(mysql_url: URL) -> None:
    backend = get_backend(mysql_url)

    with backend.connect(mysql_url) as theirs, backend.connect(mysql_url) as ours:
        theirs.exec_driver_sql(
            "SET sql_mode = 'ANSI_QUOTES', foreign_key_checks = 0, lock_wait_timeout = 7,"
            " time_zone = '+01:00', default_storage_engine = 'MyISAM'"
        )
        theirs.rollback()
        backend.apply_session_settings(ours, backend.session_settings(theirs))

        assert not theirs.in_transaction()
        assert not ours.in_transaction()
        assert ours.exec_driver_sql(
            "SELECT @@sql_mode, @@foreign_key_checks, @@lock_wait_timeout, @@time_zone,"
            " @@default_storage_engine"
        ).one() == ("ANSI_QUOTES", 0, 7, "+01:00", "MyISAM")


def test_driver_that_is_not_known_is_replaced_by_one_that_is_installed() -> None:
    backend = get_backend(make_url("mysql://h/shop"))

    assert str(backend.sync_url(make_url("mysql+aiomysql://h/shop"))) == "mysql+pymysql://h/shop"
    assert str(backend.async_url(make_url("mariadb://h/shop"))) == "mariadb+aiomysql://h/shop"


def test_missing_driver_is_said_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = get_backend(make_url("mysql://h/shop"))
    monkeypatch.setattr(type(backend), "sync_drivers", ("mariadbconnector",))

    with pytest.raises(UnsupportedDatabase) as raised:
        backend.sync_url(make_url("mysql://h/shop"))

    assert raised.value.help == 'pip install "alembic-assay[mysql]"'


def _new_name() -> str:
    return f"assay_{secrets.token_hex(4)}_0001"
