"""What env.py's functions leave out of the comparison is left out, and is said when asked for."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pytest

from alembic_assay.checks.drift import check_drift
from alembic_assay.findings import Severity
from alembic_assay.project import Project

if TYPE_CHECKING:
    from tests.checks.conftest import WriteModels

    from tests.conftest import ProjectFiles

only_postgresql = pytest.mark.parametrize("databases", ["postgresql"], indirect=True)
sqlite_and_postgresql = pytest.mark.parametrize(
    "databases", ["sqlite", "postgresql"], indirect=True
)

USERS = 'Table("users", metadata, Column("id", Integer, primary_key=True), {})\n'
CREATE_USERS = 'op.create_table("users", sa.Column("id", sa.Integer, primary_key=True), {})\n'


def found_messages(project: Project) -> list[str]:
    return [one.message for one in check_drift(project)]


EXTRA = {
    "table": 'op.create_table("extra", sa.Column("id", sa.Integer, primary_key=True))',
    "column": 'op.add_column("users", sa.Column("extra", sa.Integer))',
    "index": 'op.create_index("extra", "users", ["nick"])',
    "unique_constraint": 'op.create_unique_constraint("extra", "users", ["nick"])',
    "foreign_key_constraint": 'op.create_foreign_key("extra", "users", "users", ["boss"], ["id"])',
    "check_constraint": 'op.create_check_constraint("extra", "users", sa.text("id > 0"))',
}
COLUMNS = 'Column("nick", String(20)), Column("boss", Integer)'
CREATED = 'sa.Column("nick", sa.String(20)), sa.Column("boss", sa.Integer)'


@only_postgresql
@pytest.mark.parametrize("kind", EXTRA)
@pytest.mark.parametrize(
    "option",
    [
        "include_object=lambda item, name, kind, reflected, other: (kind, name) != ('{}', 'extra')",
        "include_name=lambda name, kind, parents: (kind, name) != ('{}', 'extra')",
    ],
)
def test_object_of_any_kind_that_a_filter_leaves_out_is_no_drift(
    write_models: WriteModels, project: Project, kind: str, option: str
) -> None:
    write_models(
        models=USERS.format(COLUMNS),
        upgrade=CREATE_USERS.format(CREATED) + EXTRA[kind],
        options=f", {option.format(kind)}",
    )

    assert found_messages(project) == []


@only_postgresql
@pytest.mark.parametrize("kind", EXTRA)
def test_object_of_any_kind_that_no_filter_leaves_out_is_found(
    write_models: WriteModels, project: Project, kind: str
) -> None:
    write_models(
        models=USERS.format(COLUMNS),
        upgrade=CREATE_USERS.format(CREATED) + EXTRA[kind],
        options=", include_object=lambda *given: True",
    )

    [finding] = check_drift(project)

    assert finding.rule == "drift-extra"


@only_postgresql
@pytest.mark.parametrize(
    "option",
    [
        "include_name=lambda name, kind, parents: kind != 'schema' or name != 'audit'",
        "include_object=lambda item, name, kind, *_: kind != 'table' or item.schema != 'audit'",
        "include_name=lambda name, kind, parents:"
        " parents.get('schema_qualified_table_name') not in ('audit.logs', 'audit.users')",
    ],
)
def test_schema_that_a_filter_leaves_out_is_not_compared(
    write_models: WriteModels, project: Project, option: str
) -> None:
    write_models(
        models=USERS.format('schema="audit"') + USERS.format(""),
        upgrade='op.execute("CREATE SCHEMA audit")\n'
        'op.create_table("logs", sa.Column("id", sa.Integer), schema="audit")\n'
        'op.create_table("users", sa.Column("no", sa.Integer), schema="audit")\n'
        + CREATE_USERS.format(""),
        options=f", include_schemas=True, {option}",
    )

    assert found_messages(project) == []


RECORDER = """
from pathlib import Path

def record(*call):
    with (Path(__file__).parent / "calls.txt").open("a") as file:
        print(repr(call), file=file)
    return True

def include_object(item, name, kind, reflected, other):
    table = item if kind == "table" else item.table
    twin = None if other is None else (other.name, getattr(other, "table", other).name)
    return record(kind, name, reflected, twin, item.name, table.name, table.schema, item.info)

def include_name(name, kind, parents):
    return record(kind, name, dict(parents))
