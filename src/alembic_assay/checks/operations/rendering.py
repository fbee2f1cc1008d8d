"""Alembic's operations as the code of a migration."""

from __future__ import annotations

import copy
import importlib.util
import sys
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from alembic.autogenerate import render_op_text
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.operations.ops import MigrateOperation, ModifyTableOps
from alembic.runtime.migration import MigrationContext
from sqlalchemy import DefaultClause, Dialect
from sqlalchemy.sql.elements import conv
from sqlalchemy.types import TypeEngine

from alembic_assay.checks.operations.batches import Batch, Batches
from alembic_assay.checks.operations.plain_types import named_type_code
from alembic_assay.checks.operations.runnable import runnable


def render_operations(
    operations: Sequence[MigrateOperation],
    context: MigrationContext,
    batches: Batches | None = None,
) -> str | None:
    """Return the code of operations, as ``alembic revision --autogenerate`` would write it.

    It imports what it needs beside ``sa`` and ``op``. ``None`` where it could not be run, or would
    do something else. With ``batches``, or where env.py asks for it by ``render_as_batch``, tables
    are altered in batches.
    """
    rendering = _Rendering(context)
    in_batch = batches is not None or bool(context.opts.get("render_as_batch"))
    blocks: list[str] = []
    for place, group in groupby(operations, lambda one: _batch_of(one) if in_batch else None):
        if place is None:
            for one in group:
                blocks.append(rendering.render(one))
                if batches is not None:
                    batches.note(one)
            continue
        altering = list(group)
        batch = Batch(altering) if batches is None else batches.of(*place, altering)
        body = [rendering.render_in_batch(one) for one in batch.operations] or ["    pass"]
        blocks += [_header(*place, batch.options), *body]
        blocks += map(rendering.render, batch.afterwards)
    code = "\n".join([*sorted(rendering.imports), *blocks])
    is_env_pys = any(context.opts.get(name) for name in ("render_item", "user_module_prefix"))
    return runnable(code, knows_names=not is_env_pys) if rendering.is_complete else None


def _batch_of(operation: MigrateOperation) -> tuple[str, str | None] | None:
    """Return table and schema of the batch that an operation is to be part of.

    An index is made outside of it: a batch does so too, but loses its expressions.
    """
    columns = (ops.AddColumnOp, ops.DropColumnOp, ops.AlterColumnOp)
    if isinstance(operation, ops.CreateForeignKeyOp):
        return operation.source_table, operation.kw.get("source_schema")
    others = (ops.AddConstraintOp, ops.DropConstraintOp, ops.ModifyTableOps)
    if isinstance(operation, (*columns, *others)):
        return operation.table_name, operation.schema  # type: ignore[union-attr]
    return None


def _header(table: str, schema: str | None, options: dict[str, str]) -> str:
    given = {"schema": repr(schema), **options} if schema else options
    arguments = "".join(f", {name}={value}" for name, value in given.items())
    return f"with op.batch_alter_table({table!r}{arguments}) as batch_op:"


