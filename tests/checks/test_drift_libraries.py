"""What a library adds to Alembic's comparison is drift too."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.checks.conftest import WriteModels

    from tests.conftest import ProjectFiles

COMPARATOR = """
from alembic.autogenerate import comparators, renderers
from alembic.operations import MigrateOperation, Operations


@Operations.register_operation("ensure_greeting")
class EnsureGreetingOp(MigrateOperation):
    @classmethod
    def ensure_greeting(cls, operations, text):
        return operations.invoke(cls(text))

    def __init__(self, text):
        self.text = text

    def reverse(self):
        return self


@Operations.implementation_for(EnsureGreetingOp)
def ensure_greeting(operations, operation):
    operations.execute(f"CREATE TABLE greeting_{operation.text} (id INTEGER)")


@renderers.dispatch_for(EnsureGreetingOp)
def render_greeting(autogen_context, operation):
    return f"op.ensure_greeting({operation.text!r})"


@comparators.dispatch_for("schema")
def compare_greetings(autogen_context, upgrade_ops, schemas):
    if not autogen_context.inspector.has_table("greeting_hello"):
        upgrade_ops.ops.append(EnsureGreetingOp("hello"))
"""

MODELS = """
import greetings

Table("users", metadata, Column("id", Integer, primary_key=True))
"""
CREATE_USERS = 'op.create_table("users", sa.Column("id", sa.Integer, primary_key=True))'
OPTIONS = ", include_object=lambda item, name, *given: name != 'greeting_hello'"


def run_check(project_files: ProjectFiles) -> list[dict[str, Any]]:
    """Run the check in a process of its own: what a library registers stays for good."""
    (project_files.folder / "greetings.py").write_text(COMPARATOR)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "alembic_assay", "check", "drift"),
            *("--url", "sqlite://", "--format", "json"),
        ],
        cwd=project_files.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode < 2, done.stdout + done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)["findings"]
    return found


def test_operation_of_a_library_is_found(
    project_files: ProjectFiles, write_models: WriteModels
) -> None:
    write_models(models=MODELS, upgrade=CREATE_USERS, options=OPTIONS)

    [finding] = run_check(project_files)

    assert (finding["rule"], finding["message"]) == (
        "drift",
        "greetings asks for op.ensure_greeting('hello')",
    )
    assert finding["help"] == (
        "add to a new revision's upgrade(), or change the model:\nop.ensure_greeting('hello')"
    )


def test_library_that_fails_is_skipped_with_its_error(
    project_files: ProjectFiles, write_models: WriteModels
) -> None:
    write_models(models=MODELS, upgrade=CREATE_USERS, options=", include_object=None")
    (project_files.folder / "failing.py").write_text(
        "from alembic.autogenerate import comparators\n\n"
        '@comparators.dispatch_for("schema")\n'
        "def fail(autogen_context, upgrade_ops, schemas):\n"
        '    raise ValueError("no greeting")\n'
    )
    project_files.env.write_text(f"import failing\n{project_files.env.read_text()}")

    [finding] = run_check(project_files)

    assert (finding["severity"], finding["message"]) == (
        "skipped",
        "Alembic cannot compare the models: ValueError: no greeting",
    )


def test_code_for_an_operation_of_a_library_mends_the_drift(
    project_files: ProjectFiles, write_models: WriteModels
) -> None:
    write_models(models=MODELS, upgrade=CREATE_USERS, options=OPTIONS)
    [finding] = run_check(project_files)

    project_files.add_revision("0002", "0001", upgrade=finding["help"].partition("\n")[2])

    assert run_check(project_files) == []
