"""PostgreSQL's catalogue, read from a real server: each kind of object, and each short cut."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from sqlalchemy import URL, Connection, Engine, create_engine
from sqlalchemy.pool import NullPool

from alembic_assay.catalog import ObjectId, Snapshot, compare
from alembic_assay.databases import Databases
from alembic_assay.dialects.postgresql.catalog import read_catalog

VERSION_TABLE = (None, "alembic_version")

T = "CREATE TABLE t (id integer, n integer, name varchar(50))"


@pytest.fixture(scope="module")
def database(postgresql_databases: Databases) -> Iterator[URL]:
    """URL of a database that the tests of this module share."""
    with postgresql_databases.temporary() as url:
        yield url


@pytest.fixture
def postgresql_url(database: URL) -> URL:
    """URL of an empty database."""
    engine = create_engine(database, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        schemas = connection.exec_driver_sql(
            "SELECT quote_ident(nspname) FROM pg_namespace"
            " WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'"
        ).scalars()
        for schema in [*schemas]:
            connection.exec_driver_sql(f"DROP SCHEMA {schema} CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
    return database


@pytest.fixture
def engine(postgresql_url: URL) -> Engine:
    return create_engine(postgresql_url, poolclass=NullPool)


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    """A connection on which each statement is a transaction of its own."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        yield connection


def read(connection: Connection, previous: Snapshot | None = None) -> Snapshot:
    return read_catalog(connection, version_table=VERSION_TABLE, previous=previous)


def execute(connection: Connection, ddl: str) -> None:
    require_extensions(connection, ddl)
    for statement in ddl.split(";;"):
        if statement.strip():
            connection.exec_driver_sql(statement)


def require_extensions(connection: Connection, ddl: str) -> None:
    """Skip where the server lacks an extension: a wheel brings no contrib modules."""
    for name in re.findall(r"CREATE EXTENSION (\w+)", ddl):
        found = connection.exec_driver_sql(
            f"SELECT 1 FROM pg_available_extensions WHERE name = '{name}'"
        ).scalar()
        if not found:
            pytest.skip(f"this PostgreSQL server has no extension {name}")


def differences(before: Snapshot, after: Snapshot) -> list[str]:
    return [str(found) for found in compare(before, after)]


