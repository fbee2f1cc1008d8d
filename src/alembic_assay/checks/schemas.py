"""The database of the models against another one: its differences as findings."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Column, Connection, Inspector, MetaData
from sqlalchemy.engine.interfaces import ReflectedColumn

from alembic_assay.catalog import ObjectId
from alembic_assay.checks.comparison import Drift, Side, compare_sides
from alembic_assay.checks.declared import Declared
from alembic_assay.checks.drift_messages import describe, rule_of
from alembic_assay.checks.failures import not_checked
from alembic_assay.checks.filters import left_out
from alembic_assay.checks.models_database import empty_indexes
from alembic_assay.checks.operations.remedies import Remedies
from alembic_assay.checks.scene import Scene
from alembic_assay.dialects import Backend
from alembic_assay.exceptions import first_line
from alembic_assay.findings import Finding, Severity


def schema_findings(check: str, schemas: Schemas, *, notes: bool) -> list[Finding]:
    """Return a finding for each difference; with ``notes`` also for what is none.

    To be called while env.py runs, as its filters may look at Alembic's context.
    """
    try:
        hidden = schemas.hidden()
        drifts = schemas.compare(hidden)
    except Exception as error:  # whatever a filter of the project may raise
        if not schemas.is_filtered:
            raise
        reason = f"the filters of env.py fail: {first_line(error)}"
        return [not_checked(check, "drift-not-checked", reason)]
    empty = {found: _empty_index(check, found) for found in schemas.empty_indexes()}
    drifts = [drift for drift in drifts if drift.object not in empty]
    remedies = Remedies(schemas.scene(), [drift for drift in drifts if drift.is_declared])
    findings = [_drifted(check, schemas, drift, remedies.find(drift)) for drift in remedies.drifts]
    findings += empty.values()
    if notes:
        findings += [
            _undeclared(check, schemas, drift) for drift in drifts if not drift.is_declared
        ]
        findings += [_hidden(check, found) for found in sorted(hidden)]
    return findings


class Schemas:
    """The schema of the models' database, behind ``scratch``, and the one behind ``migrated``.

    ``context`` is Alembic's, with the options of env.py. Of ``migrated``, which findings call
    ``place``, it only reads.
    """

    def __init__(
        self,
        backend: Backend,
        context: MigrationContext,
        metadatas: Sequence[MetaData],
        scratch: Connection,
        migrated: Connection,
        *,
        place: str = "migrations",
    ) -> None:
        self.backend = backend
        self.place = place
        self._inspectors: dict[str, Inspector] = {}
        self.context = context
        self.scratch = scratch
        self.migrated = migrated
        options = scratch.get_execution_options()
        self.declared = Declared(
            metadatas,
            migrated.dialect,
            migrated.dialect.default_schema_name,
            options.get("schema_translate_map") or {},
        )
        models = self._read(scratch)
        migrations = self._read(migrated).spelled_as(models, backend)
        kept_as = self._tables_in_lower_case(models)
        self.models = models.with_tables_named(kept_as)
        self.migrations = migrations.with_tables_named(kept_as)

    @property
    def is_filtered(self) -> bool:
        """Whether functions of the project take part in the comparison."""
        names = ("include_object", "include_name", "compare_type", "compare_server_default")
        return any(callable(self.context.opts.get(name)) for name in names)

    def leave_out(self, found: Collection[ObjectId]) -> None:
        """Compare without these objects."""
        self.models = self.models.without(found)
        self.migrations = self.migrations.without(found)

    def hidden(self) -> set[ObjectId]:
        """Return what the filters of env.py leave out."""
        return left_out(self.models, self.migrations, self.declared, self.context)

    def compare(self, hidden: Collection[ObjectId]) -> list[Drift]:
        """Return what differs among the rest, by the lights of env.py."""
        elsewhere = self._elsewhere(self.models) | self._elsewhere(self.migrations)
        drifts = self.compare_all({*hidden, *elsewhere})
        return [drift for one in drifts if (drift := self._judged_by_env_py(one)) is not None]

    def compare_all(self, left_out: Collection[ObjectId] = ()) -> list[Drift]:
        """Return what differs anywhere but in these objects, whatever env.py thinks of it."""
        models, migrations = self.models.without(left_out), self.migrations.without(left_out)
        # With all objects, as an index may be there by itself for a foreign key that is left out.
        likeness = self.backend.likeness(self.scratch, self.models.objects, self.migrations.objects)
        drifts = compare_sides(models, migrations, likeness, self.declared)
        self.scratch.rollback()
        return drifts

    def empty_indexes(self) -> list[ObjectId]:
        """Return the indexes of nothing that the models declare."""
        return [
            ObjectId("index", f"{self.declared.name_of(index.table)}.{index.name}")
            for index in empty_indexes(self.declared.metadatas)
            if index.table is not None
        ]

    def scene(self) -> Scene:
        """Return what is known here, for those who are to find remedies."""
        return Scene(
            self.backend,
            self.context,
            self.declared,
            self.scratch,
            self.migrated,
            self.models,
            self.migrations,
            self._inspectors,
        )

    def _read(self, connection: Connection) -> Side:
        version_table = self.context.version_table_schema, self.context.version_table
        snapshot = self.backend.read_catalog(connection, version_table=version_table)
        return Side.of(snapshot)

    def _tables_in_lower_case(self, models: Side) -> dict[str, str]:
        """Return the names in the models of tables that the server keeps in lower case.

        MySQL does so on Windows, or where it is told to.
        https://dev.mysql.com/doc/refman/8.4/en/identifier-case-sensitivity.html
        """
        made = {found.name for found in models.objects if found.kind == "table"}
        left = made - self.declared.tables.keys()
        declared = self.declared.tables.keys() - made
        return {name.lower(): name for name in declared if name.lower() in left}

    def _elsewhere(self, side: Side) -> set[ObjectId]:
        """Return what stands in schemas where the models have nothing: it is somebody else's."""
        schemas = self.declared.schemas
        return {
            found
            for found in side.objects
            if found not in side.owners and _schema_of(found, side) not in schemas
        }

    def _judged_by_env_py(self, drift: Drift) -> Drift | None:
        """Return what is left of a difference where env.py has a say in it."""
        if drift.object.kind != "column" or not drift.attributes:
            return drift
        equal = set()
        if "type" in drift.attributes and self._is_same_type(drift):
            equal.add("type")
        if "default" in drift.attributes and self._is_same_default(drift):
            equal.add("default")
        left = tuple(name for name in drift.attributes if name not in equal)
        return replace(drift, attributes=left) if left else None

    def _is_same_type(self, drift: Drift) -> bool:
        judge = self.context.opts.get("compare_type", True)
        if not callable(judge):
            return not judge
        column, found = self._columns(drift)
        if column is None or found is None:
            return False
        reflected = Column(found["name"], found["type"])
        return judge(self.context, reflected, column, found["type"], column.type) is False

    def _is_same_default(self, drift: Drift) -> bool:
        judge = self.context.opts.get("compare_server_default")
        column, found = self._columns(drift)
        if not callable(judge) or column is None or found is None:
            return False
        reflected = Column(found["name"], found["type"])
        there = found.get("default")
        ours = column.server_default
        verdict = judge(self.context, reflected, column, there, ours, _rendered(ours))
        return verdict is False

    def _columns(self, drift: Drift) -> tuple[Column[object] | None, ReflectedColumn | None]:
        column = self.declared.item(drift.object, drift.owner, drift.own_name)
        if not isinstance(column, Column):
            return None, None
        return column, self.scene().migrated_column(column.table, column.name)


