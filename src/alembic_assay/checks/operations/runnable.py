"""Code as it can be run: with no names but known ones, and with SQL that stays what it is."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from sqlalchemy import text


def runnable(code: str, *, knows_names: bool = True) -> str | None:
    """Return rendered code as it can be run in a migration, or ``None`` where it cannot be.

    In a text SQLAlchemy takes ``:name`` for a parameter, unless a backslash stands before it. Which
    names there are beside ``sa`` and ``op`` is not looked at where that is not known.
    """
    try:
        tree = ast.parse(code)
    except SyntaxError:  # of what has no code, but a description
        return None
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    if knows_names and not used <= {"sa", "op", "batch_op", *_imported(tree)}:
        return None
    lines = code.splitlines()
    for literal in sorted(_texts(tree), key=lambda node: (node.lineno, -node.col_offset)):
        escaped = _escape(str(literal.value))
        if escaped is None or literal.end_lineno != literal.lineno:
            return None
        line = lines[literal.lineno - 1].encode()
        before, after = line[: literal.col_offset], line[literal.end_col_offset :]
        lines[literal.lineno - 1] = before.decode() + repr(escaped) + after.decode()
    return "\n".join(lines)


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                yield (alias.asname or alias.name).partition(".")[0]


def _texts(tree: ast.AST) -> Iterator[ast.Constant]:
    """Find the SQL in which SQLAlchemy looks for parameters."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            is_text = node.func.attr in ("text", "CheckConstraint", "Computed", "execute")
            if is_text and node.args and isinstance(node.args[0], ast.Constant):
                yield node.args[0]


def _escape(sql: str) -> str | None:
    """Return the text that is this SQL; ``None`` where there is none, as of ``[:alpha:]``."""
    escaped = sql
    for name in sorted(text(sql).compile().params, key=len, reverse=True):
        escaped = escaped.replace(f":{name}", f"\\:{name}")
    compiled = text(escaped).compile()
    return escaped if str(compiled) == sql and not compiled.params else None
