"""Each rule of the round trip, with a revision that breaks it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from alembic_assay.project import Project

if TYPE_CHECKING:
    from tests.checks.conftest import CheckSecond

only_postgresql = pytest.mark.parametrize("databases", ["postgresql"], indirect=True)
only_sqlite = pytest.mark.parametrize("databases", ["sqlite"], indirect=True)

STAYS = "So that databases which went back differ from those which did not."


def test_upgrade_failed_is_found_with_the_error_of_the_database(
    check_second: CheckSecond, project: Project
) -> None:
    found = check_second(
        upgrade='op.create_index("ix", "users", ["nick"])',
        downgrade='op.drop_index("ix", "users")',
    )

    error = {
        "sqlite": "OperationalError: no such column: nick",
        "postgresql": 'UndefinedColumn: column "nick" does not exist',
        "mysql": "OperationalError: (1072, \"Key column 'nick' doesn't exist in table\")",
    }[project.databases.backend.name]
    assert found == [
        (
            f"upgrade-failed: upgrade to 0002 (change users) fails: {error}\n"
            "  A database cannot be brought to head.\n"
            "  help: correct upgrade(); the error is the database's own."
        )
    ]


def test_downgrade_failed_is_found_with_the_error_of_the_database(
    check_second: CheckSecond, project: Project
) -> None:
    found = check_second(
        upgrade='op.add_column("users", sa.Column("nick", sa.String(20)))',
        downgrade='op.drop_table("user")',
    )

    error = {
        "sqlite": "OperationalError: no such table: user",
        "postgresql": 'UndefinedTable: table "user" does not exist',
        "mysql": "OperationalError: (1051, \"Unknown table 'user'\")",
    }[project.databases.backend.name]
    assert found == [
        (
            f"downgrade-failed: downgrade of 0002 (change users) fails: {error}\n"
            "  A deployment with this revision cannot be rolled back.\n"
            "  help: correct downgrade(); if there is no way back, let it raise"
            " NotImplementedError, or name\n"
            '        it in [tool.alembic-assay.irreversible]: 0002 = "why"'
        )
    ]


@only_sqlite
def test_downgrade_with_an_operation_that_alembic_lacks_here_has_failed(
    check_second: CheckSecond,
) -> None:
    found = check_second(
        upgrade='op.add_column("users", sa.Column("nick", sa.String(20)))',
        downgrade='op.drop_constraint("uq", "users")',
    )

    assert [one.splitlines()[0] for one in found] == [
        (
            "downgrade-failed: downgrade of 0002 (change users) fails: NotImplementedError:"
            " No support for ALTER of constraints in SQLite dialect."
            " Please refer to the batch mode feature which"
            " allows for SQLite migrations using a copy-and-move strategy."
        )
    ]


def test_leftover_that_stops_the_next_upgrade_is_found(
    check_second: CheckSecond, project: Project
) -> None:
    found = check_second(
        upgrade="""
        op.create_table("audit", sa.Column("id", sa.Integer, primary_key=True))
        op.add_column("users", sa.Column("nick", sa.String(20)))
        """,
        downgrade='op.drop_column("users", "nick")',
    )

    error = {
        "sqlite": "OperationalError: table audit already exists",
        "postgresql": 'DuplicateTable: relation "audit" already exists',
        "mysql": "OperationalError: (1050, \"Table 'audit' already exists\")",
    }[project.databases.backend.name]
    assert found == [
        (
            "round-trip-leftover: downgrade of 0002 (change users) leaves table audit behind\n"
            f"  So that the next one fails: {error}.\n"
            '  help: remove it in downgrade(): op.drop_table("audit")'
        )
    ]


def test_leftover_that_does_not_stop_the_next_upgrade_is_found(check_second: CheckSecond) -> None:
    found = check_second(
        upgrade="""
        op.create_table("audit", sa.Column("id", sa.Integer), if_not_exists=True)
        op.add_column("users", sa.Column("nick", sa.String(20)))
        """,
        downgrade='op.drop_column("users", "nick")',
    )

    assert found == [
        (
            "round-trip-leftover: downgrade of 0002 (change users) leaves table audit behind\n"
            f"  {STAYS}\n"
            '  help: remove it in downgrade(): op.drop_table("audit")'
        )
    ]


def test_missing_object_is_found(check_second: CheckSecond, project: Project) -> None:
    found = check_second(
        upgrade="""
        op.drop_index("ix_email", "users")
        op.add_column("users", sa.Column("nick", sa.String(20)))
        """,
        downgrade='op.drop_column("users", "nick")',
    )

    error = {
        "sqlite": "OperationalError: no such index: ix_email",
        "postgresql": 'UndefinedObject: index "ix_email" does not exist',
        "mysql": 'OperationalError: (1091, "Can\'t DROP INDEX `ix_email`; check that it exists")',
    }[project.databases.backend.name]
    assert found == [
        (
            "round-trip-missing: downgrade of 0002 (change users) does not bring back"
            " index users.ix_email\n"
            f"  So that the next one fails: {error}.\n"
            "  help: create users.ix_email again in downgrade(), as it was before."
        )
    ]


def test_object_that_comes_back_different_is_found(
    check_second: CheckSecond, project: Project
) -> None:
    found = check_second(
        upgrade="""
        with op.batch_alter_table("users") as batch:
            batch.alter_column("email", type_=sa.String(80), existing_nullable=False)
        """,
        downgrade="""
        with op.batch_alter_table("users") as batch:
            batch.alter_column("email", type_=sa.String(60), existing_nullable=False)
        """,
    )

    change = {
        "sqlite": "type: VARCHAR(50) -> VARCHAR(60)",
        "postgresql": "type: character varying(50) -> character varying(60)",
        "mysql": "type: varchar(50) -> varchar(60)",
    }[project.databases.backend.name]
    assert found == [
        (
            "round-trip-changed: downgrade of 0002 (change users) brings back a different"
            f" column users.email: {change}\n"
            f"  {STAYS}\n"
            "  help: let downgrade() restore users.email as it was before."
        )
    ]


def test_second_upgrade_to_another_schema_is_found(check_second: CheckSecond) -> None:
    found = check_second(
        upgrade="""
        if not sa.inspect(op.get_bind()).has_table("audit"):
            op.create_table("audit", sa.Column("id", sa.Integer, primary_key=True))
            op.add_column("users", sa.Column("nick", sa.String(20)))
        """,
        downgrade='op.drop_column("users", "nick")',
    )

    assert found == [
        (
            "round-trip-leftover: downgrade of 0002 (change users) leaves table audit behind\n"
            "  So that the next one leads to another schema: column users.nick: removed.\n"
            '  help: remove it in downgrade(): op.drop_table("audit")'
        )
    ]


def test_downgrade_that_does_nothing_is_one_finding(
    check_second: CheckSecond, project: Project
) -> None:
    found = check_second(
        upgrade="""
        op.create_table("audit", sa.Column("id", sa.Integer, primary_key=True))
        op.add_column("users", sa.Column("nick", sa.String(20)))
        """,
        downgrade="pass",
    )

    error = {
        "sqlite": "OperationalError: table audit already exists",
        "postgresql": 'DuplicateTable: relation "audit" already exists',
        "mysql": "OperationalError: (1050, \"Table 'audit' already exists\")",
    }[project.databases.backend.name]
    assert found == [
        (
            "downgrade-does-nothing: downgrade of 0002 (change users) undoes nothing:"
            " column users.nick stays; table audit stays\n"
            "  The database is said to be a revision older and is not, so that the next one fails:"
            f" {error}.\n"
            "  help: write downgrade(); if there is no way back, let it raise NotImplementedError."
        )
    ]


def test_downgrade_that_does_nothing_of_an_upgrade_that_can_be_repeated_is_found(
    check_second: CheckSecond,
) -> None:
    found = check_second(
        upgrade="op.execute('CREATE TABLE IF NOT EXISTS audit (id INTEGER)')",
        downgrade="pass",
    )

    assert found == [
        (
            "downgrade-does-nothing: downgrade of 0002 (change users) undoes nothing:"
            " table audit stays\n"
            "  The database is said to be a revision older and is not, so that databases which went"
            " back differ from those which did not.\n"
            "  help: write downgrade(); if there is no way back, let it raise NotImplementedError."
        )
    ]


def test_rows_that_stop_the_second_upgrade_are_found(
    check_second: CheckSecond, project: Project
) -> None:
    found = check_second(
        upgrade="""op.execute("INSERT INTO users VALUES (1, 'ann@example.org')")""",
        downgrade="pass",
    )

    error = {
        "sqlite": "IntegrityError: UNIQUE constraint failed: users.id",
        "postgresql": "UniqueViolation: duplicate key value violates unique constraint"
        ' "users_pkey"',
        "mysql": "IntegrityError: (1062, \"Duplicate entry '1' for key 'PRIMARY'\")",
    }[project.databases.backend.name]
    assert found == [
        (
            f"reupgrade-failed: revision 0002 (change users) fails when it is run a second time:"
            f" {error}\n"
            "  The schema is as it was before, so something else stays: rows, or Python state.\n"
            "  help: let downgrade() undo all that upgrade() does."
        )
    ]


@only_postgresql
def test_enum_type_that_stays_behind_its_table_is_found(check_second: CheckSecond) -> None:
    found = check_second(
        upgrade="""
        op.create_table("posts", sa.Column("state", sa.Enum("draft", "live", name="state")))
        """,
        downgrade='op.drop_table("posts")',
    )

    assert found == [
        (
            "round-trip-leftover: downgrade of 0002 (change users) leaves enum state behind\n"
            '  So that the next one fails: DuplicateObject: type "state" already exists.\n'
            '  help: remove it in downgrade(): sa.Enum(name="state").drop(op.get_bind())'
        )
    ]
