from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from alembic_assay.checks.drift import check_drift
from alembic_assay.findings import Severity
from alembic_assay.project import Project

if TYPE_CHECKING:
    from tests.checks.conftest import WriteModels

only_postgresql = pytest.mark.parametrize("databases", ["postgresql"], indirect=True)
not_mysql = pytest.mark.parametrize("databases", ["sqlite", "postgresql"], indirect=True)

DISAGREE = "The application's models and its database do not agree."
ADD = "help: add to a new revision's upgrade(), or change the model:"
USERS = 'Table("users", metadata, Column("id", Integer, primary_key=True), {})'
CREATE_USERS = 'op.create_table("users", sa.Column("id", sa.Integer, primary_key=True), {})'


def check(project: Project) -> list[str]:
    return [str(finding) for finding in check_drift(project)]


def alter_users(project: Project, on_op: str, in_batch: str) -> str:
    """Return the code that a finding is to show: SQLite alters a table by making it anew."""
    if project.databases.backend.name == "sqlite":
        on_op = f"with op.batch_alter_table('users') as batch_op:\n    batch_op.{in_batch}"
    return "\n".join(f"        {line}" for line in on_op.splitlines())


def test_models_that_equal_the_migrations_are_right(
    write_models: WriteModels, project: Project
) -> None:
    write_models(
        models=USERS.format('Column("email", String(50), nullable=False, index=True)'),
        upgrade=CREATE_USERS.format('sa.Column("email", sa.String(50), nullable=False)')
        + '\nop.create_index("ix_users_email", "users", ["email"])',
    )

    assert check(project) == []


def test_foreign_key_that_the_models_say_twice_is_enough_once(
    write_models: WriteModels, project: Project
) -> None:
    key = 'ForeignKeyConstraint(["boss"], ["users.id"], name="fk_boss")'
    write_models(
        models=USERS.format(f'Column("boss", Integer, ForeignKey("users.id")), sa.{key}'),
        upgrade=CREATE_USERS.format(f'sa.Column("boss", sa.Integer), sa.{key}'),
    )

    assert check(project) == []


def test_check_that_the_models_say_twice_is_enough_once(
    write_models: WriteModels, project: Project
) -> None:
    write_models(
        models=USERS.format(
            'Column("age", Integer), CheckConstraint("age > 0"), CheckConstraint("age > 0")'
        ),
        upgrade=CREATE_USERS.format('sa.Column("age", sa.Integer), sa.CheckConstraint("age > 0")'),
    )

    assert check(project) == []


def test_table_that_only_the_models_have_is_found(
    write_models: WriteModels, project: Project
) -> None:
    write_models(models=USERS.format(""), upgrade="pass")

    [finding] = check_drift(project)

    assert str(finding) == (
        "drift-missing: table users is in the models, but not in the migrations\n"
        f"  {DISAGREE}\n"
        f"  {ADD}\n"
        "        op.create_table('users',\n"
        "        sa.Column('id', sa.Integer(), nullable=False),\n"
        "        sa.PrimaryKeyConstraint('id')\n"
        "        )"
    )
    assert (finding.check, finding.severity) == ("drift", Severity.ERROR)
    assert (finding.object, finding.revision) == ("table users", None)


def test_table_that_only_the_migrations_have_is_found(
    write_models: WriteModels, project: Project
) -> None:
    write_models(
        models=USERS.format(""),
        upgrade=CREATE_USERS.format("")
        + '\nop.create_table("old", sa.Column("id", sa.Integer, primary_key=True))',
    )

    assert check(project) == [
        (
            "drift-extra: table old is in the migrations, but not in the models\n"
            f"  {DISAGREE}\n"
            f"  {ADD}\n"
            "        op.drop_table('old')"
        )
    ]


def test_column_that_only_the_models_have_is_found(
    write_models: WriteModels, project: Project
) -> None:
    write_models(
        models=USERS.format('Column("nick", String(20))'),
        upgrade=CREATE_USERS.format(""),
    )

    assert check(project) == [
        (
            "drift-missing: column users.nick is in the models, but not in the migrations\n"
            f"  {DISAGREE}\n"
            f"  {ADD}\n"
            + alter_users(
                project,
                "op.add_column('users', sa.Column('nick', sa.String(length=20), nullable=True))",
                "add_column(sa.Column('nick', sa.String(length=20), nullable=True))",
            )
        )
    ]


def test_column_that_only_the_migrations_have_is_found(
    write_models: WriteModels, project: Project
) -> None:
    write_models(
        models=USERS.format(""),
        upgrade=CREATE_USERS.format('sa.Column("nick", sa.String(20))'),
    )

    assert check(project) == [
        (
            "drift-extra: column users.nick is in the migrations, but not in the models\n"
            f"  {DISAGREE}\n"
            f"  {ADD}\n"
            + alter_users(project, "op.drop_column('users', 'nick')", "drop_column('nick')")
        )
    ]