CHANGES = {
    "schema": ("", "CREATE SCHEMA audit", ["schema audit: added"]),
    "schema comment": (
        "",
        "COMMENT ON SCHEMA public IS 'c'",
        ["schema public: comment: none -> c"],
    ),
    "table": ("", T, ["table t: added"]),
    "table elsewhere": (
        "CREATE SCHEMA audit",
        "CREATE TABLE audit.t (id integer)",
        ["table audit.t: added"],
    ),
    "table unlogged": (T, "ALTER TABLE t SET UNLOGGED", ["table t: unlogged: no -> yes"]),
    "table options": (
        T,
        "ALTER TABLE t SET (fillfactor = 70)",
        ["table t: options: none -> fillfactor=70"],
    ),
    "table comment": (T, "COMMENT ON TABLE t IS 'c'", ["table t: comment: none -> c"]),
    "table row-level security": (
        T,
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
        ["table t: row-level security: no -> yes"],
    ),
    "table forced row-level security": (
        T,
        "ALTER TABLE t FORCE ROW LEVEL SECURITY",
        ["table t: forced row-level security: no -> yes"],
    ),
    "table replica identity": (
        T,
        "ALTER TABLE t REPLICA IDENTITY FULL",
        ["table t: replica identity: default -> full"],
    ),
    "table replica identity by index": (
        "CREATE TABLE t (id integer NOT NULL);; CREATE UNIQUE INDEX ix ON t (id)",
        "ALTER TABLE t REPLICA IDENTITY USING INDEX ix",
        ["table t: replica identity: default -> index ix"],
    ),
    "table parents": (
        "CREATE TABLE p (id integer);; CREATE TABLE t (id integer)",
        "ALTER TABLE t INHERIT p",
        ["table t: parents: none -> p"],
    ),
    "partition": (
        "CREATE TABLE p (id integer) PARTITION BY LIST (id);; CREATE TABLE t (id integer)",
        "ALTER TABLE p ATTACH PARTITION t FOR VALUES IN (1)",
        ["table t: partition bound: none -> FOR VALUES IN (1), parents: none -> p"],
    ),
    "partition key": (
        "CREATE TABLE p (id integer) PARTITION BY LIST (id)",
        "DROP TABLE p;; CREATE TABLE p (id integer) PARTITION BY RANGE (id)",
        ["table p: partition key: LIST (id) -> RANGE (id)"],
    ),
    "partitioned": (
        "CREATE TABLE p (id integer)",
        "DROP TABLE p;; CREATE TABLE p (id integer) PARTITION BY LIST (id)",
        ["table p: kind: ordinary -> partitioned, partition key: none -> LIST (id)"],
    ),
    "foreign table": (
        (
            "CREATE EXTENSION file_fdw;; CREATE SERVER s FOREIGN DATA WRAPPER file_fdw;;"
            "CREATE FOREIGN TABLE f (id integer) SERVER s OPTIONS (filename '/a')"
        ),
        (
            "ALTER FOREIGN TABLE f OPTIONS (SET filename '/b');;"
            "ALTER FOREIGN TABLE f ALTER id OPTIONS (force_not_null 'true')"
        ),
        [
            "column f.id: server options: none -> force_not_null=true",
            "table f: server options: filename=/a -> filename=/b",
        ],
    ),
    "column": (T, "ALTER TABLE t ADD age integer", ["column t.age: added"]),
    "column removed": (T, "ALTER TABLE t DROP n", ["column t.n: removed"]),
    "column renamed": (
        T,
        "ALTER TABLE t RENAME n TO m",
        ["column t.m: added", "column t.n: removed"],
    ),
    "column type": (
        T,
        "ALTER TABLE t ALTER name TYPE varchar(60)",
        ["column t.name: type: character varying(50) -> character varying(60)"],
    ),
    "column nullable": (
        T,
        "ALTER TABLE t ALTER n SET NOT NULL",
        ["column t.n: nullable: yes -> no"],
    ),
    "column default": (
        T,
        "ALTER TABLE t ALTER n SET DEFAULT 7",
        ["column t.n: default: none -> 7"],
    ),
    "column default dropped": (
        "CREATE TABLE t (n integer DEFAULT 7)",
        "ALTER TABLE t ALTER n DROP DEFAULT",
        ["column t.n: default: 7 -> none"],
    ),
    "column generated": (
        "CREATE TABLE t (n integer, m integer GENERATED ALWAYS AS (n * 2) STORED)",
        "ALTER TABLE t ALTER m DROP EXPRESSION",
        ["column t.m: stored as: (n * 2) -> none"],
    ),
    "column identity": (
        "CREATE TABLE t (n integer NOT NULL)",
        "ALTER TABLE t ALTER n ADD GENERATED ALWAYS AS IDENTITY",
        [
            (
                "column t.n: identity: none -> always, sequence: none -> "
                "integer, start 1, increment 1, 1 to 2147483647, cache 1"
            )
        ],
    ),
    "column identity kind": (
        "CREATE TABLE t (n integer GENERATED ALWAYS AS IDENTITY)",
        "ALTER TABLE t ALTER n SET GENERATED BY DEFAULT",
        ["column t.n: identity: always -> by default"],
    ),
    "column serial": (
        "CREATE TABLE t (n serial)",
        "DROP TABLE t;; CREATE TABLE t (n integer NOT NULL)",
        [
            (
                "column t.n: default: nextval of its own sequence -> none, sequence: "
                "integer, start 1, increment 1, 1 to 2147483647, cache 1 -> none"
            )
        ],
    ),
    "column serial's options": (
        "CREATE TABLE t (n serial)",
        "ALTER SEQUENCE t_n_seq AS bigint INCREMENT 5 CYCLE CACHE 10",
        [
            (
                "column t.n: sequence: integer, start 1, increment 1, 1 to 2147483647, cache 1 -> "
                "bigint, start 1, increment 5, 1 to 9223372036854775807, cache 10, cycle"
            )
        ],
    ),
    "column default from another's sequence": (
        "CREATE TABLE t (n serial, m integer)",
        "ALTER TABLE t ALTER m SET DEFAULT nextval('t_n_seq')",
        ["column t.m: default: none -> nextval('t_n_seq'::regclass)"],
    ),
    "column collation": (
        T,
        'ALTER TABLE t ALTER name TYPE varchar(50) COLLATE "C"',
        ['column t.name: collation: none -> "C"'],
    ),
    "column storage": (
        T,
        "ALTER TABLE t ALTER name SET STORAGE EXTERNAL",
        ["column t.name: storage: none -> external"],
    ),
    "column compression": (
        T,
        "ALTER TABLE t ALTER name SET COMPRESSION pglz",
        ["column t.name: compression: none -> pglz"],
    ),
    "column comment": (T, "COMMENT ON COLUMN t.n IS 'c'", ["column t.n: comment: none -> c"]),
    "column comment dropped": (
        f"{T};; COMMENT ON COLUMN t.n IS 'c'",
        "COMMENT ON COLUMN t.n IS NULL",
        ["column t.n: comment: c -> none"],
    ),
    "primary key": (
        "CREATE TABLE t (id integer NOT NULL)",
        "ALTER TABLE t ADD CONSTRAINT pk_t PRIMARY KEY (id)",
        ["primary key t.pk_t: added"],
    ),
    "unique constraint": (
        "CREATE TABLE t (n integer, CONSTRAINT uq UNIQUE (n))",
        "ALTER TABLE t DROP CONSTRAINT uq, ADD CONSTRAINT uq UNIQUE (n) DEFERRABLE",
        ["unique constraint t.uq: definition: UNIQUE (n) -> UNIQUE (n) DEFERRABLE"],
    ),
    "unique constraint options": (
        "CREATE TABLE t (n integer, CONSTRAINT uq UNIQUE (n))",
        "ALTER INDEX uq SET (fillfactor = 70)",
        ["unique constraint t.uq: options: none -> fillfactor=70"],
    ),
    "foreign key": (
        (
            "CREATE TABLE p (id integer PRIMARY KEY);;"
            "CREATE TABLE t (n integer, CONSTRAINT fk FOREIGN KEY (n) REFERENCES p)"
        ),
        (
            "ALTER TABLE t DROP CONSTRAINT fk,"
            " ADD CONSTRAINT fk FOREIGN KEY (n) REFERENCES p ON DELETE CASCADE"
        ),
        [
            (
                "foreign key t.fk: definition: FOREIGN KEY (n) REFERENCES p(id) -> "
                "FOREIGN KEY (n) REFERENCES p(id) ON DELETE CASCADE"
            )
        ],
    ),
    "check constraint": (
        T,
        "ALTER TABLE t ADD CONSTRAINT ck CHECK (n > 0)",
        ["check constraint t.ck: added"],
    ),
    "check constraint removed": (
        "CREATE TABLE t (n integer CONSTRAINT ck CHECK (n > 0))",
        "ALTER TABLE t DROP CONSTRAINT ck",
        ["check constraint t.ck: removed"],
    ),
    "constraint validated": (
        f"{T};; ALTER TABLE t ADD CONSTRAINT ck CHECK (n > 0) NOT VALID",
        "ALTER TABLE t VALIDATE CONSTRAINT ck",
        ["check constraint t.ck: validated: no -> yes"],
    ),
    "constraint comment": (
        "CREATE TABLE t (n integer CONSTRAINT ck CHECK (n > 0))",
        "COMMENT ON CONSTRAINT ck ON t IS 'c'",
        ["check constraint t.ck: comment: none -> c"],
    ),
    "exclusion constraint": (
        "CREATE TABLE t (r int4range)",
        "ALTER TABLE t ADD CONSTRAINT ex EXCLUDE USING gist (r WITH &&)",
        ["exclusion constraint t.ex: added"],
    ),
    "index": (T, "CREATE INDEX ix ON t (n)", ["index t.ix: added"]),
    "index removed": (f"{T};; CREATE INDEX ix ON t (n)", "DROP INDEX ix", ["index t.ix: removed"]),
    "index renamed": (
        f"{T};; CREATE INDEX ix ON t (n)",
        "ALTER INDEX ix RENAME TO iy",
        ["index t.ix: removed", "index t.iy: added"],
    ),
    "index definition": (
        f'{T};; CREATE INDEX "I x" ON t (n)',
        'DROP INDEX "I x";; CREATE UNIQUE INDEX "I x" ON t (lower(name)) WHERE n > 0',
        [
            (
                "index t.I x: definition: CREATE INDEX ON public.t USING btree (n) -> "
                "CREATE UNIQUE "
                "INDEX ON public.t USING btree (lower((name)::text)) WHERE (n > 0)"
            )
        ],
    ),
    "index clustered": (
        f"{T};; CREATE INDEX ix ON t (n)",
        "ALTER TABLE t CLUSTER ON ix",
        ["index t.ix: clustered: no -> yes"],
    ),
    "index validity": (
        (
            "CREATE TABLE p (n integer) PARTITION BY LIST (n);;"
            "CREATE TABLE c PARTITION OF p FOR VALUES IN (1);;"
            "CREATE INDEX ix ON ONLY p (n);; CREATE INDEX ic ON c (n)"
        ),
        "ALTER INDEX ix ATTACH PARTITION ic",
        ["index p.ix: valid: no -> yes"],
    ),
    "index comment": (
        f"{T};; CREATE INDEX ix ON t (n)",
        "COMMENT ON INDEX ix IS 'c'",
        ["index t.ix: comment: none -> c"],
    ),
    "enum": ("", "CREATE TYPE mood AS ENUM ('a')", ["enum mood: added"]),
    "enum removed": ("CREATE TYPE mood AS ENUM ('a')", "DROP TYPE mood", ["enum mood: removed"]),
    "enum label": (
        "CREATE TYPE mood AS ENUM ('a', 'b')",
        "ALTER TYPE mood ADD VALUE 'c' BEFORE 'b'",
        ["enum mood: labels: ['a', 'b'] -> ['a', 'c', 'b']"],
    ),
    "enum comment": (
        "CREATE TYPE mood AS ENUM ('a')",
        "COMMENT ON TYPE mood IS 'c'",
        ["enum mood: comment: none -> c"],
    ),
    "domain": ("", "CREATE DOMAIN d AS integer", ["domain d: added"]),
    "domain attributes": (
        "CREATE DOMAIN d AS integer",
        (
            "ALTER DOMAIN d SET NOT NULL;; ALTER DOMAIN d SET DEFAULT 1;;"
            "ALTER DOMAIN d ADD CONSTRAINT ck CHECK (VALUE > 0)"
        ),
        [
            (
                "domain d: nullable: yes -> no, default: none -> 1, "
                "constraints: none -> {'ck': 'CHECK ((VALUE > 0))'}"
            )
        ],
    ),
    "domain type": (
        "CREATE DOMAIN d AS text",
        'DROP DOMAIN d;; CREATE DOMAIN d AS varchar(5) COLLATE "C"',
        ['domain d: type: text -> character varying(5), collation: none -> "C"'],
    ),
    "composite type": ("", "CREATE TYPE c AS (x integer)", ["composite type c: added"]),
    "composite type attributes": (
        "CREATE TYPE c AS (x integer)",
        'ALTER TYPE c ADD ATTRIBUTE y text COLLATE "C"',
        [
            (
                "composite type c: attributes: {'x': 'integer'} -> "
                "{'x': 'integer', 'y': 'text collate \"C\"'}"
            )
        ],
    ),
    "composite type comments": (
        "CREATE TYPE c AS (x integer)",
        "COMMENT ON TYPE c IS 'c';; COMMENT ON COLUMN c.x IS 'd'",
        ["composite type c: attribute comments: none -> {'x': 'd'}, comment: none -> c"],
    ),
    "range type": ("", "CREATE TYPE r AS RANGE (subtype = float8)", ["range type r: added"]),
    "range type attributes": (
        "CREATE TYPE r AS RANGE (subtype = float8)",
        "DROP TYPE r;; CREATE TYPE r AS RANGE (subtype = float8, subtype_diff = float8mi)",
        ["range type r: subtype difference: none -> float8mi"],
    ),
    "sequence": ("", "CREATE SEQUENCE s", ["sequence s: added"]),
    "sequence options": (
        "CREATE SEQUENCE s",
        "ALTER SEQUENCE s INCREMENT 2",
        [
            (
                "sequence s: options: "
                "bigint, start 1, increment 1, 1 to 9223372036854775807, cache 1 -> "
                "bigint, start 1, increment 2, 1 to 9223372036854775807, cache 1"
            )
        ],
    ),
    "sequence comment": (
        "CREATE SEQUENCE s",
        "COMMENT ON SEQUENCE s IS 'c'",
        ["sequence s: comment: none -> c"],
    ),
    "sequence owned": (
        f"{T};; CREATE SEQUENCE s",
        "ALTER SEQUENCE s OWNED BY t.n",
        [
            (
                "column t.n: sequence: none -> "
                "bigint, start 1, increment 1, 1 to 9223372036854775807, cache 1"
            ),
            "sequence s: removed",
        ],
    ),
    "view": (T, "CREATE VIEW v AS SELECT n FROM t", ["view v: added"]),
    "view definition": (
        f"{T};; CREATE VIEW v AS SELECT n FROM t",
        "CREATE OR REPLACE VIEW v AS SELECT n FROM t WHERE n > 0",
        [
            (
                "view v: definition:  SELECT t.n\n   FROM t; -> "
                " SELECT t.n\n   FROM t\n  WHERE (t.n > 0);"
            )
        ],
    ),
    "view attributes": (
        f"{T};; CREATE VIEW v AS SELECT n FROM t",
        (
            "ALTER VIEW v SET (security_barrier = true);; ALTER VIEW v ALTER n SET DEFAULT 1;;"
            "COMMENT ON COLUMN v.n IS 'c';; COMMENT ON VIEW v IS 'd'"
        ),
        [
            (
                "view v: options: none -> security_barrier=true, column defaults: none -> "
                "{'n': '1'}, "
                "column comments: none -> {'n': 'c'}, comment: none -> d"
            )
        ],
    ),
    "materialized view": (
        T,
        "CREATE MATERIALIZED VIEW v AS SELECT n FROM t",
        ["materialized view v: added"],
    ),
    "materialized view index": (
        f"{T};; CREATE MATERIALIZED VIEW v AS SELECT n FROM t",
        "CREATE INDEX ix ON v (n)",
        ["index v.ix: added"],
    ),
    "trigger": (
        (
            f"{T};; CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW"
            " EXECUTE FUNCTION suppress_redundant_updates_trigger()"
        ),
        "ALTER TABLE t DISABLE TRIGGER g;; COMMENT ON TRIGGER g ON t IS 'c'",
        ["trigger t.g: enabled: yes -> no, comment: none -> c"],
    ),
    "trigger definition": (
        (
            f"{T};; CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW"
            " EXECUTE FUNCTION suppress_redundant_updates_trigger()"
        ),
        "DROP TRIGGER g ON t",
        ["trigger t.g: removed"],
    ),
    "function": (
        "",
        "CREATE FUNCTION f(a integer) RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        ["function f(integer): added"],
    ),
    "function definition": (
        "CREATE FUNCTION f(a integer) RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        (
            "CREATE OR REPLACE FUNCTION f(a integer) RETURNS integer LANGUAGE sql AS 'SELECT 2';;"
            "COMMENT ON FUNCTION f IS 'c'"
        ),
        [
            (
                "function f(integer): definition: CREATE OR REPLACE FUNCTION public.f(a integer)\n"
                " RETURNS integer\n LANGUAGE sql\nAS $function$SELECT 1$function$\n -> "
                "CREATE OR REPLACE FUNCTION public.f(a integer)\n"
                " RETURNS integer\n LANGUAGE sql\nAS $function$SELECT 2$function$\n, "
                "comment: none -> c"
            )
        ],
    ),
    "procedure": (
        "",
        "CREATE PROCEDURE f() LANGUAGE sql AS 'SELECT 1'",
        ["procedure f(): added"],
    ),
    "aggregate": (
        "CREATE AGGREGATE total(integer) (sfunc = int4pl, stype = integer)",
        (
            "DROP AGGREGATE total(integer);;"
            "CREATE AGGREGATE total(integer) (sfunc = int4pl, stype = integer, initcond = '1')"
        ),
        ["aggregate total(integer): initial value: none -> 1"],
    ),
    "rule": (T, "CREATE RULE r AS ON DELETE TO t DO NOTHING", ["rule t.r: added"]),
    "rule enabled": (
        f"{T};; CREATE RULE r AS ON DELETE TO t DO NOTHING",
        "ALTER TABLE t DISABLE RULE r",
        ["rule t.r: enabled: yes -> no"],
    ),
    "policy": (T, "CREATE POLICY p ON t", ["policy t.p: added"]),
    "policy attributes": (
        f"{T};; CREATE POLICY p ON t USING (true)",
        (
            "DROP POLICY p ON t;; CREATE POLICY p ON t AS RESTRICTIVE FOR UPDATE TO CURRENT_USER"
            " USING (n > 0) WITH CHECK (n > 1)"
        ),
        [
            (
                "policy t.p: for: all -> update, permissive: yes -> no, to: public -> {user}, "
                "using: true -> (n > 0), with check: none -> (n > 1)"
            )
        ],
    ),
    "statistics": (T, "CREATE STATISTICS s ON id, n FROM t", ["statistics s: added"]),
    "extension": ("", "CREATE EXTENSION citext", ["extension citext: added"]),
    "extension schema": (
        "CREATE SCHEMA ext;; CREATE EXTENSION citext",
        "ALTER EXTENSION citext SET SCHEMA ext",
        ["extension citext: schema: public -> ext"],
    ),
    "extension member": (
        f"{T};; CREATE EXTENSION citext",
        "ALTER EXTENSION citext ADD TABLE t",
        ["table t: removed"],
    ),
    "event trigger": (
        "CREATE FUNCTION e() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'",
        "CREATE EVENT TRIGGER assay_tmp ON sql_drop EXECUTE FUNCTION e()",
        ["event trigger assay_tmp: added"],
    ),
    "version table": ("", "CREATE TABLE alembic_version (version_num text PRIMARY KEY)", []),
    "data": (f"{T};; CREATE SEQUENCE s", "INSERT INTO t VALUES (nextval('s'))", []),
}


