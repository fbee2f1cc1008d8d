"""What the round trip says, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Dialect

from alembic_assay.catalog import Difference
from alembic_assay.checks.failures import reason
from alembic_assay.dialects import Backend
from alembic_assay.exceptions import MigrationFailed
from alembic_assay.findings import Finding, Severity
from alembic_assay.history import RevisionGraph

NAME = "round-trip"


def differences(
    graph: RevisionGraph,
    revision: str,
    *,
    made: Sequence[Difference],
    found: Sequence[Difference],
    second_step: str,
    downwards: bool,
    backend: Backend,
    dialect: Dialect,
) -> list[Finding]:
    """Return a finding for each object that is not as it was, or one if nothing was undone at all.

    ``made`` is what the first step changed, ``found`` what is left of that after the step back, and
    ``second_step`` what came of taking the first step again.
    """
    if not downwards and _is_untouched(made, found):
        return [_does_nothing(graph, revision, made, second_step)]
    way = "upgrade" if downwards else "downgrade"
    return [
        _difference(
            graph,
            revision,
            one,
            second_step=second_step,
            way=way,
            backend=backend,
            dialect=dialect,
        )
        for one in found
    ]


def second_step_fails(error: str) -> str:
    """Describe a second step that raised."""
    return f"so that the next one fails: {error}"


def second_step_differs(found: Sequence[Difference]) -> str:
    """Describe a second step that led to another schema than the first."""
    return f"so that the next one leads to another schema: {'; '.join(map(str, found[:3]))}"


def downgrade_failed(graph: RevisionGraph, failure: MigrationFailed) -> Finding:
    """Return the finding for a ``downgrade()`` that raised."""
    return _finding(
        graph,
        failure.revision,
        "downgrade-failed",
        f"downgrade of {graph.describe(failure.revision)} fails: {reason(failure)}",
        effect="A deployment with this revision cannot be rolled back.",
        remedy="correct downgrade(); if there is no way back, let it raise NotImplementedError,"
        " or name\n"
        f'it in [tool.alembic-assay.irreversible]: {failure.revision} = "why"',
    )


def upgrade_back_failed(graph: RevisionGraph, failure: MigrationFailed) -> Finding:
    """Return the finding for an ``upgrade()`` that raised after its own downgrade."""
    return _finding(
        graph,
        failure.revision,
        "upgrade-failed",
        f"upgrade to {graph.describe(failure.revision)}, after its downgrade, fails:"
        f" {reason(failure)}",
        effect="A database that was rolled back, or that is older, cannot be brought to head.",
        remedy="correct upgrade(), or downgrade() if that leaves something behind.",
    )


def second_upgrade_failed(graph: RevisionGraph, revision: str, error: str) -> Finding:
    """Return the finding for a second step that raised though the schema was as before."""
    return _finding(
        graph,
        revision,
        "reupgrade-failed",
        f"revision {graph.describe(revision)} fails when it is run a second time: {error}",
        effect="The schema is as it was before, so something else stays: rows, or Python state.",
        remedy="let downgrade() undo all that upgrade() does.",
    )


def failed_behind(
    graph: RevisionGraph, failure: MigrationFailed, missing: Sequence[str]
) -> Finding:
    """Return the finding for a failure that may only follow from an earlier one."""
    return Finding(
        NAME,
        "not-checked",
        f"revision {graph.describe(failure.revision)} could not be checked: {reason(failure)}",
        _due_to(missing),
        f"correct {missing[0]} first.",
        severity=Severity.SKIPPED,
        revision=failure.revision,
        path=str(graph.path(failure.revision)),
    )


def behind(
    findings: Sequence[Finding], made: Sequence[Difference], missing: Sequence[str]
) -> list[Finding]:
    """Return the findings for differences that may only follow from an earlier failure.

    What a revision has made itself and leaves behind is its own fault in any case.
    """
    own = {None, *(str(one.object) for one in made if one.before is None)}
    certain = ("round-trip-leftover", "downgrade-does-nothing")
    return [
        finding
        if finding.rule in certain and finding.object in own
        else replace(
            finding,
            effect=_due_to(missing),
            help=f"correct {missing[0]} first.",
            severity=Severity.SKIPPED,
        )
        for finding in findings
    ]


def _due_to(missing: Sequence[str]) -> str:
    return (
        f"It needs {', '.join(missing)}, which was not carried out: this may only be due to that."
    )


def _is_untouched(made: Sequence[Difference], found: Sequence[Difference]) -> bool:
    return bool(made) and [str(one) for one in made] == [str(one) for one in found]


def _does_nothing(
    graph: RevisionGraph, revision: str, made: Sequence[Difference], second_step: str
) -> Finding:
    return _finding(
        graph,
        revision,
        "downgrade-does-nothing",
        f"downgrade of {graph.describe(revision)} undoes nothing: {'; '.join(map(_stays, made))}",
        effect=f"The database is said to be a revision older and is not, {second_step or _STAYS}.",
        remedy="write downgrade(); if there is no way back, let it raise NotImplementedError.",
    )


def _stays(made: Difference) -> str:
    if made.before is None:
        return f"{made.object} stays"
    return f"{made.object} stays removed" if made.after is None else f"{made} stays"


def _difference(
    graph: RevisionGraph,
    revision: str,
    found: Difference,
    *,
    second_step: str,
    way: str,
    backend: Backend,
    dialect: Dialect,
) -> Finding:
    subject = f"{way} of {graph.describe(revision)}"
    effect = f"{second_step or _STAYS}."
    effect = effect[0].upper() + effect[1:]
    name = found.object.name
    if found.before is None:
        rule, message = "round-trip-leftover", f"{subject} leaves {found.object} behind"
        remedy = f"remove it in {way}(): {removal(found, backend, dialect)}"
    elif found.after is None:
        rule, message = "round-trip-missing", f"{subject} does not bring back {found.object}"
        remedy = f"create {name} again in {way}(), as it was before."
    else:
        rule, message = "round-trip-changed", f"{subject} brings back a different {found}"
        remedy = f"let {way}() restore {name} as it was before."
    finding = _finding(graph, revision, rule, message, effect=effect, remedy=remedy)
    return replace(finding, object=str(found.object))


_STAYS = "so that databases which went back differ from those which did not"


def removal(found: Difference, backend: Backend, dialect: Dialect) -> str:
    """Return the Alembic code that removes an object, or say how where there is none."""
    kind, name = found.object
    owner, _, own = name.rpartition(".")
    schema, _, table = owner.rpartition(".")
    if kind == "table":
        return f"op.drop_table({_quoted(own)}{_schema(owner)})"
    if kind == "column":
        return f"op.drop_column({_quoted(table)}, {_quoted(own)}{_schema(schema)})"
    if kind == "index":
        return f"op.drop_index({_quoted(own)}, table_name={_quoted(table)}{_schema(schema)})"
    if kind.endswith(("constraint", "key")):
        return _removal_of_constraint(found, backend)
    if kind == "enum":
        return f"sa.Enum(name={_quoted(own)}{_schema(owner)}).drop(op.get_bind())"
    statement = f"DROP {'TYPE' if kind.endswith('type') else kind.upper()}"
    if kind not in ("trigger", "policy", "rule"):
        return f"op.execute({_quoted(f'{statement} {_sql_name(name, dialect)}')})"
    place = f" ON {_sql_name(owner, dialect)}" if backend.has_triggers_by_table else ""
    return f"op.execute({_quoted(f'{statement} {_sql_name(own, dialect)}{place}')})"


_CONSTRAINT_TYPES = {
    "primary key": "primary",
    "foreign key": "foreignkey",
    "unique constraint": "unique",
    "check constraint": "check",
}
"""Alembic's words; some databases have a statement of its own for each."""


