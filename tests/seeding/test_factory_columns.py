from __future__ import annotations

import enum
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Computed,
    Date,
    DateTime,
    Enum,
    Float,
    Identity,
    Index,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    String,
    Table,
    Text,
    Time,
    TypeDecorator,
    UniqueConstraint,
    Uuid,
    event,
    func,
    text,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from tests.seeding.tables import count, create, run, values

from alembic_assay import RowFactory
from alembic_assay.exceptions import UsageError


class Colour(enum.Enum):
    RED = "r"
    BLUE = "b"


class Reversed(TypeDecorator[str]):
    impl = String
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return value and value[::-1]

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return value and value[::-1]


class Pair(TypeDecorator[tuple[str, str]]):
    impl = String
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        left, right = value
        return f"{left}-{right}"

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return tuple(value.split("-"))


class Encrypted(TypeDecorator[bytes]):
    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return value

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        assert value.startswith(b"encrypted ")
        return value


def test_columns_that_must_be_given_get_values_and_others_are_left_alone(session: Session) -> None:
    create(
        session,
        "items",
        Column("name", String(20), nullable=False),
        Column("note", String(20)),
        Column("state", String(20), nullable=False, server_default="new"),
        Column("size", Integer, nullable=False),
        Column("twice", Integer, Computed("size * 2", persisted=True)),
    )
    factory = RowFactory(session)

    first, second = factory("items"), factory("items", size=7, note="seven")

    assert values(first) == {
        "id": 1,
        "name": "name-1",
        "note": None,
        "state": "new",
        "size": 1,
        "twice": 2,
    }
    assert values(second) == {
        "id": 2,
        "name": "name-2",
        "note": "seven",
        "state": "new",
        "size": 7,
        "twice": 14,
    }


@pytest.mark.parametrize(
    ("type_", "expected"),
    [
        (Boolean(), False),
        (SmallInteger(), 1),
        (BigInteger(), 1),
        (Numeric(6, 2), Decimal(1)),
        (Numeric(2, 2), Decimal("0.01")),
        (Float(), 1.0),
        (String(20), "value-1"),
        (String(4), "va-1"),
        (String(1), "1"),
        (Text(), "value-1"),
        (Enum("small", "large", name="size"), "small"),
        (Enum(Colour), Colour.RED),
        (Date(), date(2020, 1, 2)),
        (DateTime(), datetime(2020, 1, 1, 0, 0, 1)),  # noqa: DTZ001
        (Time(), time(0, 0, 1)),
        (Interval(), timedelta(seconds=1)),
        (LargeBinary(), b"value-1"),
        (JSON(), {}),
        (Uuid(), UUID("00000000-0000-4000-8000-000000000001")),
        (Reversed(20), "value-1"),
        (Pair(20), ("value", "1")),
    ],
    ids=lambda value: repr(value) if not isinstance(value, type) else value.__name__,
)
@pytest.mark.filterwarnings("ignore:Dialect sqlite.* does \\*not\\* support Decimal")
def test_value_fits_the_type_of_its_column(session: Session, type_: Any, expected: object) -> None:
    table = create(session, "items", Column("value", type_, nullable=False))

    assert RowFactory(session)(table).value == expected


def test_type_of_the_application_that_takes_no_plain_value_says_so(session: Session) -> None:
    table = create(session, "items", Column("value", Encrypted(40), nullable=False))
    factory = RowFactory(session)

    with pytest.raises(UsageError) as refused:
        factory(table)

    assert str(refused.value) == (
        '"items.value" needs a value, and none is known for its type Encrypted(length=40)\n'
        '  It is NOT NULL and has no default. No row of "items" was made.\n'
        '  help: give one: factory("items", value=...)'
    )
    assert factory(table, value=b"encrypted x").value == b"encrypted x"


