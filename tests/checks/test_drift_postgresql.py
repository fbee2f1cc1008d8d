"""What PostgreSQL spells differently is no drift; what looks alike and is not, is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import (
    ARRAY,
    CHAR,
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Date,
    DateTime,
    Enum,
    Float,
    Identity,
    Index,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import INT4RANGE, JSONB, ExcludeConstraint
from tests.checks.compared import compare_models

from alembic_assay.databases import Databases

pytestmark = pytest.mark.parametrize("databases", ["postgresql"], indirect=True)

Models = Callable[[], MetaData]

ID = "id SERIAL PRIMARY KEY"
MOMENT = DateTime(timezone=True)


def compared(databases: Databases, folder: Path, models: MetaData, ddl: str) -> list[str | None]:
    """Return the objects in which the models differ from a database made by ``ddl``."""
    with databases.temporary() as url:
        with databases.backend.connect(url) as connection:
            databases.backend.run_script(connection, ddl)
        found = compare_models(databases, folder, models, url)
    return [finding.object or str(finding) for finding in found]


def users(*items: Any, **options: Any) -> MetaData:
    metadata = MetaData()
    Table("users", metadata, Column("id", Integer, primary_key=True), *items, **options)
    return metadata


def big_users() -> MetaData:
    metadata = MetaData()
    Table("users", metadata, Column("id", BigInteger, primary_key=True))
    return metadata


def default(type_: Any, value: Any) -> Models:
    return lambda: users(Column("c", type_, server_default=value))


def check(condition: str, type_: Any = Integer) -> Models:
    return lambda: users(Column("a", type_), CheckConstraint(condition, name="ck"))


def index(*terms: str, type_: Any = String, **options: Any) -> Models:
    def make() -> MetaData:
        metadata = users(Column("a", type_))
        Index("ix", *map(text, terms), _table=metadata.tables["users"], **options)
        return metadata

    return make


def exclusion() -> MetaData:
    excluded = ExcludeConstraint(("r", "&&"), name="ex", where=text("a <> 'x'"))
    return users(Column("r", INT4RANGE), Column("a", Text), excluded)


def table(columns: str, *statements: str) -> str:
    return ";\n".join((f"CREATE TABLE users ({ID}, {columns})", *statements))


OPEN = "a IN ('x', 'y')"

SAME: dict[str, tuple[Models, str]] = {
    # defaults
    "now": (default(MOMENT, func.now()), table("c timestamptz DEFAULT CURRENT_TIMESTAMP")),
    "now of a dump": (
        default(Date, func.current_date()),
        table("c date DEFAULT 'now'::text::date"),
    ),
    "utc": (
        default(DateTime, text("timezone('utc', now())")),
        table("c timestamp DEFAULT (CURRENT_TIMESTAMP AT TIME ZONE 'utc')"),
    ),
    "json": (
        default(JSON, text("""'{"a": 1, "b": 2}'""")),
        table("""c json DEFAULT '{"b":2,"a":1}'"""),
    ),
    "array": (default(ARRAY(Text), text("'{}'")), table("c text[] DEFAULT ARRAY[]::text[]")),
    "numeric": (default(Numeric(10, 2), "0"), table("c numeric(10,2) DEFAULT 0.00")),
    "float": (default(Float, "0.50"), table("c double precision DEFAULT 0.5")),
    "percent": (default(String, "5%"), table("c varchar DEFAULT '5%'::text")),
    "enum array": (
        default(ARRAY(Enum("a", name="st")), "{a}"),
        "CREATE TYPE st AS ENUM ('a'); " + table("c st[] DEFAULT ARRAY['a']::st[]"),
    ),
    "null": (lambda: users(Column("c", String(50))), table("c varchar(50) DEFAULT NULL::varchar")),
    "default after a change of type": (
        default(String(20), "x"),
        table("c text DEFAULT 'x'", "ALTER TABLE users ALTER c TYPE varchar(20)"),
    ),
    "sequence of an old server": (
        lambda: users(Column("c", Integer)),
        "CREATE SEQUENCE s; CREATE TABLE users (id int DEFAULT nextval('s') PRIMARY KEY, c int);"
        " ALTER SEQUENCE s OWNED BY users.id",
    ),
    # expressions
    "check of a dump": (
        check(OPEN, String(5)),
        table("a varchar(5), CONSTRAINT ck CHECK (a = ANY (ARRAY['x'::varchar::text, 'y']))"),
    ),
    "check after a change of type": (
        check(OPEN, Text),
        table(f"a varchar(5), CONSTRAINT ck CHECK ({OPEN})", "ALTER TABLE users ALTER a TYPE text"),
    ),
    "check after a change to char": (
        check(OPEN, CHAR(1)),
        table(
            f"a varchar(5), CONSTRAINT ck CHECK ({OPEN})", "ALTER TABLE users ALTER a TYPE char(1)"
        ),
    ),
    "check of numbers": (
        check("a >= 0", Numeric),
        table("a numeric, CONSTRAINT ck CHECK (a >= 0.0)"),
    ),
    "check by another name of a function": (
        check("trim(a) <> ''", String),
        table("a varchar, CONSTRAINT ck CHECK (btrim(a) <> '')"),
    ),
    "unnamed check": (
        lambda: users(Column("a", String), CheckConstraint(OPEN)),
        table("a varchar, CONSTRAINT other CHECK (a = ANY ('{x,y}'::text[]))"),
    ),
    "check that is not valid": (
        lambda: users(
            Column("a", Integer), CheckConstraint("a > 0", name="ck", postgresql_not_valid=True)
        ),
        table("a int", "ALTER TABLE users ADD CONSTRAINT ck CHECK (a > 0) NOT VALID"),
    ),
    "generated column": (
        lambda: users(
            Column("a", String), Column("c", String, Computed("coalesce(a, '')", persisted=True))
        ),
        table("a varchar, c varchar GENERATED ALWAYS AS (COALESCE(a, ''::text)) STORED"),
    ),
    "exclusion constraint": (
        exclusion,
        table(
            "r int4range, a varchar,"
            " CONSTRAINT ex EXCLUDE USING gist (r WITH &&) WHERE (a::text <> 'x')",
            "ALTER TABLE users ALTER a TYPE text",
        ),
    ),
    # indexes
    "partial index": (
        index("id", postgresql_where=text(OPEN)),
        table("a varchar", "CREATE INDEX ix ON users (id) WHERE a = ANY ('{x,y}'::text[])"),
    ),
    "index of an expression": (
        index("(timezone('UTC', a))", type_=MOMENT),
        table("a timestamptz", "CREATE INDEX ix ON users ((a AT TIME ZONE 'UTC'))"),
    ),
    "operator class after a change of type": (
        index("a text_pattern_ops", type_=Text),
        table(
            "a varchar",
            "CREATE INDEX ix ON users (a varchar_pattern_ops)",
            "ALTER TABLE users ALTER a TYPE text",
        ),
    ),
    "options of an index": (
        index("a", type_=JSONB, postgresql_using="gin", postgresql_with={"fastupdate": "off"}),
        table("a jsonb", "CREATE INDEX ix ON users USING gin (a) WITH (fastupdate = 'off')"),
    ),
    "unique index for a constraint": (
        lambda: users(
            Column("a", Integer), Column("B b", Integer), UniqueConstraint("a", "B b", name="uq")
        ),
        table('a int, "B b" int', 'CREATE UNIQUE INDEX uq ON users (a, "B b")'),
    ),
    "unique constraint for an unnamed one": (
        lambda: users(Column("a", Integer, unique=True)),
        table("a int, CONSTRAINT other UNIQUE (a)"),
    ),
    "concurrent index": (
        index("a", postgresql_concurrently=True),
        table("a varchar", "CREATE INDEX ix ON users (a)"),
    ),
    # what models have no words for
    "comment on an index": (
        index("a"),
        table("a varchar", "CREATE INDEX ix ON users (a)", "COMMENT ON INDEX ix IS 'reports'"),
    ),
    "order of options": (
        index("a", postgresql_with={"fillfactor": 70, "deduplicate_items": "off"}),
        table(
            "a varchar",
            "CREATE INDEX ix ON users (a) WITH (deduplicate_items = off, fillfactor = 70)",
        ),
    ),
}

DRIFT: dict[str, tuple[Models, str, str]] = {
    # defaults
    "empty array for none": (
        default(ARRAY(Text), text("'{}'")),
        table("c text[]"),
        "column users.c",
    ),
    "clock": (
        default(MOMENT, func.now()),
        table("c timestamptz DEFAULT clock_timestamp()"),
        "column users.c",
    ),
    "a day is not 24 hours": (
        default(DateTime, text("now() + interval '1 day'")),
        table("c timestamp DEFAULT now() + interval '24 hours'"),
        "column users.c",
    ),
    "trailing space": (default(String, "a"), table("c varchar DEFAULT 'a '"), "column users.c"),
    "function for its present value": (
        default(Integer, text("7")),
        "CREATE FUNCTION seven() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 7'; "
        + table("c int DEFAULT seven()"),
        "column users.c",
    ),
    "sequence that ends too early": (
        big_users,
        f"CREATE TABLE users ({ID}); ALTER TABLE users ALTER id TYPE bigint",
        "column users.id",
    ),
    "serial for identity": (
        lambda: users(Column("c", Integer, Identity())),
        table("c SERIAL"),
        "column users.c",
    ),
    # expressions
    "one value more": (
        check(OPEN, String),
        table("a varchar, CONSTRAINT ck CHECK (a IN ('x', 'y', 'z'))"),
        "check constraint users.ck",
    ),
    "other parentheses": (
        check("(a + id) * 2 > 0"),
        table("a int, CONSTRAINT ck CHECK (a + id * 2 > 0)"),
        "check constraint users.ck",
    ),
    "other collation": (
        check("a > 'x'", String),
        table("""a varchar, CONSTRAINT ck CHECK (a COLLATE "C" > 'x')"""),
        "check constraint users.ck",
    ),
    "check that is not inherited": (
        check("a > 0"),
        table("a int, CONSTRAINT ck CHECK (a > 0) NO INHERIT"),
        "check constraint users.ck",
    ),
    "generated column": (
        lambda: users(
            Column("a", Integer), Column("c", Integer, Computed("a + 1", persisted=True))
        ),
        table("a int, c int GENERATED ALWAYS AS (a + 2) STORED"),
        "column users.c",
    ),
    "exclusion constraint": (
        exclusion,
        table("r int4range, a text, CONSTRAINT ex EXCLUDE USING gist (r WITH &&)"),
        "exclusion constraint users.ex",
    ),
    # indexes
    "predicate": (
        index("id", type_=Boolean, postgresql_where=text("a")),
        table("a boolean", "CREATE INDEX ix ON users (id) WHERE NOT a"),
        "index users.ix",
    ),
    "expression": (
        index("lower(a)"),
        table("a varchar", "CREATE INDEX ix ON users (upper(a))"),
        "index users.ix",
    ),
    "operator class": (
        index("a jsonb_path_ops", type_=JSONB, postgresql_using="gin"),
        table("a jsonb", "CREATE INDEX ix ON users USING gin (a)"),
        "index users.ix",
    ),
    "order": (
        index("a DESC NULLS LAST"),
        table("a varchar", "CREATE INDEX ix ON users (a DESC)"),
        "index users.ix",
    ),
    "unique index of lower case": (
        lambda: users(Column("a", String), UniqueConstraint("a", name="uq")),
        table("a varchar", "CREATE UNIQUE INDEX uq ON users (lower(a))"),
        "index users.uq, unique constraint users.uq",
    ),
    "unique index of some rows": (
        lambda: users(Column("a", Boolean), UniqueConstraint("a", name="uq")),
        table("a boolean", "CREATE UNIQUE INDEX uq ON users (a) WHERE a"),
        "index users.uq, unique constraint users.uq",
    ),
    "deferrable constraint": (
        lambda: users(Column("a", Integer), UniqueConstraint("a", name="uq", deferrable=True)),
        table("a int", "CREATE UNIQUE INDEX uq ON users (a)"),
        "index users.uq, unique constraint users.uq",
    ),
    "comment on a constraint": (
        lambda: users(Column("a", Integer), CheckConstraint("a > 0", name="ck", comment="why")),
        table("a int, CONSTRAINT ck CHECK (a > 0)"),
        "check constraint users.ck",
    ),
}


@pytest.mark.parametrize(("models", "ddl"), SAME.values(), ids=SAME)
def test_same_meaning_is_no_drift(
    databases: Databases, tmp_path: Path, models: Models, ddl: str
) -> None:
    assert compared(databases, tmp_path, models(), ddl) == []


@pytest.mark.parametrize(("models", "ddl", "drifted"), DRIFT.values(), ids=DRIFT)
def test_other_meaning_is_drift(
    databases: Databases, tmp_path: Path, models: Models, ddl: str, drifted: str
) -> None:
    found = compared(databases, tmp_path, models(), ddl)

    assert ", ".join(map(str, found)) == drifted
