"""Types, views, functions, triggers and policies of PostgreSQL; and what models lean on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import (
    DDL,
    CheckConstraint,
    Column,
    Date,
    Enum,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    event,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, DOMAIN, ENUM

from alembic_assay.checks.drift import check_drift
from alembic_assay.findings import Finding

if TYPE_CHECKING:
    from tests.checks.conftest import MakeChecked

    from tests.conftest import ProjectFiles

pytestmark = pytest.mark.parametrize("databases", ["postgresql"], indirect=True)

Models = Callable[[], MetaData]
Compare = Callable[[MetaData, str], list[Finding]]

USERS = "CREATE TABLE users (id SERIAL PRIMARY KEY, {});"
NAMED = USERS.format("name varchar(5)")
STATE = "CREATE TYPE state AS ENUM ('a', 'b');"
SEVEN = "CREATE FUNCTION seven() RETURNS int LANGUAGE sql AS 'SELECT 7';"
TOUCH = "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ {} $$"
BODY = "BEGIN NEW.name := 'A  b'; RETURN NEW; END"
RESPELLED = """
begin
    -- as it was
    new.name := 'A  b';
    return new;
end;
"""
FROM_A_DUMP = "name::text = ANY (ARRAY['x'::varchar::text, 'y'::varchar::text])"


@pytest.fixture
def compare(make_checked: MakeChecked, project_files: ProjectFiles) -> Compare:
    """Return a function that compares models with what a revision makes by ``ddl``."""

    def compare(models: MetaData, ddl: str) -> list[Finding]:
        project_files.add_revision(
            "0001",
            upgrade=f"sql = {ddl!r}\n"
            'op.get_bind().exec_driver_sql(sql, execution_options={"no_parameters": True})',
        )
        return check_drift(make_checked(metadata=models))

    return compare


def users(*items: Any, schema: str | None = None, **options: Any) -> MetaData:
    metadata = MetaData(schema=schema)
    Table("users", metadata, Column("id", Integer, primary_key=True), *items, **options)
    return metadata


def state(type_: Any) -> Models:
    return lambda: users(Column("c", type_))


def with_ddl(*statements: str) -> Models:
    """Return what makes models whose listeners execute these statements."""

    def make() -> MetaData:
        metadata = users(Column("name", String(5)))
        for statement in statements:
            event.listen(metadata, "after_create", DDL(statement))  # type: ignore[no-untyped-call]
        return metadata

    return make


def trigger(condition: str) -> str:
    return (
        f"CREATE TRIGGER tg BEFORE INSERT ON users FOR EACH ROW WHEN ({condition})"
        " EXECUTE FUNCTION touch()"
    )


def strange_names() -> MetaData:
    metadata = MetaData()
    Table(
        "a.b %(c)",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("d:e%", String, server_default="x"),
        CheckConstraint(""" "d\\:e%" IN ('x', 'y')""", name="ck"),
    )
    return metadata


class State(TypeDecorator[str]):
    impl = ENUM("a", "b", name="state", create_type=False)
    cache_ok = True


FOREIGN_ENUM = ENUM("a", "b", name="state", create_type=False)

SAME: dict[str, tuple[Models, str]] = {
    # types
    "enum of the migrations": (state(FOREIGN_ENUM), STATE + USERS.format("c state")),
    "array of it": (state(ARRAY(FOREIGN_ENUM)), STATE + USERS.format("c state[]")),
    "decorator of it": (state(State()), STATE + USERS.format("c state")),
    "variant of it": (
        state(String(1).with_variant(FOREIGN_ENUM, "postgresql")),
        STATE + USERS.format("c state"),
    ),
    "check of a domain": (
        state(DOMAIN("code", String(5), check="VALUE IN ('x', 'y')")),
        "CREATE DOMAIN code AS varchar(5) CONSTRAINT other CHECK (VALUE = ANY ('{x,y}'::text[]));"
        + USERS.format("c code"),
    ),
    # what the models' listeners make
    "view": (
        with_ddl("CREATE VIEW v AS SELECT id FROM users WHERE name IN ('x', 'y')"),
        f"{NAMED} CREATE VIEW v AS SELECT u.id FROM users u WHERE u.{FROM_A_DUMP}",
    ),
    "function": (with_ddl(TOUCH.format(BODY)), NAMED + TOUCH.format(RESPELLED)),
    "trigger": (
        with_ddl(TOUCH.format(BODY), trigger("NEW.name IN ('x', 'y')")),
        f"{NAMED} {TOUCH.format(BODY)}; {trigger(f'NEW.{FROM_A_DUMP}')}",
    ),
    "policy with a subquery": (
        with_ddl(
            "CREATE POLICY p ON users USING"
            " (EXISTS (SELECT FROM users u WHERE u.id = users.id AND u.name IN ('x', 'y')))"
        ),
        f"{NAMED} CREATE POLICY p ON users USING"
        f" (EXISTS (SELECT FROM users u WHERE u.id = users.id AND u.{FROM_A_DUMP}))",
    ),
    # what only migrations make
    "partitions": (
        lambda: users(Column("d", Date, primary_key=True), postgresql_partition_by="RANGE (d)"),
        "CREATE TABLE users (id int, d date, PRIMARY KEY (id, d)) PARTITION BY RANGE (d);"
        " CREATE TABLE users_1 PARTITION OF users DEFAULT",
    ),
    "child by inheritance": (
        with_ddl(),
        f"{NAMED} CREATE TABLE users_old (x int) INHERITS (users)",
    ),
    "foreign table": (
        with_ddl(),
        f"{NAMED} CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;"
        " CREATE FOREIGN TABLE f (a int) SERVER s",
    ),
    # what models lean on
    "schema": (
        lambda: users(Column("c", Enum("a", name="e", schema="app")), schema="app"),
        "CREATE SCHEMA app; CREATE TYPE app.e AS ENUM ('a');"
        " CREATE TABLE app.users (id SERIAL PRIMARY KEY, c app.e)",
    ),
    "function in a default": (
        lambda: users(Column("c", Integer, server_default=text("seven()"))),
        SEVEN + USERS.format("c int DEFAULT seven()"),
    ),
    "function of an enum of the migrations": (
        lambda: users(Column("c", FOREIGN_ENUM, server_default=text("first()"))),
        f"{STATE} CREATE FUNCTION first() RETURNS state LANGUAGE sql AS 'SELECT ''a''::state';"
        + USERS.format("c state DEFAULT first()"),
    ),
    "collation": (
        lambda: users(Column("c", String(5, collation="german"))),
        "CREATE COLLATION german (locale = 'C');" + USERS.format("c varchar(5) COLLATE german"),
    ),
    "strange names": (
        strange_names,
        """CREATE TABLE "a.b %(c)" (id SERIAL PRIMARY KEY, "d:e%" varchar DEFAULT 'x'::text,
            CONSTRAINT ck CHECK ("d:e%" = ANY ('{x,y}'::text[])))""",
    ),
}


DRIFT: dict[str, tuple[Models, str, str]] = {
    "label of a variant": (
        state(String(1).with_variant(FOREIGN_ENUM, "postgresql")),
        "CREATE TYPE state AS ENUM ('b', 'a');" + USERS.format("c state"),
        "enum state",
    ),
    "label in another schema": (
        lambda: users(Column("c", Enum("a", name="e", schema="app"))),
        "CREATE SCHEMA app; CREATE TYPE app.e AS ENUM ('b');" + USERS.format("c app.e"),
        "enum app.e",
    ),
    "check of a domain": (
        state(DOMAIN("posint", Integer, check="VALUE > 0")),
        "CREATE DOMAIN posint AS int CHECK (VALUE >= 0);" + USERS.format("c posint"),
        "domain posint",
    ),
    "limit of a view": (
        with_ddl("CREATE VIEW v AS SELECT id FROM users LIMIT 1"),
        f"{NAMED} CREATE VIEW v AS SELECT id FROM users LIMIT 2",
        "view v",
    ),
    "star of a view": (
        with_ddl("CREATE VIEW v AS SELECT * FROM users"),
        f"{NAMED} CREATE VIEW v AS SELECT id FROM users",
        "view v",
    ),
    "string in a function": (
        with_ddl(TOUCH.format(BODY)),
        NAMED + TOUCH.format(BODY.replace("A  b", "a b")),
        "function touch()",
    ),
    "condition of a trigger": (
        with_ddl(TOUCH.format(BODY), trigger("NEW.name = 'x'")),
        f"{NAMED} {TOUCH.format(BODY)}; {trigger('''NEW.name = 'y' ''')}",
        "trigger users.tg",
    ),
    "subquery of a policy": (
        with_ddl("CREATE POLICY p ON users USING (id = (SELECT max(id) FROM users u))"),
        f"{NAMED} CREATE POLICY p ON users USING (id = (SELECT min(id) FROM users u))",
        "policy users.p",
    ),
    "beside a function of the migrations": (
        lambda: users(Column("c", Integer, server_default=text("seven()")), Column("d", Text)),
        SEVEN + USERS.format("c int DEFAULT seven(), d varchar"),
        "column users.d",
    ),
}


@pytest.mark.parametrize(("models", "ddl"), SAME.values(), ids=SAME)
def test_same_objects_are_no_drift(compare: Compare, models: Models, ddl: str) -> None:
    assert compare(models(), ddl) == []


@pytest.mark.parametrize(("models", "ddl", "drifted"), DRIFT.values(), ids=DRIFT)
def test_other_objects_are_drift(compare: Compare, models: Models, ddl: str, drifted: str) -> None:
    [found] = compare(models(), ddl)

    assert found.object == drifted


def test_listeners_of_models_may_make_what_the_copy_has_already(compare: Compare) -> None:
    own = [
        "CREATE TYPE pair AS (a int, b int)",
        TOUCH.format(BODY),
        "CREATE VIEW v AS SELECT 1 AS a",
    ]
    metadata = with_ddl(*own)()
    column = Column("c", Integer, server_default=text("seven()"))
    metadata.tables["users"].append_column(column)
    ddl = "; ".join([SEVEN + USERS.format("name varchar(5), c int DEFAULT seven()"), *own])

    assert compare(metadata, ddl) == []


def test_models_may_make_their_schema_themselves(compare: Compare) -> None:
    metadata = users(schema="app")
    event.listen(metadata, "before_create", DDL("CREATE SCHEMA app"))  # type: ignore[no-untyped-call]

    ddl = "CREATE SCHEMA app; CREATE TABLE app.users (id SERIAL PRIMARY KEY)"
    assert compare(metadata, ddl) == []
