"""Check: ``create_all`` and a stamp make the same database as the migrations."""

from __future__ import annotations

from collections import Counter

from sqlalchemy import URL, Connection, inspect, select, table, text

from alembic_assay.checks.comparison import Drift
from alembic_assay.checks.drift_messages import describe, rule_of
from alembic_assay.checks.failures import (
    environment_failed,
    head_not_reached,
    missing_models,
    not_checked,
)
from alembic_assay.checks.models_database import (
    CannotCreateModels,
    lay_baseline_without_tables,
    models_of,
    refuse_other_databases,
)
from alembic_assay.checks.schemas import Schemas
from alembic_assay.environment import Environment
from alembic_assay.exceptions import EnvironmentFault, HistoryError, MigrationFailed, first_line
from alembic_assay.findings import Finding
from alembic_assay.history import RevisionGraph
from alembic_assay.project import Project

NAME = "create-all"
_NOT_CHECKED = "create-all-not-checked"


def check_create_all(project: Project) -> list[Finding]:
    """Compare what ``create_all`` and a stamp make with what the migrations make, rows included.

    Only where this finds nothing may new databases be made by
    ``apply_migrations(create="create_all")``. It compares all that ``check_drift`` does, and also
    what counts as no drift: views, triggers and functions that only the migrations make, the names
    of constraints (a later revision may drop one by its name), what env.py's filters leave out, and
    the rows of every table.
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
                "new installations are made from the models already (baseline = create_all), and"
                " the migrations cannot make one to compare with",
            )
        ]
    with project.databases.temporary() as migrated, project.databases.temporary() as created:
        try:
            return _compare(project, graph, migrated, created)
        except MigrationFailed as failure:
            return [head_not_reached(NAME, failure)]
        except CannotCreateModels as error:
            return [not_checked(NAME, _NOT_CHECKED, error.message, error.help)]
        except EnvironmentFault as error:
            return [environment_failed(NAME, error)]


def _compare(project: Project, graph: RevisionGraph, migrated: URL, created: URL) -> list[Finding]:
    project.lay_baseline(migrated)
    with project.environment(migrated, graph) as theirs:
        project.migrate(theirs)
        if missing := missing_models(NAME, theirs):
            return [missing]
        models = models_of(project, theirs)
        refuse_other_databases(project.databases.backend, models)
        lay_baseline_without_tables(project.databases, models, created)
        return _compare_with(project, theirs, created)


def _compare_with(project: Project, theirs: Environment, created: URL) -> list[Finding]:
    with project.environment(created, theirs.graph) as ours:
        try:
            project.create_from_models(ours)
        except EnvironmentFault:
            raise
        except Exception as error:  # whatever a model, a driver or a listener may raise
            return [_create_all_failed(error)]
        return [*_schema_findings(ours, theirs), *_row_findings(ours, theirs)]


def _create_all_failed(error: Exception) -> Finding:
    return Finding(
        NAME,
        "create-all-failed",
        f"the models cannot make a database: {first_line(error)}",
        "create_all is no way to make a new one.",
        'let apply_migrations run the migrations (create="upgrade"), or correct the models.',
    )


def _schema_findings(ours: Environment, theirs: Environment) -> list[Finding]:
    assert theirs.context is not None, "env.py has run"
    schemas = Schemas(
        ours.backend, theirs.context, ours.metadatas(), ours.connection, theirs.connection
    )
    return [_finding(drift) for drift in schemas.compare_all()]


def _finding(drift: Drift) -> Finding:
    rule = rule_of(drift).replace("drift", NAME)
    return Finding(
        NAME,
        rule,
        describe(drift),
        "A database that create_all makes is not the one that the migrations make.",
        "let the models make it too (by a DDL event, where they have no words for it), or let"
        ' apply_migrations\nrun the migrations: create="upgrade".',
        object=str(drift.object),
    )


def _row_findings(ours: Environment, theirs: Environment) -> list[Finding]:
    findings = []
    for schema, name in _tables_of_both(ours, theirs):
        made, migrated = (
            _rows(ours.connection, schema, name),
            _rows(theirs.connection, schema, name),
        )
        if made != migrated:
            shown = f"{schema}.{name}" if schema else name
            findings.append(_other_rows(shown, made, migrated))
    for environment in (ours, theirs):
        environment.connection.rollback()
    return findings


def _tables_of_both(ours: Environment, theirs: Environment) -> list[tuple[str | None, str]]:
    schemas = {table.schema for one in ours.metadatas() for table in one.tables.values()}
    found = []
    for schema in sorted({None, *schemas}, key=lambda schema: schema or ""):
        both = set(inspect(ours.connection).get_table_names(schema=schema)) & set(
            inspect(theirs.connection).get_table_names(schema=schema)
        )
        found += [(schema, name) for name in sorted(both)]
    return [place for place in found if place != theirs.version_table]


def _rows(connection: Connection, schema: str | None, name: str) -> Counter[tuple[str, ...]]:
    """Return all rows, whatever the order of columns, with how often there is each."""
    result = connection.execute(select(text("*")).select_from(table(name, schema=schema)))
    columns = sorted(result.keys())
    return Counter(tuple(repr(row[name]) for name in columns) for row in result.mappings())


def _other_rows(
    name: str, made: Counter[tuple[str, ...]], migrated: Counter[tuple[str, ...]]
) -> Finding:
    return Finding(
        NAME,
        "create-all-rows",
        f"table {name}: {_number(made)} in the models, {_number(migrated)} in the migrations"
        + (", and not the same" if made.total() == migrated.total() else ""),
        "A database that create_all makes lacks rows that the migrations insert, or has others.",
        "insert them after create_all too (an after_create event of the table), or let"
        ' apply_migrations\nrun the migrations: create="upgrade".',
        object=f"table {name}",
    )


def _number(rows: Counter[tuple[str, ...]]) -> str:
    total = rows.total()
    return f"{total or 'no'} row{'' if total == 1 else 's'}"