def _schema_of(found: ObjectId, side: Side) -> str | None:
    """Return the schema of a table, a view or the like; ``None`` for the default one."""
    if found.kind in _WITHOUT_SCHEMA:
        return None
    schema, _, _ = found.name.partition("(")[0].rpartition(".")
    return schema if ObjectId("schema", schema) in side.objects else None


_WITHOUT_SCHEMA = frozenset({"schema", "extension", "event trigger"})


def _rendered(default: object) -> str | None:
    argument = getattr(default, "arg", None)
    return None if argument is None else str(getattr(argument, "text", argument))


def _drifted(check: str, schemas: Schemas, drift: Drift, remedy: str) -> Finding:
    return Finding(
        check,
        rule_of(drift),
        describe(drift, schemas.place),
        "The application's models and its database do not agree.",
        remedy,
        object=str(drift.object),
    )


def _empty_index(check: str, found: ObjectId) -> Finding:
    return Finding(
        check,
        "drift-empty-index",
        f"{found} has no columns in the models",
        "No database can make it, so metadata.create_all() fails, and it is not compared.",
        "name its columns behind its name: Index(name, column), or remove it.",
        object=str(found),
    )


def _undeclared(check: str, schemas: Schemas, drift: Drift) -> Finding:
    return Finding(
        check,
        "drift-undeclared",
        describe(drift, schemas.place),
        "The models have no say in it, so it is no drift.",
        severity=Severity.NOTE,
        object=str(drift.object),
    )


def _hidden(check: str, found: ObjectId) -> Finding:
    return Finding(
        check,
        "drift-hidden",
        f"{found} was not compared: env.py's include_object or include_name leaves it out",
        severity=Severity.NOTE,
        object=str(found),
    )