class _Rendering:
    """Renders operations, and remembers what must be imported for them."""

    def __init__(self, context: MigrationContext) -> None:
        # A migration doubles its percent signs for the driver itself.
        dialect = _without_doubled_percents(context.dialect)
        self._context = MigrationContext.configure(dialect=dialect, opts={})
        self._render_item_of_env_py = context.opts.get("render_item")
        self._user_module_prefix = context.opts.get("user_module_prefix")
        self._autogen_context = AutogenContext(
            self._context,
            opts={
                "sqlalchemy_module_prefix": "sa.",
                "alembic_module_prefix": "op.",
                "user_module_prefix": self._user_module_prefix,
                "render_item": self._render_item,
                "render_as_batch": True,
            },
            autogenerate=False,
        )
        self.imports: set[str] = set()
        """The statements that import what the code needs."""
        self._autogen_context.imports = self.imports
        self.is_complete = True

    def render(self, operation: MigrateOperation) -> str:
        """Return the code of an operation on ``op``."""
        if isinstance(operation, ops.ExecuteSQLOp):
            return f"op.execute({operation.sqltext!r})"
        if isinstance(operation, (ops.CreatePrimaryKeyOp, ops.CreateCheckConstraintOp)):
            return f"op.{self._constraint(operation, in_batch=False)}"
        return self._complete(operation, render_op_text(self._autogen_context, operation))

    def render_in_batch(self, operation: MigrateOperation) -> str:
        """Return the code of an operation on ``batch_op``, indented as it stands there."""
        if isinstance(operation, (ops.CreatePrimaryKeyOp, ops.CreateCheckConstraintOp)):
            return f"    batch_op.{self._constraint(operation, in_batch=True)}"
        batch = _batch_of(operation)
        assert batch is not None
        whole = ModifyTableOps(batch[0], [operation], schema=batch[1])
        header_and_code = render_op_text(self._autogen_context, whole)
        code = header_and_code.partition("\n")[2].rstrip("\n")
        return "    " + self._complete(operation, code)

    def _complete(self, operation: MigrateOperation, code: str) -> str:
        """Add what Alembic can carry out and does not write down."""
        using = isinstance(operation, ops.AlterColumnOp) and operation.kw.get("postgresql_using")
        if not using:
            return code
        indent = " " * 11
        return f"{code.removesuffix(')')},\n{indent}postgresql_using={using!r})"

    def _constraint(
        self, operation: ops.CreatePrimaryKeyOp | ops.CreateCheckConstraintOp, *, in_batch: bool
    ) -> str:
        """Render a constraint for which Alembic has, or long had, no code."""
        name, table, schema = operation.constraint_name, operation.table_name, operation.schema
        if isinstance(operation, ops.CreatePrimaryKeyOp):
            function, what = "create_primary_key", repr(list(operation.columns))
        else:
            function, what = "create_check_constraint", self._condition(operation)
        if in_batch:
            return f"{function}({_name(name, 'batch_op')}, {what})"
        place = f", schema={schema!r}" if schema else ""
        return f"{function}({_name(name, 'op')}, {table!r}, {what}{place})"

    def _condition(self, operation: ops.CreateCheckConstraintOp) -> str:
        condition: Any = operation.condition
        if not isinstance(condition, str):
            condition = self._context.impl.render_ddl_sql_expr(condition)
        return f"sa.text({condition!r})"

    def _render_item(self, kind: str, item: Any, asked: AutogenContext) -> Any:
        given = self._render_item_of_env_py
        rendered = given(kind, item, asked) if given is not None else False
        if rendered is not False:
            return rendered
        if kind == "server_default":
            return self._server_default(item)
        if kind == "type" and (code := named_type_code(item)) is not None:
            self.imports.add("from sqlalchemy.dialects import postgresql")
            return code
        if kind == "type" and not self._user_module_prefix:
            self._import_type(item)
        return False

    def _server_default(self, default: Any) -> Any:
        """Render texts as they are: Alembic takes quotes off."""
        argument = default.arg if isinstance(default, DefaultClause) else default
        if isinstance(argument, str):
            return repr(argument)
        if not isinstance(default, DefaultClause):
            return False
        sql = self._context.impl.render_ddl_sql_expr(argument, is_server_default=True)
        return f"sa.text({sql!r})"

    def _import_type(self, type_: TypeEngine[Any]) -> None:
        module = type(type_).__module__
        if module.partition(".")[0] == "sqlalchemy":
            return
        is_there = getattr(sys.modules.get(module), type(type_).__name__, None) is type(type_)
        if is_there and importlib.util.find_spec(module) is not None:
            self.imports.add(f"import {module}")
        else:
            self.is_complete = False


def _without_doubled_percents(dialect: Dialect) -> Dialect:
    plain: Any = copy.copy(dialect)
    plain.paramstyle, plain.positional = "named", False
    plain.identifier_preparer = plain.preparer(plain)
    return plain  # type: ignore[no-any-return]


def _name(name: Any, operations: str) -> str:
    if isinstance(name, conv):  # or a naming convention would be applied to it once more
        return f"{operations}.f({str(name)!r})"
    return repr(None if name is None else str(name))