def test_column_that_may_be_null_in_the_migrations_alone_is_found(
    write_models: WriteModels, project: Project
) -> None:
    write_models(
        models=USERS.format('Column("nick", String(20), nullable=False)'),
        upgrade=CREATE_USERS.format('sa.Column("nick", sa.String(20))'),
    )

    existing = {
        "mysql": "mysql.VARCHAR(length=20)",
        "postgresql": "sa.VARCHAR(length=20)",
        "sqlite": "sa.VARCHAR(length=20)",
    }[project.databases.backend.name]
    imported = "from sqlalchemy.dialects import mysql\n" if existing.startswith("mysql") else ""
    nullable = f"           existing_type={existing},\n           nullable=False)"
    assert check(project) == [
        (
            "drift-changed: column users.nick: NOT NULL in the models, nullable in the migrations\n"
            f"  {DISAGREE}\n"
            f"  {ADD}\n"
            + alter_users(
                project,
                f"{imported}op.alter_column('users', 'nick',\n{nullable}",
                f"alter_column('nick',\n{nullable}",
            )
        )
    ]


def test_every_change_of_a_column_is_in_its_one_finding(
    write_models: WriteModels, project: Project
) -> None:
    write_models(
        models=USERS.format(
            'Column("nick", String(30), nullable=False, server_default=sa.text("\'x\'"))'
        ),
        upgrade=CREATE_USERS.format('sa.Column("nick", sa.String(20))'),
        options=", compare_server_default=True",
    )

    [finding] = check_drift(project)

    wanted, there, default = {
        "mysql": ("varchar(30)", "varchar(20)", "'x'"),
        "postgresql": ("character varying(30)", "character varying(20)", "'x'"),
        "sqlite": ("VARCHAR(30)", "VARCHAR(20)", "'x'"),
    }[project.databases.backend.name]
    assert (finding.rule, finding.object) == ("drift-changed", "column users.nick")
    assert finding.message == (
        f"column users.nick: {wanted} in the models, {there} in the migrations;"
        " NOT NULL in the models, nullable in the migrations;"
        f" server default {default} in the models, none in the migrations"
    )


def test_type_that_differs_is_not_compared_without_compare_type(
    write_models: WriteModels, project: Project
) -> None:
    write_models(
        models=USERS.format('Column("nick", String(30))'),
        upgrade=CREATE_USERS.format('sa.Column("nick", sa.String(20))'),
        options=", compare_type=False",
    )

    assert check(project) == []


def test_server_default_that_only_the_models_have_is_found(
    write_models: WriteModels, project: Project
) -> None:
    write_models(
        models=USERS.format('Column("nick", String(20), server_default="x")'),
        upgrade=CREATE_USERS.format('sa.Column("nick", sa.String(20))'),
    )

    assert [one.message for one in check_drift(project)] == [
        "column users.nick: server default 'x' in the models, none in the migrations"
    ]


def test_index_of_another_name_is_found_as_renamed(
    write_models: WriteModels, project: Project
) -> None:
    write_models(
        models=USERS.format('Column("nick", String(20)), Index("ix_new", "nick")'),
        upgrade=CREATE_USERS.format('sa.Column("nick", sa.String(20))')
        + '\nop.create_index("ix_old", "users", ["nick"])',
    )

    [finding] = check_drift(project)

    assert (finding.rule, finding.object) == ("drift-renamed", "index users.ix_new")
    assert finding.message == "index users.ix_new: named ix_old in the migrations"


@not_mysql
def test_constraints_that_one_side_has_are_found_by_their_kind(
    write_models: WriteModels, project: Project
) -> None:
    write_models(
        models="""
        Table("groups", metadata, Column("id", Integer, primary_key=True))
        Table(
            "users", metadata, Column("id", Integer, primary_key=True),
            Column("nick", String(20)), Column("email", String(20)),
            Column("group", ForeignKey("groups.id", name="fk_group")),
            UniqueConstraint("nick", name="uq_nick"),
        )
        """,
        upgrade="""
        op.create_table("groups", sa.Column("id", sa.Integer, primary_key=True))
        op.create_table(
            "users", sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("nick", sa.String(20)), sa.Column("email", sa.String(20)),
            sa.Column("group", sa.Integer), sa.UniqueConstraint("email", name="uq_email"),
        )
        """,
    )

    found = check_drift(project)

    assert sorted(one.message for one in found) == [
        "foreign key users.fk_group is in the models, but not in the migrations",
        "unique constraint users.uq_email is in the migrations, but not in the models",
        "unique constraint users.uq_nick is in the models, but not in the migrations",
    ]


@only_postgresql
def test_comments_that_differ_are_found(write_models: WriteModels, project: Project) -> None:
    write_models(
        models=USERS.format('Column("nick", String(20), comment="new"), comment="people"'),
        upgrade=CREATE_USERS.format('sa.Column("nick", sa.String(20), comment="old")'),
    )

    found = check_drift(project)

    assert sorted(one.message for one in found) == [
        "column users.nick: comment 'new' in the models, 'old' in the migrations",
        "table users: comment 'people' in the models, none in the migrations",
    ]