@pytest.mark.parametrize(("setup", "change", "expected"), CHANGES.values(), ids=CHANGES)
def test_read_catalog_after_a_change_tells_it_in_full(
    connection: Connection, setup: str, change: str, expected: list[str]
) -> None:
    execute(connection, setup)
    before = read(connection)

    execute(connection, change)

    after = read(connection, before)
    user = connection.exec_driver_sql("SELECT current_user").scalar_one()
    assert differences(before, after) == [line.replace("{user}", user) for line in expected]
    assert differences(after, read(connection)) == []


RECREATED = {
    "table": ("CREATE TABLE t (id serial PRIMARY KEY, n integer UNIQUE)", "DROP TABLE t"),
    "column at the end": ("ALTER TABLE base ADD a integer DEFAULT 1", "ALTER TABLE base DROP a"),
    "foreign key": (
        "ALTER TABLE base ADD CONSTRAINT fk FOREIGN KEY (parent) REFERENCES base",
        "ALTER TABLE base DROP CONSTRAINT fk",
    ),
    "index": ("CREATE INDEX ix ON base (parent)", "DROP INDEX ix"),
    "enum": ("CREATE TYPE mood AS ENUM ('a', 'b')", "DROP TYPE mood"),
    "domain": ("CREATE DOMAIN d AS integer CHECK (VALUE > 0)", "DROP DOMAIN d"),
    "composite type": ("CREATE TYPE c AS (x integer)", "DROP TYPE c"),
    "range type": ("CREATE TYPE r AS RANGE (subtype = date, subtype_diff = f)", "DROP TYPE r"),
    "sequence": ("CREATE SEQUENCE s", "DROP SEQUENCE s"),
    "view": ("CREATE VIEW v AS SELECT id FROM base", "DROP VIEW v"),
    "function": (
        "CREATE FUNCTION g() RETURNS base LANGUAGE sql AS 'SELECT 1, 2'",
        "DROP FUNCTION g",
    ),
    "aggregate": (
        "CREATE AGGREGATE a(integer) (sfunc = int4pl, stype = integer, sortop = <)",
        "DROP AGGREGATE a(integer)",
    ),
    "policy": ("CREATE POLICY p ON base TO CURRENT_USER", "DROP POLICY p ON base"),
    "extension": ("CREATE EXTENSION citext", "DROP EXTENSION citext"),
    "schema": ("CREATE SCHEMA audit CREATE TABLE t (id integer)", "DROP SCHEMA audit CASCADE"),
}