"""


UNIQUE_AGE = 'sa.Column("age", sa.Integer), sa.UniqueConstraint("age", name="uq_age")'


def calls(project_files: ProjectFiles) -> list[tuple[object, ...]]:
    lines = (project_files.env.parent / "calls.txt").read_text().splitlines()
    return [ast.literal_eval(line) for line in lines]


@sqlite_and_postgresql
def test_include_object_is_asked_as_alembic_asks_it(
    project_files: ProjectFiles, write_models: WriteModels, project: Project
) -> None:
    write_models(
        models=RECORDER
        + USERS.format(
            'Column("nick", String(20), info={"hide": True}), UniqueConstraint("nick"),'
            ' CheckConstraint("id > 0", name="ck_id")'
        ),
        upgrade=CREATE_USERS.format(UNIQUE_AGE)
        + 'op.create_table("extra", sa.Column("no", sa.Integer))',
        options=", include_object=include_object",
    )

    check_drift(project)

    users, extra = ("users", None), ("extra", None)
    asked = calls(project_files)
    for call in [
        ("table", "users", False, ("users", "users"), "users", *users, {}),
        ("table", "extra", True, None, "extra", *extra, {}),
        ("column", "id", False, ("id", "users"), "id", *users, {}),
        ("column", "nick", False, None, "nick", *users, {"hide": True}),
        ("column", "no", True, None, "no", *extra, {}),
        ("unique_constraint", None, False, None, None, *users, {}),
        ("unique_constraint", "uq_age", True, None, "uq_age", *users, {}),
        ("check_constraint", "ck_id", False, None, "ck_id", *users, {}),
    ]:
        assert call in asked


@sqlite_and_postgresql
def test_include_name_is_asked_as_alembic_asks_it(
    project_files: ProjectFiles, write_models: WriteModels, project: Project
) -> None:
    write_models(
        models=RECORDER + USERS.format('Column("nick", String(20))'),
        upgrade=CREATE_USERS.format(UNIQUE_AGE),
        options=", include_name=include_name",
    )

    check_drift(project)

    table = {"schema_name": None, "schema_qualified_table_name": "users"}
    asked = calls(project_files)
    for call in [
        ("schema", None, {}),
        ("table", "users", table),
        ("column", "id", {**table, "table_name": "users"}),
        ("unique_constraint", "uq_age", {**table, "table_name": "users"}),
    ]:
        assert call in asked
    assert not [call for call in asked if call[1] == "nick"]  # the database does not have it


def test_filter_that_looks_at_alembics_context_is_honoured(
    write_models: WriteModels, project: Project
) -> None:
    write_models(
        models="""
        from alembic import context

        def include_object(item, name, kind, reflected, other):
            assert context.get_x_argument(as_dictionary=True) == {}
            return name != context.config.get_main_option("hidden", "extra")

        """
        + USERS.format(""),
        upgrade=CREATE_USERS.format("") + EXTRA["table"],
        options=", include_object=include_object",
    )

    assert found_messages(project) == []


@pytest.mark.parametrize(
    "option",
    [
        "include_object=lambda *given: 1 / 0",
        "include_name=lambda *given: 1 / 0",
        "compare_type=lambda *given: 1 / 0",
        "compare_server_default=lambda *given: 1 / 0",
    ],
)
def test_function_of_env_that_raises_is_skipped_with_its_error(
    write_models: WriteModels, project: Project, option: str
) -> None:
    write_models(
        models=USERS.format('Column("nick", String(20), server_default="x")'),
        upgrade=CREATE_USERS.format('sa.Column("nick", sa.Integer)'),
        options=f", {option}",
    )

    [finding] = check_drift(project)

    assert finding.severity is Severity.SKIPPED
    assert str(finding) == (
        "drift-not-checked: the filters of env.py fail: ZeroDivisionError: division by zero"
    )


NOTHING_BUT = """
def compare_type(context, inspected, metadata, inspected_type, metadata_type):
    assert (inspected.name, metadata.name) == ("nick", "nick")
    return not isinstance(metadata_type, String)

def compare_default(context, inspected, metadata, inspected_default, default, rendered):
    assert (inspected.name, metadata.name) == ("nick", "nick")
    return rendered != "x"
"""


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ("", ["type", "default"]),
        (", compare_type=compare_type", ["default"]),
        (", compare_type=lambda *given: None", ["type", "default"]),
        (", compare_server_default=compare_default", ["type"]),
        (", compare_server_default=lambda *given: None", ["type", "default"]),
        (", compare_type=compare_type, compare_server_default=compare_default", []),
    ],
)
def test_functions_that_compare_are_honoured(
    write_models: WriteModels, project: Project, options: str, left: list[str]
) -> None:
    write_models(
        models=NOTHING_BUT + USERS.format('Column("nick", String(20), server_default="x")'),
        upgrade=CREATE_USERS.format('sa.Column("nick", sa.String(30))'),
        options=options,
    )

    message = "".join(found_messages(project))

    assert ("(20)" in message) is ("type" in left)
    assert ("server default" in message) is ("default" in left)


@sqlite_and_postgresql
def test_notes_tell_what_is_no_drift(write_models: WriteModels, project: Project) -> None:
    write_models(
        models=USERS.format('Column("nick", String(20)), UniqueConstraint("nick")'),
        upgrade=CREATE_USERS.format(
            'sa.Column("nick", sa.String(20)), sa.UniqueConstraint("nick", name="Our uq")'
        )
        + 'op.execute("CREATE VIEW nicks AS SELECT nick FROM users")\n'
        + EXTRA["table"],
        options=", include_object=lambda item, name, *given: name != 'extra'",
    )
    assert check_drift(project) == []

    found = check_drift(project, notes=True)

    unique = {
        "sqlite": "unique constraint users.(nick)",
        "postgresql": "unique constraint users.users_nick_key",
    }[project.databases.backend.name]
    assert {one.severity for one in found} == {Severity.NOTE}
    assert [str(one) for one in found] == [
        f"drift-undeclared: {unique}: named Our uq in the migrations\n"
        "  The models have no say in it, so it is no drift.",
        "drift-undeclared: view nicks is in the migrations, but not in the models\n"
        "  The models have no say in it, so it is no drift.",
        "drift-hidden: table extra was not compared: env.py's include_object or include_name"
        " leaves it out",
    ]
