from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from alembic_assay.checks.drift import check_drift
from alembic_assay.findings import Severity
from alembic_assay.project import Project

if TYPE_CHECKING:
    from tests.checks.conftest import WriteModels

    from tests.conftest import ProjectFiles

only_postgresql = pytest.mark.parametrize("databases", ["postgresql"], indirect=True)

DISAGREE = "The application's models and its database do not agree."
ADD = "help: add to a new revision's upgrade(), or change the model:"
USERS = 'Table("users", metadata, Column("id", Integer, primary_key=True), {})'
CREATE_USERS = 'op.create_table("users", sa.Column("id", sa.Integer, primary_key=True), {})'


def check(project: Project) -> list[str]:
    return [str(finding) for finding in check_drift(project)]


def test_models_that_equal_the_migrations_are_right(
    write_models: WriteModels, project: Project
) -> None:
    write_models(
        models=USERS.format('Column("email", String(50), nullable=False, index=True)'),
        upgrade=CREATE_USERS.format('sa.Column("email", sa.String(50), nullable=False)')
        + '\nop.create_index("ix_users_email", "users", ["email"])',
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
            "        op.add_column('users', sa.Column('nick', sa.String(length=20), nullable=True))"
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
            "        op.drop_column('users', 'nick')"
        )
    ]


def test_column_that_may_be_null_in_the_migrations_alone_is_found(
    write_models: WriteModels, project: Project
) -> None:
    write_models(
        models=USERS.format('Column("nick", String(20), nullable=False)'),
        upgrade=CREATE_USERS.format('sa.Column("nick", sa.String(20))'),
    )

    assert check(project) == [
        (
            "drift-changed: column users.nick: NOT NULL in the models, nullable in the migrations\n"
            f"  {DISAGREE}\n"
            f"  {ADD}\n"
            "        op.alter_column('users', 'nick',\n"
            "                   existing_type=sa.VARCHAR(length=20),\n"
            "                   nullable=False)"
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

    assert (finding.rule, finding.object) == ("drift-changed", "column users.nick")
    assert finding.message == (
        "column users.nick: NOT NULL in the models, nullable in the migrations;"
        " String(length=30) in the models, VARCHAR(length=20) in the migrations;"
        " server default 'x' in the models, none in the migrations"
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


def test_server_default_that_differs_is_not_compared_by_default(
    write_models: WriteModels, project: Project
) -> None:
    write_models(
        models=USERS.format('Column("nick", String(20), server_default="x")'),
        upgrade=CREATE_USERS.format('sa.Column("nick", sa.String(20))'),
    )

    assert check(project) == []


def test_index_of_another_name_is_two_findings(write_models: WriteModels, project: Project) -> None:
    write_models(
        models=USERS.format('Column("nick", String(20)), Index("ix_new", "nick")'),
        upgrade=CREATE_USERS.format('sa.Column("nick", sa.String(20))')
        + '\nop.create_index("ix_old", "users", ["nick"])',
    )

    found = check_drift(project)

    assert sorted((one.rule, one.message, one.object) for one in found) == [
        (
            "drift-extra",
            "index ix_old on users is in the migrations, but not in the models",
            "index ix_old on users",
        ),
        (
            "drift-missing",
            "index ix_new on users is in the models, but not in the migrations",
            "index ix_new on users",
        ),
    ]


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

    found = sorted(check_drift(project), key=lambda finding: finding.message)

    assert [one.message for one in found] == [
        "foreign key fk_group on users is in the models, but not in the migrations",
        "unique constraint uq_email on users is in the migrations, but not in the models",
        "unique constraint uq_nick on users is in the models, but not in the migrations",
    ]
    assert [one.help.splitlines()[1] for one in found] == [
        "op.create_foreign_key('fk_group', 'users', 'groups', ['group'], ['id'])",
        "op.drop_constraint(op.f('uq_email'), 'users', type_='unique')",
        "op.create_unique_constraint('uq_nick', 'users', ['nick'])",
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
        "table users: the comment differs",
    ]


def test_code_of_the_findings_mends_the_drift(
    project_files: ProjectFiles, write_models: WriteModels, project: Project
) -> None:
    write_models(
        models="""
        Table("groups", metadata, Column("id", Integer, primary_key=True))
        Table(
            "users", metadata, Column("id", Integer, primary_key=True),
            Column("nick", String(30), nullable=False), Column("email", String(20), index=True),
            Column("group", ForeignKey("groups.id", name="fk_group")),
            UniqueConstraint("nick", name="uq_nick"),
        )
        """,
        upgrade="""
        op.create_table("old", sa.Column("id", sa.Integer, primary_key=True))
        op.create_table(
            "users", sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("nick", sa.String(20)), sa.Column("age", sa.Integer),
            sa.Column("group", sa.Integer), sa.UniqueConstraint("age", name="uq_age"),
        )
        op.create_index("ix_old", "users", ["group"])
        """,
        options=", render_as_batch=True",
    )
    found = check_drift(project)
    assert len(found) == 10

    codes = [one.help.split("\n", 1)[1] for one in found]
    project_files.add_revision("0002", "0001", upgrade="\n".join(codes))

    assert check(project) == []