@pytest.mark.parametrize(("create", "drop"), RECREATED.values(), ids=RECREATED)
def test_read_catalog_after_drop_and_create_equals_the_first(
    connection: Connection, create: str, drop: str
) -> None:
    execute(
        connection,
        "CREATE TABLE base (id integer PRIMARY KEY, parent integer);;"
        "CREATE FUNCTION f(date, date) RETURNS float8 IMMUTABLE LANGUAGE sql"
        " AS 'SELECT 1.0::float8'",
    )
    execute(connection, create)
    before = read(connection)

    execute(connection, f"{drop};;{create}")

    after = read(connection, before)
    assert differences(before, after) == []
    assert before.objects() == after.objects()


HISTORY = """
CREATE TABLE users (id serial PRIMARY KEY, email varchar(50) NOT NULL, age integer)
CREATE TYPE mood AS ENUM ('sad', 'ok')
ALTER TABLE users ADD mood mood DEFAULT 'sad', ADD CONSTRAINT ck CHECK (mood <> 'ok' OR age > 0)
CREATE TABLE posts (id integer PRIMARY KEY, author integer REFERENCES users, at timestamptz)
CREATE INDEX ix_author ON posts (author)
CREATE VIEW v AS SELECT p.id, u.email, mood = 'ok' AS ok FROM posts p, users u WHERE u.id = author
CREATE VIEW w AS SELECT * FROM users JOIN posts USING (id)
CREATE VIEW vv AS SELECT email FROM v
CREATE MATERIALIZED VIEW mv AS SELECT email FROM users
CREATE UNIQUE INDEX ix_mv ON mv (email)
ALTER TABLE posts ADD age integer, ADD extra text
ALTER TABLE users ADD extra text
CREATE FUNCTION f(m mood) RETURNS integer LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM users; END
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'
CREATE TRIGGER touched BEFORE UPDATE OF age ON users FOR EACH ROW EXECUTE FUNCTION touch()
CREATE POLICY p ON posts USING (author IN (SELECT id FROM users))
CREATE RULE r AS ON DELETE TO posts DO ALSO UPDATE users SET age = 0
CREATE STATISTICS st ON email, age FROM users
COMMENT ON CONSTRAINT ck ON users IS 'one'
COMMENT ON INDEX ix_author IS 'two'
COMMENT ON FUNCTION touch IS 'three'
COMMENT ON SEQUENCE users_id_seq IS 'four'
CREATE FUNCTION dflt() RETURNS integer LANGUAGE sql AS 'SELECT 1'
ALTER TABLE posts ALTER author SET DEFAULT dflt()
ALTER TYPE mood ADD VALUE 'great' AFTER 'sad'
ALTER TYPE mood RENAME VALUE 'ok' TO 'fine'
ALTER TYPE mood RENAME TO feeling
ALTER FUNCTION dflt() RENAME TO preset
ALTER TABLE users RENAME COLUMN email TO mail
ALTER VIEW v RENAME COLUMN email TO address
ALTER TABLE users RENAME TO people
ALTER SEQUENCE users_id_seq RENAME TO people_id_seq
ALTER INDEX ix_author RENAME TO ix_writer
ALTER TABLE people RENAME CONSTRAINT ck TO ck_mood
CREATE SCHEMA audit
ALTER TABLE people SET SCHEMA audit
ALTER SCHEMA audit RENAME TO log
ALTER TYPE feeling SET SCHEMA log
CREATE SEQUENCE counter
ALTER TABLE posts ADD number integer DEFAULT nextval('counter')
ALTER SEQUENCE counter OWNED BY posts.number
ALTER SEQUENCE counter RENAME TO tally
ALTER SEQUENCE tally OWNED BY posts.author
ALTER SEQUENCE tally OWNED BY NONE
COMMENT ON SEQUENCE tally IS 'five'
CREATE TABLE parts (id integer, at date) PARTITION BY RANGE (at)
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM ('2020-01-01') TO ('2021-01-01')
CREATE INDEX ix_parts ON parts (at)
ALTER TABLE parts ADD PRIMARY KEY (id, at)
ALTER TABLE parts DETACH PARTITION parts_1
CREATE DOMAIN d AS integer CONSTRAINT positive CHECK (VALUE > 0)
ALTER DOMAIN d RENAME CONSTRAINT positive TO above
ALTER TABLE posts ADD rank d
CREATE TYPE pair AS (x integer, y d)
ALTER TYPE pair RENAME ATTRIBUTE x TO z
CREATE TABLE pairs (p pair, CHECK ((p).z > 0))
ALTER TYPE pair RENAME ATTRIBUTE z TO q
COMMENT ON TYPE pair IS 'six'
ALTER DOMAIN d RENAME TO e
CREATE EXTENSION citext
ALTER TABLE posts ALTER extra TYPE citext
CREATE TABLE mine (id integer)
ALTER EXTENSION citext ADD TABLE mine
ALTER EXTENSION citext DROP TABLE mine
COMMENT ON INDEX ix_writer IS NULL
COMMENT ON TYPE pair IS NULL
ALTER TABLE posts ALTER at SET NOT NULL
ALTER TABLE posts ALTER at SET DEFAULT '2020-01-01 00:00:00+00'
ALTER TABLE posts ALTER at DROP DEFAULT
ALTER TABLE log.people DISABLE TRIGGER touched
ALTER TABLE posts DISABLE ROW LEVEL SECURITY
DROP INDEX ix_writer
DROP POLICY p ON posts
DROP RULE r ON posts
DROP TRIGGER touched ON log.people
ALTER TABLE log.people DROP CONSTRAINT ck_mood
DROP STATISTICS st
DROP MATERIALIZED VIEW mv
DROP VIEW v CASCADE
ALTER TABLE posts DROP COLUMN author CASCADE
DROP TYPE log.feeling CASCADE
DROP TABLE log.people CASCADE
DROP EXTENSION citext CASCADE
DROP SCHEMA log CASCADE
DROP TABLE posts, parts, parts_1, pairs, mine
"""


