"""Check: the models say the same as a database that something else migrated."""

from __future__ import annotations

from collections.abc import Iterator

from alembic.runtime.migration import MigrationContext, RevisionStep
from sqlalchemy import URL, Connection, MetaData

from alembic_assay.catalog import ObjectId
from alembic_assay.checks.drift import NAME
from alembic_assay.checks.failures import environment_failed, missing_models, not_checked
from alembic_assay.checks.models_database import (
    CannotCreateModels,
    Models,
    models_database,
    models_of,
)
from alembic_assay.checks.schemas import Schemas, schema_findings
from alembic_assay.dialects import get_backend
from alembic_assay.environment import Heads, MetaDatas
from alembic_assay.exceptions import ConfigError, EnvironmentFault, UsageError
from alembic_assay.findings import Finding, Severity
from alembic_assay.history import RevisionGraph
from alembic_assay.project import Project
from alembic_assay.urls import mask, parse_url

BOOKKEEPING = (
    *("flyway_schema_history", "databasechangelog", "databasechangeloglock"),
    *("schema_migrations", "ar_internal_metadata", "_prisma_migrations", "goose_db_version"),
    *("django_migrations", "atlas_schema_revisions", "knex_migrations", "knex_migrations_lock"),
)
"""Tables in which other migration tools keep what they have done."""


def check_database(project: Project, url: str | URL, *, notes: bool = False) -> list[Finding]:
    """Compare the models with a database that something else migrated, which is only read.

    It may be one that another tool migrates, or a replica of the one in production: the session is
    told to refuse every change, and nothing but the catalogue is read. The models' tables are made
    in a database of our own, of the same kind. Compares as ``check_drift`` does; the tables in
    which Alembic, Flyway, Liquibase and their like keep their books are left out.

    Raises ``UsageError`` where ``project`` makes databases of another kind, and
    ``DatabaseUnreachable``.
    """
    target = parse_url(url)
    backend = project.databases.backend
    if get_backend(target) is not backend:
        raise UsageError(
            f"{mask(target)} is of another kind than the databases that are made here:"
            f" {backend.name}",
            effect="Two schemas can only be compared on the same kind of database.",
            help="name a server of that kind for the models: ASSAY_URL.",
        )
    with backend.connect_read_only(target) as migrated:
        try:
            return _check(project, migrated, notes=notes)
        except CannotCreateModels as error:
            return [not_checked(NAME, "drift-not-checked", error.message, error.help)]
        except EnvironmentFault as error:
            return [environment_failed(NAME, error)]


def _check(project: Project, migrated: Connection, *, notes: bool) -> list[Finding]:
    try:
        graph = project.graph()
    except ConfigError:
        if project.metadata is None:
            raise
        return _check_without_env_py(project, project.metadata, migrated, notes=notes)
    return _check_within_env_py(project, graph, migrated, notes=notes)


def _check_within_env_py(
    project: Project, graph: RevisionGraph, migrated: Connection, *, notes: bool
) -> list[Finding]:
    """Compare while env.py runs, on an empty database of our own, for its models and options."""
    findings: list[Finding] = []

    def compare(heads: Heads, context: MigrationContext) -> Iterator[RevisionStep]:
        findings.extend(_findings(project, context, models, scratch, migrated, notes=notes))
        yield from ()

    with project.empty_environment(graph) as environment:
        environment.probe()
        if missing := missing_models(NAME, environment):
            return [missing]
        models = models_of(project, environment)
        with models_database(project.databases, models, migrated.engine.url) as scratch:
            environment.run(compare)
    return findings


def _check_without_env_py(
    project: Project, metadata: MetaDatas, migrated: Connection, *, notes: bool
) -> list[Finding]:
    metadatas = [metadata] if isinstance(metadata, MetaData) else list(metadata)
    context = MigrationContext.configure(migrated, opts={"target_metadata": metadata})
    models = Models(metadatas)
    with models_database(project.databases, models, migrated.engine.url) as scratch:
        return _findings(project, context, models, scratch, migrated, notes=notes)


def _findings(
    project: Project,
    context: MigrationContext,
    models: Models,
    scratch: Connection,
    migrated: Connection,
    *,
    notes: bool,
) -> list[Finding]:
    schemas = Schemas(
        project.databases.backend, context, models.metadatas, scratch, migrated, place="database"
    )
    schemas.leave_out(_bookkeeping(schemas))
    found = schema_findings(NAME, schemas, notes=notes)
    migrated.rollback()
    return [*other_version(scratch, migrated), *found]


def _bookkeeping(schemas: Schemas) -> set[ObjectId]:
    return {
        found
        for found in schemas.migrations.objects
        if found.kind == "table"
        and found.name.rpartition(".")[2].lower() in BOOKKEEPING
        and found not in schemas.models.objects
    }


def other_version(scratch: Connection, migrated: Connection) -> list[Finding]:
    """Note that the two servers may print the same thing in different ways."""
    ours, theirs = scratch.dialect.server_version_info, migrated.dialect.server_version_info
    if ours == theirs or ours is None or theirs is None or ours[0] == theirs[0]:
        return []
    return [
        Finding(
            NAME,
            "drift-other-version",
            f"the models' tables were made on version {_dotted(ours)} of the server, the database"
            f" is on {_dotted(theirs)}",
            "Some definitions may differ only because versions print them differently.",
            "name a server of the same version for the models: ASSAY_URL.",
            severity=Severity.NOTE,
        )
    ]


def _dotted(version: tuple[object, ...]) -> str:
    return ".".join(map(str, version))
