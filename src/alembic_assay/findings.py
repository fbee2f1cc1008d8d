"""What a check says: findings."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass


class Severity(str, enum.Enum):
    """How a finding counts.

    An ``error`` fails a check. A ``note`` is something to know, such as a revision that is
    irreversible on purpose. ``skipped`` says that something could not be checked, and why.
    """

    ERROR = "error"
    NOTE = "note"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check found: what is so, what that does, what to do about it.

    ``rule`` is the stable name of the kind of finding (``round-trip-leftover``); ``object`` names
    the schema object it is about, ``revision`` and ``path`` the revision file, where there is one.
    """

    check: str
    rule: str
    message: str
    effect: str = ""
    help: str = ""
    severity: Severity = Severity.ERROR
    revision: str | None = None
    path: str | None = None
    object: str | None = None

    def __str__(self) -> str:
        lines = [f"{self.rule}: {self.message}"]
        lines += [f"  {line}" for line in self.effect.splitlines()]
        helps = self.help.splitlines()
        lines += [
            f"  {'help: ' if number == 0 else '      '}{line}" for number, line in enumerate(helps)
        ]
        return "\n".join(lines)


def errors(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings that fail a check."""
    return [finding for finding in findings if finding.severity is Severity.ERROR]