@pytest.mark.parametrize("search_path", ["public", "log, audit, public", "nothing"])
def test_read_catalog_again_after_each_statement_equals_a_full_read(
    engine: Engine, connection: Connection, search_path: str
) -> None:
    snapshot = None
    statements = HISTORY.strip().splitlines()
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as reader:
        execute(reader, f"SET search_path TO {search_path}")
        for statement in statements:
            execute(connection, statement)

            snapshot = read(reader, snapshot)

            full = read(reader)
            assert differences(full, snapshot) == [], statement
            assert snapshot == full, statement


def test_read_catalog_again_in_one_transaction_equals_a_full_read(engine: Engine) -> None:
    snapshot = None
    with engine.connect() as connection:
        for statement in HISTORY.strip().splitlines():
            execute(connection, statement)

            snapshot = read(connection, snapshot)

            assert snapshot == read(connection), statement


def test_read_catalog_after_nothing_happened_returns_the_same_snapshot(
    connection: Connection,
) -> None:
    execute(connection, T)
    before = read(connection)

    after = read(connection, before)

    assert after is before


def test_read_catalog_after_one_table_changed_reuses_the_other_parts(
    connection: Connection,
) -> None:
    execute(connection, f"{T};; CREATE TABLE u (id serial);; CREATE TYPE mood AS ENUM ('a')")
    before = read(connection)

    execute(connection, "ALTER TABLE t ADD age integer")

    after = read(connection, before)
    assert after.parts.keys() == before.parts.keys()
    changed = [key for key in after.parts if after.parts[key] is not before.parts[key]]
    assert [min(after.parts[key], key=len) for key in changed] == [ObjectId("table", "t")]


