"""``@pytest.mark.assay(…)``: what a test wants of its database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import pytest

NAME = "assay"

Isolation = Literal["rollback", "fresh"]

DESCRIPTION = (
    'assay(isolation="rollback", reset_sequences=False, databases=["default"]): what the database'
    ' fixtures of a test do. isolation="fresh" gives them a database of their own, with real'
    " commits. reset_sequences=True has the numbers for new rows begin anew. databases names those"
    " that the test uses besides."
)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a test wants: its isolation, whether sequences begin anew, databases besides."""

    isolation: Isolation = "rollback"
    reset_sequences: bool = False
    databases: tuple[str, ...] = ()


def wishes_of(item: pytest.Item) -> Wishes:
    """Return what the marker of a test says. Raises ``pytest.UsageError`` for what it cannot."""
    marker = item.get_closest_marker(NAME)
    if marker is None:
        return Wishes()
    try:
        return _assay(*marker.args, **marker.kwargs)
    except TypeError as error:
        said = str(error).replace("_assay()", "@pytest.mark.assay")
        raise pytest.UsageError(f"{item.nodeid}: {said}\n  help: {DESCRIPTION}") from None


def _assay(
    *, isolation: str = "rollback", reset_sequences: bool = False, databases: Sequence[str] = ()
) -> Wishes:
    if isolation not in get_args(Isolation):
        raise TypeError(f'_assay() knows no isolation="{isolation}"')
    if not isinstance(reset_sequences, bool):
        raise TypeError(
            f"_assay() takes True or False for reset_sequences, not {reset_sequences!r}"
        )
    if isinstance(databases, str) or not all(isinstance(name, str) for name in databases):
        raise TypeError(f"_assay() takes a list of names for databases, not {databases!r}")
    kind: Isolation = "fresh" if isolation == "fresh" else "rollback"
    return Wishes(kind, reset_sequences, tuple(databases))
