"""Revisions of which the round trip has nothing to say: the right twins of the faulty ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.checks.conftest import CheckSecond

only_postgresql = pytest.mark.parametrize("databases", ["postgresql"], indirect=True)


def test_upgrade_that_runs_is_right(check_second: CheckSecond) -> None:
    found = check_second(
        upgrade='op.create_index("ix", "users", ["id"])',
        downgrade='op.drop_index("ix", "users")',
    )

    assert found == []


def test_downgrade_that_runs_is_right(check_second: CheckSecond) -> None:
    found = check_second(
        upgrade='op.add_column("users", sa.Column("nick", sa.String(20)))',
        downgrade='op.drop_column("users", "nick")',
    )

    assert found == []


def test_nothing_left_over_is_right(check_second: CheckSecond) -> None:
    found = check_second(
        upgrade="""
        op.create_table("audit", sa.Column("id", sa.Integer, primary_key=True))
        op.add_column("users", sa.Column("nick", sa.String(20)))
        """,
        downgrade='op.drop_column("users", "nick")\nop.drop_table("audit")',
    )

    assert found == []


def test_object_that_comes_back_is_right(check_second: CheckSecond) -> None:
    found = check_second(
        upgrade='op.drop_index("ix_email", "users")',
        downgrade='op.create_index("ix_email", "users", ["email"])',
    )

    assert found == []


def test_object_that_comes_back_as_it_was_is_right(check_second: CheckSecond) -> None:
    found = check_second(
        upgrade="""
        with op.batch_alter_table("users") as batch:
            batch.alter_column("email", type_=sa.String(80), existing_nullable=False)
        """,
        downgrade="""
        with op.batch_alter_table("users") as batch:
            batch.alter_column("email", type_=sa.String(50), existing_nullable=False)
        """,
    )

    assert found == []


def test_downgrade_that_does_nothing_of_an_upgrade_that_does_nothing_is_right(
    check_second: CheckSecond,
) -> None:
    assert check_second(upgrade="pass", downgrade="pass") == []


@pytest.mark.parametrize(
    ("upgrade", "downgrade"),
    [
        pytest.param(
            """op.execute("INSERT INTO users VALUES (1, 'ann@example.org')")""",
            'op.execute("DELETE FROM users WHERE id = 1")',
            id="rows that come and go",
        ),
        pytest.param(
            """op.execute("UPDATE users SET email = lower(email)")""", "pass", id="rows changed"
        ),
        pytest.param('op.execute("DELETE FROM users WHERE id > 7")', "pass", id="rows deleted"),
        pytest.param(
            """
            users = sa.table("users", sa.column("id"), sa.column("email"))
            for number in (1, 2):
                if op.get_bind().scalar(sa.select(users.c.id).filter_by(id=number)) is None:
                    op.bulk_insert(users, [{"id": number, "email": "x"}])
            """,
            "pass",
            id="rows that are made once",
        ),
    ],
)
def test_data_only_revision_is_right(
    check_second: CheckSecond, upgrade: str, downgrade: str
) -> None:
    assert check_second(upgrade=upgrade, downgrade=downgrade) == []


def test_columns_that_come_back_in_another_order_are_right(check_second: CheckSecond) -> None:
    found = check_second(
        upgrade='op.drop_index("ix_email", "users")\nop.drop_column("users", "email")',
        downgrade="""
        op.add_column("users", sa.Column("name", sa.String(50), nullable=True))
        op.add_column("users", sa.Column("email", sa.String(50), nullable=False, server_default=""))
        with op.batch_alter_table("users") as batch:
            batch.drop_column("name")
            batch.alter_column("email", server_default=None)
        op.create_index("ix_email", "users", ["email"])
        """,
    )

    assert found == []


@only_postgresql
def test_enum_type_that_goes_with_its_table_is_right(check_second: CheckSecond) -> None:
    found = check_second(
        upgrade="""
        op.create_table("posts", sa.Column("state", sa.Enum("draft", "live", name="state")))
        """,
        downgrade='op.drop_table("posts")\nop.execute("DROP TYPE state")',
    )

    assert found == []