@pytest.mark.filterwarnings("error")
def test_types_are_those_of_the_database_where_a_table_is_named(session: Session) -> None:
    create(
        session,
        "items",
        Column("exact", Numeric(6, 2), nullable=False),
        Column("kind", Enum("small", "large", name="size"), nullable=False),
        Column("day", Date, nullable=False),
    )

    row = RowFactory(session)("items")

    assert (row.exact, row.day) == (1, date(2020, 1, 2))
    assert row.kind in ("small", "kin-1")  # SQLite has no enum


def test_values_of_unique_keys_differ_from_those_of_other_rows(session: Session) -> None:
    create(
        session,
        "items",
        Column("code", String(3), nullable=False, unique=True),
        Column("flag", Boolean, nullable=False),
        Column("rank", Integer, nullable=False),
        UniqueConstraint("flag", "rank"),
    )
    run(session, "INSERT INTO items (code, flag, rank) VALUES ('c-1', false, 1), ('c-3', true, 2)")
    factory = RowFactory(session)

    rows = [factory("items") for _ in range(3)]

    assert [row.code for row in rows] == ["c-2", "c-4", "c-5"]
    assert count(session, "items") == 5


def test_two_factories_on_one_database_do_not_collide(session: Session) -> None:
    create(session, "items", Column("code", String(9), nullable=False, unique=True))
    first, second = RowFactory(session), RowFactory(session)

    codes = [factory("items").code for factory in (first, second, first, second)]

    assert codes == ["code-1", "code-2", "code-3", "code-4"]


def test_key_without_a_number_of_its_own_is_found_behind_those_of_many_rows(
    session: Session,
) -> None:
    table = Table("items", MetaData(), Column("id", Integer, primary_key=True, autoincrement=False))
    table.append_column(Column("kind", Integer, primary_key=True, autoincrement=False))
    table.create(session.connection())
    session.execute(table.insert(), [{"id": one, "kind": 1} for one in range(1, 500)])
    factory = RowFactory(session)

    row, other = factory("items", kind=1), factory("items", kind=1)

    assert other.id == row.id + 1
    assert count(session, "items") == 501


def test_unique_index_on_an_expression_is_heeded(indexing_session: Session) -> None:
    create(indexing_session, "items", Column("code", String(9), nullable=False))
    run(indexing_session, "CREATE UNIQUE INDEX lower_code ON items (lower(code))")
    factory = RowFactory(indexing_session)

    assert [factory("items").code for _ in range(2)] == ["code-1", "code-2"]


def test_unique_index_on_an_expression_knows_the_rows_there_are(
    postgresql_session: Session,
) -> None:
    create(postgresql_session, "items", Column("code", String(9), nullable=False))
    run(
        postgresql_session,
        "CREATE UNIQUE INDEX lower_code ON items (lower(code))",
        "INSERT INTO items (code) VALUES ('CODE-1')",
    )

    assert RowFactory(postgresql_session)("items").code == "code-2"


def test_partial_unique_index_concerns_only_its_rows(postgresql_session: Session) -> None:
    table = create(
        postgresql_session,
        "items",
        Column("main", Boolean, nullable=False),
        Column("owner", Integer, nullable=False, server_default="1"),
        Index("one_main", "owner", unique=True, postgresql_where=text("main")),
    )
    factory = RowFactory(postgresql_session)

    rows = [factory(table) for _ in range(3)]

    assert [(row.main, row.owner) for row in rows] == [(False, 1)] * 3


def test_defaults_of_a_table_are_those_of_the_application(session: Session) -> None:
    table = create(
        session,
        "items",
        Column("state", String(9), nullable=False, default="draft"),
        Column("token", String(9), nullable=False, default=lambda: "made"),
        Column("at", DateTime, nullable=False, server_default=func.now()),
    )

    row = RowFactory(session)(table)

    assert (row.state, row.token) == ("draft", "made")
    assert row.at is not None


def test_column_that_only_the_database_has_gets_a_value(session: Session) -> None:
    table = create(session, "items", Column("name", String(9), nullable=False))
    run(session, "ALTER TABLE items ADD COLUMN extra VARCHAR(9)")
    run(session, "DROP TABLE items", "CREATE TABLE items (id INT PRIMARY KEY, name VARCHAR(9)"
        " NOT NULL, extra VARCHAR(9) NOT NULL)")  # fmt: skip

    row = RowFactory(session)(table)

    assert values(row) == {"id": 1, "name": "name-1", "extra": "extra-1"}


