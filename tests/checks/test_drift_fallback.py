"""Where the models make no database, Alembic's own comparison is what is left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from alembic_assay.checks.drift import check_drift
from alembic_assay.findings import Severity
from alembic_assay.project import Project

if TYPE_CHECKING:
    from tests.checks.conftest import WriteModels

only_sqlite = pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
sqlite_and_postgresql = pytest.mark.parametrize(
    "databases", ["sqlite", "postgresql"], indirect=True
)

MODELS = """
Table(
    "users", metadata, Column("id", Integer, primary_key=True), Column("nick", String(20)),
    CheckConstraint("nick ~ '^[a-z]+$'"),
)
"""

CREATE = 'op.create_table("users", sa.Column("id", sa.Integer, primary_key=True), {})\n'


@only_sqlite
def test_models_that_cannot_be_made_are_skipped_with_the_reason(
    write_models: WriteModels, project: Project
) -> None:
    write_models(models=MODELS, upgrade=CREATE.format('sa.Column("nick", sa.String(20))'))

    [finding] = check_drift(project)

    assert finding.severity is Severity.SKIPPED
    assert str(finding) == (
        'drift-not-checked: the tables of the models cannot be made: OperationalError: near "~":'
        " syntax error\n"
        "  help: see that metadata.create_all() works in an empty database. Until then only what"
        " Alembic itself compares is compared, with its false alarms."
    )


@only_sqlite
def test_type_that_no_comparison_knows_is_skipped_with_the_reasons(
    write_models: WriteModels, project: Project
) -> None:
    write_models(
        models="from sqlalchemy.dialects.postgresql import INET\n"
        'Table("users", metadata, Column("ip", INET))',
        upgrade='op.create_table("users", sa.Column("ip", sa.String(20)))',
    )

    found = check_drift(project)

    reason = "Compiler SQLiteTypeCompiler can't render element of type INET"
    assert [one.severity for one in found] == [Severity.SKIPPED, Severity.SKIPPED]
    assert found[0].message.startswith(
        "the tables of the models cannot be made: CompileError: (in table 'users', column 'ip'):"
        f" {reason}"
    )
    assert found[1].message.startswith(
        f"Alembic cannot compare the models: UnsupportedCompilationError: {reason}"
    )


@only_sqlite
def test_alembic_compares_models_that_cannot_be_made(
    write_models: WriteModels, project: Project
) -> None:
    write_models(
        models=MODELS + 'Table("groups", metadata, Column("id", Integer, primary_key=True))',
        upgrade=CREATE.format('sa.Column("age", sa.Integer)')
        + 'op.create_index("ix_age", "users", ["age"])',
    )

    _, *found = check_drift(project)

    assert sorted((one.rule, one.message, one.object) for one in found) == [
        (
            "drift-extra",
            "column users.age is in the migrations, but not in the models",
            "column users.age",
        ),
        (
            "drift-extra",
            "index users.ix_age is in the migrations, but not in the models",
            "index users.ix_age",
        ),
        (
            "drift-missing",
            "column users.nick is in the models, but not in the migrations",
            "column users.nick",
        ),
        (
            "drift-missing",
            "table groups is in the models, but not in the migrations",
            "table groups",
        ),
    ]
    assert (
        "add to a new revision's upgrade(), or change the model:\n"
        "op.add_column('users', sa.Column('nick', sa.String(length=20), nullable=True))"
    ) in [one.help for one in found]


def test_index_without_columns_is_found_and_the_rest_is_compared(
    write_models: WriteModels, project: Project
) -> None:
    write_models(
        models='Table("users", metadata, Column("id", Integer, primary_key=True),'
        ' Column("age", Integer), Index("ix"))',
        upgrade='op.create_table("users", sa.Column("id", sa.Integer, primary_key=True))',
    )

    found = {one.rule: one for one in check_drift(project)}

    assert set(found) == {"drift-missing", "drift-empty-index"}
    assert found["drift-missing"].object == "column users.age"
    assert str(found["drift-empty-index"]) == (
        "drift-empty-index: index users.ix has no columns in the models\n"
        "  No database can make it, so metadata.create_all() fails, and it is not compared.\n"
        "  help: name its columns behind its name: Index(name, column), or remove it."
    )


def test_table_that_nobody_makes_is_skipped(write_models: WriteModels, project: Project) -> None:
    write_models(
        models='Table("users", metadata, Column("id", Integer, ForeignKey("nowhere.id")))',
        upgrade='op.create_table("users", sa.Column("id", sa.Integer))',
    )

    found = check_drift(project)

    assert [(one.rule, one.severity) for one in found] == [
        ("drift-not-checked", Severity.SKIPPED),
        ("drift-not-checked", Severity.SKIPPED),
    ]
