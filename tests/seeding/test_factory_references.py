from __future__ import annotations

import pytest
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from tests.seeding.tables import count, run, values

from alembic_assay import RowFactory
from alembic_assay.exceptions import UsageError


def test_rows_that_must_be_referred_to_are_made(session: Session) -> None:
    run(
        session,
        "CREATE TABLE countries (code CHAR(2) PRIMARY KEY)",
        "CREATE TABLE users (id INTEGER PRIMARY KEY, country CHAR(2) NOT NULL,"
        " boss INTEGER, FOREIGN KEY (country) REFERENCES countries (code),"
        " FOREIGN KEY (boss) REFERENCES users (id))",
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL,"
        " FOREIGN KEY (user_id) REFERENCES users (id))",
    )
    factory = RowFactory(session)
    user = factory("users", id=70)

    order, _other = factory("orders", id=9, user_id=user.id), factory("orders", id=10)

    assert order.user_id == 70
    assert values(user) == {"id": 70, "country": "c1", "boss": None}
    assert (count(session, "users"), count(session, "countries")) == (2, 2)


def test_composite_keys_share_their_columns(session: Session) -> None:
    run(
        session,
        "CREATE TABLE tenants (id INTEGER PRIMARY KEY)",
        "CREATE TABLE users (tenant INTEGER NOT NULL, no INTEGER NOT NULL, PRIMARY KEY"
        " (tenant, no), FOREIGN KEY (tenant) REFERENCES tenants (id))",
        "CREATE TABLE projects (tenant INTEGER NOT NULL, no INTEGER NOT NULL, PRIMARY KEY"
        " (tenant, no), FOREIGN KEY (tenant) REFERENCES tenants (id))",
        "CREATE TABLE tasks (id INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, who INTEGER NOT NULL,"
        " project INTEGER NOT NULL, FOREIGN KEY (tenant) REFERENCES tenants (id),"
        " FOREIGN KEY (tenant, who) REFERENCES users (tenant, no),"
        " FOREIGN KEY (tenant, project) REFERENCES projects (tenant, no))",
    )
    factory = RowFactory(session)

    task, of_user = factory("tasks"), factory("tasks", tenant=1, who=1)

    assert (task.tenant, of_user.tenant) == (1, 1)
    assert (count(session, "tenants"), count(session, "users"), count(session, "projects")) == (
        1,
        1,
        2,
    )


def test_table_that_only_joins_others_gets_both(session: Session) -> None:
    run(
        session,
        "CREATE TABLE a (id INTEGER PRIMARY KEY)",
        "CREATE TABLE b (id INTEGER PRIMARY KEY)",
        "CREATE TABLE a_b (a INTEGER NOT NULL, b INTEGER NOT NULL, PRIMARY KEY (a, b),"
        " FOREIGN KEY (a) REFERENCES a (id), FOREIGN KEY (b) REFERENCES b (id))",
    )
    factory = RowFactory(session)

    assert [values(factory("a_b")) for _ in range(2)] == [{"a": 1, "b": 1}, {"a": 2, "b": 2}]


def test_key_that_is_another_rows_key_gets_that_row(session: Session) -> None:
    run(
        session,
        "CREATE TABLE users (id INTEGER PRIMARY KEY)",
        "CREATE TABLE people (id INTEGER PRIMARY KEY)",
        "INSERT INTO users (id) VALUES (1)",
        "CREATE TABLE profiles (user_id INTEGER PRIMARY KEY,"
        " FOREIGN KEY (user_id) REFERENCES users (id),"
        " FOREIGN KEY (user_id) REFERENCES people (id))",
    )
    factory = RowFactory(session)

    profile = factory("profiles")

    assert profile.user_id == 2
    assert (count(session, "users"), count(session, "people")) == (2, 1)


def test_default_that_refers_to_a_row_gets_it_once(session: Session) -> None:
    run(
        session,
        "CREATE TABLE states (name VARCHAR(9) PRIMARY KEY)",
        "CREATE TABLE items (id INTEGER PRIMARY KEY, state VARCHAR(9) NOT NULL DEFAULT 'new',"
        " FOREIGN KEY (state) REFERENCES states (name))",
    )
    factory = RowFactory(session)

    assert [factory("items").state for _ in range(2)] == ["new", "new"]
    assert count(session, "states") == 1


def test_circle_is_broken_where_a_column_may_be_null(session: Session) -> None:
    run(
        session,
        "CREATE TABLE teams (id INTEGER PRIMARY KEY, lead INTEGER)",
        "CREATE TABLE users (id INTEGER PRIMARY KEY, team INTEGER NOT NULL,"
        " FOREIGN KEY (team) REFERENCES teams (id))",
    )
    if session.get_bind().dialect.name != "sqlite":
        run(session, "ALTER TABLE teams ADD FOREIGN KEY (lead) REFERENCES users (id)")

    assert RowFactory(session)("users").team == 1


