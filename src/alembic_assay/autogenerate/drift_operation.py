"""An operation of our own: a difference for which Alembic's comparison has none."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from itertools import dropwhile

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations.ops import MigrateOperation


@dataclass(frozen=True, slots=True)
class Code:
    """Lines of a migration, and the imports without which they do not run."""

    text: str
    imports: frozenset[str] = frozenset()

    @classmethod
    def of(cls, code: str) -> Code:
        """Take the imports off the front of lines that begin with them."""
        lines = code.splitlines()
        body = list(dropwhile(lambda line: line.startswith(("import ", "from ")), lines))
        return cls("\n".join(body), frozenset(lines[: len(lines) - len(body)]))


NOTHING = Code("")
"""There is nothing to be done."""


class DriftOp(MigrateOperation):
    """One difference in words, and the code that mends it.

    ``upgrade`` is what brings the database to where the models are, ``downgrade`` what takes it
    back. A difference for which there is no code is written down as a comment above ``pass``.
    """

    def __init__(
        self,
        rule: str,
        message: str,
        upgrade: Code,
        downgrade: Code,
        *,
        is_reversed: bool = False,
    ) -> None:
        self.rule = rule
        self.message = message
        self.upgrade = upgrade
        self.downgrade = downgrade
        self.is_reversed = is_reversed

    def reverse(self) -> DriftOp:
        """Return the way back."""
        return DriftOp(
            self.rule,
            self.message,
            self.upgrade,
            self.downgrade,
            is_reversed=not self.is_reversed,
        )

    def to_diff_tuple(self) -> tuple[str, str]:
        """Return what ``alembic check`` prints: the rule, and what differs."""
        return self.rule, self.message

    @property
    def code(self) -> Code:
        """The code for the direction in which the operation leads."""
        return self.downgrade if self.is_reversed else self.upgrade


@renderers.dispatch_for(DriftOp)
def _render(autogen_context: AutogenContext, operation: DriftOp) -> list[str]:
    code = operation.code
    if not code.text:
        return []
    autogen_context.imports.update(code.imports)
    if operation.is_reversed:
        return [code.text]
    return [*_comment(operation.message), code.text]


def _comment(message: str) -> list[str]:
    return [
        f"# {line}"
        for paragraph in message.splitlines()
        for line in textwrap.wrap(paragraph, 90, break_long_words=False, break_on_hyphens=False)
    ]