def test_table_without_a_key_gives_its_row(session: Session) -> None:
    run(session, "CREATE TABLE items (name VARCHAR(9) NOT NULL, rank INT NOT NULL DEFAULT 3)")

    assert values(RowFactory(session)("items")) == {"name": "name-1", "rank": 3}


def test_identity_is_left_to_the_database(postgresql_session: Session) -> None:
    table = Table(
        "items", MetaData(), Column("id", Integer, Identity(always=True), primary_key=True)
    )
    table.create(postgresql_session.connection())
    factory = RowFactory(postgresql_session)

    assert [factory("items").id for _ in range(2)] == [1, 2]


def test_table_of_another_schema_is_named_with_it(postgresql_session: Session) -> None:
    run(postgresql_session, "CREATE SCHEMA shop")
    run(postgresql_session, "CREATE TABLE shop.owners (id int PRIMARY KEY)")
    run(postgresql_session, "CREATE TABLE shop.items (owner int NOT NULL REFERENCES shop.owners)")

    row = RowFactory(postgresql_session)("shop.items")

    assert values(row) == {"owner": 1}
    assert count(postgresql_session, "shop.owners") == 1


def test_few_statements_are_needed_for_further_rows(session: Session) -> None:
    create(session, "items", Column("code", String(9), nullable=False, unique=True))
    create(session, "notes", Column("text", Text, nullable=False))
    factory = RowFactory(session)
    factory("items"), factory("notes")
    statements: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement.split(maxsplit=1)[0])

    event.listen(session.connection(), "before_cursor_execute", note)
    factory("items"), factory("notes")

    assert [one for one in statements if one not in ("SAVEPOINT", "RELEASE")] in (
        ["SELECT", "INSERT", "INSERT"],
        ["SELECT", "INSERT", "SELECT", "INSERT", "SELECT"],  # MySQL has no RETURNING
    )


def test_unknown_column_is_refused_before_anything_is_inserted(session: Session) -> None:
    create(session, "items", Column("total", Integer, nullable=False))
    factory = RowFactory(session)

    with pytest.raises(UsageError) as refused:
        factory("items", totl=5)
    with pytest.raises(UsageError) as refused_other:
        factory("items", xyz=5)

    assert str(refused.value) == (
        'the table "items" has no column "totl"\n  No row was made.\n  help: did you mean "total"?'
    )
    assert str(refused_other.value) == (
        'the table "items" has no column "xyz"\n  No row was made.\n  help: there are: id, total.'
    )
    assert count(session, "items") == 0


def test_unknown_table_is_refused(session: Session) -> None:
    create(session, "items")

    with pytest.raises(UsageError) as refused:
        RowFactory(session)("itms")

    assert str(refused.value) == (
        'the database has no table "itms"\n  No row was made.\n  help: did you mean "items"?'
    )


def test_what_is_no_target_is_refused(session: Session) -> None:
    with pytest.raises(UsageError) as refused:
        RowFactory(session)(5)  # type: ignore[call-overload]

    assert str(refused.value) == (
        "5 is neither a model nor a table\n"
        "  No row was made.\n"
        '  help: give a mapped class, a Table, or the name of a table: factory("orders")'
    )


def test_what_the_caller_gives_goes_to_the_database_as_it_is(session: Session) -> None:
    create(session, "items", Column("code", String(9), nullable=False, unique=True))
    factory = RowFactory(session)
    factory("items", code="taken")

    with pytest.raises(IntegrityError):
        factory("items", code="taken")


def test_rows_are_gone_with_the_transaction(session: Session) -> None:
    create(session, "items", Column("name", String(9), nullable=False))
    session.commit()
    factory = RowFactory(session)

    factory("items")
    session.rollback()

    assert count(session, "items") == 0
    assert factory("items").name == "name-2"