def _removal_of_constraint(found: Difference, backend: Backend) -> str:
    kind, path = found.object
    owner, _, name = path.rpartition(".")
    schema, _, table = owner.rpartition(".")
    if (found.after or {}).get("level") == "column":
        return f"it belongs to the column, so define that again without it: {table}.{name}"
    if backend.has_alter_constraint:
        type_ = _CONSTRAINT_TYPES.get(kind)
        typed = f", type_={_quoted(type_)}" if type_ else ""
        return f"op.drop_constraint({_quoted(name)}, {_quoted(table)}{typed}{_schema(schema)})"
    batch = f"op.batch_alter_table({_quoted(table)}"
    if name.startswith("("):
        return f"it has no name, so rebuild {table} without it: {batch}, copy_from=...)"
    return f"with {batch}) as batch: batch.drop_constraint({_quoted(name)})"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '\\"') + '"'


def _schema(schema: str) -> str:
    return f", schema={_quoted(schema)}" if schema else ""


def _sql_name(name: str, dialect: Dialect) -> str:
    """Quote a name, but not the parameters of a function, where SQL needs it."""
    path, bracket, parameters = name.partition("(")
    quote = dialect.identifier_preparer.quote
    return ".".join(map(quote, path.split("."))) + bracket + parameters


def _finding(
    graph: RevisionGraph, revision: str, rule: str, message: str, *, effect: str, remedy: str
) -> Finding:
    path = str(graph.path(revision))
    return Finding(NAME, rule, message, effect, remedy, revision=revision, path=path)