def test_circle_of_columns_that_must_not_be_null_is_named(session: Session) -> None:
    run(session, "CREATE TABLE teams (id INTEGER PRIMARY KEY, lead_id INTEGER NOT NULL)")
    run(session, "CREATE TABLE users (id INTEGER PRIMARY KEY, team_id INTEGER NOT NULL,"
        " FOREIGN KEY (team_id) REFERENCES teams (id))")  # fmt: skip
    if session.get_bind().dialect.name == "sqlite":
        run(session, "DROP TABLE teams")
        run(session, "CREATE TABLE teams (id INTEGER PRIMARY KEY, lead_id INTEGER NOT NULL,"
            " FOREIGN KEY (lead_id) REFERENCES users (id))")  # fmt: skip
    else:
        run(session, "ALTER TABLE teams ADD FOREIGN KEY (lead_id) REFERENCES users (id)")

    with pytest.raises(UsageError) as refused:
        RowFactory(session)("users")

    assert str(refused.value) == (
        'the foreign keys "users.team_id" -> "teams.lead_id" go round in a circle\n'
        "  All are NOT NULL, so that no row can be the first, and there is none yet.\n"
        '  help: give a row that is there: factory("teams", lead_id=...)'
    )
    assert count(session, "users") == 0


def test_row_that_must_refer_to_one_of_its_table_refers_to_itself(session: Session) -> None:
    key = {
        "postgresql": "SERIAL",
        "sqlite": "INTEGER",
        "mysql": "INTEGER AUTO_INCREMENT",
    }[session.get_bind().dialect.name]
    run(
        session,
        f"CREATE TABLE nodes (id {key} PRIMARY KEY, parent INTEGER NOT NULL,"
        " FOREIGN KEY (parent) REFERENCES nodes (id))",
        "CREATE TABLE names (name VARCHAR(9) PRIMARY KEY, same VARCHAR(9) NOT NULL,"
        " FOREIGN KEY (same) REFERENCES names (name))",
    )
    factory = RowFactory(session)

    nodes = [factory("nodes"), factory("nodes"), factory("nodes", parent=1)]
    run(session, "INSERT INTO nodes (parent) VALUES (1)")
    name = factory("names")

    assert [values(node) for node in nodes] == [
        {"id": 1, "parent": 1},
        {"id": 2, "parent": 2},
        {"id": 3, "parent": 1},
    ]
    assert values(name) == {"name": "name-1", "same": "name-1"}


def test_row_whose_number_is_not_known_before_cannot_refer_to_itself(
    postgresql_session: Session,
) -> None:
    run(
        postgresql_session,
        "CREATE TABLE nodes (id INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
        " parent INTEGER NOT NULL REFERENCES nodes)",
    )

    with pytest.raises(UsageError) as refused:
        RowFactory(postgresql_session)("nodes")

    assert str(refused.value) == (
        '"nodes.parent" is NOT NULL and refers to "id" of the same table\n'
        "  A row could only point at itself, but its number is GENERATED ALWAYS by the database"
        " and not known before; and there is no other one.\n"
        '  help: give a row that is there: factory("nodes", parent=...)'
    )


def test_reference_that_the_caller_gives_is_judged_by_the_database(
    postgresql_session: Session,
) -> None:
    run(
        postgresql_session,
        "CREATE TABLE users (id INTEGER PRIMARY KEY)",
        "CREATE TABLE orders (user_id INTEGER NOT NULL REFERENCES users)",
    )

    with pytest.raises(DBAPIError):
        RowFactory(postgresql_session)("orders", user_id=99)


def test_row_that_a_migration_made_is_referred_to_where_no_other_can_be(session: Session) -> None:
    run(
        session,
        "CREATE TABLE roles (name VARCHAR(9) PRIMARY KEY, CHECK (name IN ('admin', 'member')))",
        "INSERT INTO roles (name) VALUES ('admin'), ('member')",
        "CREATE TABLE users (role VARCHAR(9) NOT NULL, FOREIGN KEY (role) REFERENCES roles (name))",
    )

    assert RowFactory(session)("users").role == "admin"


def test_circle_is_entered_at_a_row_that_is_there(postgresql_session: Session) -> None:
    run(
        postgresql_session,
        "CREATE TABLE a (id INTEGER PRIMARY KEY, b INTEGER NOT NULL)",
        "CREATE TABLE b (id INTEGER PRIMARY KEY, a INTEGER NOT NULL REFERENCES a)",
        "ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES b DEFERRABLE INITIALLY DEFERRED",
        "INSERT INTO a (id, b) VALUES (7, 8)",
        "INSERT INTO b (id, a) VALUES (8, 7)",
    )

    row = RowFactory(postgresql_session)("b")

    assert values(row) == {"id": 1, "a": 1}
    assert count(postgresql_session, "a") == 2


def test_row_whose_number_is_not_known_refers_to_another_one(postgresql_session: Session) -> None:
    run(
        postgresql_session,
        "CREATE TABLE nodes (id INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
        " parent INTEGER NOT NULL REFERENCES nodes)",
        "INSERT INTO nodes (parent) VALUES (1)",
    )

    assert RowFactory(postgresql_session)("nodes").parent == 1
