"""Check: the models say the same as the migrations."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import alembic.ddl
from alembic.autogenerate import produce_migrations, render_python_code
from alembic.operations.ops import MigrateOperation, ModifyTableOps, UpgradeOps
from alembic.runtime.migration import MigrationContext, RevisionStep

from alembic_assay.checks.drift_messages import describe, object_name
from alembic_assay.checks.failures import environment_failed, not_checked
from alembic_assay.environment import Environment, Heads
from alembic_assay.exceptions import (
    EnvironmentFault,
    HistoryError,
    MigrationFailed,
    first_line,
)
from alembic_assay.findings import Finding
from alembic_assay.project import Project

NAME = "drift"
_NOT_CHECKED = "drift-not-checked"


def check_drift(project: Project) -> list[Finding]:
    """Compare the models with the schema that the migrations make, as Alembic compares them.

    All that env.py gives to ``context.configure()`` is honoured: ``include_object``,
    ``compare_type``, ``compare_server_default``, ``include_schemas`` and the rest. One finding for
    each object, with the operation that is missing in the migrations.
    """
    try:
        graph = project.graph()
    except HistoryError as error:
        return [not_checked(NAME, _NOT_CHECKED, error.message, error.help)]
    if project.starts_from_models:
        return [
            not_checked(
                NAME,
                _NOT_CHECKED,
                "new installations are made from the models (baseline = create_all), so there is no"
                " schema of the migrations alone to compare them with",
            )
        ]
    with project.empty_environment(graph) as environment:
        try:
            project.migrate(environment)
            return drift_of(environment)
        except MigrationFailed as failure:
            return [
                not_checked(
                    NAME,
                    _NOT_CHECKED,
                    f"the migrations do not reach head: {failure.message}",
                    "correct that first; the check `upgrade` reports it.",
                )
            ]
        except EnvironmentFault as error:
            return [environment_failed(NAME, error)]


def drift_of(environment: Environment) -> list[Finding]:
    """Compare the models with a database that is at head. Only reads."""
    findings: list[Finding] = []

    def compare(heads: Heads, context: MigrationContext) -> Iterator[RevisionStep]:
        findings.extend(_compare(environment, context))
        yield from ()

    environment.run(compare)
    return findings


def _compare(environment: Environment, context: MigrationContext) -> list[Finding]:
    metadatas = environment.metadatas()
    place = environment.graph.script.env_py_location
    if not metadatas:
        return [
            not_checked(
                NAME,
                _NOT_CHECKED,
                f"{place} gives no target_metadata, so there are no models to compare with",
                'name them: --metadata package.models:Base, or metadata = "package.models:Base" in'
                " [tool.alembic-assay].",
            )
        ]
    if not any(metadata.tables for metadata in metadatas):
        return [
            not_checked(
                NAME,
                _NOT_CHECKED,
                f"the target_metadata of {place} has no tables",
                "import the modules of all models in env.py, before the metadata is used.",
            )
        ]
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            given: Any = metadatas if len(metadatas) > 1 else metadatas[0]
            found = produce_migrations(context, given)
    except Exception as error:  # whatever a model or a filter of the project may raise
        return [
            not_checked(
                NAME, _NOT_CHECKED, f"Alembic cannot compare the models: {first_line(error)}"
            )
        ]
    operations = _flat(found.upgrade_ops) if found.upgrade_ops is not None else []
    return [
        *(_finding(operation, table, context) for operation, table in operations),
        *(_warned(warning) for warning in caught if _is_from(alembic, warning)),
    ]


def _flat(
    operations: UpgradeOps | ModifyTableOps, table: ModifyTableOps | None = None
) -> list[tuple[MigrateOperation, ModifyTableOps | None]]:
    """Return the operations one by one, each with the table operation that it stands in."""
    flat: list[tuple[MigrateOperation, ModifyTableOps | None]] = []
    for operation in operations.ops:
        if isinstance(operation, ModifyTableOps):
            flat += _flat(operation, operation)
        else:
            flat.append((operation, table))
    return flat


def _finding(
    operation: MigrateOperation, table: ModifyTableOps | None, context: MigrationContext
) -> Finding:
    rule, message = describe(operation)
    return Finding(
        NAME,
        rule,
        message,
        "The application's models and its database do not agree.",
        f"add to a new revision's upgrade(), or change the model:\n"
        f"{_code(operation, table, context)}",
        object=object_name(operation),
    )


def _code(
    operation: MigrateOperation, table: ModifyTableOps | None, context: MigrationContext
) -> str:
    """Render what would have to be added, as ``alembic revision --autogenerate`` would."""
    whole: MigrateOperation = operation
    if table is not None:
        whole = ModifyTableOps(table.table_name, [operation], schema=table.schema)
    names = ("sqlalchemy_module_prefix", "alembic_module_prefix", "render_as_batch", "render_item")
    options = {
        name: context.opts[name]
        for name in (*names, "user_module_prefix")
        if context.opts.get(name) is not None
    }
    # With a script, Alembic wants target_metadata among the few options that it is given here.
    without_script = MigrationContext.configure(
        connection=context.connection, opts={**context.opts, "script": None}
    )
    code = render_python_code(UpgradeOps([whole]), migration_context=without_script, **options)
    lines = [
        line for line in code.splitlines() if line.strip() and not line.strip().startswith("#")
    ]
    return "\n".join(line.removeprefix("    ") for line in lines)


def _warned(warning: warnings.WarningMessage) -> Finding:
    message = str(warning.message)
    if _is_from(alembic.ddl, warning):
        return not_checked(NAME, _NOT_CHECKED, message)
    return Finding(
        NAME,
        "drift-not-alterable",
        message,
        "Alembic sees a difference here and knows no operation for it.",
        "change it by hand in a new revision (drop and add the column), or change the model.",
    )


def _is_from(package: ModuleType, warning: warnings.WarningMessage) -> bool:
    """Whether Alembic warns: in its comparison of a difference, in ``ddl`` of what it skips."""
    home = Path(str(package.__file__)).parent
    return issubclass(warning.category, UserWarning) and home in Path(warning.filename).parents
