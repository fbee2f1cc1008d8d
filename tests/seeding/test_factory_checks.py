from __future__ import annotations

import pytest
from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Float,
    Integer,
    LargeBinary,
    Numeric,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from tests.seeding.tables import count, create, run, values

from alembic_assay import RowFactory
from alembic_assay.exceptions import UsageError


@pytest.mark.parametrize(
    ("type_", "check", "expected"),
    [
        (String(9), "value IN ('open', 'closed')", "open"),
        (String(9), "value LIKE 'ab%'", "ab"),
        (String(9), "length(value) = 9", "value-001"),
        (String(30), "length(value) >= 12 AND length(value) < 14", "value-000001"),
        (Text(), "value LIKE '%@%'", "value-1@example.com"),
        (Integer(), "value BETWEEN 18 AND 65", 18),
        (Integer(), "value > 100", 101),
        (Integer(), "value < 0", -1),
        (Integer(), "value % 7 = 0", 7),
        (Numeric(3, 2, asdecimal=False), "value > 0 AND value < 1", 0.5),
        (Float(), "value > 2.5", 3.5),
        (Boolean(), "value", True),
        (Date(), "value >= '2024-02-29'", "2024-02-29"),
        (LargeBinary(), "length(value) = 32", b"value-00000000000000000000000001"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_value_is_found_that_meets_the_check(
    session: Session, type_: Column[object], check: str, expected: object
) -> None:
    table = create(session, "items", Column("value", type_, nullable=False), CheckConstraint(check))
    value = RowFactory(session)(table).value

    assert value == expected or str(value) == expected


def test_checks_between_columns_are_met(session: Session) -> None:
    create(
        session,
        "items",
        Column("low", Integer, nullable=False),
        Column("high", Integer, nullable=False),
        Column("starts", Date, nullable=False),
        Column("ends", Date, nullable=False),
        Column("kind", String(9), nullable=False),
        CheckConstraint("low < high"),
        CheckConstraint("starts < ends"),
        CheckConstraint("kind IN ('a', 'b')"),
        CheckConstraint("kind <> 'a' OR low > 10"),
        CheckConstraint("kind <> 'b' OR low > 20"),
    )

    row = RowFactory(session)("items")

    assert 10 < row.low < row.high
    assert row.starts < row.ends


def test_check_may_demand_what_could_be_null_or_has_a_default(session: Session) -> None:
    create(
        session,
        "items",
        Column("email", String(30)),
        Column("phone", String(30)),
        Column("state", String(9), nullable=False, server_default="new"),
        Column("size", Integer, nullable=False),
        CheckConstraint("email IS NOT NULL OR phone IS NOT NULL"),
        CheckConstraint("state = 'old' OR size > 5"),
    )
    factory = RowFactory(session)

    row, given = factory("items"), factory("items", phone="1", size=2)

    assert (row.email, row.phone, row.state, row.size) == ("email-1@example.com", None, "new", 6)
    assert (given.email, given.phone, given.state) == (None, "1", "old")


def test_check_may_demand_a_row_to_refer_to(session: Session) -> None:
    create(session, "users", Column("name", String(9), nullable=False))
    create(session, "teams", Column("name", String(9), nullable=False))
    run(
        session,
        "CREATE TABLE items (id INTEGER PRIMARY KEY, user_id INTEGER, team_id INTEGER,"
        " FOREIGN KEY (user_id) REFERENCES users (id),"
        " FOREIGN KEY (team_id) REFERENCES teams (id),"
        " CHECK ((user_id IS NULL) <> (team_id IS NULL)))",
    )
    factory = RowFactory(session)

    row, given = factory("items"), factory("items", team_id=factory("teams").id)

    assert (row.user_id, row.team_id) == (1, None)
    assert (given.user_id, given.team_id) == (None, 1)


def test_values_meet_the_check_and_are_unique(session: Session) -> None:
    create(
        session,
        "items",
        Column("code", String(2), nullable=False),
        Column("kind", String(9), nullable=False),
        Column("size", Integer, nullable=False),
        CheckConstraint("length(code) = 2 AND code = lower(code) AND code >= 'a'"),
        CheckConstraint("kind IN ('a', 'b')"),
        CheckConstraint("size IN (1, 2)"),
        UniqueConstraint("code"),
        UniqueConstraint("kind", "size"),
    )
    factory = RowFactory(session)

    rows = [factory("items") for _ in range(4)]

    assert len({row.code for row in rows}) == 4
    assert {(row.kind, row.size) for row in rows} == {("a", 1), ("a", 2), ("b", 1), ("b", 2)}


def test_check_that_fails_on_some_values_leaves_the_transaction_usable(
    postgresql_session: Session,
) -> None:
    create(
        postgresql_session,
        "items",
        Column("parts", Integer, nullable=False),
        Column("whole", Integer, nullable=False),
        CheckConstraint("whole / (parts - 1) = 2"),
    )

    row = RowFactory(postgresql_session)("items")

    assert row.whole / (row.parts - 1) == 2
    assert count(postgresql_session, "items") == 1


def test_check_that_cannot_be_met_says_what_to_give(session: Session) -> None:
    create(
        session,
        "items",
        Column("code", String(30), nullable=False),
        Column("note", String(30)),
        CheckConstraint("substr(code, 3, 5) = substr('quartz', 1, 5)", name="code_is_right"),
    )
    factory = RowFactory(session)

    with pytest.raises(UsageError) as refused:
        factory("items")

    message, effect, help_ = str(refused.value).split("\n")
    assert message.startswith('no values were found for "items" that meet CHECK (substr(')
    assert effect == (
        '  Those tried were made of its literals and of common ones. No row of "items" was made.'
    )
    assert help_ == '  help: give some: factory("items", code=...)'
    assert factory("items", code="--quart").code == "--quart"
    assert count(session, "items") == 1


def test_value_that_the_caller_gives_is_judged_by_the_database(session: Session) -> None:
    create(session, "items", Column("total", Integer), CheckConstraint("total > 0"))

    with pytest.raises(DBAPIError):
        RowFactory(session)("items", total=-1)


def test_checks_stored_in_several_lines_are_read(sqlite_session: Session) -> None:
    run(sqlite_session, "CREATE TABLE items (state TEXT NOT NULL CHECK (\n state IN (\n 'on')))")

    assert values(RowFactory(sqlite_session)("items")) == {"state": "on"}


def test_json_of_mariadb_gets_json(mysql_session: Session) -> None:
    create(mysql_session, "items", Column("data", JSON, nullable=False))

    assert RowFactory(mysql_session)("items").data in ("{}", {})


def test_two_columns_that_must_differ_do(session: Session) -> None:
    create(
        session,
        "pairs",
        Column("one", Integer, nullable=False),
        Column("other", Integer, nullable=False),
        CheckConstraint("one <> other"),
    )

    row = RowFactory(session)("pairs")

    assert row.one != row.other


def test_check_may_demand_several_columns_together(session: Session) -> None:
    create(
        session,
        "users",
        Column("kind", String(9), nullable=False, server_default="local"),
        *(Column(name, String(20)) for name in ("hash", "salt", "email", "client", "subject")),
        CheckConstraint(
            "kind <> 'local' OR (hash IS NOT NULL AND salt IS NOT NULL AND client IS NULL)"
        ),
        CheckConstraint("kind = 'local' OR (hash IS NULL AND salt IS NULL)"),
        CheckConstraint("kind = 'ldap' OR email IS NOT NULL"),
        CheckConstraint("kind IN ('local', 'remote', 'ldap')"),
    )

    row = RowFactory(session)("users", kind="local")

    assert (row.hash, row.salt, row.email, row.client, row.subject) == (
        "hash-1",
        "salt-1",
        "email-1@example.com",
        None,
        None,
    )