def test_read_catalog_after_a_rename_reuses_what_reads_the_same(connection: Connection) -> None:
    execute(connection, f"{T};; CREATE TABLE u (id integer)")
    before = read(connection)

    execute(connection, "ALTER TABLE t RENAME TO s")

    after = read(connection, before)
    assert (
        sum(after.parts[key] is before.parts[key] for key in before.parts) == len(before.parts) - 1
    )


def test_read_catalog_after_rollback_equals_the_snapshot_before(engine: Engine) -> None:
    with engine.connect() as connection:
        execute(connection, T)
        connection.commit()
        before = read(connection)
        execute(connection, "ALTER TABLE t ADD age integer")
        inside = read(connection, before)
        connection.rollback()

        after = read(connection, inside)

    assert differences(before, inside) == ["column t.age: added"]
    assert after == before


def test_read_catalog_sees_what_another_transaction_commits_later(engine: Engine) -> None:
    with engine.connect() as connection, engine.connect() as other:
        execute(other, T)
        before = read(connection)
        connection.rollback()
        other.commit()

        after = read(connection, before)

    assert differences(before, after) == ["table t: added"]


def test_read_catalog_under_another_search_path_reads_all_again(connection: Connection) -> None:
    execute(connection, "CREATE SCHEMA audit;; CREATE TABLE audit.t (id integer)")
    before = read(connection)

    execute(connection, "SET search_path TO audit")

    after = read(connection, before)
    assert ObjectId("table", "t") in after.objects()
    assert after == read(connection)


def test_read_catalog_leaves_out_the_version_table_of_another_schema(
    connection: Connection,
) -> None:
    execute(
        connection, "CREATE SCHEMA a;; CREATE TABLE a.v (n text PRIMARY KEY);; CREATE TABLE v ()"
    )

    snapshot = read_catalog(connection, version_table=("a", "v"))

    assert sorted(snapshot.objects()) == [
        ("extension", "plpgsql"),
        ("schema", "a"),
        ("schema", "public"),
        ("table", "v"),
    ]


def test_read_catalog_leaves_the_open_transaction_open_and_unwritten(engine: Engine) -> None:
    with engine.connect() as connection:
        read(connection, read(connection))

        assert connection.in_transaction()
        assert (
            connection.exec_driver_sql("SELECT pg_current_xact_id_if_assigned()").scalar() is None
        )
